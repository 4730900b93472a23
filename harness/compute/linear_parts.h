/* Inside of linear.h's operator, shared by linear.c (making it) and linear_apply.c (using it). */
#ifndef QB_LINEAR_PARTS_H
#define QB_LINEAR_PARTS_H

#include "compute/linear.h"

enum treatment {
    TREAT_FLOAT,   /* not placed: the model's FP32 rows */
    TREAT_STORED,  /* placed: encoded bytes, decoded or read as coordinates at use */
    TREAT_CODED,   /* placed, but what is encoded are the activations: FP32 rows times c(x) */
    TREAT_FP16,    /* kept in FP16 by calibration: decoded at use, whatever the path */
    TREAT_REVERSED /* FP32 rows and x, both from the last entry to the first: a sum in another order */
};

struct segment {
    enum treatment treatment;
    size_t row, rows;
    uint32_t roles;
    const struct qb_format *format; /* of bytes */
    void *bytes;                    /* TREAT_STORED, TREAT_FP16 */
    float *cache;                   /* the decoded rows, once made and when they are kept */
    bool keep;                      /* decode once and keep */
    bool coordinates;               /* read as c(W) instead of decoded */
    bool coded_input;               /* takes c(x) */
};

/* Is the product made of rows that are prepared at use: decoded, read as coordinates, or turned round? */
static inline bool segment_prepared(const struct segment *segment)
{
    return segment->bytes || segment->treatment == TREAT_REVERSED;
}

struct qb_linear {
    const struct qb_format *activations; /* of c(x) */
    const float *weights, *bias;
    float *decoded; /* TEMPORARY: own copy of weights in another format */
    float *scale;   /* S for each row, 1 where a segment takes none; NULL: none */
    size_t rows, cols;
    struct segment segments[QB_CUT_MAX];
    size_t segment_count;
    struct qb_scratch *scratch, own;
    struct qb_linear_counters counters;
    uint64_t rows_decoded;
};

#endif
