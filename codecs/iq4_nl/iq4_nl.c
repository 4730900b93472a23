/* iq4_nl: blocks of 32 values as one of 16 fixed numbers each, times a scale. */
#include "gguf_search.h"

enum { VALUES = 32, HALF = VALUES / 2, BYTES = 18, CODES = 2 }; /* the scale lies at 0 */

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    float y[VALUES];
    const float unit = gguf_normalise(x, VALUES, y);
    const float d = unit * gguf_fit_scale(y, VALUES, gguf_iq4_nearest, 127, 127, 1, 7), inverse = gguf_inverse(d);
    for (size_t i = 0; i < HALF; i++)
        block[CODES + i] = (unsigned char)(gguf_iq4_code(x[i] * inverse) | gguf_iq4_code(x[HALF + i] * inverse) << 4);
    return qb_half_write(block, d);
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d;
    if (!qb_half_read(block, &d))
        return 0;
    for (size_t i = 0; i < HALF; i++) {
        out[i] = d * gguf_iq4[block[CODES + i] & 15];
        out[HALF + i] = d * gguf_iq4[block[CODES + i] >> 4];
    }
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES, .bytes = BYTES, .encode = encode_block, .decode = decode_block};

static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *layout, struct qb_codec_error *error)
{
    float values[16];
    (void)config, (void)in;
    for (size_t i = 0; i < 16; i++)
        values[i] = gguf_iq4[i];
    return qb_block_layout(&block, QB_LAYOUT_TABLE4, QB_LAYOUT_SCALE_HALF, values, rows, cols, in_bytes, layout, error);
}

QB_BLOCK_CODEC(
    block, .id = "iq4_nl", .version = "1",
    .summary = "GGUF IQ4_NL, 16 fixed values times a half for each 32: 4.5 bits a weight", .flags = QB_CODEC_RESCALES,
    .layout = layout,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.12, .floor_fraction = 0.5, .absolute_error = 0.076, .bias = 0.005, .sqnr_db = 22.15})
