/* q5_0: blocks of 32 values as 5-bit integers times a scale. */
#include "gguf.h"

enum { VALUES = 32, HALF = VALUES / 2, BYTES = 22, FIFTH = 2, CODES = 6 }; /* the scale lies at 0 */

static unsigned quantise(float x, float inverse)
{
    int code = (int)(x * inverse + 16.5f);
    return (unsigned)(code < 31 ? code : 31);
}

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    const float peak = x[qb_largest(x, VALUES)] + 0.0f; /* 0 for a -0: zeros have the scale -0 */
    const float d = peak / -16.0f, inverse = gguf_inverse(d);
    uint32_t fifth = 0;
    for (size_t i = 0; i < HALF; i++) {
        unsigned low = quantise(x[i], inverse), high = quantise(x[HALF + i], inverse);
        block[CODES + i] = (unsigned char)((low & 15) | (high & 15) << 4);
        fifth |= low >> 4 << i | high >> 4 << (HALF + i);
    }
    memcpy(block + FIFTH, &fifth, sizeof fifth);
    return qb_half_write(block, d);
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d;
    if (!qb_half_read(block, &d))
        return 0;
    unsigned char codes[VALUES];
    gguf_unpack5(block + FIFTH, block + CODES, codes);
    for (size_t i = 0; i < VALUES; i++)
        out[i] = d * (float)(codes[i] - 16);
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "q5_0", .version = "1",
    .summary = "GGUF Q5_0, 5-bit integers times a half for each 32 values: 5.5 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.0635, .floor_fraction = 0.5, .absolute_error = 0.056, .bias = 0.0025, .sqnr_db = 27.2})
