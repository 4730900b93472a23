#include "compute/rowwise.h"

#include <math.h>
#include "compute/lanes.h"

#define CHUNK 32 /* rows a task */
#define SUMS 8   /* partial sums of a row in double */

typedef double sums_t __attribute__((vector_size(8 * SUMS)));

struct rows {
    const float *x, *y, *weight, *bias;
    float *out;
    size_t n, cols, ld;
    float eps;
    void (*one)(const struct rows *rows, size_t row);
};

static void run_chunk(void *context, size_t index, unsigned worker)
{
    const struct rows *rows = context;
    (void)worker;
    size_t end = (index + 1) * CHUNK < rows->n ? (index + 1) * CHUNK : rows->n;
    for (size_t row = index * CHUNK; row < end; row++)
        rows->one(rows, row);
}

static void run_rows(struct qb_pool *pool, struct rows *rows)
{
    qb_pool_run(pool, (rows->n + CHUNK - 1) / CHUNK, run_chunk, rows);
}

/* ---- layer norm ---- */

static double sum_of(const sums_t *sums)
{
    double s[SUMS];
    memcpy(s, sums, sizeof s);
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

static void layernorm_row(const struct rows *rows, size_t row)
{
    const float *x = rows->x + row * rows->cols;
    float *out = rows->out + row * rows->cols;
    size_t cols = rows->cols, whole = cols - cols % SUMS;
    sums_t sums = {0};
    for (size_t i = 0; i < whole; i += SUMS)
        for (size_t l = 0; l < SUMS; l++)
            sums[l] += (double)x[i + l];
    for (size_t i = whole; i < cols; i++)
        sums[i - whole] += (double)x[i];
    double mean = sum_of(&sums) / (double)cols;
    sums = (sums_t){0};
    for (size_t i = 0; i < whole; i += SUMS)
        for (size_t l = 0; l < SUMS; l++)
            sums[l] += ((double)x[i + l] - mean) * ((double)x[i + l] - mean);
    for (size_t i = whole; i < cols; i++)
        sums[i - whole] += ((double)x[i] - mean) * ((double)x[i] - mean);
    double variance = sum_of(&sums) / (double)cols;
    float centre = (float)mean, factor = (float)(1.0 / sqrt(variance + (double)rows->eps));
    for (size_t i = 0; i < cols; i++)
        out[i] = (x[i] - centre) * factor * rows->weight[i] + rows->bias[i];
}

void qb_layernorm(struct qb_pool *pool, const float *x, size_t n, size_t cols, const float *weight, const float *bias,
                  float eps, float *out)
{
    struct rows rows = {
        .x = x, .weight = weight, .bias = bias, .out = out, .n = n, .cols = cols, .eps = eps, .one = layernorm_row};
    run_rows(pool, &rows);
}

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

/* ---- activations ---- */

static void relu_row(const struct rows *rows, size_t row)
{
    float *x = rows->out + row * rows->cols;
    size_t whole = rows->cols - rows->cols % QB_LANES;
    for (size_t i = 0; i < whole; i += QB_LANES) {
        qb_lanes_f v;
        memcpy(&v, x + i, sizeof v);
        v = (qb_lanes_f)((qb_lanes_i)v & ~(v < 0.0f));
        memcpy(x + i, &v, sizeof v);
    }
    for (size_t i = whole; i < rows->cols; i++)
        x[i] = x[i] < 0.0f ? 0.0f : x[i];
}

void qb_relu(struct qb_pool *pool, float *x, size_t n, size_t cols)
{
    struct rows rows = {.out = x, .n = n, .cols = cols, .one = relu_row};
    run_rows(pool, &rows);
}

/* Two polynomials that interpolate at Chebyshev nodes: |x| < 0.93: x + x P(x^2) for (erf(x)/x - 1) over x^2 in
 * [0, 0.87]; above: 1 - exp(-t Q(t)) with Q for -ln(erfc t)/t over [0.92, 4]; from 4 on erf is 1 in FP32. */
void qb_erf_lanes(float *x)
{
    qb_lanes_f v, t, s;
    memcpy(&v, x, sizeof v);
    qb_lanes_i sign = (qb_lanes_i)v & (int32_t)0x80000000u;
    t = (qb_lanes_f)((qb_lanes_i)v & 0x7fffffff);
    qb_lanes_i large = t > 0.93f, beyond = t > 4.0f;
    s = v * v;
    qb_lanes_f p = s * 8.31687939e-5f - 8.13044491e-4f;
    p = p * s + 5.1999893e-3f;
    p = p * s - 2.68589966e-2f;
    p = p * s + 1.1283689e-1f;
    p = p * s - 3.76126319e-1f;
    p = p * s + 1.28379166e-1f;
    p = p * v + v;
    qb_lanes_f q = t * -1.04606568e-6f + 3.43885076e-5f;
    q = q * t - 4.98824986e-4f;
    q = q * t + 4.30378923e-3f;
    q = q * t - 2.51395497e-2f;
    q = q * t + 1.07855655e-1f;
    q = q * t + 6.3414818e-1f;
    q = q * t + 1.12890279f;
    q = (qb_lanes_f)((qb_lanes_i)(q * -t) & large & ~beyond); /* exp's domain: elsewhere 0 */
    memcpy(x, &q, sizeof q);
    qb_exp_lanes(x);
    memcpy(&q, x, sizeof q);
    q = (qb_lanes_f)((qb_lanes_i)q & ~beyond);
    q = (qb_lanes_f)((qb_lanes_i)(1.0f - q) | sign);
    qb_lanes_i result = ((qb_lanes_i)q & large) | ((qb_lanes_i)p & ~large); /* NaN is not large: p keeps it */
    memcpy(x, &result, sizeof result);
}

static void gelu_lanes(float *x)
{
    float e[QB_LANES];
    for (size_t l = 0; l < QB_LANES; l++)
        e[l] = x[l] * 0.707106781f;
    qb_erf_lanes(e);
    for (size_t l = 0; l < QB_LANES; l++)
        x[l] = 0.5f * x[l] * (1.0f + e[l]);
}

static void gelu_row(const struct rows *rows, size_t row)
{
    float *x = rows->out + row * rows->cols;
    size_t whole = rows->cols - rows->cols % QB_LANES, rest = rows->cols - whole;
    for (size_t i = 0; i < whole; i += QB_LANES)
        gelu_lanes(x + i);
    if (rest) {
        float last[QB_LANES] = {0};
        memcpy(last, x + whole, rest * sizeof *x);
        gelu_lanes(last);
        memcpy(x + whole, last, rest * sizeof *x);
    }
}

void qb_gelu(struct qb_pool *pool, float *x, size_t n, size_t cols)
{
    struct rows rows = {.out = x, .n = n, .cols = cols, .one = gelu_row};
    run_rows(pool, &rows);
}

void qb_gelu_ref(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.707106781f));
}

/* ---- sums ---- */

static void add_row(const struct rows *rows, size_t row)
{
    float *x = rows->out + row * rows->cols;
    const float *y = rows->y + row * rows->cols;
    size_t whole = rows->cols - rows->cols % QB_LANES;
    for (size_t i = 0; i < whole; i += QB_LANES) {
        qb_lanes_f v, w;
        memcpy(&v, x + i, sizeof v);
        memcpy(&w, y + i, sizeof w);
        v += w;
        memcpy(x + i, &v, sizeof v);
    }
    for (size_t i = whole; i < rows->cols; i++)
        x[i] += y[i];
}

void qb_add(struct qb_pool *pool, float *x, const float *y, size_t n, size_t cols)
{
    struct rows rows = {.out = x, .y = y, .n = n, .cols = cols, .one = add_row};
    run_rows(pool, &rows);
}

/* y = scale * y, then y + bias: two passes over a row that is in the first-level cache. */
static void affine_row(const struct rows *rows, size_t row)
{
    float *y = rows->out + row * rows->ld;
    size_t whole = rows->cols - rows->cols % QB_LANES;
    qb_lanes_f v, w;
    for (size_t i = 0; rows->weight && i < whole; i += QB_LANES) {
        memcpy(&v, y + i, sizeof v);
        memcpy(&w, rows->weight + i, sizeof w);
        v *= w;
        memcpy(y + i, &v, sizeof v);
    }
    for (size_t i = whole; rows->weight && i < rows->cols; i++)
        y[i] *= rows->weight[i];
    for (size_t i = 0; rows->bias && i < whole; i += QB_LANES) {
        memcpy(&v, y + i, sizeof v);
        memcpy(&w, rows->bias + i, sizeof w);
        v += w;
        memcpy(y + i, &v, sizeof v);
    }
    for (size_t i = whole; rows->bias && i < rows->cols; i++)
        y[i] += rows->bias[i];
}

void qb_affine(struct qb_pool *pool, float *y, size_t n, size_t cols, size_t ld, const float *scale, const float *bias)
{
    struct rows rows = {.out = y, .weight = scale, .bias = bias, .n = n, .cols = cols, .ld = ld, .one = affine_row};
    if (scale || bias)
        run_rows(pool, &rows);
}

/* ---- softmax ---- */

static float max_of(const float *x, size_t n)
{
    float lane[QB_LANES];
    for (size_t l = 0; l < QB_LANES; l++)
        lane[l] = x[0];
    size_t whole = n - n % QB_LANES;
    qb_lanes_f best, v;
    memcpy(&best, lane, sizeof best);
    for (size_t i = 0; i < whole; i += QB_LANES) {
        memcpy(&v, x + i, sizeof v);
        qb_lanes_i more = v > best;
        best = (qb_lanes_f)((more & (qb_lanes_i)v) | (~more & (qb_lanes_i)best));
    }
    memcpy(lane, &best, sizeof lane);
    for (size_t i = whole; i < n; i++)
        lane[0] = x[i] > lane[0] ? x[i] : lane[0];
    for (size_t l = 1; l < QB_LANES; l++)
        lane[0] = lane[l] > lane[0] ? lane[l] : lane[0];
    return lane[0];
}

void qb_softmax(float *x, size_t n)
{
    float max = max_of(x, n), last[QB_LANES];
    size_t whole = n - n % QB_LANES, rest = n - whole;
    qb_lanes_f v, sum = {0};
    for (size_t i = 0; i < whole; i += QB_LANES) {
        memcpy(&v, x + i, sizeof v);
        v = v - max;
        memcpy(x + i, &v, sizeof v);
        qb_exp_lanes(x + i);
        memcpy(&v, x + i, sizeof v);
        sum += v;
    }
    if (rest) {
        for (size_t l = 0; l < QB_LANES; l++)
            last[l] = l < rest ? x[whole + l] - max : -1000.0f; /* exp: 0 */
        qb_exp_lanes(last);
        memcpy(&v, last, sizeof v);
        sum += v;
        memcpy(x + whole, last, rest * sizeof *x);
    }
    memcpy(last, &sum, sizeof last);
    for (size_t half = QB_LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            last[l] += last[l + half];
    float factor = 1.0f / last[0];
    for (size_t i = 0; i < whole; i += QB_LANES) {
        memcpy(&v, x + i, sizeof v);
        v *= factor;
        memcpy(x + i, &v, sizeof v);
    }
    for (size_t i = whole; i < n; i++)
        x[i] *= factor;
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
