/* Inside of net.h, shared by net.c (making it) and step.c (running it). */
#ifndef QB_NET_PARTS_H
#define QB_NET_PARTS_H

#include "compute/scratch.h"
#include "model/net.h"

/* Output channels [row, row + rows) of an operator: all of it, or a row block of a fused one. rows 0: there is none. */
struct part {
    size_t linear; /* index of net->linears */
    size_t row, rows;
};

struct norm {
    const float *weight, *bias; /* weight NULL: no norm */
};

enum { QUERY, KEY, VALUE, SIDES };

struct layer {
    struct norm attention_norm, mlp_norm;
    struct part attention[SIDES], out, up, down;
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
    struct qb_pool *pool;
    struct op *linears; /* [0]: embedding; then in order of use; an untied head last */
    size_t linear_count;
    struct part embed, head;
    struct layer *layers;
    struct norm norm;            /* before the head */
    struct qb_linear *positions; /* a row a position, read by row; NULL: none */
    size_t width;                /* the widest row of a layer's input or output */
    struct qb_net_calibration calibration;
    qb_net_observer observe; /* NULL: nobody */
    void *observer;
    /* Working memory, each for one purpose. */
    struct qb_scratch linear_scratch, scores, state, other, position, normed, kept, query, qkv, mixed, inner, back;
};

#endif
