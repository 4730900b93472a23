/* What several of GGUF's block types share: number tables, and codes and scales in bits of bytes. */
#ifndef GGUF_H
#define GGUF_H

#include "codec_block.h"

/* 1/d; 0 where d is 0 or so small that 1/d overflows. */
static inline float gguf_inverse(float d)
{
    float inverse = d != 0 ? 1.0f / d : 0;
    return isfinite(inverse) ? inverse : 0;
}

/* To the nearest integer, halves away from zero; |x| < 2^31. */
static inline int gguf_round(float x)
{
    int whole = (int)x;
    float rest = x - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

static inline float gguf_amax(const float *x, size_t n)
{
    float top = 0;
    for (size_t i = 0; i < n; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    return top;
}

struct gguf_range {
    float low, high;
};

static inline struct gguf_range gguf_range(const float *x, size_t n)
{
    struct gguf_range range = {x[0], x[0]};
    for (size_t i = 1; i < n; i++) {
        range.low = x[i] < range.low ? x[i] : range.low;
        range.high = x[i] > range.high ? x[i] : range.high;
    }
    return range;
}

/* Two halves, the second behind the first, at block + at: QB_BLOCK_FINE, or the offset of the one that is not finite.
 */
static inline size_t gguf_read_halves(const unsigned char *block, size_t at, float *first, float *second)
{
    return !qb_half_read(block + at, first) ? at : !qb_half_read(block + at + 2, second) ? at + 2 : QB_BLOCK_FINE;
}

/* ---- codes in bits of bytes ---- */

enum { GGUF_K = 256 }; /* values of a block of the K types */

/* The values of a K block's codes: each group has a scale, in units of d, and a minimum, in units of dmin. */
static inline void gguf_on_lines(float d, float dmin, size_t group, const unsigned char *restrict scales,
                                 const unsigned char *restrict minima, const unsigned char *restrict codes,
                                 float *restrict out)
{
    for (size_t g = 0; g < GGUF_K / group; g++) {
        const float scale = d * (float)scales[g], minimum = dmin * (float)minima[g];
        for (size_t i = g * group; i < (g + 1) * group; i++)
            out[i] = scale * (float)codes[i] - minimum;
    }
}

/* 32 codes of 5 bits: `low` has the low 4 bits of code i and, above them, of code i + 16; bit i of `fifth`
 * (little-endian) is bit 4 of code i. */
static inline void gguf_unpack5(const unsigned char fifth[4], const unsigned char low[16], unsigned char codes[32])
{
    for (size_t i = 0; i < 16; i++) {
        codes[i] = low[i] & 15;
        codes[16 + i] = low[i] >> 4;
    }
    for (size_t i = 0; i < 32; i++)
        codes[i] = (unsigned char)(codes[i] | (fifth[i / 8] >> i % 8 & 1) << 4);
}

/* The 256 codes of a K block, 4 bits each: the low halves of `width` bytes, then their high halves. */
static inline void gguf_unpack4(const unsigned char *restrict packed, size_t width, unsigned char *restrict codes)
{
    for (size_t at = 0; at < GGUF_K / 2; at += width)
        for (size_t i = 0; i < width; i++) {
            codes[2 * at + i] = packed[at + i] & 15;
            codes[2 * at + width + i] = packed[at + i] >> 4;
        }
}

/* Likewise of 2 bits: the lowest quarters of 32 bytes, then the next ones. */
static inline void gguf_unpack2(const unsigned char *restrict packed, unsigned char *restrict codes)
{
    for (size_t part = 0; part < 2; part++)
        for (size_t k = 0; k < 4; k++)
            for (size_t i = 0; i < 32; i++)
                codes[128 * part + 32 * k + i] = packed[32 * part + i] >> 2 * k & 3;
}

/* One more bit of each: bit k of byte i becomes bit `bit` of code 32 k + i. */
static inline void gguf_unpack_bit(const unsigned char *restrict packed, int bit, unsigned char *restrict codes)
{
    for (size_t k = 0; k < 8; k++)
        for (size_t i = 0; i < 32; i++)
            codes[32 * k + i] |= (unsigned char)((packed[i] >> k & 1) << bit);
}

/* The ways back. */
static inline void gguf_pack4(const unsigned char *restrict codes, size_t width, unsigned char *restrict packed)
{
    for (size_t at = 0; at < GGUF_K / 2; at += width)
        for (size_t i = 0; i < width; i++)
            packed[at + i] = (unsigned char)((codes[2 * at + i] & 15) | (codes[2 * at + width + i] & 15) << 4);
}

static inline void gguf_pack2(const unsigned char *restrict codes, unsigned char *restrict packed)
{
    memset(packed, 0, GGUF_K / 4);
    for (size_t part = 0; part < 2; part++)
        for (size_t k = 0; k < 4; k++)
            for (size_t i = 0; i < 32; i++)
                packed[32 * part + i] |= (unsigned char)((codes[128 * part + 32 * k + i] & 3) << 2 * k);
}

static inline void gguf_pack_bit(const unsigned char *restrict codes, int bit, unsigned char *restrict packed)
{
    memset(packed, 0, GGUF_K / 8);
    for (size_t k = 0; k < 8; k++)
        for (size_t i = 0; i < 32; i++)
            packed[i] |= (unsigned char)((codes[32 * k + i] >> bit & 1) << k);
}

/* ---- E2M1, the 4-bit float, in units of its least magnitude 0.5 ---- */

static const float gguf_e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* The first of the 16 whose product with d >= 0 is nearest to x; none whose product overflows. */
static inline unsigned gguf_e2m1_nearest(float x, float d)
{
    static const float middle[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    unsigned code = 0;
    for (unsigned i = 0; i < 7; i++)
        code += fabsf(x) > middle[i] * d && isfinite(gguf_e2m1[i + 1] * d);
    if (d == 0)
        return 0;
    return x < 0 && code > 0 ? code + 8 : code;
}

/* ---- the scales and minima of q4_k and q5_k: eight of 6 bits each in 12 bytes ---- */

/* Byte i < 4: bits 5..0 scale i, bits 7..6 bits 5..4 of scale i + 4. Byte i + 4: likewise the minima. Byte i + 8:
 * bits 3..0 of scale i + 4 and, above them, of minimum i + 4. */
static inline void gguf_k_unpack(const unsigned char packed[12], unsigned char scales[8], unsigned char minima[8])
{
    for (int i = 0; i < 4; i++) {
        scales[i] = packed[i] & 63;
        minima[i] = packed[i + 4] & 63;
        scales[i + 4] = (unsigned char)((packed[i + 8] & 15) | (packed[i] >> 6 << 4));
        minima[i + 4] = (unsigned char)(packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
    }
}

static inline void gguf_k_pack(const unsigned char scales[8], const unsigned char minima[8], unsigned char packed[12])
{
    for (int i = 0; i < 4; i++) {
        packed[i] = (unsigned char)(scales[i] | scales[i + 4] >> 4 << 6);
        packed[i + 4] = (unsigned char)(minima[i] | minima[i + 4] >> 4 << 6);
        packed[i + 8] = (unsigned char)((scales[i + 4] & 15) | minima[i + 4] << 4);
    }
}

/* ---- the 16 values of the iq4 types ---- */

static const float gguf_iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* Of the nearest; between two the higher. */
static inline unsigned gguf_iq4_code(float x)
{
    unsigned code = 0;
    for (unsigned i = 0; i < 15; i++)
        code += x >= 0.5f * (gguf_iq4[i] + gguf_iq4[i + 1]);
    return code;
}

static inline float gguf_iq4_nearest(float x)
{
    return gguf_iq4[gguf_iq4_code(x)];
}

#endif
