/* The forward pass: a model under a variant. One engine for every architecture and variant; FP32, batched over
 * positions, bitwise deterministic over thread counts and processes for the same shapes. */
#ifndef QB_NET_H
#define QB_NET_H

#include <stddef.h>
#include <stdint.h>
#include "base/threads.h"
#include "compute/linear.h"
#include "model/model.h"

/* A net keeps working memory between calls: one thread uses it at a time, and one pool runs nothing else meanwhile. */
struct qb_net;

/* Tokens for estimating S and alpha: contexts x length. */
struct qb_calibration_data {
    const int32_t *tokens;
    size_t contexts, length;
};

/* Builds every linear operator of model under variant (NULL: FP32 reference) and, when the variant is calibrated, runs
 * the calibration (needs data; QB_ERR_INPUT naming the model when it is NULL). Borrows model, variant and pool. */
enum qb_status qb_net_create(const struct qb_model *model, const struct qb_variant *variant,
                             const struct qb_calibration_data *calibration, struct qb_pool *pool, struct qb_net **net,
                             struct qb_error *err);
void qb_net_free(struct qb_net *net);
/* The pool from now on, in the place of the one that it was built with (which may be gone). */
void qb_net_use_pool(struct qb_net *net, struct qb_pool *pool);
const struct qb_model *qb_net_model(const struct qb_net *net);

/* What calibration found: alpha as applied and before the clamp (1 when off), the two standard deviations it is of, and
 * for each linear the range of S. Both are over all logits but those of tokens that the FP32 model gives no probability
 * at the position (base/probability.h): a masked token's logit, which is whatever the mask is, is no measure of scale.
 * On a model that masks none this is the plain std of source-protocols 3, bit for bit. */
struct qb_net_calibration {
    double alpha, alpha_raw, logit_std_fp, logit_std_q;
    size_t linears;                       /* with a scale */
    float scale_min[256], scale_max[256]; /* of the first 256 */
};
const struct qb_net_calibration *qb_net_calibration(const struct qb_net *net);

/* A hidden state that is not finite is QB_ERR_NUMERIC, naming the position.
 * Final hidden states (after the final norm, before the head) of all positions: tokens[batch, length] ->
 * hidden[batch * length, H], H = arch.hidden. */
enum qb_status qb_net_forward(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, float *hidden,
                              struct qb_error *err);

/* logits[n, vocab] of hidden[n, H], alpha applied. */
enum qb_status qb_net_logits(struct qb_net *net, const float *hidden, size_t n, float *logits, struct qb_error *err);
/* Its two halves: the head alone, and alpha in place. What alpha costs or mends is seen between them. */
enum qb_status qb_net_raw_logits(struct qb_net *net, const float *hidden, size_t n, float *logits,
                                 struct qb_error *err);
void qb_net_scale_logits(const struct qb_net *net, size_t n, float *logits);

/* Step by step; together they are bitwise qb_net_forward: x[batch * length, width]. embed: tokens -> x (width H).
 * block: layer on x in place (room for the widest layer: qb_net_width). finish: final norm in place. */
size_t qb_net_width(const struct qb_net *net); /* the largest row width any x needs */
enum qb_status qb_net_embed(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, float *x,
                            struct qb_error *err);
size_t qb_net_layers(const struct qb_net *net); /* blocks; the chain: its hidden linears */
size_t qb_net_layer_width(const struct qb_net *net, size_t layer, int output); /* row width of its input or output */
enum qb_status qb_net_block(struct qb_net *net, size_t layer, const float *in, size_t batch, size_t length, float *out,
                            struct qb_error *err);
enum qb_status qb_net_finish(struct qb_net *net, float *hidden, size_t n, struct qb_error *err);

/* Generation: sequences that grow. For causal models with KV cache (FP32), for the chain the last token alone, for
 * models that see all positions by recomputing (of the last layer only what the last position needs). */
struct qb_decoder;
enum qb_status qb_decoder_create(struct qb_net *net, size_t batch, size_t capacity, struct qb_decoder **decoder,
                                 struct qb_error *err);
void qb_decoder_free(struct qb_decoder *decoder);
/* A decoder borrows its net and shares its working memory. capacity: positions a sequence may reach; more is an error,
 * as is more than the model's context. Appends tokens[batch, count], count >= 1, and returns the final hidden state of
 * the last position of each: hidden[batch, H]. */
enum qb_status qb_decoder_feed(struct qb_decoder *decoder, const int32_t *tokens, size_t count, float *hidden,
                               struct qb_error *err);
size_t qb_decoder_kv_bytes(const struct qb_decoder *decoder);

/* Every stored tensor of the net, for memory accounting: a row a segment, plus embeddings, norms, biases, scales. */
struct qb_net_buffer {
    const char *tensor; /* name */
    uint32_t roles;
    int layer;
    const char *store;  /* codec id or "fp32" */
    size_t values;      /* of the model's weights; 0 of a scale that the variant adds */
    size_t bytes;       /* what the stored form takes */
    size_t cache_bytes; /* decoded copies kept */
};
/* Fills at most `room` rows and returns how many there are. A fused tensor cut into segments has a row each under the
 * same name; under a path that codes the activations alone, placed weights are FP32 in memory and say so ("fp32"); a
 * channel scale S is a row "calibration.scale" with the matrix's roles | QB_ROLE_BIAS. */
size_t qb_net_buffers(const struct qb_net *net, struct qb_net_buffer *rows, size_t room);

/* The net's operators: 0 is the embedding (and the head, when tied), then each layer's in order of use, an untied head
 * last. NULL past the end. *tensor (may be NULL) gets the tensor it was made of. Owned by the net; for timing single
 * layers (qb_linear_rows, qb_linear_apply) while nothing else uses the net. */
struct qb_linear *qb_net_linear(struct qb_net *net, size_t index, const struct qb_tensor **tensor);

#endif
