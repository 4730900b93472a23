#include "compute/rowwise.h"

#include <math.h>
#include "compute/kernels.h"

#define CHUNK 32 /* rows a task */

struct rows {
    const struct qb_kernels *kernels;
    const float *x, *y, *weight, *bias;
    float *out;
    size_t n, cols, ld; /* rows, their width, and how far apart they lie in out */
    float eps;
    void (*one)(const struct rows *rows, size_t row, float *out);
};

static void run_chunk(void *context, size_t index, unsigned worker)
{
    const struct rows *rows = context;
    (void)worker;
    size_t end = (index + 1) * CHUNK < rows->n ? (index + 1) * CHUNK : rows->n;
    for (size_t row = index * CHUNK; row < end; row++)
        rows->one(rows, row, rows->out + row * rows->ld);
}

static void run_rows(struct qb_pool *pool, struct rows rows)
{
    rows.kernels = qb_kernels();
    qb_pool_run(pool, (rows.n + CHUNK - 1) / CHUNK, run_chunk, &rows);
}

static void layernorm_row(const struct rows *rows, size_t row, float *out)
{
    rows->kernels->layernorm(rows->x + row * rows->cols, rows->cols, rows->weight, rows->bias, rows->eps, out);
}

void qb_layernorm(struct qb_pool *pool, const float *x, size_t n, size_t cols, const float *weight, const float *bias,
                  float eps, float *out)
{
    run_rows(pool, (struct rows){.x = x,
                                 .weight = weight,
                                 .bias = bias,
                                 .out = out,
                                 .n = n,
                                 .cols = cols,
                                 .ld = cols,
                                 .eps = eps,
                                 .one = layernorm_row});
}

static void relu_row(const struct rows *rows, size_t row, float *out)
{
    (void)row;
    rows->kernels->relu(out, rows->cols);
}

void qb_relu(struct qb_pool *pool, float *x, size_t n, size_t cols)
{
    run_rows(pool, (struct rows){.out = x, .n = n, .cols = cols, .ld = cols, .one = relu_row});
}

static void gelu_row(const struct rows *rows, size_t row, float *out)
{
    (void)row;
    rows->kernels->gelu(out, rows->cols);
}

void qb_gelu(struct qb_pool *pool, float *x, size_t n, size_t cols)
{
    run_rows(pool, (struct rows){.out = x, .n = n, .cols = cols, .ld = cols, .one = gelu_row});
}

static void add_row(const struct rows *rows, size_t row, float *out)
{
    rows->kernels->add(out, rows->y + row * rows->cols, rows->cols);
}

void qb_add(struct qb_pool *pool, float *x, const float *y, size_t n, size_t cols)
{
    run_rows(pool, (struct rows){.out = x, .y = y, .n = n, .cols = cols, .ld = cols, .one = add_row});
}

static void affine_row(const struct rows *rows, size_t row, float *out)
{
    (void)row;
    rows->kernels->affine(out, rows->cols, rows->weight, rows->bias);
}

void qb_affine(struct qb_pool *pool, float *y, size_t n, size_t cols, size_t ld, const float *scale, const float *bias)
{
    if (scale || bias)
        run_rows(pool, (struct rows){
                           .out = y, .weight = scale, .bias = bias, .n = n, .cols = cols, .ld = ld, .one = affine_row});
}

void qb_softmax(float *x, size_t n)
{
    qb_kernels()->softmax(x, n);
}

/* ---- the plain versions ---- */

void qb_layernorm_ref(const float *x, size_t n, size_t cols, const float *weight, const float *bias, float eps,
                      float *out)
{
    for (size_t row = 0; row < n; row++, x += cols, out += cols) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < cols; i++)
            mean += (double)x[i] / (double)cols;
        for (size_t i = 0; i < cols; i++)
            variance += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)cols;
        for (size_t i = 0; i < cols; i++)
            out[i] =
                (float)(((double)x[i] - mean) / sqrt(variance + (double)eps) * (double)weight[i] + (double)bias[i]);
    }
}

void qb_gelu_ref(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.707106781f));
}

void qb_softmax_ref(float *x, size_t n)
{
    double max = (double)x[0], sum = 0;
    for (size_t i = 0; i < n; i++)
        max = (double)x[i] > max ? (double)x[i] : max;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(exp((double)x[i] - max) / sum);
}
