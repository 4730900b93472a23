/* q4_0: blocks of 32 values as 4-bit integers times a scale. */
#include "gguf.h"

enum { VALUES = 32, HALF = VALUES / 2, BYTES = 18, CODES = 2 }; /* the scale lies at 0 */

static unsigned char quantise(float x, float inverse)
{
    int code = (int)(x * inverse + 8.5f);
    return (unsigned char)(code < 15 ? code : 15);
}

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    const float peak = x[qb_largest(x, VALUES)] + 0.0f; /* 0 for a -0: zeros have the scale -0 */
    const float d = peak / -8.0f, inverse = gguf_inverse(d);
    for (size_t i = 0; i < HALF; i++)
        block[CODES + i] = (unsigned char)(quantise(x[i], inverse) | quantise(x[HALF + i], inverse) << 4);
    return qb_half_write(block, d);
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d;
    if (!qb_half_read(block, &d))
        return 0;
    for (size_t i = 0; i < HALF; i++) {
        int pair = block[CODES + i];
        out[i] = d * (float)((pair & 15) - 8);
        out[HALF + i] = d * (float)((pair >> 4) - 8);
    }
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES, .bytes = BYTES, .encode = encode_block, .decode = decode_block};

static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *layout, struct qb_codec_error *error)
{
    static const float values[] = {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};
    (void)config, (void)in;
    return qb_block_layout(&block, QB_LAYOUT_TABLE4, QB_LAYOUT_SCALE_HALF, values, rows, cols, in_bytes, layout, error);
}

QB_BLOCK_CODEC(
    block, .id = "q4_0", .version = "1",
    .summary = "GGUF Q4_0, 4-bit integers times a half for each 32 values: 4.5 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO, .layout = layout,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.126, .floor_fraction = 0.5, .absolute_error = 0.11, .bias = 0.008, .sqnr_db = 21.1})
