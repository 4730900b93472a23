/* Vectors as wide as the registers of the level that a kernel's file is built for, written with the vector extension of
 * gcc and clang so that every level computes the same bits: levels differ in how many instructions a step takes, not in
 * its arithmetic (-ffp-contract=off). Vectors travel by pointer, never by value: the calling convention of those
 * depends on the level. */
#ifndef QB_LANES_H
#define QB_LANES_H

#include <stdint.h>
#include <string.h>

#ifndef QB_VECTOR_BYTES
#define QB_VECTOR_BYTES 16
#endif

typedef float vf __attribute__((vector_size(QB_VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(QB_VECTOR_BYTES)));
typedef double vd __attribute__((vector_size(QB_VECTOR_BYTES)));
typedef int64_t vl __attribute__((vector_size(QB_VECTOR_BYTES)));
typedef float vhalf __attribute__((vector_size(QB_VECTOR_BYTES / 2)));

/* Sums run in SUMS doubles (in PARTS vectors) or LANES floats at every level, so that a lane always gets the same
 * values in the same order. */
enum { SUMS = 8, DOUBLES = QB_VECTOR_BYTES / 8, PARTS = SUMS / DOUBLES };
enum { LANES = 16, FLOATS = QB_VECTOR_BYTES / 4 };

#define INLINE static inline __attribute__((always_inline))

/* DOUBLES floats as doubles */
INLINE void load_part(const float *x, vd *y)
{
    vhalf f;
    memcpy(&f, x, sizeof f);
    *y = __builtin_convertvector(f, vd);
}

/* x = exp(x) for x <= 0 within 2 ulp; below -87.3 (results under the smallest normal float) 0; NaN stays NaN.
 * n = round(x / ln 2) by the add-and-subtract trick, r = x - n ln 2 in two parts, exp(r) = 1 + r + r^2 P(r) with P of
 * degree 5 interpolating (exp(r) - 1 - r) / r^2 at Chebyshev nodes of [-0.3475, 0.3475], then the exponent by bits. */
INLINE void exp_floats(vf *x)
{
    const float rounder = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */
    vf v = *x;
    vi tiny = v < -87.3f;
    v = (vf)(~tiny & (vi)v); /* computed as exp(0), then masked: no Inf in between */
    vf shifted = v * 1.44269504f + rounder;
    vf n = shifted - rounder;
    vf r = v - n * 0.693359375f; /* exact: n has at most 7 bits, the constant 9 */
    r = r - n * -2.12194440e-4f;
    vf p = r * 1.98912472e-4f + 1.39338814e-3f;
    p = p * r + 8.33331048e-3f;
    p = p * r + 4.1666463e-2f;
    p = p * r + 1.66666672e-1f;
    p = p * r + 0.5f;
    vf e = p * (r * r) + r + 1.0f;
    vi power = ((vi)shifted - 0x4b400000 + 127) << 23; /* 0x4b400000: the bits of rounder */
    e = e * (vf)power;
    *x = (vf)(~tiny & (vi)e);
}

/* x = 1 / (1 + exp(-x)) within 4 ulp */
INLINE void sigmoid_floats(vf *x)
{
    vf v = *x, e = (vf)((vi)v | (int32_t)0x80000000u); /* -|x| */
    exp_floats(&e);
    vi negative = v < 0.0f;
    vf above = (vf)(((vi)e & negative) | (~negative & (vi)((vf){0} + 1.0f)));
    *x = above / (1.0f + e);
}

/* x = tanh(x) within 3 ulp. |x| < 0.6: x + x^3 P(x^2), P interpolating (tanh(x)/x - 1)/x^2 at Chebyshev nodes over x^2
 * in [0, 0.367]; above: (1 - e) / (1 + e) with e = exp(-2 |x|). */
INLINE void tanh_floats(vf *x)
{
    vf v = *x, s = v * v, t = (vf)((vi)v & 0x7fffffff);
    vi sign = (vi)v & (int32_t)0x80000000u, large = t > 0.6f;
    vf p = s * -6.22802554e-3f + 2.1084683e-2f;
    p = p * s - 5.38687967e-2f;
    p = p * s + 0.13332884f;
    p = p * s - 0.333333313f;
    p = v + v * (s * p);
    vf e = t * -2.0f;
    exp_floats(&e);
    e = (vf)((vi)((1.0f - e) / (1.0f + e)) | sign);
    *x = (vf)(((vi)e & large) | ((vi)p & ~large)); /* NaN is not large: p keeps it */
}

/* x = erf(x) within 2 ulp. Two polynomials that interpolate at Chebyshev nodes: |x| < 0.93: x + x P(x^2) for
 * (erf(x)/x - 1) over x^2 in [0, 0.87]; above: 1 - exp(-t Q(t)) with Q for -ln(erfc t)/t over [0.92, 4]; from 4 on erf
 * is 1 in FP32. */
INLINE void erf_floats(vf *x)
{
    vf v = *x, t, s;
    vi sign = (vi)v & (int32_t)0x80000000u;
    t = (vf)((vi)v & 0x7fffffff);
    vi large = t > 0.93f, beyond = t > 4.0f;
    s = v * v;
    vf p = s * 8.31687939e-5f - 8.13044491e-4f;
    p = p * s + 5.1999893e-3f;
    p = p * s - 2.68589966e-2f;
    p = p * s + 1.1283689e-1f;
    p = p * s - 3.76126319e-1f;
    p = p * s + 1.28379166e-1f;
    p = p * v + v;
    vf q = t * -1.04606568e-6f + 3.43885076e-5f;
    q = q * t - 4.98824986e-4f;
    q = q * t + 4.30378923e-3f;
    q = q * t - 2.51395497e-2f;
    q = q * t + 1.07855655e-1f;
    q = q * t + 6.3414818e-1f;
    q = q * t + 1.12890279f;
    q = (vf)((vi)(q * -t) & large & ~beyond); /* exp's domain: elsewhere 0 */
    exp_floats(&q);
    q = (vf)((vi)q & ~beyond);
    q = (vf)((vi)(1.0f - q) | sign);
    vi result = ((vi)q & large) | ((vi)p & ~large); /* NaN is not large: p keeps it */
    *x = (vf)result;
}

#endif
