/* An FP32 net over a model's weights with some of the placed tensors rounded through the codec. Rounded weights are
 * FP32 numbers, so decoding at use would give the same bits. What lies before the first tensor that is tried is not run
 * again. */
#ifndef QB_ATTRIBUTE_BENCH_H
#define QB_ATTRIBUTE_BENCH_H

#include "attribute.h"

struct swap { /* one placed tensor */
    const struct qb_tensor *tensor;
    size_t index;     /* in the model's list */
    size_t stage;     /* the layer that it belongs to; the number of layers: only logits depend on it */
    bool embedding;   /* the states depend on it from the start */
    uint32_t covered; /* roles that are placed */
    float *rounded;
};

struct bench {
    struct judge *judge;
    struct swap *swaps;
    size_t count;
    struct qb_model model;   /* env's, with a list of tensors of its own whose data are what is to be run */
    float *hidden;           /* [position, H] of what is at work */
    float *state, *next;     /* before and after a layer: [chunk, length, width] */
    float *inside[2];        /* likewise within one chunk */
    const bool *use, *taken; /* [count]: tensors to try; tensors that are rounded already */
};

/* The bench of the judge's variant: its placed tensors in the order in which the net uses them, rounded by the format
 * of its weights. Close it also on failure. */
enum qb_status bench_open(struct judge *judge, struct bench *bench, struct qb_error *err);
void bench_close(struct bench *bench);

/* Puts the tensor's rounded weights, or its own, into the model that is run. */
void bench_put(struct bench *bench, const struct swap *swap, bool rounded);
/* Likewise FP32 values of the tensor's shape, borrowed. */
void bench_put_floats(struct bench *bench, const struct swap *swap, const float *values);

/* KL of the model as it was put together: kl[positions]. */
enum qb_status bench_kl(struct bench *bench, double *kl, struct qb_error *err);

/* Over the first `chunks` chunks: KL with each tensor of `use` rounded on top of those of `taken`, everything else
 * FP32. kl[count, chunks * compared]; rows of other tensors are left alone. */
enum qb_status bench_try(struct bench *bench, size_t chunks, double *kl, struct qb_error *err);

#endif
