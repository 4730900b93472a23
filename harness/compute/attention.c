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
    struct qb_task_error failed;
};

/* Keys [first, end). */
struct seen {
    size_t first, end;
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* What the query sees. */
static struct seen seen_by(const struct qb_attention *a, size_t query)
{
    size_t position = a->keys - a->queries + query;
    return (struct seen){.first = a->window && position >= a->window ? position - a->window + 1 : 0,
                         .end = a->causal ? position + 1 : a->keys};
}

/* What of it comes from a->tiles (stored), or from k and v. */
static struct seen seen_in(const struct qb_attention *a, size_t query, bool stored)
{
    struct seen seen = seen_by(a, query);
    size_t border = a->tiles ? (a->keys - a->queries + query + 1) / a->tiles->block * a->tiles->block : 0;
    if (stored)
        seen.end = smaller(seen.end, border);
    else
        seen.first = larger(seen.first, border);
    seen.end = larger(seen.first, seen.end);
    return seen;
}

/* A block of queries of one sequence and head of keys, on its way. A row is a query with a head of the group. */
struct block {
    const struct job *job;
    size_t seq, head, first, rows; /* of the queries */
    const float *q;
    size_t ldq;
    float *scores;   /* [rows, tile] */
    float *sum;      /* [rows, dim]: what the tiles so far give, */
    float *part;     /* what the next gives, */
    float *log_sums; /* [rows]: the logarithm of the sum of exp(score) over the tiles so far, */
    float *log_sum;  /* and over the next */
    float *tile;     /* [tile, dim]: its keys, then its values, where they have to be read */
    size_t tiles, done;
};

/* Lays the block's memory out in a worker's piece; returns how many floats it takes (of NULL, too). copy: of the
 * queries. */
static size_t lay_out(const struct job *job, float *piece, struct block *b, float **copy)
{
    const struct qb_attention *a = job->a;
    const size_t rows = job->step * job->group, tile = smaller(a->keys, QB_ATTENTION_TILE);
    const size_t sizes[] = {rows * tile,
                            rows * a->head_dim,
                            rows * a->head_dim,
                            rows * a->head_dim,
                            rows,
                            rows,
                            a->tiles ? tile * a->head_dim : 0};
    float **parts[] = {&b->scores, copy, &b->sum, &b->part, &b->log_sums, &b->log_sum, &b->tile};
    size_t used = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = piece ? piece + used : NULL;
        used += (sizes[i] + 15) / 16 * 16;
    }
    return used;
}

/* The queries' rows side by side, where they are not. */
static void gather(struct block *b, float *copy)
{
    const struct qb_attention *a = b->job->a;
    size_t group = b->job->group, width = group * a->head_dim, count = b->rows / group;
    b->q = a->q.data + b->seq * a->q.batch_stride + b->first * a->q.stride + b->head * width;
    b->ldq = group > 1 ? a->head_dim : a->q.stride;
    if (group == 1 || count == 1)
        return;
    for (size_t i = 0; i < count; i++)
        memcpy(copy + i * width, b->q + i * a->q.stride, width * sizeof *copy);
    b->q = copy;
}

/* A row of scores of keys from `from` on -> weights: bias, softmax, and 0 where the query sees nothing. *log_sum (NULL:
 * not wanted) is the logarithm of the sum of exp(score): -Inf where it sees nothing. */
static void weigh(const struct block *b, struct seen seen, size_t from, size_t keys, float *row, float *log_sum)
{
    const struct qb_attention *a = b->job->a;
    const struct qb_kernels *kernels = b->job->kernels;
    size_t first = smaller(larger(seen.first, from) - from, keys), end = smaller(larger(seen.end, from) - from, keys);
    size_t n = end > first ? end - first : 0;
    if (a->softcap > 0)
        kernels->softcap(row + first, n, a->softcap);
    for (size_t j = first; a->key_bias && j < end; j++)
        row[j] += a->key_bias[b->seq * a->keys + from + j];
    if (log_sum) {
        bool nan = false;
        float most = kernels->max(row + first, n, &nan);
        *log_sum = n == 0 ? -INFINITY : nan ? NAN : most + (float)log(kernels->sum_exp(row + first, n, (double)most));
    }
    if (n > 0)
        kernels->softmax(row + first, n);
    for (size_t j = 0; j < first; j++)
        row[j] = 0.0f;
    for (size_t j = first + n; j < keys; j++)
        row[j] = 0.0f;
}

/* sum[row] = both tiles' weighted means, each weighed by its share of the sum of exp(score). */
static void put_together(struct block *b, size_t row)
{
    double old = (double)b->log_sums[row], log_sum = (double)b->log_sum[row], most = fmax(old, log_sum);
    if (isinf(most) && most < 0)
        return;
    double total = isnan(old) || isnan(log_sum) ? NAN : most + log(exp(old - most) + exp(log_sum - most));
    float before = (float)exp(old - total), new = (float)exp(log_sum - total);
    size_t dim = b->job->a->head_dim;
    float *sum = b->sum + row * dim;
    const float *part = b->part + row * dim;
    for (size_t c = 0; c < dim; c++)
        sum[c] = before * sum[c] + new *part[c];
    b->log_sums[row] = (float)total;
}

/* Side `side` of keys [from, from + keys), and how far rows lie apart; NULL on failure. */
static const float *side_of(struct block *b, size_t side, bool stored, size_t from, size_t keys, size_t *ld,
                            struct qb_error *err)
{
    const struct qb_attention *a = b->job->a;
    const struct qb_heads *heads = side ? &a->v : &a->k;
    *ld = a->head_dim;
    if (stored)
        return a->tiles->read(a->tiles->context, b->seq, side, b->head, from, keys, b->tile, err) ? NULL : b->tile;
    *ld = heads->stride;
    return heads->data + b->seq * heads->batch_stride + (from - (a->tiles ? a->fresh : 0)) * heads->stride +
           b->head * a->head_dim;
}

static enum qb_status run_tile(struct block *b, bool stored, size_t from, size_t keys, struct qb_error *err)
{
    const struct qb_attention *a = b->job->a;
    size_t ld = 0;
    const float *side = side_of(b, 0, stored, from, keys, &ld, err);
    if (!side)
        return err->status;
    qb_gemm_one_nt(b->rows, keys, a->head_dim, b->job->scale, b->q, b->ldq, side, ld, b->scores, keys);
    for (size_t row = 0; row < b->rows; row++)
        weigh(b, seen_in(a, b->first + row / b->job->group, stored), from, keys, b->scores + row * keys,
              b->tiles > 1 ? (b->done ? b->log_sum : b->log_sums) + row : NULL);
    side = side_of(b, 1, stored, from, keys, &ld, err);
    if (!side)
        return err->status;
    qb_gemm_one_nn(b->rows, a->head_dim, keys, b->scores, keys, side, ld, b->done ? b->part : b->sum, a->head_dim);
    for (size_t row = 0; b->done && row < b->rows; row++)
        put_together(b, row);
    b->done++;
    return QB_OK;
}

/* The keys that the block's queries see in one of the two places, from the first to the last. */
static struct seen seen_by_all(const struct block *b, bool stored)
{
    struct seen all = {SIZE_MAX, 0};
    for (size_t i = 0; i < b->rows / b->job->group; i++) {
        struct seen seen = seen_in(b->job->a, b->first + i, stored);
        if (seen.first < seen.end)
            all = (struct seen){smaller(all.first, seen.first), larger(all.end, seen.end)};
    }
    return all.end ? all : (struct seen){0, 0};
}

static enum qb_status run_tiles(struct block *b, struct qb_error *err)
{
    struct seen places[2] = {seen_by_all(b, false)}; /* k and v; the tiles */
    if (b->job->a->tiles)
        places[1] = seen_by_all(b, true);
    for (size_t i = 0; i < 2; i++)
        b->tiles += (places[i].end - places[i].first + QB_ATTENTION_TILE - 1) / QB_ATTENTION_TILE;
    for (size_t i = 2; i-- > 0;)
        for (size_t at = places[i].first; at < places[i].end; at += QB_ATTENTION_TILE)
            if (run_tile(b, i == 1, at, smaller(QB_ATTENTION_TILE, places[i].end - at), err))
                return err->status;
    return QB_OK;
}

static void run_block(void *context, size_t index, unsigned worker)
{
    struct job *job = context;
    const struct qb_attention *a = job->a;
    size_t width = job->group * a->head_dim;
    struct block b = {.job = job, .head = index / job->blocks % job->kv_heads};
    struct qb_error err = {0};
    float *copy;
    lay_out(job, job->memory + worker * job->piece, &b, &copy);
    b.seq = index / job->blocks / job->kv_heads;
    b.first = index % job->blocks * job->step;
    b.rows = smaller(a->queries - b.first, job->step) * job->group;
    gather(&b, copy);
    if (run_tiles(&b, &err)) {
        qb_task_fail(&job->failed, &err);
        return;
    }
    float *out = a->out + b.seq * a->out_batch_stride + b.first * a->out_stride + b.head * width;
    for (size_t i = 0; i < b.rows / job->group; i++)
        memcpy(out + i * a->out_stride, b.sum + i * width, width * sizeof *out);
}

static struct job job_of(const struct qb_attention *a)
{
    struct job job = {
        .a = a, .kernels = qb_kernels(), .kv_heads = a->kv_heads ? a->kv_heads : a->heads, .failed = QB_TASKS_FINE};
    struct block block;
    float *copy;
    job.group = a->heads / job.kv_heads;
    job.step = job.group < BLOCK ? BLOCK / job.group : 1;
    job.blocks = (a->queries + job.step - 1) / job.step;
    job.scale = a->scale != 0 ? a->scale : 1.0f / sqrtf((float)a->head_dim);
    job.piece = lay_out(&job, NULL, &block, &copy);
    return job;
}

size_t qb_attention_scratch(const struct qb_attention *attention, unsigned threads)
{
    return threads * job_of(attention).piece;
}

enum qb_status qb_attention(struct qb_pool *pool, const struct qb_attention *attention, struct qb_scratch *scratch,
                            struct qb_error *err)
{
    const struct qb_attention *a = attention;
    struct job job = job_of(a);
    if (a->tiles && (!a->causal || a->key_bias))
        return qb_fail(err, QB_ERR_INTERNAL, "attention over tiles is causal and without biases of keys");
    job.memory = qb_scratch_get(scratch, (size_t)qb_pool_threads(pool) * job.piece, err);
    if (!job.memory)
        return err->status;
    qb_pool_run(pool, a->batch * job.kv_heads * job.blocks, run_block, &job);
    return qb_task_status(&job.failed, err);
}

/* By the definition alone: none of the functions above. */
static bool sees_ref(const struct qb_attention *a, size_t query, size_t key)
{
    size_t position = a->keys - a->queries + query;
    return (!a->causal || key <= position) && (a->window == 0 || key + a->window > position);
}

static void reference_one(const struct qb_attention *a, size_t seq, size_t head, size_t query, double *scores)
{
    size_t at = head * a->head_dim, kv_heads = a->kv_heads ? a->kv_heads : a->heads;
    size_t kv_at = head / (a->heads / kv_heads) * a->head_dim;
    const float *q = a->q.data + seq * a->q.batch_stride + query * a->q.stride + at;
    const double cap = (double)a->softcap;
    double max = -INFINITY, sum = 0;
    for (size_t j = 0; j < a->keys; j++) {
        const float *k = a->k.data + seq * a->k.batch_stride + j * a->k.stride + kv_at;
        scores[j] = 0;
        for (size_t c = 0; c < a->head_dim; c++)
            scores[j] += (double)q[c] * (double)k[c];
        scores[j] *= a->scale != 0 ? (double)a->scale : 1 / sqrt((double)a->head_dim);
        scores[j] = cap > 0 ? cap * tanh(scores[j] / cap) : scores[j];
        scores[j] += a->key_bias ? (double)a->key_bias[seq * a->keys + j] : 0;
        max = sees_ref(a, query, j) ? fmax(max, scores[j]) : max;
    }
    for (size_t j = 0; j < a->keys; j++)
        sum += scores[j] = sees_ref(a, query, j) ? exp(scores[j] - max) : 0;
    for (size_t c = 0; c < a->head_dim; c++) {
        double value = 0;
        for (size_t j = 0; j < a->keys; j++)
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
