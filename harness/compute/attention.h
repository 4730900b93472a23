/* softmax(q k^T / sqrt(d)) v per sequence and head, FP32, by BLAS over blocks of queries. */
#ifndef QB_ATTENTION_H
#define QB_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include "base/threads.h"
#include "compute/scratch.h"

/* One side of it: position p, head h of sequence s starts at data + s * batch_stride + p * stride + h * head_dim. */
struct qb_heads {
    const float *data;
    size_t stride, batch_stride;
};

struct qb_attention {
    struct qb_heads q, k, v;
    float *out; /* laid out as q's: position p of sequence s at out + s * out_batch_stride + p * out_stride */
    size_t out_stride, out_batch_stride;
    size_t batch, queries, keys; /* sequences; positions that ask; positions that are seen, queries <= keys */
    size_t heads, head_dim;
    const float *key_bias; /* added to the scores of key j of sequence s: key_bias[s * keys + j]; NULL: nothing. The
                              logarithm of a count makes one key stand for that many equal ones. */
    bool causal;           /* the queries are the last of the keys, and query i sees keys < keys - queries + i + 1 */
};

/* Bitwise the same for any number of threads. */
enum qb_status qb_attention(struct qb_pool *pool, const struct qb_attention *attention, struct qb_scratch *scratch,
                            struct qb_error *err);
/* Plain loops in double: the reference that tests compare with. scores: room for `keys` doubles. */
void qb_attention_ref(const struct qb_attention *attention, double *scores);

#endif
