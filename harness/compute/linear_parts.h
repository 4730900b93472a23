/* Inside of linear.h's operator, shared by linear.c (making it) and linear_apply.c (using it). */
#ifndef QB_LINEAR_PARTS_H
#define QB_LINEAR_PARTS_H

#include "compute/linear.h"

enum treatment {
    TREAT_AS_IT_IS, /* not placed: the model's rows */
    TREAT_STORED,   /* placed: encoded bytes, decoded or read as coordinates at use */
    TREAT_CODED,    /* placed, but what is encoded are the activations: the model's rows times c(x), or times what
                       transport makes of it */
    TREAT_FP16,     /* kept in FP16 by calibration: decoded at use, whatever the path */
    TREAT_OTHER,    /* in one of the variant's others: decoded at use */
    TREAT_REVERSED  /* the model's rows and x, both from the last entry to the first: a sum in another order */
};

struct segment {
    enum treatment treatment;
    size_t row, rows;
    uint32_t roles;
    const struct qb_format *format; /* that the variant stores it in; NULL: as the model has it */
    void *bytes;                    /* own, encoded in format; NULL: the model's */
    float *cache;                   /* own: the decoded rows, once made and when they are kept */
    struct qb_fused *fused;         /* own: for products that read the bytes as they lie; NULL: none do */
    struct qb_log_product *logs;    /* own: for products of logarithms; NULL: none are */
    bool keep;                      /* decode once and keep */
    bool coded_input;               /* takes c(x) */
    bool conditioned;               /* what is encoded are changed weights, and it takes changed x */
    struct qb_matrix matrix;        /* what is multiplied: the model's, the encoded bytes, or the cache */
    size_t first;                   /* its row that is the segment's first */
    const struct qb_matrix_ops *ops;
};

/* Values of the model's own bytes in another format than FP32. */
static inline bool segment_is_foreign(const struct segment *segment)
{
    return !segment->bytes && segment->matrix.format && segment->treatment != TREAT_REVERSED;
}

struct qb_linear {
    const struct qb_format *activations;  /* of c(x) */
    const struct qb_transport *transport; /* of segments that take c(x): of what W is multiplied by; NULL: of c(x) */
    float *point;                         /* own, [cols]: the mean point of it; NULL: none was set */
    const float *bias;
    float *scale;                        /* S for each row, 1 where a segment takes none; NULL: none */
    struct qb_conditioning conditioning; /* of the segments that are conditioned */
    float *input_scale;                  /* its s; NULL: none */
    double input_alpha;                  /* alpha of s */
    size_t rows, cols;
    struct segment segments[QB_CUT_MAX];
    size_t segment_count;
    struct qb_scratch *scratch, own;
};

#endif
