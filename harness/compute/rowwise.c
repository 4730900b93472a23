#include "compute/rowwise.h"

#include <math.h>
#include <string.h>
#include "compute/kernels.h"

#define CHUNK 32 /* rows a task */

struct rows {
    const struct qb_kernels *kernels;
    const float *x, *y, *weight, *bias;
    float *out;
    size_t n, cols, ld; /* rows, their width, and how far apart they lie in out */
    size_t ld_in;       /* and in x and y, where that differs */
    size_t parts;       /* of a row, each cols wide */
    float eps, offset;  /* offset: or a cap */
    qb_activation_row *activation;
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

static void rmsnorm_row(const struct rows *rows, size_t row, float *out)
{
    const float *x = rows->x + row * rows->ld;
    for (size_t part = 0; part < rows->parts; part++)
        rows->kernels->rmsnorm(x + part * rows->cols, rows->cols, rows->weight, rows->offset, rows->eps,
                               out + part * rows->cols);
}

void qb_rmsnorm(struct qb_pool *pool, const float *x, size_t n, size_t ld, size_t parts, size_t cols,
                const float *weight, float offset, float eps, float *out)
{
    run_rows(pool, (struct rows){.x = x,
                                 .weight = weight,
                                 .out = out,
                                 .n = n,
                                 .cols = cols,
                                 .ld = ld,
                                 .parts = parts,
                                 .eps = eps,
                                 .offset = offset,
                                 .one = rmsnorm_row});
}

static void activate_row(const struct rows *rows, size_t row, float *out)
{
    (void)row;
    rows->activation(out, rows->cols);
}

void qb_activate(struct qb_pool *pool, qb_activation_row *activation, float *x, size_t n, size_t cols)
{
    run_rows(pool,
             (struct rows){.out = x, .n = n, .cols = cols, .ld = cols, .activation = activation, .one = activate_row});
}

static void gated_row(const struct rows *rows, size_t row, float *out)
{
    memcpy(out, rows->x + row * rows->ld_in, rows->cols * sizeof *out);
    rows->activation(out, rows->cols);
    rows->kernels->multiply(out, rows->y + row * rows->ld_in, rows->cols);
}

void qb_gated(struct qb_pool *pool, qb_activation_row *activation, const float *gate, const float *up, size_t n,
              size_t cols, size_t ld, float *out)
{
    run_rows(pool, (struct rows){.x = gate,
                                 .y = up,
                                 .out = out,
                                 .n = n,
                                 .cols = cols,
                                 .ld = cols,
                                 .ld_in = ld,
                                 .activation = activation,
                                 .one = gated_row});
}

static void softcap_row(const struct rows *rows, size_t row, float *out)
{
    (void)row;
    rows->kernels->softcap(out, rows->cols, rows->offset);
}

void qb_softcap(struct qb_pool *pool, float *x, size_t n, size_t cols, float cap)
{
    run_rows(pool, (struct rows){.out = x, .n = n, .cols = cols, .ld = cols, .offset = cap, .one = softcap_row});
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

void qb_rmsnorm_ref(const float *x, size_t cols, const float *weight, float offset, float eps, float *out)
{
    double square = 0;
    for (size_t i = 0; i < cols; i++)
        square += (double)x[i] * (double)x[i] / (double)cols;
    for (size_t i = 0; i < cols; i++)
        out[i] = (float)((double)x[i] / sqrt(square + (double)eps) * ((double)weight[i] + (double)offset));
}

void qb_gelu_ref(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.707106781f));
}

void qb_gelu_tanh_ref(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        x[i] = (float)(0.5 * v * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v))));
    }
}

void qb_silu_ref(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)x[i] / (1 + exp(-(double)x[i])));
}

void qb_softcap_ref(float *x, size_t n, float cap)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)cap * tanh((double)x[i] / (double)cap));
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
