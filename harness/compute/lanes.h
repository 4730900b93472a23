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

#endif
