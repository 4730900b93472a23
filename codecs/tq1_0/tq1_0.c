/* tq1_0: blocks of 256 values as -1, 0 or 1 times a scale; a byte holds five of them, some bytes four. */
#include "gguf.h"

enum { VALUES = 256, BYTES = 54, SCALE = 52 }; /* the codes lie at 0 */

/* A byte is a fraction of 256 whose digits in base 3 are the codes: digit k of byte i is value `first + k * stride +
 * i`. */
static const struct part {
    size_t first, bytes, digits;
} parts[] = {{0, 32, 5}, {160, 16, 5}, {240, 4, 4}};

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    const float d = gguf_amax(x, VALUES), inverse = gguf_inverse(d);
    unsigned char *at = block;
    for (const struct part *p = parts; p < parts + 3; at += p->bytes, p++)
        for (size_t i = 0; i < p->bytes; i++) {
            int digits = 0;
            for (size_t k = 0; k < 5; k++) /* a digit that is not there is 0 */
                digits = 3 * digits + (k < p->digits ? gguf_round(x[p->first + k * p->bytes + i] * inverse) + 1 : 0);
            at[i] = (unsigned char)((digits * 256 + 242) / 243);
        }
    return qb_half_write(block + SCALE, d);
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d;
    if (!qb_half_read(block + SCALE, &d))
        return SCALE;
    const unsigned char *at = block;
    for (const struct part *p = parts; p < parts + 3; at += p->bytes, p++)
        for (size_t k = 0, power = 1; k < p->digits; k++, power *= 3)
            for (size_t i = 0; i < p->bytes; i++) {
                int digit = (int)((at[i] * power & 255) * 3 >> 8);
                out[p->first + k * p->bytes + i] = d * (float)(digit - 1);
            }
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "tq1_0", .version = "1",
    .summary = "GGUF TQ1_0, -1, 0 or 1 times a half for each 256 values, five of them a byte: 1.6875 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO,
    /* Measured plus a margin. */
    .tolerance = {.relative_error = 1, .floor_fraction = 0.5, .absolute_error = 0.505, .bias = 0.57, .sqnr_db = 1.55})
