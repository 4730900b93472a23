/* The forward pass: a model under a variant. One step serves every architecture, variant and use: teacher forcing,
 * blocks of a prompt, decoding. FP32, batched over positions, bitwise deterministic over thread counts and processes
 * for the same shapes. */
#ifndef QB_NET_H
#define QB_NET_H

#include <stddef.h>
#include <stdint.h>
#include "base/threads.h"
#include "compute/kv.h"
#include "compute/linear.h"
#include "model/model.h"

/* A net keeps working memory between calls: one thread uses it at a time, and one pool runs nothing else meanwhile. */
struct qb_net;

/* Builds every linear operator of model under variant (NULL: FP32 reference), without S, alpha and input scales: a
 * variant that takes calibration contexts is made by qb_net_prepare (calibrate.h). Borrows model, variant and pool. */
enum qb_status qb_net_create(const struct qb_model *model, const struct qb_variant *variant, struct qb_pool *pool,
                             struct qb_net **net, struct qb_error *err);
void qb_net_free(struct qb_net *net);
/* The pool from now on, in the place of the one that it was built with (which may be gone). */
void qb_net_use_pool(struct qb_net *net, struct qb_pool *pool);
const struct qb_model *qb_net_model(const struct qb_net *net);

/* n more positions of each of `batch` sequences. */
struct qb_step {
    const int32_t *tokens; /* [batch, n] */
    size_t batch, n;
    size_t kept;           /* of how many last positions of each sequence the final hidden state is wanted: 1 to n */
    const float *key_bias; /* [batch, n], added to the scores of these positions as keys (attention.h), without kv only;
                              NULL: nothing */
    bool apart;            /* the bits of steps of one sequence each; false: of products over all of them */
};

/* Final hidden states (after the final norm, before the head) of the kept positions: hidden[batch * kept, H],
 * H = arch.hidden. The positions follow those that kv holds (NULL: none), whose length grows by n on success;
 * without kv, too, keys and values are what the variant keeps of them.
 * Longrope's factors follow the length that the sequence may reach, which is kv's capacity, without kv n: steps over
 * one kv agree. In the last layer only keys and values are computed of positions that are not kept; without attention
 * nothing is. A token out of range, or a position beyond the model's context, is QB_ERR_INPUT; a hidden state that is
 * not finite is QB_ERR_NUMERIC, naming the position, and so is one between layers that the variant's act cannot hold,
 * naming layer and position; more positions than kv has room for is QB_ERR_INTERNAL. */
enum qb_status qb_net_step(struct qb_net *net, struct qb_kv *kv, const struct qb_step *step, float *hidden,
                           struct qb_error *err);
/* The kv that steps of this net take, of at most `step` positions (0: any number): as the variant keeps keys and
 * values, FP32 in one piece where it says nothing. The model may not let positions see later ones: what it kept of them
 * would be wrong (QB_ERR_INTERNAL). */
enum qb_status qb_net_kv(const struct qb_net *net, size_t batch, size_t capacity, size_t step, struct qb_kv **kv,
                         struct qb_error *err);
/* How the net's variant keeps keys and values, what of it binds on the model; NULL: FP32. Owned by the net. */
const struct qb_kv_options *qb_net_kv_options(const struct qb_net *net);
/* What went through the net's caches so far where its variant encodes keys or values; else zeros. */
struct qb_kv_tally qb_net_kv_tally(const struct qb_net *net);
/* Bytes that one position takes from a layer to the next, as the variant keeps it (FP32: 4 a number), where that is
 * most; 0: the model has one layer. */
size_t qb_net_act_bytes(const struct qb_net *net);
/* What a step refuses of tokens[batch, n] that follow `past` positions. */
enum qb_status qb_net_check(const struct qb_net *net, const int32_t *tokens, size_t batch, size_t n, size_t past,
                            struct qb_error *err);
/* The step that keeps all positions and has no past: tokens[batch, length] -> hidden[batch * length, H]. */
enum qb_status qb_net_forward(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, float *hidden,
                              struct qb_error *err);

/* logits[n, vocab] of hidden[n, H], alpha applied. */
enum qb_status qb_net_logits(struct qb_net *net, const float *hidden, size_t n, float *logits, struct qb_error *err);
/* The same with the bits of calls of `each` positions one after the other (0: one call): the head is decoded once for
 * all of them. */
enum qb_status qb_net_logits_each(struct qb_net *net, const float *hidden, size_t n, size_t each, float *logits,
                                  struct qb_error *err);
/* The two halves of qb_net_logits: the head with the cap that the family puts on its logits, and alpha in place: alpha
 * is of the logits that the model gives, as the standard deviations that it is found from. What alpha costs or mends is
 * seen between them. */
enum qb_status qb_net_raw_logits(struct qb_net *net, const float *hidden, size_t n, float *logits,
                                 struct qb_error *err);
void qb_net_scale_logits(const struct qb_net *net, size_t n, float *logits);

/* Layer by layer; together they are bitwise qb_net_forward: x[batch * length, width]. embed: tokens -> x (width H).
 * block: a layer, in -> out, which do not overlap; out is what the next layer reads, after the variant's act. finish:
 * final norm in place, and the check that all is finite. */
size_t qb_net_width(const struct qb_net *net); /* the largest row width any x needs */
enum qb_status qb_net_embed(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, float *x,
                            struct qb_error *err);
size_t qb_net_layers(const struct qb_net *net); /* blocks; the chain: its hidden linears */
size_t qb_net_layer_width(const struct qb_net *net, size_t layer, int output); /* row width of its input or output */
enum qb_status qb_net_block(struct qb_net *net, size_t layer, const float *in, size_t batch, size_t length, float *out,
                            struct qb_error *err);
enum qb_status qb_net_finish(struct qb_net *net, float *hidden, size_t n, struct qb_error *err);

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
/* Copied; alpha is applied from now on. S is set on the operators (qb_linear_set_scale). */
void qb_net_set_calibration(struct qb_net *net, const struct qb_net_calibration *calibration);

/* Every stored tensor of the net, for memory accounting: a row a segment, plus embeddings, norms, biases, scales. */
struct qb_net_buffer {
    const char *tensor; /* name */
    uint32_t roles;
    int layer;
    const char *store;  /* codec id or "fp32" */
    size_t values;      /* of the model's weights; 0 of a scale that the variant adds */
    size_t bytes;       /* what the stored form takes */
    size_t cache_bytes; /* decoded copies kept */
    size_t held_bytes;  /* what must be in memory for it: own bytes and copies, or what the model's file has */
};
/* Fills at most `room` rows and returns how many there are. A fused tensor cut into segments has a row each under the
 * same name; under a path that codes the activations alone, placed weights are FP32 in memory and say so ("fp32"); a
 * channel scale S is a row "calibration.scale", an s of inputs a row "input_scale", with the matrix's roles |
 * QB_ROLE_BIAS. */
size_t qb_net_buffers(const struct qb_net *net, struct qb_net_buffer *rows, size_t room);

/* Does any operator multiply encoded bytes as they lie (enum qb_fusing)? */
bool qb_net_fused(const struct qb_net *net);
/* How many matrices lack working copies for it, for want of memory, and are slow. */
size_t qb_net_lacks_copies(const struct qb_net *net);

/* Bytes that copies of the weights that are not placed take as FP32, where the model's file has another format; making
 * these copies; and reading those of an FP32 net of the same model, which outlives this one. From then on such weights
 * are read as they are, and cost no decoding. */
size_t qb_net_foreign_bytes(const struct qb_net *net);
enum qb_status qb_net_hold_fp32(struct qb_net *net, struct qb_error *err);
void qb_net_share_fp32(struct qb_net *net, const struct qb_net *held);

/* Bytes of working memory that the net and this kv (NULL: none) keep between steps: what steps so far needed at most.
 * Freeing the net's, so that the next step takes what it needs itself. */
size_t qb_net_working_bytes(const struct qb_net *net, const struct qb_kv *kv);
void qb_net_drop_working(struct qb_net *net);
/* What qb_net_working_bytes is once it was dropped, a new kv was filled with `past` positions (qb_kv_fill), and a step
 * of one position of each of `batch` sequences went through, with its logits. */
enum qb_status qb_net_working_need(const struct qb_net *net, size_t batch, size_t past, size_t *bytes,
                                   struct qb_error *err);
/* What qb_kv_bytes is of the kv that qb_net_kv makes, without making it (qb_kv_need). */
enum qb_status qb_net_kv_need(const struct qb_net *net, size_t batch, size_t capacity, size_t step, size_t *bytes,
                              struct qb_error *err);

/* Decodes weights once instead of at every product, where the copies take at most `most` bytes and half of what the
 * process's limit leaves; says whether. No bit of any result changes; for many steps of few positions. */
bool qb_net_keep_decoded(struct qb_net *net, size_t most);

/* The net's operators: 0 is the embedding (and the head, when tied), then each layer's in order of use, an untied head
 * last. NULL past the end. *tensor (may be NULL) gets the tensor it was made of. Owned by the net; for timing single
 * layers (qb_linear_rows, qb_linear_apply) while nothing else uses the net. */
struct qb_linear *qb_net_linear(struct qb_net *net, size_t index, const struct qb_tensor **tensor);

/* The index of the head's operator. */
size_t qb_net_head(const struct qb_net *net);
/* From now on `observe` (NULL: nobody) sees every operator's input x[n, cols] before it is applied, a fused one's once
 * a product; its failure ends the step. */
typedef enum qb_status (*qb_net_observer)(void *context, size_t index, const float *x, size_t n, struct qb_error *err);
void qb_net_observe(struct qb_net *net, qb_net_observer observe, void *context);

#endif
