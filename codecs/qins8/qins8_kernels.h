/* qins8's kernels: the portable table is the reference, overwritten by what a level does faster, and every level gives
 * the same bits: the order of operations is fixed, sums and products are never fused, and the logarithm and exponential
 * are computed in double and rounded once. No pointer needs alignment. */
#ifndef QINS8_KERNELS_H
#define QINS8_KERNELS_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

#define QINS8_FLOOR 1e-8f /* magnitudes up to here have no logarithm of their own; they get the code 255 */

struct qins8_range { /* natural logarithms of the least and the greatest magnitude above the floor */
    float log_min, log_max;
};

/* The magnitudes of a run of values, as bit patterns of floats, whose order is that of the values. */
struct qins8_extent {
    uint32_t least; /* above the floor; UINT32_MAX: none is */
    uint32_t most;  /* of all; 0x7f800000 and up: there is a NaN or Inf */
};

struct qins8_kernels {
    struct qins8_extent (*extent)(const float *x, size_t n);
    /* codes[i] = round(255 - 254 (ln max(|x|, floor) - log_min) / width), ties to even, in [1, 255]; width > 0, x
     * finite. */
    void (*quantise)(const float *x, size_t n, float log_min, float width, uint8_t *codes);
    /* Signs of x as ceil(n / 8) bytes (bit i % 8 of byte i / 8 is 1 for x < 0; the rest of the last byte is 0), or as
     * n bytes of +1 and -1. */
    void (*sign_bits)(const float *x, size_t n, uint8_t *bits);
    void (*sign_bytes)(const float *x, size_t n, int8_t *bytes);

    /* out[i] = exp(log_min + (255 - code) / 254 * width), at most FLT_MAX. */
    void (*magnitudes)(const uint8_t *codes, size_t n, float log_min, float width, float *out);
    void (*ratios)(const uint8_t *codes, size_t n, float *out); /* out[i] = code / 255 */
    /* Negate the values whose sign says so; n bytes of signs other than +1 and -1 make the second return nonzero. */
    void (*negate_bits)(float *out, size_t n, const uint8_t *bits);
    int (*negate_bytes)(float *out, size_t n, const int8_t *bytes);
};

extern const struct qins8_kernels qins8_portable;
void qins8_avx2(struct qins8_kernels *kernels);
void qins8_avx512(struct qins8_kernels *kernels);

/* The logarithm that quantise takes: ln of a magnitude that is finite and above the floor, given as its bits. */
float qins8_log(uint32_t bits);

/* ln(x) for a normal x > 0, in double, within 4e-16 + 2e-15 |ln x|: x = 2^e m with m in [sqrt(1/2), sqrt(2)), and
 * ln m = 2 atanh(s) = 2 s + s z (2/3 + 2/5 z + ... + 2/17 z^7), s = (m - 1) / (m + 1), z = s^2. */
#define QINS8_SQRT_HALF 0x3f3504f3 /* the bits of sqrt(1/2): where e steps */
#define QINS8_LN2 0x1.62e42fefa39efp-1
#define QINS8_LN_TERMS 8
static const double qins8_ln_terms[QINS8_LN_TERMS] = {2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11,
                                                      2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};

/* exp(y) for |y| < 700, in double, within 1e-13 relative: y = k ln 2 + r, |r| <= ln(2) / 2, and the Taylor series of
 * exp(r) to r^11. Adding and taking away 1.5 * 2^52 rounds to the nearest integer, which then is in the low bits. */
#define QINS8_LOG2E 0x1.71547652b82fep+0
#define QINS8_ROUND 0x1.8p52
#define QINS8_EXP_TERMS 12
static const double qins8_exp_terms[QINS8_EXP_TERMS] = {1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                                                        1.0 / 5040,     1.0 / 720,     1.0 / 120,    1.0 / 24,
                                                        1.0 / 6,        1.0 / 2,       1.0,          1.0};

#endif
