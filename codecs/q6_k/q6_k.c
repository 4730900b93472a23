/* q6_k: blocks of 256 values as 6-bit integers; each 16 have an 8-bit scale. */
#include "gguf_search.h"

enum { GROUP = 16, GROUPS = GGUF_K / GROUP, BYTES = 210, HIGH = 128, SCALES = 192, SCALE = 208 }; /* low bits at 0 */

static float nearest(float x)
{
    return gguf_clamp(x, -32, 31);
}

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    float y[GGUF_K], fitted[GROUPS];
    const float unit = gguf_normalise(x, GGUF_K, y);
    for (size_t g = 0; g < GROUPS; g++)
        fitted[g] = unit * gguf_fit_scale(y + g * GROUP, GROUP, nearest, -32, 32, 0.1f, 9);
    unsigned char codes[GGUF_K], high[GGUF_K];
    int scales[GROUPS];
    if (!gguf_store_scales(x, fitted, GROUP, 128, nearest, 32, block + SCALE, scales, codes))
        return false;
    for (size_t g = 0; g < GROUPS; g++)
        block[SCALES + g] = (unsigned char)scales[g];
    for (size_t i = 0; i < GGUF_K; i++)
        high[i] = codes[i] >> 4;
    gguf_pack4(codes, 64, block);
    gguf_pack2(high, block + HIGH);
    return true;
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d;
    if (!qb_half_read(block + SCALE, &d))
        return SCALE;
    unsigned char codes[GGUF_K], high[GGUF_K];
    gguf_unpack4(block, 64, codes);
    gguf_unpack2(block + HIGH, high);
    for (size_t g = 0; g < GROUPS; g++) {
        const float scale = d * (float)(signed char)block[SCALES + g];
        for (size_t i = g * GROUP; i < (g + 1) * GROUP; i++)
            out[i] = scale * (float)((codes[i] | high[i] << 4) - 32);
    }
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = GGUF_K, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "q6_k", .version = "1",
    .summary = "GGUF Q6_K, 6-bit integers, 8-bit scales of 16 values: 6.5625 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.029, .floor_fraction = 0.5, .absolute_error = 0.0175, .bias = 0.0008, .sqnr_db = 34.8})
