/* q3_k: blocks of 256 values as 3-bit integers; each 16 have a 6-bit scale. */
#include "gguf_search.h"

enum { GROUP = 16, GROUPS = GGUF_K / GROUP, BYTES = 110, CODES = 32, SCALES = 96, SCALE = 108 }; /* third bits at 0 */

/* Scale s in [0, 16) is stored plus 32: its low 4 bits in the half s / 8 of byte s % 8, its high 2 bits in the quarter
 * s / 4 of byte 8 + s % 4. */
static int unpack_scale(const unsigned char packed[12], size_t s)
{
    return ((packed[s % 8] >> 4 * (s / 8) & 15) | (packed[8 + s % 4] >> 2 * (s / 4) & 3) << 4) - 32;
}

static void pack_scale(unsigned char packed[12], size_t s, int scale)
{
    const unsigned stored = (unsigned)(scale + 32);
    packed[s % 8] |= (unsigned char)((stored & 15) << 4 * (s / 8));
    packed[8 + s % 4] |= (unsigned char)(stored >> 4 << 2 * (s / 4));
}

static float nearest(float x)
{
    return gguf_clamp(x, -4, 3);
}

/* The sums over a group that say how good codes q are for values x, weighted by x^2: the best scale is xq / qq, and the
 * higher xq^2 / qq the less is the error. */
struct sums {
    float xq, qq;
};

static void add(struct sums *sums, float x, float q, float sign)
{
    sums->xq += sign * x * x * x * q;
    sums->qq += sign * x * x * q * q;
}

/* A scale for a group: the value of largest magnitude becomes -4, the others the nearest codes; then, value by value
 * and five times over, the code nearest under the scale that fits all others best, where that is better. */
static float fit(const float *x)
{
    const float inverse = gguf_inverse(x[qb_largest(x, GROUP)] / -4);
    float codes[GROUP];
    struct sums sums = {0, 0};
    for (size_t i = 0; i < GROUP; i++) {
        codes[i] = nearest(x[i] * inverse);
        add(&sums, x[i], codes[i], 1);
    }
    for (size_t k = 0; k < 5 * GROUP; k++) {
        const size_t i = k % GROUP;
        struct sums others = sums;
        add(&others, x[i], codes[i], -1);
        if (!(others.xq > 0))
            continue;
        const float code = nearest(x[i] * others.qq / others.xq);
        add(&others, x[i], code, 1);
        if (code != codes[i] && others.qq > 0 && others.xq * others.xq * sums.qq > sums.xq * sums.xq * others.qq) {
            codes[i] = code;
            sums = others;
        }
    }
    return sums.qq > 0 ? sums.xq / sums.qq : 0;
}

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    float y[GGUF_K], fitted[GROUPS];
    const float unit = gguf_normalise(x, GGUF_K, y);
    for (size_t g = 0; g < GROUPS; g++)
        fitted[g] = unit * fit(y + g * GROUP);
    unsigned char codes[GGUF_K];
    int scales[GROUPS];
    if (!gguf_store_scales(x, fitted, GROUP, 32, nearest, 4, block + SCALE, scales, codes))
        return false;
    memset(block + SCALES, 0, SCALE - SCALES);
    for (size_t g = 0; g < GROUPS; g++)
        pack_scale(block + SCALES, g, scales[g]);
    gguf_pack2(codes, block + CODES);
    gguf_pack_bit(codes, 2, block);
    return true;
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d;
    if (!qb_half_read(block + SCALE, &d))
        return SCALE;
    unsigned char codes[GGUF_K];
    gguf_unpack2(block + CODES, codes);
    gguf_unpack_bit(block, 2, codes);
    for (size_t g = 0; g < GROUPS; g++) {
        const float scale = d * (float)unpack_scale(block + SCALES, g);
        for (size_t i = 0; i < GROUP; i++)
            out[g * GROUP + i] = scale * (float)(codes[g * GROUP + i] - 4);
    }
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = GGUF_K, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "q3_k", .version = "1",
    .summary = "GGUF Q3_K, 3-bit integers, 6-bit scales of 16 values: 3.4375 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.26, .floor_fraction = 0.5, .absolute_error = 0.17, .bias = 0.021, .sqnr_db = 16.2})
