#include "compute/compensate.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

#define DAMPING 0.01

struct work {
    const struct qb_format *format;
    size_t rows, cols;
    size_t group;  /* columns that share a grid: cols, or fewer */
    size_t slab;   /* columns of a question to the codec */
    bool together; /* all rows share one */
    double *upper; /* U[cols, cols], U^T U the inverse of the damped Hessian */
    float *w;      /* [rows, cols]: weights, from the left on what they are rounded to */
    float *asked, *answer;
    float *least, *most; /* [rows] of the grid at work */
    bool *pinned;        /* [2, rows]: the least, the greatest has been kept */
    float *grid;         /* [rows, group]: the group encoded as it came */
    double *errors;      /* [rows, group], over U's diagonal */
    void *bytes;
    size_t size;
};

/* ---- the factor ---- */

/* H = R R^T with R upper triangular, in place of the upper triangle; false: H is not positive definite. */
static bool factor(double *h, size_t n)
{
    for (size_t j = n; j-- > 0;) {
        double *row = h + j * n, sum = row[j];
        for (size_t k = j + 1; k < n; k++)
            sum -= row[k] * row[k];
        if (!(sum > 0))
            return false;
        row[j] = sqrt(sum);
        for (size_t i = 0; i < j; i++) {
            double *above = h + i * n, dot = above[j];
            for (size_t k = j + 1; k < n; k++)
                dot -= above[k] * row[k];
            above[j] = dot / row[j];
        }
    }
    return true;
}

/* U = R^-1 in place: H^-1 = R^-T R^-1 = U^T U. */
static void invert(double *r, size_t n, double *line)
{
    for (size_t i = n; i-- > 0;) {
        double *row = r + i * n, diagonal = 1 / row[i];
        memset(line, 0, n * sizeof *line);
        for (size_t k = i + 1; k < n; k++)
            for (size_t j = k; j < n; j++)
                line[j] -= row[k] * r[k * n + j];
        row[i] = diagonal;
        for (size_t j = i + 1; j < n; j++)
            row[j] = line[j] * diagonal;
    }
}

static enum qb_status make_upper(struct work *w, const struct qb_matrix *source, const struct qb_seen *seen,
                                 struct qb_error *err)
{
    const size_t n = w->cols, values = seen->n * n;
    double mean = 0;
    float *x = qb_alloc(values, sizeof *x, "conditioned inputs", err);
    float *gram = x ? qb_alloc(n * n, sizeof *gram, "products of inputs", err) : NULL;
    double *line = gram ? qb_alloc(n, sizeof *line, "a row", err) : NULL;
    w->upper = line ? qb_alloc(n * n, sizeof *w->upper, "Hessian", err) : NULL;
    if (!w->upper)
        goto out;
    memcpy(x, seen->x, values * sizeof *x);
    if (source->conditioning)
        qb_condition_inputs(source->conditioning, x, seen->n, n);
    if (qb_gram(&(struct qb_seen){x, seen->n, seen->pool}, n, gram, err))
        goto out;
    for (size_t i = 0; i < n * n; i++)
        w->upper[i] = (double)gram[i];
    for (size_t i = 0; i < n; i++)
        mean += w->upper[i * n + i] / (double)n;
    for (size_t i = 0; i < n; i++)
        w->upper[i * n + i] += mean > 0 ? DAMPING * mean : 1;
    if (factor(w->upper, n))
        invert(w->upper, n, line);
    else
        qb_fail(err, QB_ERR_NUMERIC, "the inputs that were seen give no positive definite Hessian");
out:
    qb_free(line);
    qb_free(gram);
    qb_free(x);
    return err->status;
}

/* ---- the grid ---- */

/* The columns that share a grid, and those that a question must have for the codec to take it. */
static void find_group(struct work *w)
{
    const struct qb_codec_option *options = w->format->plugin->codec->options;
    enum { EXTREMES_AND_ONE = 3, LARGEST_BLOCK = 256 };
    w->group = w->cols;
    w->slab = EXTREMES_AND_ONE;
    for (size_t i = 0; i < w->format->value_count; i++)
        if (options[i].type == QB_OPTION_SCOPE) {
            const struct qb_scope scope = w->format->values[i].scope;
            w->together = scope.kind == QB_SCOPE_TENSOR;
            if (scope.kind == QB_SCOPE_GROUP && scope.group < w->cols)
                w->group = scope.group;
            return;
        }
    for (size_t width = 1; width <= LARGEST_BLOCK; width *= 2)
        if (qb_format_takes(w->format, 1, width)) {
            w->group = width == 1 ? w->cols : width;
            w->slab = width < EXTREMES_AND_ONE ? EXTREMES_AND_ONE : width;
            return;
        }
}

static enum qb_status ask(struct work *w, size_t cols, const float *x, float *out, struct qb_error *err)
{
    size_t size;
    if (qb_encoded_size(w->format, w->rows, cols, &size, err) ||
        qb_encode(w->format, w->rows, cols, x, w->bytes, size, err))
        return err->status;
    return qb_decode(w->format, w->rows, cols, w->bytes, size, 0, w->rows, out, err);
}

/* The grid of columns [from, from + count) as they are now. */
static enum qb_status open_grid(struct work *w, size_t from, size_t count, struct qb_error *err)
{
    for (size_t i = 0; i < w->rows; i++)
        memcpy(w->grid + i * count, w->w + i * w->cols + from, count * sizeof *w->grid);
    if (ask(w, count, w->grid, w->grid, err))
        return err->status;
    float least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < w->rows; i++) {
        w->least[i] = INFINITY;
        w->most[i] = -INFINITY;
        for (size_t j = 0; j < count; j++) {
            w->least[i] = fminf(w->least[i], w->grid[i * count + j]);
            w->most[i] = fmaxf(w->most[i], w->grid[i * count + j]);
        }
        least = fminf(least, w->least[i]);
        most = fmaxf(most, w->most[i]);
    }
    for (size_t i = 0; w->together && i < w->rows; i++) {
        w->least[i] = least;
        w->most[i] = most;
    }
    memset(w->pinned, 0, 2 * w->rows * sizeof *w->pinned);
    return QB_OK;
}

/* Column from + j of the weights to the grid. */
static enum qb_status round_column(struct work *w, size_t from, size_t count, size_t j, struct qb_error *err)
{
    for (size_t i = 0; i < w->rows; i++) {
        float *asked = w->asked + i * w->slab, value = w->w[i * w->cols + from + j];
        for (size_t k = 0; k < w->slab; k++)
            asked[k] = w->most[i];
        asked[0] = w->least[i];
        asked[1] = fmaxf(w->least[i], fminf(value, w->most[i]));
    }
    if (ask(w, w->slab, w->asked, w->answer, err))
        return err->status;
    for (size_t i = 0; i < w->rows; i++) {
        const float as_came = w->grid[i * count + j];
        bool *least = &w->pinned[i], *most = &w->pinned[w->rows + i];
        float *value = &w->w[i * w->cols + from + j], rounded = w->answer[i * w->slab + 1], was = *value;
        if ((as_came == w->least[i] && !*least) || (as_came == w->most[i] && !*most))
            rounded = as_came;
        *least = *least || as_came == w->least[i];
        *most = *most || as_came == w->most[i];
        *value = rounded;
        w->errors[i * count + j] = ((double)was - (double)rounded) / w->upper[(from + j) * w->cols + from + j];
    }
    return QB_OK;
}

/* Takes errors of columns [first, first + count) out of columns [from, to). */
static void spread(struct work *w, size_t first, size_t count, size_t stride, size_t at, size_t from, size_t to)
{
    for (size_t i = 0; i < w->rows; i++)
        for (size_t k = 0; k < count; k++) {
            const double error = w->errors[i * stride + at + k], *u = w->upper + (first + k) * w->cols;
            float *row = w->w + i * w->cols;
            for (size_t j = from; j < to; j++)
                row[j] -= (float)(error * u[j]);
        }
}

static enum qb_status compensate(struct work *w, struct qb_error *err)
{
    for (size_t from = 0, count; from < w->cols; from += count) {
        count = w->cols - from < w->group ? w->cols - from : w->group;
        if (open_grid(w, from, count, err))
            return err->status;
        for (size_t j = 0; j < count; j++) {
            if (round_column(w, from, count, j, err))
                return err->status;
            spread(w, from + j, 1, count, j, from + j + 1, from + count);
        }
        spread(w, from, count, count, 0, from + count, w->cols);
    }
    return QB_OK;
}

/* Is what was encoded what the columns were rounded to? Within 1e-6 of a row's largest: a scale that is computed anew
 * from a product with it may be off by its last place. */
static enum qb_status check(const struct work *w, const struct qb_matrix *encoded, struct qb_error *err)
{
    float *decoded = qb_alloc(w->cols, sizeof *decoded, "a decoded row", err);
    for (size_t i = 0; decoded && i < w->rows && !err->status; i++) {
        const float *due = w->w + i * w->cols;
        float most = 0, off = 0;
        if (qb_matrix_rows(encoded, i, 1, decoded, err))
            break;
        for (size_t j = 0; j < w->cols; j++) {
            most = fmaxf(most, fabsf(due[j]));
            off = fmaxf(off, fabsf(due[j] - decoded[j]));
        }
        if (off > 1e-6f * most)
            qb_fail(err, QB_ERR_INPUT,
                    "codec %s cannot be compensated, the levels of row %zu depend on more than its extremes "
                    "(off by %g of %g)",
                    w->format->plugin->codec->id, i, (double)off, (double)most);
    }
    qb_free(decoded);
    return err->status;
}

static enum qb_status make_room(struct work *w, struct qb_error *err)
{
    const size_t widest = w->group > w->slab ? w->group : w->slab;
    size_t slab, group;
    if (qb_encoded_size(w->format, w->rows, w->slab, &slab, err) ||
        qb_encoded_size(w->format, w->rows, widest, &group, err))
        return err->status;
    w->size = slab > group ? slab : group;
    w->bytes = qb_alloc(w->size, 1, "encoded columns", err);
    w->w = qb_alloc(w->rows * w->cols, sizeof *w->w, "weights to compensate", err);
    w->asked = qb_alloc(2 * w->rows * w->slab, sizeof *w->asked, "columns", err);
    w->grid = qb_alloc(w->rows * w->group, sizeof *w->grid, "columns of a grid", err);
    w->least = qb_alloc(2 * w->rows, sizeof *w->least, "extremes", err);
    w->pinned = qb_alloc(2 * w->rows, sizeof *w->pinned, "extremes kept", err);
    w->errors = qb_alloc(w->rows * w->group, sizeof *w->errors, "errors", err);
    if (err->status)
        return err->status;
    w->answer = w->asked + w->rows * w->slab;
    w->most = w->least + w->rows;
    return QB_OK;
}

enum qb_status qb_matrix_encode_compensated(const struct qb_matrix *source, size_t row, size_t rows,
                                            const struct qb_format *format, const struct qb_seen *seen,
                                            struct qb_matrix *encoded, struct qb_error *err)
{
    struct work w = {.format = format, .rows = rows, .cols = source->cols};
    find_group(&w);
    if (!make_room(&w, err) && !make_upper(&w, source, seen, err) && !qb_matrix_rows(source, row, rows, w.w, err) &&
        !compensate(&w, err)) {
        const struct qb_matrix rounded = {.name = source->name,
                                          .roles = source->roles,
                                          .rows = rows,
                                          .cols = w.cols,
                                          .bytes = w.w,
                                          .size = rows * w.cols * sizeof *w.w};
        if (!qb_matrix_encode(&rounded, 0, rows, format, encoded, err) && check(&w, encoded, err)) {
            qb_free((void *)(uintptr_t)encoded->bytes);
            encoded->bytes = NULL;
        }
    }
    void *const all[] = {w.upper, w.w, w.asked, w.grid, w.least, w.pinned, w.errors, w.bytes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        qb_free(all[i]);
    return err->status;
}
