/* mxfp4: blocks of 32 values as 4-bit floats (E2M1) times a power of two, as ggml rounds them. */
#include "gguf.h"

enum { VALUES = 32, HALF = VALUES / 2, BYTES = 17, CODES = 1 }; /* the exponent lies at 0 */

/* Of a unit, half of the scale: the least magnitude of E2M1 is 0.5. */
static float unit_of(int exponent)
{
    return ldexpf(1, exponent - 128);
}

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    const float top = gguf_amax(x, VALUES);
    int exponent = top > 0 ? (int)floorf(log2f(top)) - 2 + 127 : 0;
    exponent = exponent > 0 ? exponent : 0;
    const float unit = unit_of(exponent);
    block[0] = (unsigned char)exponent;
    for (size_t i = 0; i < HALF; i++)
        block[CODES + i] = (unsigned char)(gguf_e2m1_nearest(x[i], unit) | gguf_e2m1_nearest(x[HALF + i], unit) << 4);
    return true;
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    const float unit = unit_of(block[0]);
    for (size_t i = 0; i < HALF; i++) {
        out[i] = unit * gguf_e2m1[block[CODES + i] & 15];
        out[HALF + i] = unit * gguf_e2m1[block[CODES + i] >> 4];
    }
    const bool may_overflow = block[0] >= 253; /* 2^(253 - 128) * 12 > 2^128 */
    return may_overflow && qb_first_nonfinite(out, VALUES) < VALUES ? 0 : QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES, .bytes = BYTES, .encode = encode_block, .decode = decode_block};

/* Twice the unit is the layout's power of two. */
static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *layout, struct qb_codec_error *error)
{
    float values[16];
    (void)config, (void)in;
    for (size_t i = 0; i < 16; i++)
        values[i] = 0.5f * gguf_e2m1[i];
    return qb_block_layout(&block, QB_LAYOUT_TABLE4, QB_LAYOUT_SCALE_POWER, values, rows, cols, in_bytes, layout,
                           error);
}

QB_BLOCK_CODEC(
    block, .id = "mxfp4", .version = "1",
    .summary = "GGUF MXFP4, 4-bit floats (E2M1) times a power of two for each 32 values: 4.25 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO, .layout = layout,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.2501, .floor_fraction = 0.5, .absolute_error = 0.22, .bias = 0.021, .sqnr_db = 18.6})
