/* The body of the kernel sum_expf for levels with fused multiply-adds, included once by each one's file, which defines
 * fused(a, b, c), a b + c, and gather_bits(table, index), of DOUBLES lanes each.
 *
 * The steps of glibc's expf (sysdeps/ieee754/flt-32/e_expf.c, Arm's optimized routines) as it is compiled for such
 * processors: with N = 32, k = round(x N / ln 2) and r = x N / ln 2 - k, exp(x) = 2^(k / N) 2^(r / N), the first from a
 * table, the second a cubic, all in double, rounded once. Another libm may compute other bits: expf_is_libms tries. */
#include <math.h>
#include <string.h>
#include "base/splitmix.h"
#include "compute/kernels.h"
#include "compute/lanes.h"

enum { EXPF_STEPS = 32 };

static int64_t expf_powers[EXPF_STEPS]; /* the bits of 2^(i / N) less i / N in the exponent */

static void fill_expf_powers(void)
{
    for (int i = 0; i < EXPF_STEPS; i++) {
        const double power = exp2((double)i / EXPF_STEPS);
        memcpy(&expf_powers[i], &power, sizeof power);
        expf_powers[i] -= ((int64_t)i << 52) / EXPF_STEPS;
    }
}

/* DOUBLES floats of x, at least -87, to e = expf(x) as doubles. */
INLINE void expf_lanes(const vhalf *x, vd *e)
{
    const double n = EXPF_STEPS, shift = 0x1.8p52, inverse = 0x1.71547652b82fep+0 * n;
    const double c[3] = {0x1.c6af84b912394p-5 / n / n / n, 0x1.ebfce50fac4f3p-3 / n / n, 0x1.62e42ff0c52d6p-1 / n};
    const vd zero = {0}, v = __builtin_convertvector(*x, vd);
    const vd shifted = fused(v, zero + inverse, zero + shift), k = shifted - shift;
    const vd r = fused(v, zero + inverse, -k);
    const vl bits = gather_bits(expf_powers, (vl)shifted & (EXPF_STEPS - 1)) + ((vl)shifted << 47);
    const vd cubic = fused(fused(zero + c[0], r, zero + c[1]), r * r, fused(zero + c[2], r, zero + 1.0));
    const vhalf rounded = __builtin_convertvector(cubic * (vd)bits, vhalf);
    *e = __builtin_convertvector(rounded, vd);
}

INLINE void sum_expf_lanes(const float *x, float shift, vd *sum)
{
    for (int part = 0; part < PARTS; part++) {
        vhalf v;
        vd e;
        memcpy(&v, x + part * DOUBLES, sizeof v);
        v -= shift;
        const vl keep = (vl)(__builtin_convertvector(v, vd) >= QB_EXPF_LEAST);
        expf_lanes(&v, &e);
        sum[part] += (vd)((vl)e & keep);
    }
}

static double sum_expf_fused(const float *x, size_t n, float shift)
{
    vd sum[PARTS] = {{0}};
    float rest[SUMS];
    size_t i = 0;
    for (; i + SUMS <= n; i += SUMS)
        sum_expf_lanes(x + i, shift, sum);
    fill_lanes(x + i, n - i, -INFINITY, rest);
    sum_expf_lanes(rest, shift, sum);
    return add_lanes(sum);
}

/* Has it libm's bits? */
static bool expf_is_libms(void)
{
    enum { TRIES = 512 };
    uint64_t state = 3;
    fill_expf_powers();
    for (int i = 0; i < TRIES; i++) {
        float x[DOUBLES], due[DOUBLES], found[DOUBLES];
        for (int l = 0; l < DOUBLES; l++) {
            x[l] = (float)QB_EXPF_LEAST * ((float)(qb_splitmix_next(&state) >> 40) * 0x1p-24f);
            due[l] = expf(x[l]);
        }
        vhalf v, narrow;
        vd e;
        memcpy(&v, x, sizeof v);
        expf_lanes(&v, &e);
        narrow = __builtin_convertvector(e, vhalf);
        memcpy(found, &narrow, sizeof found);
        if (memcmp(found, due, sizeof due))
            return false;
    }
    return true;
}

static void set_expf(struct qb_kernels *kernels)
{
    if (expf_is_libms())
        kernels->sum_expf = sum_expf_fused;
}
