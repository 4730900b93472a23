#include "compute/input_scale.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "compute/gemm.h"

#define STEPS 20 /* of AWQ's search */
#define AWQ_LEAST 1e-4
#define SMOOTH_LEAST 1e-5

struct search {
    const struct qb_variant *variant;
    const struct qb_matrix *matrix;
    const struct qb_scaled_block *blocks;
    size_t count;
    const struct qb_seen *seen;
    double *inputs; /* a[cols] */
    float *gram;    /* x^T x */
};

/* ---- statistics ---- */

static void mean_inputs(const struct qb_seen *seen, size_t cols, double *out)
{
    for (size_t i = 0; i < seen->n; i++)
        for (size_t j = 0; j < cols; j++)
            out[j] += fabs((double)seen->x[i * cols + j]);
    for (size_t j = 0; j < cols; j++)
        out[j] /= (double)seen->n;
}

static void largest(const float *x, size_t rows, size_t cols, double *out)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            out[j] = fmax(out[j], fabs((double)x[i * cols + j]));
}

enum qb_status qb_gram(const struct qb_seen *seen, size_t cols, float *gram, struct qb_error *err)
{
    float *turned = qb_alloc(cols * seen->n, sizeof *turned, "inputs by channel", err);
    if (!turned)
        return err->status;
    for (size_t i = 0; i < seen->n; i++)
        for (size_t j = 0; j < cols; j++)
            turned[j * seen->n + i] = seen->x[i * cols + j];
    qb_gemm_nt(seen->pool, cols, cols, seen->n, turned, seen->n, turned, gram, cols);
    qb_free(turned);
    return QB_OK;
}

/* ---- s ---- */

static enum qb_status check(const float *scale, size_t cols, struct qb_error *err)
{
    for (size_t j = 0; j < cols; j++)
        if (!isfinite(scale[j]) || scale[j] <= 0)
            return qb_fail(err, QB_ERR_NUMERIC, "the scale of input %zu is %g", j, (double)scale[j]);
    return QB_OK;
}

static enum qb_status awq(const double *inputs, double alpha, size_t cols, float *scale, struct qb_error *err)
{
    double least = INFINITY, most = 0;
    for (size_t j = 0; j < cols; j++) {
        double s = fmax(pow(inputs[j], alpha), AWQ_LEAST);
        if (inputs[j] > 0) {
            least = fmin(least, s);
            most = fmax(most, s);
        }
    }
    for (size_t j = 0; j < cols; j++)
        scale[j] = inputs[j] > 0 ? (float)(fmax(pow(inputs[j], alpha), AWQ_LEAST) / (sqrt(least) * sqrt(most))) : 1.0f;
    return check(scale, cols, err);
}

/* Rows of the blocks as FP32, panel by panel, to `take`. */
typedef void taker(void *context, const float *rows, size_t count, size_t cols);

static enum qb_status each_panel(const struct search *s, size_t block, float *panel, size_t most, taker *take,
                                 void *context, struct qb_error *err)
{
    const struct qb_scaled_block *b = &s->blocks[block];
    for (size_t row = 0, n; row < b->rows; row += n) {
        n = b->rows - row < most ? b->rows - row : most;
        if (qb_matrix_rows(s->matrix, b->row + row, n, panel, err))
            return err->status;
        take(context, panel, n, s->matrix->cols);
    }
    return QB_OK;
}

static void take_largest(void *context, const float *rows, size_t count, size_t cols)
{
    largest(rows, count, cols, context);
}

static size_t panel_rows(const struct qb_matrix *m)
{
    size_t fit = ((size_t)1 << 20) / m->cols;
    fit = fit ? fit : 1;
    return fit < m->rows ? fit : m->rows;
}

static enum qb_status smoothquant(const struct search *s, double alpha, float *scale, struct qb_error *err)
{
    const size_t cols = s->matrix->cols, most = panel_rows(s->matrix);
    double *weights = qb_alloc(cols, sizeof *weights, "largest weights", err);
    float *panel = weights ? qb_alloc(most * cols, sizeof *panel, "rows of weights", err) : NULL;
    for (size_t b = 0; panel && b < s->count && !err->status; b++)
        each_panel(s, b, panel, most, take_largest, weights, err);
    for (size_t j = 0; !err->status && j < cols; j++)
        scale[j] =
            s->inputs[j] > 0
                ? (float)fmax(pow(s->inputs[j], alpha) / pow(fmax(weights[j], SMOOTH_LEAST), 1 - alpha), SMOOTH_LEAST)
                : 1.0f;
    qb_free(panel);
    qb_free(weights);
    return err->status ? err->status : check(scale, cols, err);
}

/* ---- AWQ's search ---- */

/* Sum over e[rows, cols] of e_i gram e_i^T: the squared errors of the outputs. */
static double output_error(const struct search *s, const float *e, size_t rows, float *product)
{
    const size_t cols = s->matrix->cols;
    double sum = 0;
    qb_gemm_nt(s->seen->pool, rows, cols, cols, e, cols, s->gram, product, cols);
    for (size_t i = 0; i < rows * cols; i++)
        sum += (double)e[i] * (double)product[i];
    return sum;
}

/* What encoding a block under the conditioning costs; room for 3 panels. */
static enum qb_status block_error(const struct search *s, const struct qb_scaled_block *b,
                                  const struct qb_conditioning *conditioning, float *room, size_t most, double *sum,
                                  struct qb_error *err)
{
    const size_t cols = s->matrix->cols;
    struct qb_matrix source = *s->matrix, encoded;
    float *decoded = room + most * cols, *product = decoded + most * cols;
    source.conditioning = conditioning;
    source.mapped = false; /* they are read again for the next alpha */
    if (qb_matrix_encode(&source, b->row, b->rows, b->format, &encoded, err))
        return err->status;
    for (size_t row = 0, n; row < b->rows && !err->status; row += n) {
        n = b->rows - row < most ? b->rows - row : most;
        if (qb_matrix_rows(s->matrix, b->row + row, n, room, err) ||
            qb_decode(b->format, b->rows, cols, encoded.bytes, encoded.size, row, n, decoded, err))
            break;
        qb_restore_weights(conditioning, decoded, n, cols);
        for (size_t i = 0; i < n * cols; i++)
            room[i] -= decoded[i];
        *sum += output_error(s, room, n, product);
    }
    qb_free((void *)(uintptr_t)encoded.bytes);
    return err->status;
}

static enum qb_status search_alpha(struct search *s, float *scale, double *alpha, struct qb_error *err)
{
    const size_t cols = s->matrix->cols, most = panel_rows(s->matrix);
    const struct qb_conditioning conditioning = {s->variant->rotate, scale};
    double best = INFINITY;
    float *room = qb_alloc(3 * most * cols, sizeof *room, "rows of weights", err);
    s->gram = room ? qb_alloc(cols * cols, sizeof *s->gram, "products of inputs", err) : NULL;
    if (s->gram)
        qb_gram(s->seen, cols, s->gram, err);
    *alpha = 0;
    for (int step = 0; !err->status && step < STEPS; step++) {
        double sum = 0;
        if (awq(s->inputs, (double)step / STEPS, cols, scale, err))
            break;
        for (size_t b = 0; b < s->count && !err->status; b++)
            block_error(s, &s->blocks[b], &conditioning, room, most, &sum, err);
        if (!err->status && sum < best) {
            best = sum;
            *alpha = (double)step / STEPS;
        }
    }
    qb_free(s->gram);
    qb_free(room);
    return err->status;
}

enum qb_status qb_input_scale(const struct qb_variant *variant, const struct qb_matrix *matrix,
                              const struct qb_scaled_block *blocks, size_t count, const struct qb_seen *seen,
                              float *scale, double *alpha, struct qb_error *err)
{
    struct search s = {variant, matrix, blocks, count, seen, NULL, NULL};
    *alpha = variant->input_alpha;
    s.inputs = qb_alloc(matrix->cols, sizeof *s.inputs, "statistics of inputs", err);
    if (!s.inputs)
        return err->status;
    if (variant->input_scale == QB_INPUT_SCALE_SMOOTHQUANT) {
        largest(seen->x, seen->n, matrix->cols, s.inputs);
        smoothquant(&s, *alpha, scale, err);
    } else {
        mean_inputs(seen, matrix->cols, s.inputs);
        if (!variant->input_search || !search_alpha(&s, scale, alpha, err))
            awq(s.inputs, *alpha, matrix->cols, scale, err);
    }
    qb_free(s.inputs);
    return err->status;
}
