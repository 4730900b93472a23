/* tq2_0: blocks of 256 values as -1, 0 or 1 times a scale, 2 bits each. */
#include "gguf.h"

enum { VALUES = 256, BYTES = 66, SCALE = 64, PART = 128, LINE = 32 }; /* the codes lie at 0 */

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    const float d = gguf_amax(x, VALUES), inverse = gguf_inverse(d);
    for (size_t i = 0; i < VALUES / 4; i++) {
        const float *first = x + i / LINE * PART + i % LINE;
        unsigned byte = 0;
        for (unsigned k = 0; k < 4; k++)
            byte |= (unsigned)(gguf_round(first[k * LINE] * inverse) + 1) << 2 * k;
        block[i] = (unsigned char)byte;
    }
    return qb_half_write(block + SCALE, d);
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d;
    if (!qb_half_read(block + SCALE, &d))
        return SCALE;
    for (size_t p = 0; p < 2; p++)
        for (size_t k = 0; k < 4; k++)
            for (size_t i = 0; i < LINE; i++)
                out[p * PART + k * LINE + i] = d * (float)((block[p * LINE + i] >> 2 * k & 3) - 1);
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(block, .id = "tq2_0", .version = "1",
               .summary = "GGUF TQ2_0, -1, 0 or 1 times a half for each 256 values, 2 bits each: 2.0625 bits a weight",
               .flags = QB_CODEC_KEEPS_ZERO,
               /* Measured plus a margin. */
               .tolerance = {
                   .relative_error = 1, .floor_fraction = 0.5, .absolute_error = 0.505, .bias = 0.57, .sqnr_db = 1.55})
