/* q5_1: blocks of 32 values as 5-bit integers times a scale, plus a minimum. */
#include "gguf.h"

enum { VALUES = 32, HALF = VALUES / 2, BYTES = 24, MINIMUM = 2, FIFTH = 4, CODES = 8 }; /* the scale lies at 0 */

static unsigned quantise(float x, float inverse)
{
    int code = (int)(x * inverse + 0.5f);
    return (unsigned)(code < 31 ? code : 31);
}

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    const struct gguf_range range = gguf_range(x, VALUES);
    const float d = (range.high - range.low) / 31.0f, inverse = gguf_inverse(d);
    uint32_t fifth = 0;
    if (!qb_half_write(block, d) || !qb_half_write(block + MINIMUM, range.low))
        return false;
    for (size_t i = 0; i < HALF; i++) {
        unsigned low = quantise(x[i] - range.low, inverse), high = quantise(x[HALF + i] - range.low, inverse);
        block[CODES + i] = (unsigned char)((low & 15) | (high & 15) << 4);
        fifth |= low >> 4 << i | high >> 4 << (HALF + i);
    }
    memcpy(block + FIFTH, &fifth, sizeof fifth);
    return true;
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d, minimum;
    const size_t bad = gguf_read_halves(block, 0, &d, &minimum);
    if (bad != QB_BLOCK_FINE)
        return bad;
    unsigned char codes[VALUES];
    gguf_unpack5(block + FIFTH, block + CODES, codes);
    for (size_t i = 0; i < VALUES; i++)
        out[i] = d * (float)codes[i] + minimum;
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "q5_1", .version = "1",
    .summary = "GGUF Q5_1, 5-bit integers times a half plus a half for each 32 values: 6 bits a weight", .flags = 0,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.055, .floor_fraction = 0.5, .absolute_error = 0.031, .bias = 0.0022, .sqnr_db = 28.2})
