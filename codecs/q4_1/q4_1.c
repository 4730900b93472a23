/* q4_1: blocks of 32 values as 4-bit integers times a scale, plus a minimum. */
#include "gguf.h"

enum { VALUES = 32, HALF = VALUES / 2, BYTES = 20, MINIMUM = 2, CODES = 4 }; /* the scale lies at 0 */

static unsigned char quantise(float x, float inverse)
{
    int code = (int)(x * inverse + 0.5f);
    return (unsigned char)(code < 15 ? code : 15);
}

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    const struct gguf_range range = gguf_range(x, VALUES);
    const float d = (range.high - range.low) / 15.0f, inverse = gguf_inverse(d);
    if (!qb_half_write(block, d) || !qb_half_write(block + MINIMUM, range.low))
        return false;
    for (size_t i = 0; i < HALF; i++)
        block[CODES + i] =
            (unsigned char)(quantise(x[i] - range.low, inverse) | quantise(x[HALF + i] - range.low, inverse) << 4);
    return true;
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d, minimum;
    const size_t bad = gguf_read_halves(block, 0, &d, &minimum);
    if (bad != QB_BLOCK_FINE)
        return bad;
    for (size_t i = 0; i < HALF; i++) {
        int pair = block[CODES + i];
        out[i] = d * (float)(pair & 15) + minimum;
        out[HALF + i] = d * (float)(pair >> 4) + minimum;
    }
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "q4_1", .version = "1",
    .summary = "GGUF Q4_1, 4-bit integers times a half plus a half for each 32 values: 5 bits a weight", .flags = 0,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.11, .floor_fraction = 0.5, .absolute_error = 0.062, .bias = 0.006, .sqnr_db = 21.9})
