#include "compute/attention.h"

#include <math.h>
#include <string.h>
#include "compute/gemm.h"
#include "compute/kernels.h"

#define BLOCK 128 /* rows of scores a task, each of a query and head: they stay in cache */

struct job {
    const struct qb_attention *a;
    const struct qb_kernels *kernels;
    size_t kv_heads, group; /* heads of keys; of queries that ask one of them */
    size_t step, blocks;    /* queries of a block, and how many blocks there are */
    float scale;
    float *memory; /* a piece for each worker */
    size_t piece;
};

/* Keys [first, end) that the query sees. */
struct seen {
    size_t first, end;
};

static struct seen seen_by(const struct qb_attention *a, size_t query)
{
    size_t position = a->keys - a->queries + query;
    return (struct seen){.first = a->window && position >= a->window ? position - a->window + 1 : 0,
                         .end = a->causal ? position + 1 : a->keys};
}

/* A row of scores of keys from `from` on -> weights: bias, softmax, and 0 where the query sees nothing. */
static void weigh(const struct job *job, size_t seq, struct seen seen, size_t from, size_t keys, float *row)
{
    const struct qb_attention *a = job->a;
    size_t first = seen.first - from, end = seen.end - from;
    if (a->softcap > 0)
        job->kernels->softcap(row + first, end - first, a->softcap);
    for (size_t j = first; a->key_bias && j < end; j++)
        row[j] += a->key_bias[seq * a->keys + from + j];
    job->kernels->softmax(row + first, end - first);
    for (size_t j = 0; j < first; j++)
        row[j] = 0.0f;
    for (size_t j = end; j < keys; j++)
        row[j] = 0.0f;
}

/* Rows of a block: each of its queries with each head of the group. Where both are more than one, the rows are copied
 * together for the products, and the results back. */
static void run_block(void *context, size_t index, unsigned worker)
{
    const struct job *job = context;
    const struct qb_attention *a = job->a;
    size_t dim = a->head_dim, group = job->group, width = group * dim;
    size_t block = index % job->blocks, head = index / job->blocks % job->kv_heads;
    size_t seq = index / job->blocks / job->kv_heads, first = block * job->step;
    size_t count = a->queries - first < job->step ? a->queries - first : job->step, rows = count * group;
    size_t from = seen_by(a, first).first, keys = seen_by(a, first + count - 1).end - from;
    float *scores = job->memory + worker * job->piece, *copy = scores + job->step * group * a->keys;
    const float *q = a->q.data + seq * a->q.batch_stride + first * a->q.stride + head * width;
    float *out = a->out + seq * a->out_batch_stride + first * a->out_stride + head * width;
    bool apart = group > 1 && count > 1;
    for (size_t i = 0; apart && i < count; i++)
        memcpy(copy + i * width, q + i * a->q.stride, width * sizeof *copy);
    qb_gemm_one_nt(rows, keys, dim, job->scale, apart ? copy : q, group > 1 ? dim : a->q.stride,
                   a->k.data + seq * a->k.batch_stride + from * a->k.stride + head * dim, a->k.stride, scores, keys);
    for (size_t row = 0; row < rows; row++)
        weigh(job, seq, seen_by(a, first + row / group), from, keys, scores + row * keys);
    qb_gemm_one_nn(rows, dim, keys, scores, keys, a->v.data + seq * a->v.batch_stride + from * a->v.stride + head * dim,
                   a->v.stride, apart ? copy : out, group > 1 ? dim : a->out_stride);
    for (size_t i = 0; apart && i < count; i++)
        memcpy(out + i * a->out_stride, copy + i * width, width * sizeof *copy);
}

enum qb_status qb_attention(struct qb_pool *pool, const struct qb_attention *attention, struct qb_scratch *scratch,
                            struct qb_error *err)
{
    const struct qb_attention *a = attention;
    struct job job = {.a = a, .kernels = qb_kernels(), .kv_heads = a->kv_heads ? a->kv_heads : a->heads};
    job.group = a->heads / job.kv_heads;
    job.step = job.group < BLOCK ? BLOCK / job.group : 1;
    job.blocks = (a->queries + job.step - 1) / job.step;
    job.scale = a->scale != 0 ? a->scale : 1.0f / sqrtf((float)a->head_dim);
    job.piece = job.step * job.group * (a->keys + (job.group > 1 ? a->head_dim : 0));
    job.memory = qb_scratch_get(scratch, (size_t)qb_pool_threads(pool) * job.piece, err);
    if (!job.memory)
        return err->status;
    qb_pool_run(pool, a->batch * job.kv_heads * job.blocks, run_block, &job);
    return QB_OK;
}

static void reference_one(const struct qb_attention *a, size_t seq, size_t head, size_t query, double *scores)
{
    size_t at = head * a->head_dim, kv_heads = a->kv_heads ? a->kv_heads : a->heads;
    size_t kv_at = head / (a->heads / kv_heads) * a->head_dim;
    const struct seen seen = seen_by(a, query);
    const float *q = a->q.data + seq * a->q.batch_stride + query * a->q.stride + at;
    const double cap = (double)a->softcap;
    double max = -INFINITY, sum = 0;
    for (size_t j = seen.first; j < seen.end; j++) {
        const float *k = a->k.data + seq * a->k.batch_stride + j * a->k.stride + kv_at;
        scores[j] = 0;
        for (size_t c = 0; c < a->head_dim; c++)
            scores[j] += (double)q[c] * (double)k[c];
        scores[j] *= a->scale != 0 ? (double)a->scale : 1 / sqrt((double)a->head_dim);
        scores[j] = cap > 0 ? cap * tanh(scores[j] / cap) : scores[j];
        scores[j] += a->key_bias ? (double)a->key_bias[seq * a->keys + j] : 0;
        max = fmax(max, scores[j]);
    }
    for (size_t j = seen.first; j < seen.end; j++)
        sum += scores[j] = exp(scores[j] - max);
    for (size_t c = 0; c < a->head_dim; c++) {
        double value = 0;
        for (size_t j = seen.first; j < seen.end; j++)
            value += scores[j] / sum * (double)a->v.data[seq * a->v.batch_stride + j * a->v.stride + kv_at + c];
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
