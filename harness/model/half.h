/* IEEE binary16 and bfloat16, bit by bit: for writing files without a plugin. */
#ifndef QB_HALF_H
#define QB_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* To nearest, ties to even; beyond the range infinite, NaN stays NaN. */
static inline uint16_t float_to_half(float value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    float size = fabsf(value);
    if (isnan(value))
        return (uint16_t)(sign | 0x7e00);
    if (size >= 65520.0f) /* half of the last step above 65504 rounds to even: up */
        return (uint16_t)(sign | 0x7c00);
    if (size < 6.103515625e-5f) /* 2^-14: fixed point with steps of 2^-24; 1024 is the smallest normal's code */
        return (uint16_t)(sign | (uint16_t)rintf(ldexpf(size, 24)));
    int exponent;
    float fraction = rintf(ldexpf(frexpf(size, &exponent), 11)); /* 1024 .. 2048 */
    return (uint16_t)(sign | (uint16_t)((exponent + 13) * 1024 + (int)fraction));
}

/* The upper half of a finite binary32, to nearest, ties to even; beyond the range infinite. */
static inline uint16_t float_to_bfloat(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
