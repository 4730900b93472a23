/* q2_k: blocks of 256 values as 2-bit integers; each 16 have a 4-bit scale and a 4-bit minimum. */
#include "gguf_search.h"

enum { GROUP = 16, GROUPS = GGUF_K / GROUP, BYTES = 84, CODES = 16, SCALE = 80 }; /* scales lie at 0 */

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    static const struct gguf_lines kind = {
        .group = GROUP, .most = 15, .tries = {.top = 3, .first = -0.5f, .step = 0.1f, .count = 16, .absolute = true}};
    unsigned char codes[GGUF_K], scales[GROUPS], minima[GROUPS];
    if (!gguf_fit_lines(x, &kind, block + SCALE, scales, minima, codes))
        return false;
    for (size_t g = 0; g < GROUPS; g++)
        block[g] = (unsigned char)(scales[g] | minima[g] << 4);
    gguf_pack2(codes, block + CODES);
    return true;
}

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d, dmin;
    const size_t bad = gguf_read_halves(block, SCALE, &d, &dmin);
    if (bad != QB_BLOCK_FINE)
        return bad;
    unsigned char codes[GGUF_K], scales[GROUPS], minima[GROUPS];
    for (size_t g = 0; g < GROUPS; g++) {
        scales[g] = block[g] & 15;
        minima[g] = block[g] >> 4;
    }
    gguf_unpack2(block + CODES, codes);
    gguf_on_lines(d, dmin, GROUP, scales, minima, codes, out);
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = GGUF_K, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_CODEC(
    block, .id = "q2_k", .version = "1",
    .summary = "GGUF Q2_K, 2-bit integers, 4-bit scales and minima of 16 values: 2.625 bits a weight",
    .flags = QB_CODEC_RESCALES,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.55, .floor_fraction = 0.5, .absolute_error = 0.37, .bias = 0.06, .sqnr_db = 10.35})
