/* q2_k: blocks of 256 values as 2-bit integers; each 16 have a 4-bit scale and a 4-bit minimum. */
#include "gguf_search.h"

enum { GROUP = 16, GROUPS = GGUF_K / GROUP, BYTES = 84, CODES = 16, SCALE = 80, MINIMUM = 82 }; /* scales lie at 0 */

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
    if (!qb_half_read(block + SCALE, &d))
        return SCALE;
    if (!qb_half_read(block + MINIMUM, &dmin))
        return MINIMUM;
    unsigned char codes[GGUF_K];
    gguf_unpack2(block + CODES, codes);
    for (size_t g = 0; g < GROUPS; g++) {
        const float scale = d * (float)(block[g] & 15), minimum = dmin * (float)(block[g] >> 4);
        for (size_t i = 0; i < GROUP; i++)
            out[g * GROUP + i] = scale * (float)codes[g * GROUP + i] - minimum;
    }
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = GGUF_K, .bytes = BYTES, .encode = encode_block, .decode = decode_block};
QB_BLOCK_FUNCTIONS(block)

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);
QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {
        .struct_size = sizeof codec,
        .abi_version = QB_CODEC_ABI_VERSION,
        .id = "q2_k",
        .version = "1",
        .summary = "GGUF Q2_K, 2-bit integers, 4-bit scales and minima of 16 values: 2.625 bits a weight",
        .flags = QB_CODEC_RESCALES,
        /* Measured plus a margin. */
        .tolerance =
            {.relative_error = 0.55, .floor_fraction = 0.5, .absolute_error = 0.37, .bias = 0.06, .sqnr_db = 10.35},
        .encoded_size = encoded_size,
        .encode = encode,
        .decode = decode,
        .encode_passes = 1,
        .encode_part = encode_part,
    };
    return &codec;
}
