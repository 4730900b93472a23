/* The body of the kernels of logits (kernels.h), included once by each level's file, which sets QB_VECTOR_BYTES to its
 * register width.
 *
 * exp(x) = 2^k e^r with k = round(x / ln 2), r = x - k ln 2 in two parts (fdlibm's split, exact for |k| < 2^20), and
 * e^r = 1 + r + r^2 P(r), P the Taylor series to r^13: |r| <= 0.347 leaves under 1e-16 of r^2 P(r). */
#include <math.h>
#include <string.h>
#include "compute/kernels.h"
#include "compute/lanes.h"

/* *q = e^r - 1 - r for |r| <= 0.35, to full relative precision. */
INLINE void expm1_less_r(const vd *r_in, vd *q)
{
    static const double taylor[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                    1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                    1.0 / 120,        1.0 / 24,        1.0 / 6,        0.5};
    const vd r = *r_in;
    vd p = r * taylor[0] + taylor[1];
    for (size_t i = 2; i < sizeof taylor / sizeof taylor[0]; i++)
        p = p * r + taylor[i];
    *q = p * r * r;
}

/* exp of each lane for x <= 700; 0 under -708 and for NaN. */
INLINE void exp_doubles(const vd *x_in, vd *y)
{
    const vd x = *x_in;
    const double magic = 0x1.8p52; /* adding it leaves the nearest integer in the low mantissa bits */
    vd shifted = x * 1.4426950408889634 + magic;
    vd k = shifted - magic;
    vd r = x - k * 6.93147180369123816490e-01 - k * 1.90821492927058770002e-10;
    vd q;
    expm1_less_r(&r, &q);
    vl scale = ((vl)shifted + 1023) << 52;
    vl keep = (vl)(x >= -708.0);
    *y = (vd)((vl)((vd)scale * (r + q + 1.0)) & keep);
}

/* The last count < SUMS values, the lanes behind them set to `fill`. */
INLINE void fill_lanes(const float *x, size_t count, float fill, float lanes[SUMS])
{
    for (size_t i = 0; i < SUMS; i++)
        lanes[i] = i < count ? x[i] : fill;
}

/* One fixed order of adding lanes, whatever the register width. */
INLINE double add_lanes(const vd *parts)
{
    double s[SUMS];
    memcpy(s, parts, sizeof s);
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

INLINE bool any_lane(const vi *mask)
{
    int64_t parts[DOUBLES], any = 0;
    memcpy(parts, mask, sizeof parts);
    for (int i = 0; i < DOUBLES; i++)
        any |= parts[i];
    return any != 0;
}

static float max_kernel(const float *x, size_t n, bool *nan)
{
    vf top = (vf){0} - INFINITY;
    vi bad = {0};
    size_t i = 0;
    for (; i + FLOATS <= n; i += FLOATS) {
        vf v;
        memcpy(&v, x + i, sizeof v);
        vi above = (vi)(v > top);
        top = (vf)(((vi)v & above) | ((vi)top & ~above));
        bad |= (vi)(v != v);
    }
    float best = -INFINITY;
    *nan = any_lane(&bad);
    for (int l = 0; l < FLOATS; l++)
        best = top[l] > best ? top[l] : best;
    for (; i < n; i++) {
        *nan = *nan || isnan(x[i]);
        best = x[i] > best ? x[i] : best;
    }
    return best;
}

static size_t find_kernel(const float *x, size_t n, size_t from, float limit)
{
    size_t i = from;
    for (; i + FLOATS <= n; i += FLOATS) {
        vf v;
        memcpy(&v, x + i, sizeof v);
        vi hit = (vi)(v >= limit);
        if (any_lane(&hit))
            break;
    }
    while (i < n && !(x[i] >= limit))
        i++;
    return i;
}

INLINE void sum_exp_lanes(const float *x, double shift, vd *sum)
{
    for (int part = 0; part < PARTS; part++) {
        vd v, e;
        load_part(x + part * DOUBLES, &v);
        v -= shift;
        exp_doubles(&v, &e);
        sum[part] += e;
    }
}

static double sum_exp_kernel(const float *x, size_t n, double shift)
{
    vd sum[PARTS] = {{0}};
    float rest[SUMS];
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        sum_exp_lanes(x + i, shift, sum);
    fill_lanes(x + i, n - i, -INFINITY, rest);
    sum_exp_lanes(rest, shift, sum);
    return add_lanes(sum);
}

/* By libm itself; what is faster is in kernels_expf.h. */
static double sum_expf_kernel(const float *x, size_t n, float shift)
{
    double sum[SUMS] = {0};
    for (size_t i = 0; i < n; i++)
        sum[i % SUMS] += x[i] - shift >= QB_EXPF_LEAST ? (double)expf(x[i] - shift) : 0;
    vd parts[PARTS];
    memcpy(parts, sum, sizeof parts);
    return add_lanes(parts);
}

static double sum_power_kernel(const float *x, size_t n, double shift, int power)
{
    vd sum[PARTS] = {{0}};
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int part = 0; part < PARTS; part++) {
            vd v;
            load_part(x + i + part * DOUBLES, &v);
            v -= shift;
            sum[part] += power == 2 ? v * v : v;
        }
    double total = add_lanes(sum);
    for (; i < n; i++) {
        double v = (double)x[i] - shift;
        total += power == 2 ? v * v : v;
    }
    return total;
}

struct kl_lanes {
    vd w[PARTS], wt[PARTS], wg[PARTS];
};

/* g(t) by its series where |t| is small (no cancellation), else as w g(t) = exp(q - q_k) - w + w t, which holds its
 * precision there and cannot overflow while w underflows. p and q come as differences to p_k and q_k. */
INLINE void kl_step(const vd *p, const vd *q, struct kl_lanes *s, int part)
{
    const vd t = *p - *q;
    vd w, e, minus_t = -t, series;
    exp_doubles(p, &w);
    exp_doubles(q, &e);
    expm1_less_r(&minus_t, &series);
    vl small = (vl)(t < 0.35) & (vl)(t > -0.35);
    vd near = w * series, far = e - w + w * t;
    s->w[part] += w;
    s->wt[part] += w * t;
    s->wg[part] += (vd)(((vl)near & small) | ((vl)far & ~small));
}

static struct qb_kl_sums kl_sums_kernel(const float *p, const float *q, size_t n, size_t k)
{
    const double pk = (double)p[k], qk = (double)q[k];
    struct kl_lanes s = {{{0}}, {{0}}, {{0}}};
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        for (int part = 0; part < PARTS; part++) {
            vd pv, qv;
            load_part(p + i + part * DOUBLES, &pv);
            load_part(q + i + part * DOUBLES, &qv);
            pv -= pk;
            qv -= qk;
            kl_step(&pv, &qv, &s, part);
        }
    /* The rest, as differences; -4000 in the empty lanes is weight 0 and difference 0: they add nothing. */
    double p_rest[SUMS], q_rest[SUMS];
    for (size_t l = 0; l < SUMS; l++) {
        p_rest[l] = i + l < n ? (double)p[i + l] - pk : -4000;
        q_rest[l] = i + l < n ? (double)q[i + l] - qk : -4000;
    }
    for (int part = 0; part < PARTS; part++) {
        vd pv, qv;
        memcpy(&pv, p_rest + part * DOUBLES, sizeof pv);
        memcpy(&qv, q_rest + part * DOUBLES, sizeof qv);
        kl_step(&pv, &qv, &s, part);
    }
    return (struct qb_kl_sums){add_lanes(s.w), add_lanes(s.wt), add_lanes(s.wg)};
}

static void set_logits(struct qb_kernels *kernels)
{
    kernels->max = max_kernel;
    kernels->find = find_kernel;
    kernels->sum_exp = sum_exp_kernel;
    kernels->sum_expf = sum_expf_kernel;
    kernels->sum_power = sum_power_kernel;
    kernels->kl_sums = kl_sums_kernel;
}
