/* The body of the kernels of rows (kernels.h), included once by each level's file: sixteen lanes at every level, so
 * that wider registers change no bit. */
#include <math.h>
#include "compute/kernels.h"
#include "compute/lanes.h"

enum { SUMS = 8 }; /* partial sums of a row in double */

typedef double sums_t __attribute__((vector_size(8 * SUMS)));

static double sum_of(const sums_t *sums)
{
    double s[SUMS];
    memcpy(s, sums, sizeof s);
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

static void layernorm(const float *x, size_t cols, const float *weight, const float *bias, float eps, float *out)
{
    size_t whole = cols - cols % SUMS;
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
    float centre = (float)mean, factor = (float)(1.0 / sqrt(variance + (double)eps));
    for (size_t i = 0; i < cols; i++)
        out[i] = (x[i] - centre) * factor * weight[i] + bias[i];
}

static void relu(float *x, size_t n)
{
    size_t whole = n - n % QB_LANES;
    for (size_t i = 0; i < whole; i += QB_LANES) {
        qb_lanes_f v;
        memcpy(&v, x + i, sizeof v);
        v = (qb_lanes_f)((qb_lanes_i)v & ~(v < 0.0f));
        memcpy(x + i, &v, sizeof v);
    }
    for (size_t i = whole; i < n; i++)
        x[i] = x[i] < 0.0f ? 0.0f : x[i];
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

static void gelu(float *x, size_t n)
{
    size_t whole = n - n % QB_LANES, rest = n - whole;
    for (size_t i = 0; i < whole; i += QB_LANES)
        gelu_lanes(x + i);
    if (rest) {
        float last[QB_LANES] = {0};
        memcpy(last, x + whole, rest * sizeof *x);
        gelu_lanes(last);
        memcpy(x + whole, last, rest * sizeof *x);
    }
}

static void add(float *x, const float *y, size_t n)
{
    size_t whole = n - n % QB_LANES;
    for (size_t i = 0; i < whole; i += QB_LANES) {
        qb_lanes_f v, w;
        memcpy(&v, x + i, sizeof v);
        memcpy(&w, y + i, sizeof w);
        v += w;
        memcpy(x + i, &v, sizeof v);
    }
    for (size_t i = whole; i < n; i++)
        x[i] += y[i];
}

/* y = scale * y, then y + bias: two passes over a row that is in the first-level cache. */
static void affine(float *y, size_t n, const float *scale, const float *bias)
{
    size_t whole = n - n % QB_LANES;
    qb_lanes_f v, w;
    for (size_t i = 0; scale && i < whole; i += QB_LANES) {
        memcpy(&v, y + i, sizeof v);
        memcpy(&w, scale + i, sizeof w);
        v *= w;
        memcpy(y + i, &v, sizeof v);
    }
    for (size_t i = whole; scale && i < n; i++)
        y[i] *= scale[i];
    for (size_t i = 0; bias && i < whole; i += QB_LANES) {
        memcpy(&v, y + i, sizeof v);
        memcpy(&w, bias + i, sizeof w);
        v += w;
        memcpy(y + i, &v, sizeof v);
    }
    for (size_t i = whole; bias && i < n; i++)
        y[i] += bias[i];
}

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

static void softmax(float *x, size_t n)
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

static void set_rows(struct qb_kernels *kernels)
{
    kernels->layernorm = layernorm;
    kernels->relu = relu;
    kernels->gelu = gelu;
    kernels->add = add;
    kernels->affine = affine;
    kernels->softmax = softmax;
}
