/* softmax(q k^T * scale) v per sequence and head, FP32, by BLAS over blocks of queries and tiles of keys: scores exist
 * of one tile at a time. Tiles are put together by the logarithms of their sums (online softmax: Milakov and Gimelshein
 * 2018, Dao et al. 2022). */
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

/* Keys and values that are not FP32 in one piece: of an encoded cache, or of a ring. */
struct qb_tiles {
    const void *context;
    /* Positions [from, from + count) of head `head` of sequence `seq` as FP32: keys (side 0) or values (side 1),
     * out[count, head_dim]. Called from several threads at once. */
    enum qb_status (*read)(const void *context, size_t seq, size_t side, size_t head, size_t from, size_t count,
                           float *out, struct qb_error *err);
    /* The query at position p takes from here the keys before block * ((p + 1) / block), what is older than the block
     * that is not full once p is there; k and v have the others. >= 1 */
    size_t block;
};

struct qb_attention {
    struct qb_heads q, k, v;
    const struct qb_tiles *tiles; /* NULL: k and v have all keys. Needs causal and no key_bias */
    size_t fresh;                 /* with tiles: k and v start at this position, a multiple of the block */
    float *out; /* laid out as q's: position p of sequence s at out + s * out_batch_stride + p * out_stride */
    size_t out_stride, out_batch_stride;
    size_t batch, queries, keys; /* sequences; positions that ask; positions that are seen, queries <= keys */
    size_t heads, head_dim;
    size_t kv_heads;       /* of k and v: a divisor of heads; head h of q asks head h / (heads / kv_heads). 0: heads */
    float scale;           /* of the scores; 0: 1 / sqrt(head_dim) */
    float softcap;         /* then s = c tanh(s / c); 0: none */
    size_t window;         /* the query at position p sees keys > p - window; 0: all that it may */
    const float *key_bias; /* added to the scores of key j of sequence s: key_bias[s * keys + j]; NULL: nothing. The
                              logarithm of a count makes one key stand for that many equal ones. */
    bool causal;           /* the queries are the last of the keys, and query i sees keys < keys - queries + i + 1 */
};

/* Bitwise the same for any number of threads. The queries of heads that share a key's head are rows of one product; of
 * keys that no query of a block sees, no score is computed. Where a block of queries sees at most QB_ATTENTION_TILE
 * keys, all from k and v or all from tiles, there is one softmax, without sums to put together. Working memory does not
 * grow with the keys. */
enum { QB_ATTENTION_TILE = 1024 };
enum qb_status qb_attention(struct qb_pool *pool, const struct qb_attention *attention, struct qb_scratch *scratch,
                            struct qb_error *err);
/* Floats that qb_attention asks its scratch for, of that many threads: of the attention's numbers and whether there are
 * tiles, nothing is read. */
size_t qb_attention_scratch(const struct qb_attention *attention, unsigned threads);
/* Plain loops in double, without tiles: the reference that tests compare with. scores: room for `keys` doubles. */
void qb_attention_ref(const struct qb_attention *attention, double *scores);

#endif
