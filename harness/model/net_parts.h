/* Inside of net.h, shared by net.c (making it), forward.c (running it), decoder.c and calibrate.c. */
#ifndef QB_NET_PARTS_H
#define QB_NET_PARTS_H

#include "compute/attention.h"
#include "compute/scratch.h"
#include "model/net.h"

enum { NO_LINEAR = -1 };

struct layer {
    int qkv, out, up, down; /* indices of net->linears, NO_LINEAR where the architecture has none */
    const float *norm1_weight, *norm1_bias, *norm2_weight, *norm2_bias; /* NULL: no norm */
    size_t in, inner, width_out; /* row widths: layer input, after up, layer output */
};

/* One operator and the tensor it is made of. */
struct op {
    struct qb_linear *linear;
    const struct qb_tensor *tensor;
    const float *bias; /* NULL: none */
};

struct qb_net {
    const struct qb_model *model;
    const struct qb_variant *variant;
    struct qb_pool *pool;
    struct op *linears; /* [0]: embedding; then in order of use; an untied head last */
    size_t linear_count;
    int head; /* index; 0 when tied */
    struct layer *layers;
    const float *norm_weight, *norm_bias;
    float *positions;
    size_t width; /* the widest row of a layer's input or output */
    struct qb_net_calibration calibration;
    /* While calibrating: sees every operator's input before it is applied. */
    enum qb_status (*observe)(void *context, size_t linear, const float *x, size_t n, struct qb_error *err);
    void *observer;
    /* Working memory, each for one purpose. */
    struct qb_scratch linear_scratch, scores, normed, qkv, mixed, inner, back, last;
};

/* Applies operator `linear`, output channels [row, row + count), with bias; y's rows are `count` wide. */
enum qb_status net_apply(struct qb_net *net, int linear, const float *x, size_t n, size_t row, size_t count, float *y,
                         struct qb_error *err);
/* normed(x) for attention, or x itself where the architecture has no norm there; NULL on failure. */
const float *net_norm1(struct qb_net *net, const struct layer *layer, const float *x, size_t n, struct qb_error *err);
/* What follows attention, h[n, in]: with `mixed` (attention's result, or NULL) the output projection and its residual,
 * then the mlp. Result in out[n, width_out], which may be h where the widths agree. */
enum qb_status net_after_attention(struct qb_net *net, const struct layer *layer, const float *mixed, float *h,
                                   size_t n, float *out, struct qb_error *err);
/* One layer over batch x length positions, h -> out. */
enum qb_status net_layer(struct qb_net *net, const struct layer *layer, float *h, size_t batch, size_t length,
                         float *out, struct qb_error *err);
/* Embeddings of tokens[batch, length], whose first position is `past`. */
enum qb_status net_embed_at(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, size_t past,
                            float *x, struct qb_error *err);
/* The final norm in place, and the check that the result is finite. */
enum qb_status net_finish(struct qb_net *net, float *hidden, size_t n, struct qb_error *err);

/* Estimates S and alpha on the calibration contexts and sets them (calibrate.c). */
enum qb_status net_calibrate(struct qb_net *net, const struct qb_calibration_data *data, struct qb_error *err);

#endif
