/* Using a linear operator: its segments' products (matrix.c) on x, c(x), conditioned x or x turned round, then S and
 * the bias. */
#include <string.h>
#include "base/mem.h"
#include "compute/linear_parts.h"
#include "compute/rowwise.h"
#include "compute/transport.h"

#define INPUT_ROWS 16 /* positions that a task prepares */

/* The inputs that segments take which do not take x itself: c(x), conditioned x, or x turned round; an operator's take
 * one of these. What the tasks that prepare them share. */
struct inputs {
    const struct qb_format *format;             /* of c(x); NULL: none take it */
    const struct qb_conditioning *conditioning; /* of x; NULL: likewise */
    const float *x;
    float *out;
    size_t n, cols, floats;               /* floats of out; 0: all take x */
    uint8_t *bytes;                       /* a piece for each worker */
    size_t size, room;                    /* of one encoded position; of a piece */
    const struct qb_transport *transport; /* what c(x) is turned into; NULL: taken as it is */
    const float *point;                   /* the mean point of that; NULL: each position's own */
    float *values;                        /* what c(x) decodes to, cols of each worker */
    struct qb_task_error failed;
};

/* c(x) of one position, in its place, for transport. */
static enum qb_status transport_row(const struct inputs *in, const uint8_t *bytes, unsigned worker, float *row,
                                    struct qb_error *err)
{
    float *values = in->values + worker * in->cols;
    struct qb_log_line line;
    if (!qb_decode(in->format, 1, in->cols, bytes, in->size, 0, 1, values, err) &&
        !qb_log_line(values, row, in->cols, &line, err))
        qb_transport_inputs(in->transport, &line, in->point, values, row, in->cols, row);
    return err->status;
}

/* c(x) of some positions; each is a matrix of one row, so that no position's range depends on its neighbours. */
static void encode_task(void *context, size_t index, unsigned worker)
{
    struct inputs *in = context;
    struct qb_error err = {0};
    uint8_t *bytes = in->bytes + worker * in->room;
    size_t cols = in->cols, end = (index + 1) * INPUT_ROWS < in->n ? (index + 1) * INPUT_ROWS : in->n;
    for (size_t i = index * INPUT_ROWS; i < end && !err.status; i++)
        if (qb_encode(in->format, 1, cols, in->x + i * cols, bytes, in->size, &err) ||
            qb_coordinates(in->format, 1, cols, bytes, in->size, 0, 1, in->out + i * cols, &err) ||
            (in->transport && transport_row(in, bytes, worker, in->out + i * cols, &err)))
            qb_wrap(&err, "activations of position %zu", i);
    if (err.status)
        qb_task_fail(&in->failed, &err);
}

static void reverse_task(void *context, size_t index, unsigned worker)
{
    struct inputs *in = context;
    size_t row = index * INPUT_ROWS, count = in->n - row < INPUT_ROWS ? in->n - row : INPUT_ROWS;
    float *out = in->out + row * in->cols;
    (void)worker;
    memcpy(out, in->x + row * in->cols, count * in->cols * sizeof *out);
    qb_reverse_rows(out, count, in->cols);
}

static void condition_task(void *context, size_t index, unsigned worker)
{
    struct inputs *in = context;
    size_t row = index * INPUT_ROWS, count = in->n - row < INPUT_ROWS ? in->n - row : INPUT_ROWS;
    float *out = in->out + row * in->cols;
    (void)worker;
    memcpy(out, in->x + row * in->cols, count * in->cols * sizeof *out);
    qb_condition_inputs(in->conditioning, out, count, in->cols);
}

static enum qb_status prepare(struct inputs *in, struct qb_pool *pool, struct qb_error *err)
{
    if (in->floats)
        qb_pool_run(pool, (in->n + INPUT_ROWS - 1) / INPUT_ROWS,
                    in->format         ? encode_task
                    : in->conditioning ? condition_task
                                       : reverse_task,
                    in);
    return qb_task_status(&in->failed, err);
}

/* From now on the segment is a view of its decoded rows, and of no others of a tensor that it shares. */
static enum qb_status make_cache(struct segment *segment, struct qb_pool *pool, struct qb_error *err)
{
    struct qb_matrix *matrix = &segment->matrix;
    float *cache = qb_alloc(segment->rows * matrix->cols, sizeof *cache, "decoded weights", err);
    if (!cache)
        return err->status;
    if (qb_matrix_unpack(matrix, segment->ops, pool, segment->first, segment->rows, cache, err)) {
        qb_free(cache);
        return err->status;
    }
    segment->cache = cache;
    segment->first = 0;
    matrix->rows = segment->rows;
    matrix->format = NULL;
    matrix->fused = NULL;
    matrix->mapped = false;
    matrix->bytes = cache;
    matrix->size = qb_size_of(cache);
    segment->ops = qb_matrix_ops(matrix, segment->ops->reading);
    return QB_OK;
}

enum qb_status qb_linear_hold_fp32(struct qb_linear *linear, struct qb_pool *pool, struct qb_error *err)
{
    for (size_t i = 0; i < linear->segment_count; i++)
        if (segment_is_foreign(&linear->segments[i]) && make_cache(&linear->segments[i], pool, err))
            return err->status;
    return QB_OK;
}

void qb_linear_share_fp32(struct qb_linear *linear, const struct qb_linear *held)
{
    for (size_t i = 0; i < linear->segment_count; i++) {
        struct segment *segment = &linear->segments[i];
        if (!segment_is_foreign(segment))
            continue;
        segment->matrix = held->segments[0].matrix;
        segment->first = segment->row;
        segment->ops = qb_matrix_ops(&segment->matrix, segment->ops->reading);
    }
}

static bool takes_x(const struct segment *segment)
{
    return !segment->coded_input && !segment->conditioned && segment->treatment != TREAT_REVERSED;
}

/* The segment's output channels among [row, row + count), from *from on; how many there are. */
static size_t channels(const struct segment *segment, size_t row, size_t count, size_t *from)
{
    const size_t end = segment->row + segment->rows, to = end < row + count ? end : row + count;
    *from = row > segment->row ? row : segment->row;
    return *from < to ? to - *from : 0;
}

/* Decodes what these channels are to keep decoded and is not yet. */
static enum qb_status make_caches(struct qb_linear *linear, struct qb_pool *pool, size_t row, size_t count,
                                  struct qb_error *err)
{
    for (size_t i = 0; i < linear->segment_count; i++) {
        struct segment *segment = &linear->segments[i];
        size_t from;
        if (segment->keep && !segment->cache && channels(segment, row, count, &from) && make_cache(segment, pool, err))
            return err->status;
    }
    return QB_OK;
}

/* The products that make y[n, count] of output channels [row, row + count), their x and scratch left open (count 0
 * where a segment has none of the channels), and the inputs that they take. */
static enum qb_status plan_products(const struct qb_linear *linear, size_t each, size_t row, size_t count,
                                    struct qb_product products[QB_CUT_MAX], struct inputs *in, struct qb_error *err)
{
    for (size_t i = 0; i < linear->segment_count; i++) {
        const struct segment *segment = &linear->segments[i];
        size_t from, found = channels(segment, row, count, &from);
        products[i] = (struct qb_product){.count = 0};
        if (!found)
            continue;
        products[i] = (struct qb_product){.matrix = &segment->matrix,
                                          .ops = segment->ops,
                                          .row = segment->first + from - segment->row,
                                          .count = found,
                                          .n = in->n,
                                          .each = each};
        if (!takes_x(segment))
            in->floats = (in->n * in->cols + 15) / 16 * 16;
        if (segment->coded_input)
            in->format = linear->activations;
        if (segment->conditioned)
            in->conditioning = &linear->conditioning;
    }
    in->transport = in->format ? linear->transport : NULL;
    in->point = linear->point;
    return in->format ? qb_encoded_size(in->format, 1, in->cols, &in->size, err) : QB_OK;
}

/* Floats of working memory for all of it: the prepared inputs, and behind them what is used by one after the other. */
static size_t count_scratch(const struct qb_linear *linear, unsigned threads,
                            const struct qb_product products[QB_CUT_MAX], struct inputs *in)
{
    in->room = (in->size + 63) / 64 * 64;
    size_t most = threads * in->room / sizeof(float);
    if (in->transport)
        most += threads * in->cols;
    for (size_t i = 0; i < linear->segment_count; i++) {
        size_t need = products[i].count ? qb_product_scratch(&products[i], threads) : 0;
        most = need > most ? need : most;
    }
    return in->floats + most;
}

static float *get_scratch(struct qb_linear *linear, unsigned threads, const struct qb_product products[QB_CUT_MAX],
                          struct inputs *in, struct qb_error *err)
{
    in->out = qb_scratch_get(linear->scratch, count_scratch(linear, threads, products, in), err);
    in->bytes = in->out ? (uint8_t *)(in->out + in->floats) : NULL;
    in->values = in->out ? in->out + in->floats + threads * in->room / sizeof(float) : NULL;
    return in->out ? in->out + in->floats : NULL;
}

enum qb_status qb_linear_scratch(const struct qb_linear *linear, unsigned threads, size_t n, size_t row, size_t count,
                                 size_t *floats, struct qb_error *err)
{
    struct qb_product products[QB_CUT_MAX];
    struct inputs in = {.n = n, .cols = linear->cols};
    if (!plan_products(linear, 0, row, count, products, &in, err))
        *floats = count_scratch(linear, threads, products, &in);
    return err->status;
}

enum qb_status qb_linear_apply_each(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n,
                                    size_t each, bool again, size_t row, size_t count, float *y, size_t ld,
                                    bool with_bias, struct qb_error *err)
{
    if (row > linear->rows || count > linear->rows - row || ld < count)
        return qb_fail(err, QB_ERR_INTERNAL, "output channels [%zu, %zu) of %zu, rows %zu apart", row, row + count,
                       linear->rows, ld);
    struct qb_product products[QB_CUT_MAX];
    struct inputs in = {.x = x, .n = n, .cols = linear->cols, .failed = QB_TASKS_FINE};
    if (make_caches(linear, pool, row, count, err) || plan_products(linear, each, row, count, products, &in, err))
        return err->status;
    const float *const before = linear->scratch->data;
    struct qb_made made = linear->scratch->made;
    float *scratch = get_scratch(linear, qb_pool_threads(pool), products, &in, err), *to = y;
    if (!scratch || prepare(&in, pool, err))
        return err->status;
    if (!again || in.floats || linear->scratch->data != before)
        made = (struct qb_made){0};
    for (size_t i = 0; i < linear->segment_count; to += products[i++].count) {
        struct qb_product *product = &products[i];
        if (product->count == 0)
            continue;
        product->x = takes_x(&linear->segments[i]) ? x : in.out;
        product->y = to;
        product->ld = ld;
        product->scratch = scratch;
        product->ready = made.of == product->x && made.how == (int)product->ops->reading;
        if (qb_product(product, pool, err))
            return err->status;
        made =
            qb_product_leaves(product) ? (struct qb_made){product->x, (int)product->ops->reading} : (struct qb_made){0};
    }
    if (!in.floats)
        linear->scratch->made = made;
    qb_affine(pool, y, n, count, ld, linear->scale ? linear->scale + row : NULL,
              with_bias && linear->bias ? linear->bias + row : NULL);
    return QB_OK;
}

enum qb_status qb_linear_apply_rows(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n,
                                    size_t row, size_t count, float *y, size_t ld, bool with_bias, struct qb_error *err)
{
    return qb_linear_apply_each(linear, pool, x, n, 0, false, row, count, y, ld, with_bias, err);
}

enum qb_status qb_linear_apply(struct qb_linear *linear, struct qb_pool *pool, const float *x, size_t n, float *y,
                               bool with_bias, struct qb_error *err)
{
    return qb_linear_apply_rows(linear, pool, x, n, 0, linear->rows, y, linear->rows, with_bias, err);
}
