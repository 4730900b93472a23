/* iq4_xs: blocks of 256 values as one of 16 fixed numbers each; each 32 have a 6-bit scale. */
#include "gguf_search.h"

enum { GROUP = 32, HALF = GROUP / 2, GROUPS = GGUF_K / GROUP, BYTES = 136 };
enum { SCALE = 0, SCALES_HIGH = 2, SCALES_LOW = 4, CODES = 8 };

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    float y[GGUF_K], fitted[GROUPS];
    const float unit = gguf_normalise(x, GGUF_K, y);
    for (size_t g = 0; g < GROUPS; g++)
        fitted[g] = unit * gguf_fit_scale(y + g * GROUP, GROUP, gguf_iq4_nearest, 127, 127, 1, 7);
    const float d = fitted[qb_largest(fitted, GROUPS)] / -32, inverse = gguf_inverse(d);
    if (!qb_half_write(block + SCALE, d))
        return false;
    memset(block + SCALES_HIGH, 0, CODES - SCALES_HIGH);
    for (size_t g = 0; g < GROUPS; g++) {
        const float scale = gguf_clamp(fitted[g] * inverse, -32, 31), back = gguf_inverse(d * scale);
        const unsigned stored = (unsigned)((int)scale + 32);
        block[SCALES_LOW + g / 2] |= (unsigned char)((stored & 15) << 4 * (g % 2));
        block[SCALES_HIGH + g / 4] |= (unsigned char)(stored >> 4 << 2 * (g % 4));
        const float *part = x + g * GROUP;
        for (size_t i = 0; i < HALF; i++)
            block[CODES + g * HALF + i] =
                (unsigned char)(gguf_iq4_code(part[i] * back) | gguf_iq4_code(part[HALF + i] * back) << 4);
    }
    return true;
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d;
    if (!qb_half_read(block + SCALE, &d))
        return SCALE;
    for (size_t g = 0; g < GROUPS; g++) {
        int low = block[SCALES_LOW + g / 2] >> 4 * (g % 2) & 15, high = block[SCALES_HIGH + g / 4] >> 2 * (g % 4) & 3;
        const float scale = d * (float)((low | high << 4) - 32);
        const unsigned char *codes = block + CODES + g * HALF;
        for (size_t i = 0; i < HALF; i++) {
            out[g * GROUP + i] = scale * gguf_iq4[codes[i] & 15];
            out[g * GROUP + HALF + i] = scale * gguf_iq4[codes[i] >> 4];
        }
    }
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = GGUF_K, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "iq4_xs", .version = "1",
    .summary = "GGUF IQ4_XS, 16 fixed values, 6-bit scales of 32 values: 4.25 bits a weight",
    .flags = QB_CODEC_RESCALES,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.125, .floor_fraction = 0.5, .absolute_error = 0.078, .bias = 0.0055, .sqnr_db = 22.1})
