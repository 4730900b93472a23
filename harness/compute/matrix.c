/* The products of a matrix in a format. All but a codec's own, the fused and the split ones make, for every shape, the
 * BLAS calls that FP32 rows would get (gemm.h), on panels of rows that are read into scratch right before: few inputs
 * take a panel a worker, many a group of panels that all workers read, then multiply. */
#include "compute/matrix.h"

#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "compute/gemm.h"
#include "compute/kernels.h"

#define READ_ROWS 32                   /* rows a task reads */
#define GROUP_FLOATS ((size_t)2 << 20) /* of a group of panels, unless there is a panel a worker */

static size_t at_most(size_t value, size_t bound)
{
    return value < bound ? value : bound;
}

/* ---- reading rows ---- */

enum qb_status qb_matrix_rows(const struct qb_matrix *m, size_t row, size_t count, float *out, struct qb_error *err)
{
    if (!m->format)
        memcpy(out, (const float *)m->bytes + row * m->cols, count * m->cols * sizeof *out);
    else if (qb_decode_again(m->format, m->rows, m->cols, m->bytes, m->size, row, count, out, err))
        return err->status;
    if (m->conditioning)
        qb_condition_weights(m->conditioning, out, count, m->cols);
    return QB_OK;
}

static enum qb_status coordinate_rows(const struct qb_matrix *m, size_t row, size_t count, float *out,
                                      struct qb_error *err)
{
    return qb_coordinates_again(m->format, m->rows, m->cols, m->bytes, m->size, row, count, out, err);
}

void qb_reverse_rows(float *x, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++, x += cols)
        for (size_t j = 0; j < cols / 2; j++) {
            float first = x[j];
            x[j] = x[cols - 1 - j];
            x[cols - 1 - j] = first;
        }
}

static enum qb_status reversed_rows(const struct qb_matrix *m, size_t row, size_t count, float *out,
                                    struct qb_error *err)
{
    if (!qb_matrix_rows(m, row, count, out, err))
        qb_reverse_rows(out, count, m->cols);
    return err->status;
}

enum qb_status qb_matrix_check(const struct qb_matrix *m, enum qb_reading reading, struct qb_error *err)
{
    size_t part = qb_panel_rows(m->rows, m->cols);
    float *out = m->format ? qb_alloc(part * m->cols, sizeof *out, "rows to check", err) : NULL;
    for (size_t row = 0; out && row < m->rows && !err->status; row += part) {
        size_t count = at_most(part, m->rows - row);
        if (!qb_decode(m->format, m->rows, m->cols, m->bytes, m->size, row, count, out, err) &&
            reading == QB_READ_COORDINATES)
            qb_coordinates(m->format, m->rows, m->cols, m->bytes, m->size, row, count, out, err);
    }
    qb_free(out);
    return err->status;
}

/* ---- encoding ---- */

struct block {
    const struct qb_matrix *matrix;
    size_t row;
};

static enum qb_status block_rows(const void *source, size_t row, size_t count, float *out, struct qb_error *err)
{
    const struct block *block = source;
    const struct qb_matrix *m = block->matrix;
    size_t row_size = m->size / m->rows, first = block->row + row;
    if (!qb_matrix_rows(m, first, count, out, err) && m->mapped)
        qb_map_drop_read(m->bytes, first * row_size, (first + count) * row_size);
    return err->status;
}

enum qb_status qb_matrix_encode(const struct qb_matrix *source, size_t row, size_t rows, const struct qb_format *format,
                                struct qb_matrix *encoded, struct qb_error *err)
{
    const struct block block = {source, row};
    size_t cols = source->cols, size;
    *encoded =
        (struct qb_matrix){.name = source->name, .roles = source->roles, .rows = rows, .cols = cols, .format = format};
    if (qb_encoded_size(format, rows, cols, &size, err))
        return err->status;
    void *bytes = qb_alloc(size, 1, "encoded weights", err);
    if (!bytes)
        return err->status;
    if (source->format || source->conditioning || (source->mapped && format->plugin->codec->encode_passes))
        qb_encode_rows(format, rows, cols, block_rows, &block, bytes, size, err);
    else
        qb_encode(format, rows, cols, (const float *)source->bytes + row * cols, bytes, size, err);
    if (source->mapped)
        qb_map_drop(source->bytes, source->size);
    if (err->status) {
        qb_free(bytes);
        return err->status;
    }
    encoded->bytes = bytes;
    encoded->size = size;
    return QB_OK;
}

/* ---- products ---- */

/* What the tasks of one product share. */
struct work {
    const struct qb_product *product;
    struct qb_gemm_plan plan;
    float *panels;
    size_t row, rows; /* read rows [row, row + rows) of the matrix into panels */
    size_t first;     /* number of the panel that this is */
    size_t times;     /* products with the same rows, of plan.m inputs each, after one another */
    struct qb_task_error failed;
};

static enum qb_status run(struct work *work, struct qb_pool *pool, size_t tasks,
                          void (*task)(void *work, size_t index, unsigned worker), struct qb_error *err)
{
    qb_pool_run(pool, tasks, task, work);
    return qb_task_status(&work->failed, err);
}

static size_t panel_floats(const struct qb_gemm_plan *plan)
{
    return plan->tile_n * plan->k;
}

static void read_task(void *context, size_t index, unsigned worker)
{
    struct work *work = context;
    struct qb_error err = {0};
    const struct qb_product *p = work->product;
    size_t row = index * READ_ROWS, count = at_most(READ_ROWS, work->rows - row);
    (void)worker;
    if (p->ops->rows(p->matrix, work->row + row, count, work->panels + row * p->matrix->cols, &err))
        qb_task_fail(&work->failed, &err);
}

static enum qb_status read_all(struct work *work, struct qb_pool *pool, size_t row, size_t rows, struct qb_error *err)
{
    work->row = row;
    work->rows = rows;
    return run(work, pool, (rows + READ_ROWS - 1) / READ_ROWS, read_task, err);
}

enum qb_status qb_matrix_unpack(const struct qb_matrix *m, const struct qb_matrix_ops *ops, struct qb_pool *pool,
                                size_t row, size_t count, float *out, struct qb_error *err)
{
    const struct qb_product product = {.matrix = m, .ops = ops};
    struct work work = {.product = &product, .panels = out, .failed = QB_TASKS_FINE};
    return read_all(&work, pool, row, count, err);
}

/* Tile (i, j) of each of the products. */
static void multiply_tile(const struct work *work, size_t i, size_t j, const float *panel)
{
    const struct qb_product *p = work->product;
    const struct qb_gemm_plan *plan = &work->plan;
    for (size_t t = 0; t < work->times; t++)
        qb_gemm_tile(plan, i, j, p->x + t * plan->m * plan->k, plan->k, panel, p->y + t * plan->m * p->ld, p->ld);
}

/* A panel that its worker reads for itself, and the tiles that need it. */
static void panel_task(void *context, size_t index, unsigned worker)
{
    struct work *work = context;
    struct qb_error err = {0};
    const struct qb_gemm_plan *plan = &work->plan;
    const struct qb_product *p = work->product;
    float *panel = work->panels + worker * panel_floats(plan);
    size_t row = index * plan->tile_n;
    if (p->ops->rows(p->matrix, p->row + row, at_most(plan->tile_n, plan->n - row), panel, &err))
        qb_task_fail(&work->failed, &err);
    else
        multiply_tile(work, 0, index, panel);
}

static void tile_task(void *context, size_t index, unsigned worker)
{
    const struct work *work = context;
    size_t i = index % work->plan.tiles_m, panel = index / work->plan.tiles_m;
    (void)worker;
    multiply_tile(work, i, work->first + panel, work->panels + panel * panel_floats(&work->plan));
}

/* How many panels are in scratch at a time; 0: one a worker. */
static size_t group_of(const struct qb_gemm_plan *plan, unsigned threads)
{
    if (plan->tiles_m == 1 && plan->tile_n <= 128)
        return 0;
    size_t group = GROUP_FLOATS / panel_floats(plan);
    return at_most(group > threads ? group : threads, plan->tiles_n);
}

/* Products of `each` inputs that a product is made of and that can be multiplied panel by panel. */
static size_t count_times(const struct qb_product *p)
{
    return p->each ? p->n / p->each : 1;
}

static enum qb_status apply_panels(const struct qb_product *p, struct qb_pool *pool, struct qb_error *err)
{
    struct work work = {.product = p, .panels = p->scratch, .times = count_times(p), .failed = QB_TASKS_FINE};
    const struct qb_gemm_plan *plan = &work.plan;
    work.plan = qb_gemm_plan(p->n / work.times, p->count, p->matrix->cols, qb_pool_threads(pool));
    size_t group = group_of(plan, qb_pool_threads(pool));
    if (group == 0)
        return run(&work, pool, plan->tiles_n, panel_task, err);
    for (; work.first < plan->tiles_n; work.first += group) {
        size_t row = work.first * plan->tile_n, panels = at_most(group, plan->tiles_n - work.first);
        if (read_all(&work, pool, p->row + row, at_most(panels * plan->tile_n, plan->n - row), err) ||
            run(&work, pool, panels * plan->tiles_m, tile_task, err))
            return err->status;
    }
    return QB_OK;
}

static void view_task(void *context, size_t index, unsigned worker)
{
    const struct work *work = context;
    const struct qb_product *p = work->product;
    const size_t i = index % work->plan.tiles_m, j = index / work->plan.tiles_m;
    (void)worker;
    multiply_tile(work, i, j, (const float *)p->matrix->bytes + (p->row + j * work->plan.tile_n) * work->plan.k);
}

static enum qb_status apply_view(const struct qb_product *p, struct qb_pool *pool, struct qb_error *err)
{
    const size_t cols = p->matrix->cols, times = count_times(p);
    if (times > 1) {
        struct work work = {.product = p, .times = times, .failed = QB_TASKS_FINE};
        work.plan = qb_gemm_plan(p->each, p->count, cols, qb_pool_threads(pool));
        return run(&work, pool, work.plan.tiles_m * work.plan.tiles_n, view_task, err);
    }
    qb_gemm_nt(pool, p->n, p->count, cols, p->x, cols, (const float *)p->matrix->bytes + p->row * cols, p->y, p->ld);
    return err->status;
}

static void codec_task(void *context, size_t index, unsigned worker)
{
    struct work *work = context;
    struct qb_error err = {0};
    const struct qb_product *p = work->product;
    const struct qb_matrix *m = p->matrix;
    const struct qb_gemm_plan *plan = &work->plan;
    size_t i = index % plan->tiles_m * plan->tile_m, j = index / plan->tiles_m * plan->tile_n;
    (void)worker;
    if (qb_codec_multiply(m->format, m->rows, m->cols, m->bytes, m->size, p->row + j,
                          at_most(plan->tile_n, plan->n - j), p->x + i * m->cols, at_most(plan->tile_m, plan->m - i),
                          p->y + i * p->ld + j, p->ld, &err))
        qb_task_fail(&work->failed, &err);
}

static enum qb_status apply_codec(const struct qb_product *p, struct qb_pool *pool, struct qb_error *err)
{
    if (!qb_codec_multiplies(p->matrix->format, p->n))
        return apply_panels(p, pool, err);
    struct work work = {.product = p, .failed = QB_TASKS_FINE};
    work.plan = qb_gemm_plan(p->n, p->count, p->matrix->cols, 1);
    return run(&work, pool, work.plan.tiles_m * work.plan.tiles_n, codec_task, err);
}

/* What the tasks of a fused product share. */
struct fused_work {
    const struct qb_product *product;
    size_t whole; /* tasks of FUSED_ROWS rows, as many for each thread */
    size_t rest;  /* rows of one of the other tasks, of which each thread gets one */
    struct qb_fused_inputs in;
};

/* Kernels read up to 64 rows beside each other (kernels_digits.h), and gain by it. */
enum { FUSED_ROWS = 64, FUSED_GROUP = 16 };

static void fused_task(void *context, size_t index, unsigned worker)
{
    const struct fused_work *work = context;
    const struct qb_product *p = work->product;
    const bool whole = index < work->whole;
    const size_t row = whole ? index * FUSED_ROWS : work->whole * FUSED_ROWS + (index - work->whole) * work->rest;
    (void)worker;
    qb_fused_multiply(p->matrix->fused, p->row + row, at_most(whole ? FUSED_ROWS : work->rest, p->count - row),
                      &work->in, p->y + row, p->ld);
}

static enum qb_status apply_fused(const struct qb_product *p, struct qb_pool *pool, struct qb_error *err)
{
    if (p->n > QB_FUSED_MOST)
        return p->matrix->format ? apply_panels(p, pool, err) : apply_view(p, pool, err);
    struct fused_work work = {.product = p, .in = qb_fused_prepare(p->matrix->fused, p->x, p->n, p->scratch)};
    const size_t threads = qb_pool_threads(pool);
    work.whole = p->count / FUSED_ROWS / threads * threads;
    const size_t left = p->count - work.whole * FUSED_ROWS, parts = FUSED_GROUP * threads;
    work.rest = (left + parts - 1) / parts * FUSED_GROUP;
    qb_pool_run(pool, work.whole + (left ? (left + work.rest - 1) / work.rest : 0), fused_task, &work);
    return err->status;
}

/* ---- products of BF16 terms ---- */

static bool is_float(const struct qb_matrix *m)
{
    return !m->format && !m->conditioning;
}

enum {
    LINE_FLOATS = 16,
    SPLIT_STEP = 2 * QB_SPLIT_ROWS,
    SPLIT_MOST = 6,       /* steps */
    SPLIT_CACHE = 7 << 15 /* floats */
};

/* What the tasks of a split product share. Tiles begin where a line does. */
struct split_work {
    const struct qb_product *product;
    size_t rows, threads; /* of a task; of the pool */
    uint16_t *inputs;     /* their tiles, turned */
    float *panels;        /* of each worker: its rows' tiles, then the rows where they are no floats yet */
    struct qb_task_error failed;
};

static size_t split_terms(const struct qb_product *p)
{
    return p->ops->reading == QB_READ_SPLIT2 ? 2 : 3;
}

/* Floats that the tiles of so many rows (or inputs) of the product take. */
static size_t split_floats(const struct qb_product *p, size_t rows)
{
    const size_t across = (p->matrix->cols + QB_SPLIT_COLS - 1) / QB_SPLIT_COLS;
    const size_t tiles = (rows + QB_SPLIT_ROWS - 1) / QB_SPLIT_ROWS * across;
    return tiles * split_terms(p) * QB_SPLIT_TILE * sizeof(uint16_t) / sizeof(float);
}

/* Rows that a task splits, then multiplies by all inputs, which come from the third-level cache for each task anew: as
 * many as the second-level cache holds beside them, at most SPLIT_MOST steps so that a thread whose core is slower can
 * leave some to another; of that or down to half of it, and less where there are not enough steps, what keeps all
 * threads busy to the end. */
static size_t split_panel(const struct qb_product *p, unsigned threads)
{
    const size_t steps = (p->count + SPLIT_STEP - 1) / SPLIT_STEP, fit = SPLIT_CACHE / split_floats(p, SPLIT_STEP);
    const size_t most = at_most(fit > 1 ? fit : 1, SPLIT_MOST);
    const size_t fewest = at_most(most / 2, steps / threads);
    size_t best = most, least = SIZE_MAX;
    for (size_t panel = most; panel > 0 && panel >= fewest; panel--) {
        const size_t tasks = (steps + panel - 1) / panel, time = (tasks + threads - 1) / threads * panel;
        if (time < least) {
            least = time;
            best = panel;
        }
    }
    return best * SPLIT_STEP;
}

static size_t split_panel_floats(const struct qb_product *p, size_t panel)
{
    const size_t rows = is_float(p->matrix) ? 0 : panel * p->matrix->cols;
    return split_floats(p, panel) + (rows + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
}

static void split_inputs_task(void *context, size_t index, unsigned worker)
{
    const struct split_work *work = context;
    const struct qb_product *p = work->product;
    const size_t cols = p->matrix->cols, first = index * QB_SPLIT_ROWS, floats = split_floats(p, 1);
    (void)worker;
    qb_kernels()->split(split_terms(p), p->x + first * cols, at_most(QB_SPLIT_ROWS, p->n - first), cols, true,
                        work->inputs + index * floats * 2);
}

static void split_task(void *context, size_t index, unsigned worker)
{
    struct split_work *work = context;
    struct qb_error err = {0};
    const struct qb_product *p = work->product;
    const struct qb_matrix *m = p->matrix;
    const size_t row = index * work->rows, count = at_most(work->rows, p->count - row);
    uint16_t *tiles = (uint16_t *)(void *)(work->panels + worker * split_panel_floats(p, work->rows));
    float *copy = work->panels + worker * split_panel_floats(p, work->rows) + split_floats(p, work->rows);
    const float *rows = is_float(m) ? (const float *)m->bytes + (p->row + row) * m->cols : copy;
    if (!is_float(m) && qb_matrix_rows(m, p->row + row, count, copy, &err)) {
        qb_task_fail(&work->failed, &err);
        return;
    }
    for (size_t r = 0; r < count; r += QB_SPLIT_ROWS)
        qb_kernels()->split(split_terms(p), rows + r * m->cols, at_most(QB_SPLIT_ROWS, count - r), m->cols, false,
                            tiles + 2 * split_floats(p, r));
    const size_t ahead = work->threads * work->rows; /* to the rows that this thread will likely take next */
    const size_t left = is_float(m) && row + ahead < p->count ? at_most(work->rows, p->count - row - ahead) : 0;
    qb_kernels()->split_dots(split_terms(p), tiles, count, work->inputs, p->n, m->cols, p->y + row, p->ld,
                             left ? rows + ahead * m->cols : NULL, left * m->cols * sizeof(float));
}

static enum qb_status apply_split(const struct qb_product *p, struct qb_pool *pool, struct qb_error *err)
{
    const size_t past = (uintptr_t)p->scratch / sizeof(float) % LINE_FLOATS;
    float *scratch = p->scratch + (past ? LINE_FLOATS - past : 0);
    struct split_work work = {.product = p, .inputs = (uint16_t *)(void *)scratch, .failed = QB_TASKS_FINE};
    work.threads = qb_pool_threads(pool);
    work.rows = split_panel(p, qb_pool_threads(pool));
    work.panels = scratch + split_floats(p, p->n);
    if (!p->ready)
        qb_pool_run(pool, (p->n + QB_SPLIT_ROWS - 1) / QB_SPLIT_ROWS, split_inputs_task, &work);
    qb_pool_run(pool, (p->count + work.rows - 1) / work.rows, split_task, &work);
    return qb_task_status(&work.failed, err);
}

/* What the tasks of a product of logarithms share. */
struct log_work {
    const struct qb_product *product;
    struct qb_log_inputs in;
};

static void log_task(void *context, size_t index, unsigned worker)
{
    const struct log_work *work = context;
    const struct qb_product *p = work->product;
    size_t row = index * READ_ROWS;
    (void)worker;
    qb_log_multiply(p->matrix->logs, p->row + row, at_most(READ_ROWS, p->count - row), &work->in, p->y + row, p->ld);
}

static enum qb_status apply_logs(const struct qb_product *p, struct qb_pool *pool, struct qb_error *err)
{
    struct log_work work = {.product = p, .in = qb_log_prepare(p->matrix->logs, p->x, p->n, p->scratch)};
    qb_pool_run(pool, (p->count + READ_ROWS - 1) / READ_ROWS, log_task, &work);
    return err->status;
}

/* Can its products of `each` inputs go through the rows together? One input is no tile, but a vector. */
static bool goes_together(const struct qb_product *p)
{
    if (p->ops->apply == apply_fused)
        return p->each > QB_FUSED_MOST;
    if (p->ops->apply == apply_codec)
        return p->each > 1 && !qb_codec_multiplies(p->matrix->format, p->each);
    return p->each > 1 && (p->ops->apply == apply_panels || p->ops->apply == apply_view);
}

enum qb_status qb_product(const struct qb_product *product, struct qb_pool *pool, struct qb_error *err)
{
    struct qb_product part = *product;
    const size_t n = product->count ? product->n : 0, each = product->each ? at_most(product->each, n) : n;
    const bool together = goes_together(product);
    for (size_t i = 0; i < n && !err->status; i += part.n) {
        part.n = together && n - i > each ? (n - i) / each * each : at_most(each, n - i);
        part.each = part.n > each ? each : 0;
        part.x = product->x + i * product->matrix->cols;
        part.y = product->y + i * product->ld;
        part.ready = product->ready && part.n == n;
        product->ops->apply(&part, pool, err);
    }
    return err->status;
}

bool qb_product_leaves(const struct qb_product *p)
{
    return p->ops->apply == apply_split && (!p->each || p->each >= p->n);
}

/* ---- the table ---- */

static bool is_fused(const struct qb_matrix *m)
{
    return m->fused != NULL;
}

static bool multiplies(const struct qb_matrix *m)
{
    return m->format && qb_codec_multiplies(m->format, 1);
}

static bool any(const struct qb_matrix *m)
{
    (void)m;
    return true;
}

const struct qb_matrix_ops *qb_matrix_ops(const struct qb_matrix *m, enum qb_reading reading)
{
    static const struct qb_matrix_ops table[] = {
        {"fused", QB_READ_VALUES, is_fused, apply_fused, false, qb_matrix_rows},
        {"view", QB_READ_VALUES, is_float, apply_view, false, qb_matrix_rows},
        {"codec", QB_READ_VALUES, multiplies, apply_codec, false, qb_matrix_rows},
        {"decode+blas", QB_READ_VALUES, any, apply_panels, true, qb_matrix_rows},
        {"coordinates+blas", QB_READ_COORDINATES, any, apply_panels, false, coordinate_rows},
        {"reversed+blas", QB_READ_REVERSED, any, apply_panels, false, reversed_rows},
        {"split", QB_READ_SPLIT, any, apply_split, false, qb_matrix_rows},
        {"split2", QB_READ_SPLIT2, any, apply_split, false, qb_matrix_rows},
        {"logarithms", QB_READ_LOGARITHMS, any, apply_logs, false, qb_matrix_rows},
    };
    size_t i = 0;
    while (table[i].reading != reading || !table[i].fits(m))
        i++;
    return &table[i];
}

/* Of one product of p->n inputs. */
static size_t scratch_of(const struct qb_product *p, unsigned threads)
{
    if (p->ops->apply == apply_view || p->n == 0 || p->count == 0)
        return 0;
    if (p->ops->apply == apply_logs)
        return qb_log_scratch(p->matrix->logs, p->n);
    if (p->ops->apply == apply_split)
        return LINE_FLOATS + split_floats(p, p->n) + threads * split_panel_floats(p, split_panel(p, threads));
    if (p->ops->apply == apply_fused && p->n <= QB_FUSED_MOST)
        return qb_fused_scratch(p->matrix->fused, p->n);
    struct qb_gemm_plan plan = qb_gemm_plan(p->n, p->count, p->matrix->cols, threads);
    size_t group = group_of(&plan, threads);
    return (group ? group : threads) * panel_floats(&plan);
}

size_t qb_product_scratch(const struct qb_product *product, unsigned threads)
{
    struct qb_product part = *product;
    if (!product->each || product->each >= product->n)
        return scratch_of(product, threads);
    part.n = product->each;
    const size_t full = scratch_of(&part, threads);
    part.n = product->n % product->each; /* fewer inputs may take wider panels */
    const size_t rest = scratch_of(&part, threads);
    return full > rest ? full : rest;
}
