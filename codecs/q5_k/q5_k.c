/* q5_k: blocks of 256 values as 5-bit integers; each 32 have a 6-bit scale and a 6-bit minimum. */
#include "gguf_search.h"

enum { GROUP = 32, GROUPS = GGUF_K / GROUP, BYTES = 176 };
enum { SCALE = 0, SCALES = 4, FIFTH = 16, CODES = 48 };

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    static const struct gguf_lines kind = {
        .group = GROUP, .most = 63, .mean = true, .tries = {.top = 31, .first = -0.5f, .step = 0.1f, .count = 16}};
    unsigned char codes[GGUF_K], scales[GROUPS], minima[GROUPS];
    if (!gguf_fit_lines(x, &kind, block + SCALE, scales, minima, codes))
        return false;
    gguf_k_pack(scales, minima, block + SCALES);
    gguf_pack4(codes, GROUP, block + CODES);
    gguf_pack_bit(codes, 4, block + FIFTH);
    return true;
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d, dmin;
    const size_t bad = gguf_read_halves(block, SCALE, &d, &dmin);
    if (bad != QB_BLOCK_FINE)
        return bad;
    unsigned char codes[GGUF_K], scales[GROUPS], minima[GROUPS];
    gguf_k_unpack(block + SCALES, scales, minima);
    gguf_unpack4(block + CODES, GROUP, codes);
    gguf_unpack_bit(block + FIFTH, 4, codes);
    gguf_on_lines(d, dmin, GROUP, scales, minima, codes, out);
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = GGUF_K, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "q5_k", .version = "1",
    .summary = "GGUF Q5_K, 5-bit integers, 6-bit scales and minima of 32 values: 5.5 bits a weight",
    .flags = QB_CODEC_RESCALES,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.075, .floor_fraction = 0.5, .absolute_error = 0.04, .bias = 0.0015, .sqnr_db = 28.65})
