/* Using a linear operator. A weight row is decoded once per apply: for few positions panel by panel into a worker's
 * piece of scratch, right before its product; for many, all rows first, then the product in large tiles. Both make the
 * same BLAS calls as kept FP32 rows would, so a cached and an uncached operator agree bit for bit. */
#include <pthread.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "compute/gemm.h"
#include "compute/linear_parts.h"
#include "compute/rowwise.h"

#define DECODE_ROWS 64 /* weight rows a decode task takes */
#define ENCODE_ROWS 16 /* positions an encode task takes */

/* What the tasks of one step share. Seconds and failure come together under the lock. */
struct step {
    struct qb_linear *linear;
    const struct segment *segment;
    const struct qb_gemm_plan *plan;
    const float *x;
    float *y, *decoded;
    size_t n, row, rows, ld; /* decode rows [row, row + rows) of the segment */
    size_t piece;            /* floats of scratch a worker has */
    size_t coded_bytes;      /* of one encoded position */
    pthread_mutex_t lock;
    double seconds;
    struct qb_error error; /* the first failure */
};

static void report(struct step *step, double seconds, const struct qb_error *err)
{
    pthread_mutex_lock(&step->lock);
    step->seconds += seconds;
    if (err->status != QB_OK && step->error.status == QB_OK)
        step->error = *err;
    pthread_mutex_unlock(&step->lock);
}

static enum qb_status run(struct step *step, struct qb_pool *pool, size_t tasks,
                          void (*task)(void *context, size_t index, unsigned worker), struct qb_error *err)
{
    pthread_mutex_init(&step->lock, NULL);
    qb_pool_run(pool, tasks, task, step);
    pthread_mutex_destroy(&step->lock);
    if (step->error.status != QB_OK)
        *err = step->error;
    return step->error.status;
}

/* ---- preparing weights ---- */

/* Rows of x from the last entry to the first. */
static void reverse(const float *x, size_t rows, size_t cols, float *out)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            out[i * cols + j] = x[i * cols + (cols - 1 - j)];
}

static enum qb_status unpack(const struct qb_linear *linear, const struct segment *segment, size_t row, size_t count,
                             float *out, struct qb_error *err)
{
    size_t size = qb_size_of(segment->bytes);
    if (segment->treatment == TREAT_REVERSED) {
        reverse(linear->weights + (segment->row + row) * linear->cols, count, linear->cols, out);
        return QB_OK;
    }
    if (segment->coordinates)
        return qb_coordinates(segment->format, segment->rows, linear->cols, segment->bytes, size, row, count, out, err);
    return qb_decode(segment->format, segment->rows, linear->cols, segment->bytes, size, row, count, out, err);
}

static void decode_task(void *context, size_t index, unsigned worker)
{
    struct step *step = context;
    struct qb_error err = {0};
    (void)worker;
    size_t row = index * DECODE_ROWS, count = step->rows - row < DECODE_ROWS ? step->rows - row : DECODE_ROWS;
    double start = qb_clock();
    unpack(step->linear, step->segment, step->row + row, count, step->decoded + row * step->linear->cols, &err);
    report(step, qb_clock() - start, &err);
}

/* Turning FP32 rows round is no decoding. */
static void count_decoded(struct qb_linear *linear, const struct segment *segment, size_t rows, double seconds)
{
    if (!segment->bytes)
        return;
    linear->counters.decode_seconds += seconds;
    linear->rows_decoded += rows;
}

static enum qb_status decode_all(struct qb_linear *linear, struct qb_pool *pool, const struct segment *segment,
                                 size_t row, size_t rows, float *out, struct qb_error *err)
{
    struct step step = {.linear = linear, .segment = segment, .decoded = out, .row = row, .rows = rows};
    enum qb_status status = run(&step, pool, (rows + DECODE_ROWS - 1) / DECODE_ROWS, decode_task, err);
    count_decoded(linear, segment, rows, step.seconds);
    return status;
}

static void panel_task(void *context, size_t index, unsigned worker)
{
    struct step *step = context;
    struct qb_error err = {0};
    const struct qb_gemm_plan *plan = step->plan;
    float *panel = step->decoded + worker * step->piece;
    size_t row = index * plan->tile_n, count = plan->n - row < plan->tile_n ? plan->n - row : plan->tile_n;
    double start = qb_clock();
    unpack(step->linear, step->segment, step->row + row, count, panel, &err);
    report(step, qb_clock() - start, &err);
    for (size_t i = 0; i < plan->tiles_m && err.status == QB_OK; i++)
        qb_gemm_tile(plan, i, index, step->x, step->linear->cols, panel, step->y, step->ld);
}

/* ---- products ---- */

/* y[n, rows] = x W^T for rows [row, row + rows) of a segment whose rows are prepared. */
static enum qb_status prepared_product(struct qb_linear *linear, struct qb_pool *pool, struct segment *segment,
                                       const float *x, size_t n, size_t row, size_t rows, float *y, size_t ld,
                                       float *scratch, struct qb_error *err)
{
    struct qb_gemm_plan plan = qb_gemm_plan(n, rows, linear->cols);
    if (segment->keep) {
        if (!segment->cache) {
            float *cache = qb_alloc(segment->rows * linear->cols, sizeof *cache, "decoded weights", err);
            if (!cache)
                return err->status;
            if (decode_all(linear, pool, segment, 0, segment->rows, cache, err) != QB_OK) {
                qb_free(cache);
                return err->status;
            }
            segment->cache = cache;
        } else {
            linear->counters.cache_hits++;
        }
        qb_gemm_nt(pool, n, rows, linear->cols, x, linear->cols, segment->cache + row * linear->cols, y, ld);
        return QB_OK;
    }
    if (plan.tiles_m > 1 || plan.tile_n > 128) {
        if (decode_all(linear, pool, segment, row, rows, scratch, err) != QB_OK)
            return err->status;
        qb_gemm_nt(pool, n, rows, linear->cols, x, linear->cols, scratch, y, ld);
        return QB_OK;
    }
    struct step step = {.linear = linear, .segment = segment, .plan = &plan, .x = x, .y = y, .ld = ld, .row = row};
    step.decoded = scratch;
    step.piece = plan.tile_n * linear->cols;
    enum qb_status status = run(&step, pool, plan.tiles_n, panel_task, err);
    count_decoded(linear, segment, rows, step.seconds);
    return status;
}

/* Floats of scratch that prepared_product needs for all segments that [row, row + count) touches. */
static size_t scratch_for(const struct qb_linear *linear, size_t threads, size_t n, size_t row, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < linear->segment_count; i++) {
        const struct segment *segment = &linear->segments[i];
        size_t from = row > segment->row ? row : segment->row;
        size_t to = segment->row + segment->rows < row + count ? segment->row + segment->rows : row + count;
        if (from >= to || !segment_prepared(segment) || segment->keep)
            continue;
        struct qb_gemm_plan plan = qb_gemm_plan(n, to - from, linear->cols);
        size_t whole = (to - from) * linear->cols, panels = threads * plan.tile_n * linear->cols;
        size_t need = plan.tiles_m > 1 || plan.tile_n > 128 ? whole : panels;
        most = need > most ? need : most;
    }
    return most;
}

/* ---- activations ---- */

/* c(x) of some positions; each is a matrix of one row, so that no position's range depends on its neighbours. */
static void encode_task(void *context, size_t index, unsigned worker)
{
    struct step *step = context;
    struct qb_error err = {0};
    const struct qb_format *format = step->linear->activations;
    uint8_t *bytes = (uint8_t *)(step->decoded + worker * step->piece);
    size_t cols = step->linear->cols, end = (index + 1) * ENCODE_ROWS < step->n ? (index + 1) * ENCODE_ROWS : step->n;
    double start = qb_clock();
    for (size_t i = index * ENCODE_ROWS; i < end && err.status == QB_OK; i++)
        if (qb_encode(format, 1, cols, step->x + i * cols, bytes, step->coded_bytes, &err) != QB_OK ||
            qb_coordinates(format, 1, cols, bytes, step->coded_bytes, 0, 1, step->y + i * cols, &err) != QB_OK)
            qb_wrap(&err, "activations of position %zu", i);
    report(step, qb_clock() - start, &err);
}

static enum qb_status encode_activations(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n,
                                         size_t coded_bytes, float *coded, float *scratch, struct qb_error *err)
{
    struct step step = {.linear = linear, .x = x, .y = coded, .n = n, .decoded = scratch, .coded_bytes = coded_bytes};
    step.piece = (coded_bytes + 63) / 64 * 16;
    enum qb_status status = run(&step, pool, (n + ENCODE_ROWS - 1) / ENCODE_ROWS, encode_task, err);
    linear->counters.encode_seconds += step.seconds;
    return status;
}

static void reverse_task(void *context, size_t index, unsigned worker)
{
    struct step *step = context;
    size_t cols = step->linear->cols, row = index * ENCODE_ROWS;
    size_t count = step->n - row < ENCODE_ROWS ? step->n - row : ENCODE_ROWS;
    (void)worker;
    reverse(step->x + row * cols, count, cols, step->y + row * cols);
}

static void reverse_activations(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n, float *out)
{
    struct step step = {.linear = linear, .x = x, .y = out, .n = n};
    qb_pool_run(pool, (n + ENCODE_ROWS - 1) / ENCODE_ROWS, reverse_task, &step);
}

static bool wants_coded_input(const struct qb_linear *linear, size_t row, size_t count)
{
    for (size_t i = 0; i < linear->segment_count; i++) {
        const struct segment *segment = &linear->segments[i];
        if (segment->coded_input && segment->row < row + count && row < segment->row + segment->rows)
            return true;
    }
    return false;
}

/* ---- the operator ---- */

enum qb_status qb_linear_apply_rows(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n,
                                    size_t row, size_t count, float *y, size_t ld, bool with_bias, struct qb_error *err)
{
    if (row > linear->rows || count > linear->rows - row || ld < count)
        return qb_fail(err, QB_ERR_INTERNAL, "output channels [%zu, %zu) of %zu, rows %zu apart", row, row + count,
                       linear->rows, ld);
    size_t cols = linear->cols, threads = qb_pool_threads(pool), coded_bytes = 0;
    size_t need = scratch_for(linear, threads, n, row, count);
    bool coded_input = wants_coded_input(linear, row, count);
    bool reversed = linear->segments[0].treatment == TREAT_REVERSED; /* one segment, or all of them */
    if (coded_input) {
        if (qb_encoded_size(linear->activations, 1, cols, &coded_bytes, err) != QB_OK)
            return err->status;
        size_t pieces = threads * ((coded_bytes + 63) / 64 * 16);
        need = need > pieces ? need : pieces;
    }
    size_t prepared_floats = coded_input || reversed ? (n * cols + 15) / 16 * 16 : 0;
    float *prepared = qb_scratch_get(linear->scratch, prepared_floats + need, err);
    if (!prepared)
        return err->status;
    float *scratch = prepared + prepared_floats;
    if (coded_input && encode_activations(linear, pool, x, n, coded_bytes, prepared, scratch, err) != QB_OK)
        return err->status;
    if (reversed)
        reverse_activations(linear, pool, x, n, prepared);
    for (size_t i = 0; i < linear->segment_count; i++) {
        struct segment *segment = &linear->segments[i];
        size_t from = row > segment->row ? row : segment->row;
        size_t to = segment->row + segment->rows < row + count ? segment->row + segment->rows : row + count;
        if (from >= to)
            continue;
        const float *input = segment->coded_input || reversed ? prepared : x;
        if (!segment_prepared(segment))
            qb_gemm_nt(pool, n, to - from, cols, input, cols, linear->weights + from * cols, y + (from - row), ld);
        else if (prepared_product(linear, pool, segment, input, n, from - segment->row, to - from, y + (from - row), ld,
                                  scratch, err) != QB_OK)
            return err->status;
    }
    qb_affine(pool, y, n, count, ld, linear->scale ? linear->scale + row : NULL,
              with_bias && linear->bias ? linear->bias + row : NULL);
    return QB_OK;
}

enum qb_status qb_linear_apply(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n, float *y,
                               bool with_bias, struct qb_error *err)
{
    return qb_linear_apply_rows(linear, pool, x, n, 0, linear->rows, y, linear->rows, with_bias, err);
}
