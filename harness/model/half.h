/* 16-bit floats, bit by bit: IEEE binary16 and bfloat16. Plain C: reading a file is bound by the disk. */
#ifndef QB_HALF_H
#define QB_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float bfloat_to_float(uint16_t bits)
{
    float value;
    uint32_t wide = (uint32_t)bits << 16;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* Exact: every binary16 value is a binary32 value. */
static inline float half_to_float(uint16_t bits)
{
    uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    float value = exponent == 0    ? ldexpf((float)fraction, -24)
                  : exponent == 31 ? (fraction ? NAN : INFINITY)
                                   : ldexpf((float)(1024 + fraction), (int)exponent - 25);
    return bits >> 15 ? -value : value;
}

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

#endif
