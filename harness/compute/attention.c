#include "compute/attention.h"

#include <math.h>
#include "compute/gemm.h"
#include "compute/rowwise.h"

#define BLOCK 128 /* queries a task: the scores of a block stay in cache */

struct job {
    const struct qb_attention *a;
    size_t blocks; /* of queries */
    float *scores; /* a piece of BLOCK * keys floats for each worker */
};

static size_t seen_by(const struct qb_attention *a, size_t query)
{
    return a->causal ? a->keys - a->queries + query + 1 : a->keys;
}

static void run_block(void *context, size_t index, unsigned worker)
{
    const struct job *job = context;
    const struct qb_attention *a = job->a;
    size_t block = index % job->blocks, head = index / job->blocks % a->heads, seq = index / job->blocks / a->heads;
    size_t first = block * BLOCK, count = a->queries - first < BLOCK ? a->queries - first : BLOCK;
    size_t keys = seen_by(a, first + count - 1), at = head * a->head_dim;
    float *scores = job->scores + (size_t)worker * BLOCK * a->keys;
    qb_gemm_one_nt(count, keys, a->head_dim, 1.0f / sqrtf((float)a->head_dim),
                   a->q.data + seq * a->q.batch_stride + first * a->q.stride + at, a->q.stride,
                   a->k.data + seq * a->k.batch_stride + at, a->k.stride, scores, keys);
    for (size_t i = 0; i < count; i++) {
        size_t seen = seen_by(a, first + i);
        for (size_t j = 0; a->key_bias && j < seen; j++)
            scores[i * keys + j] += a->key_bias[seq * a->keys + j];
        qb_softmax(scores + i * keys, seen);
        for (size_t j = seen; j < keys; j++)
            scores[i * keys + j] = 0.0f;
    }
    qb_gemm_one_nn(count, a->head_dim, keys, scores, keys, a->v.data + seq * a->v.batch_stride + at, a->v.stride,
                   a->out + seq * a->out_batch_stride + first * a->out_stride + at, a->out_stride);
}

enum qb_status qb_attention(struct qb_pool *pool, const struct qb_attention *attention, struct qb_scratch *scratch,
                            struct qb_error *err)
{
    struct job job = {.a = attention, .blocks = (attention->queries + BLOCK - 1) / BLOCK};
    job.scores = qb_scratch_get(scratch, (size_t)qb_pool_threads(pool) * BLOCK * attention->keys, err);
    if (!job.scores)
        return err->status;
    qb_pool_run(pool, attention->batch * attention->heads * job.blocks, run_block, &job);
    return QB_OK;
}

static void reference_one(const struct qb_attention *a, size_t seq, size_t head, size_t query, double *scores)
{
    size_t at = head * a->head_dim, seen = seen_by(a, query);
    const float *q = a->q.data + seq * a->q.batch_stride + query * a->q.stride + at;
    double max = -INFINITY, sum = 0;
    for (size_t j = 0; j < seen; j++) {
        const float *k = a->k.data + seq * a->k.batch_stride + j * a->k.stride + at;
        scores[j] = 0;
        for (size_t c = 0; c < a->head_dim; c++)
            scores[j] += (double)q[c] * (double)k[c];
        scores[j] /= sqrt((double)a->head_dim);
        scores[j] += a->key_bias ? (double)a->key_bias[seq * a->keys + j] : 0;
        max = fmax(max, scores[j]);
    }
    for (size_t j = 0; j < seen; j++)
        sum += scores[j] = exp(scores[j] - max);
    for (size_t c = 0; c < a->head_dim; c++) {
        double value = 0;
        for (size_t j = 0; j < seen; j++)
            value += scores[j] / sum * (double)a->v.data[seq * a->v.batch_stride + j * a->v.stride + at + c];
        a->out[seq * a->out_batch_stride + query * a->out_stride + at + c] = (float)value;
    }
}

void qb_attention_ref(const struct qb_attention *attention, double *scores)
{
    for (size_t seq = 0; seq < attention->batch; seq++)
        for (size_t head = 0; head < attention->heads; head++)
            for (size_t query = 0; query < attention->queries; query++)
                reference_one(attention, seq, head, query, scores);
}
