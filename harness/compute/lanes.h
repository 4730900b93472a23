/* Sixteen floats at a time, written with the vector extension of gcc and clang so that every instruction set computes
 * the same bits: SSE2, AVX2 and AVX-512 differ in how many instructions a step takes, not in its arithmetic
 * (-ffp-contract=off). Lanes travel through memory, never as arguments: their calling convention depends on the ISA. */
#ifndef QB_LANES_H
#define QB_LANES_H

#include <stdint.h>
#include <string.h>

#define QB_LANES 16

typedef float qb_lanes_f __attribute__((vector_size(4 * QB_LANES)));
typedef int32_t qb_lanes_i __attribute__((vector_size(4 * QB_LANES)));

/* x[16] = exp(x[16]) for x <= 0 within 2 ulp; below -87.3 (results under the smallest normal float) 0; NaN stays NaN.
 * n = round(x / ln 2) by the add-and-subtract trick, r = x - n ln 2 in two parts, exp(r) = 1 + r + r^2 P(r) with P of
 * degree 5 interpolating (exp(r) - 1 - r) / r^2 at Chebyshev nodes of [-0.3475, 0.3475], then the exponent by bits. */
static inline void qb_exp_lanes(float *x)
{
    const float rounder = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */
    qb_lanes_f v;
    memcpy(&v, x, sizeof v);
    qb_lanes_i tiny = v < -87.3f;
    v = (qb_lanes_f)(~tiny & (qb_lanes_i)v); /* computed as exp(0), then masked: no Inf in between */
    qb_lanes_f shifted = v * 1.44269504f + rounder;
    qb_lanes_f n = shifted - rounder;
    qb_lanes_f r = v - n * 0.693359375f; /* exact: n has at most 7 bits, the constant 9 */
    r = r - n * -2.12194440e-4f;
    qb_lanes_f p = r * 1.98912472e-4f + 1.39338814e-3f;
    p = p * r + 8.33331048e-3f;
    p = p * r + 4.1666463e-2f;
    p = p * r + 1.66666672e-1f;
    p = p * r + 0.5f;
    qb_lanes_f e = p * (r * r) + r + 1.0f;
    qb_lanes_i power = ((qb_lanes_i)shifted - 0x4b400000 + 127) << 23; /* 0x4b400000: the bits of rounder */
    e = e * (qb_lanes_f)power;
    e = (qb_lanes_f)(~tiny & (qb_lanes_i)e);
    memcpy(x, &e, sizeof e);
}

/* x[16] = erf(x[16]) within 2 ulp. Two polynomials that interpolate at Chebyshev nodes: |x| < 0.93: x + x P(x^2) for
 * (erf(x)/x - 1) over x^2 in [0, 0.87]; above: 1 - exp(-t Q(t)) with Q for -ln(erfc t)/t over [0.92, 4]; from 4 on erf
 * is 1 in FP32. */
static inline void qb_erf_lanes(float *x)
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

#endif
