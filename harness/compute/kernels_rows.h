/* The body of the kernels of rows (kernels.h), included once by each level's file, which sets QB_VECTOR_BYTES to its
 * register width. What is done to each value alone is left to the compiler's vectors. */
#include <math.h>
#include "compute/kernels.h"
#include "compute/lanes.h"

/* ---- norms ---- */

static double row_sum(const vd *parts)
{
    double s[SUMS];
    memcpy(s, parts, sizeof s);
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

/* Sum of (x - mean)^power, power 1 or 2. */
INLINE double sum_of_powers(const float *x, size_t n, double mean, int power)
{
    vd sums[PARTS] = {{0}}, v;
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int part = 0; part < PARTS; part++) {
            load_part(x + i + part * DOUBLES, &v);
            v -= mean;
            sums[part] += power == 2 ? v * v : v;
        }
    double rest[SUMS]; /* differences; 0 adds nothing */
    for (size_t l = 0; l < SUMS; l++)
        rest[l] = i + l < n ? (double)x[i + l] - mean : 0;
    for (int part = 0; part < PARTS; part++) {
        memcpy(&v, rest + part * DOUBLES, sizeof v);
        sums[part] += power == 2 ? v * v : v;
    }
    return row_sum(sums);
}

static void layernorm(const float *x, size_t n, const float *weight, const float *bias, float eps, float *out)
{
    double mean = sum_of_powers(x, n, 0, 1) / (double)n, variance = sum_of_powers(x, n, mean, 2) / (double)n;
    float centre = (float)mean, factor = (float)(1.0 / sqrt(variance + (double)eps));
    for (size_t i = 0; i < n; i++)
        out[i] = (x[i] - centre) * factor * weight[i] + bias[i];
}

static void rmsnorm(const float *x, size_t n, const float *weight, float offset, float eps, float *out)
{
    double square = sum_of_powers(x, n, 0, 2) / (double)n;
    float factor = (float)(1.0 / sqrt(square + (double)eps));
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * factor * (weight[i] + offset);
}

/* ---- activations and sums ---- */

/* Runs `what` on all n floats of x, a vector v of them at a time; the last one filled up with zeros. */
#define ON_EACH(x, n, v, what)                                                                                         \
    do {                                                                                                               \
        vf v;                                                                                                          \
        size_t at_ = 0;                                                                                                \
        for (; at_ + FLOATS <= (n); at_ += FLOATS) {                                                                   \
            memcpy(&v, (x) + at_, sizeof v);                                                                           \
            what;                                                                                                      \
            memcpy((x) + at_, &v, sizeof v);                                                                           \
        }                                                                                                              \
        v = (vf){0};                                                                                                   \
        memcpy(&v, (x) + at_, ((n)-at_) * sizeof *(x));                                                                \
        what;                                                                                                          \
        memcpy((x) + at_, &v, ((n)-at_) * sizeof *(x));                                                                \
    } while (0)

static void relu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] < 0.0f ? 0.0f : x[i];
}

INLINE void gelu_floats(vf *x)
{
    vf e = *x * 0.707106781f;
    erf_floats(&e);
    *x = 0.5f * *x * (1.0f + e);
}

static void gelu(float *x, size_t n)
{
    ON_EACH(x, n, v, gelu_floats(&v));
}

/* 1 + tanh(u) is 2 / (1 + exp(-2u)), without the cancellation. */
INLINE void gelu_tanh_floats(vf *x)
{
    vf v = *x, s = 1.59576912f * (v + 0.044715f * (v * v * v)); /* 2 sqrt(2 / pi) */
    sigmoid_floats(&s);
    *x = v * s;
}

static void gelu_tanh(float *x, size_t n)
{
    ON_EACH(x, n, v, gelu_tanh_floats(&v));
}

INLINE void silu_floats(vf *x)
{
    vf s = *x;
    sigmoid_floats(&s);
    *x *= s;
}

static void silu(float *x, size_t n)
{
    ON_EACH(x, n, v, silu_floats(&v));
}

INLINE void softcap_floats(vf *x, float cap)
{
    *x /= cap;
    tanh_floats(x);
    *x *= cap;
}

static void softcap(float *x, size_t n, float cap)
{
    ON_EACH(x, n, v, softcap_floats(&v, cap));
}

static void add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += y[i];
}

static void multiply(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= y[i];
}

/* Two passes over a row that is in the first-level cache. */
static void affine(float *y, size_t n, const float *scale, const float *bias)
{
    for (size_t i = 0; scale && i < n; i++)
        y[i] *= scale[i];
    if (bias)
        add(y, bias, n);
}

/* ---- softmax ---- */

static float max_of(const float *x, size_t n)
{
    vf best = (vf){0} + x[0], v; /* a NaN in front stays, one behind it is met by the sum */
    size_t i = 0;
    for (; i + FLOATS <= n; i += FLOATS) {
        memcpy(&v, x + i, sizeof v);
        vi more = v > best;
        best = (vf)((more & (vi)v) | (~more & (vi)best));
    }
    float most = x[0];
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (int l = 0; l < FLOATS; l++)
        most = best[l] > most ? best[l] : most;
    return most;
}

/* x = exp(x - max) of FLOATS values, added to the sum of their lanes. */
INLINE void softmax_floats(float *x, float max, vf *sum)
{
    vf v;
    memcpy(&v, x, sizeof v);
    v = v - max;
    exp_floats(&v);
    *sum += v;
    memcpy(x, &v, sizeof v);
}

static void softmax(float *x, size_t n)
{
    enum { STEPS = LANES / FLOATS };
    float max = max_of(x, n), s[LANES];
    vf sums[STEPS] = {{0}};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int step = 0; step < STEPS; step++)
            softmax_floats(x + i + step * FLOATS, max, &sums[step]);
    for (size_t l = 0; l < LANES; l++)
        s[l] = i + l < n ? x[i + l] : -INFINITY; /* exp: 0 */
    for (int step = 0; step < STEPS; step++)
        softmax_floats(s + step * FLOATS, max, &sums[step]);
    memcpy(x + i, s, (n - i) * sizeof *x);
    memcpy(s, sums, sizeof s);
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t l = 0; l < half; l++)
            s[l] += s[l + half];
    float factor = 1.0f / s[0];
    for (i = 0; i < n; i++)
        x[i] *= factor;
}

static void set_rows(struct qb_kernels *kernels)
{
    kernels->layernorm = layernorm;
    kernels->rmsnorm = rmsnorm;
    kernels->relu = relu;
    kernels->gelu = gelu;
    kernels->gelu_tanh = gelu_tanh;
    kernels->silu = silu;
    kernels->softcap = softcap;
    kernels->add = add;
    kernels->multiply = multiply;
    kernels->affine = affine;
    kernels->softmax = softmax;
}
