/* Inside of net.h, shared by net.c (making it), step.c and layer.c (running it). */
#ifndef QB_NET_PARTS_H
#define QB_NET_PARTS_H

#include "compute/scratch.h"
#include "model/angles.h"
#include "model/net.h"

/* Output channels [row, row + rows) of an operator: all of it, or a row block of a fused one. rows 0: there is none. */
struct part {
    size_t linear; /* index of net->linears */
    size_t row, rows;
};

struct norm {
    const float *weight, *bias; /* weight NULL: no norm; bias NULL: none */
};

enum { QUERY, KEY, VALUE, SIDES };
enum { GATE, UP, MLP_SIDES };

struct layer {
    struct norm norms[QB_NORM_FINAL]; /* by where they stand */
    struct part attention[SIDES], out, mlp[MLP_SIDES], down;
    size_t rope;          /* index of arch.rope and of the net's tables */
    size_t window;        /* as in attention.h */
    size_t in, width_out; /* row widths of the layer's input and output */
};

/* One operator and the tensor it is made of. */
struct op {
    struct qb_linear *linear;
    const struct qb_tensor *tensor;
};

struct qb_net {
    const struct qb_model *model;
    const struct qb_variant *variant;
    bool unencoded; /* operators are FP32's until they are replaced (qb_net_prepare) */
    struct qb_pool *pool;
    struct op *linears; /* [0]: embedding; then in order of use; an untied head last */
    size_t linear_count;
    struct part embed, head;
    struct layer *layers;
    struct norm norm;                /* before the head */
    struct qb_angle_table angles[2]; /* of arch.rope */
    struct qb_linear *positions;     /* a row a position, read by row; NULL: none */
    size_t width;                    /* the widest row of a layer's input or output */
    struct qb_net_calibration calibration;
    struct qb_kv_options kv;     /* of the variant; block 0: keys and values are FP32 */
    struct qb_kv_tally kv_tally; /* of all caches of this net */
    struct qb_kv *passing;       /* of the layer at work, where no kv is given and they are not */
    const struct qb_format *act; /* of the variant, for what a layer hands to the next; NULL: FP32 */
    size_t act_bytes;            /* of a position, where it is widest */
    qb_net_observer observe;     /* NULL: nobody */
    void *observer;
    /* Working memory, each for one purpose. */
    struct qb_scratch linear_scratch, scores, state, other, position, normed, kept, query, qkv, mixed, inner, back,
        gated, at_rest;
};

/* ---- in net.c ---- */

/* qb_net_create; unencoded: with FP32's operators for weights, which the caller replaces. */
enum qb_status net_create(const struct qb_model *model, const struct qb_variant *variant, bool unencoded,
                          struct qb_pool *pool, struct qb_net **net, struct qb_error *err);
/* An operator of the net's for the tensor under variant (NULL: FP32), from inputs that it was seen to take (NULL:
 * none).
 */
enum qb_status net_operator(struct qb_net *net, const struct qb_tensor *tensor, const struct qb_variant *variant,
                            const struct qb_seen *seen, struct qb_linear **linear, struct qb_error *err);

/* ---- in condition.c ---- */

struct qb_calibration_data;
/* Encodes the weights of an unencoded net by its variant, from the inputs that they take on data's positions. */
enum qb_status net_condition(struct qb_net *net, const struct qb_calibration_data *data, struct qb_error *err);

/* ---- in step.c ---- */

/* The shape of the kv that qb_net_kv makes; its windows are windows[]. */
void net_kv_shape(const struct qb_net *net, size_t batch, size_t capacity, size_t step, struct qb_kv_shape *shape,
                  size_t windows[QB_LAYERS_MAX]);

/* ---- in layer.c ---- */

/* The first of parts[count] and those behind it that are the next row blocks of the same operator, as one product;
 * returns how many parts it is. */
size_t net_product(const struct part *parts, size_t count, struct part *product);

/* y[n, part.rows], rows ld apart, of x[n, cols], with bias; each and again as qb_linear_apply_each has them. */
enum qb_status net_apply_each(struct qb_net *net, struct part part, const float *x, size_t n, size_t each, bool again,
                              float *y, size_t ld, struct qb_error *err);
/* out[n, width] = norm(x), which may be out; there must be a norm. */
void net_norm(struct qb_net *net, const struct norm *norm, enum qb_norm kind, const float *x, size_t n, size_t width,
              float *out);
/* One layer over h[batch * n, in], which it spoils -> out[batch * kept, width_out]. out may be h where the mlp leads
 * back to the layer's width (arch.mlp_down). */
enum qb_status net_layer(struct qb_net *net, struct qb_kv *kv, size_t index, const struct qb_step *step, float *h,
                         float *out, struct qb_error *err);

#endif
