/* q2_k: blocks of 256 values as 2-bit integers; each 16 have a 4-bit scale and a 4-bit minimum. */
#include "gguf_search.h"

enum { GROUP = 16, GROUPS = GGUF_K / GROUP, BYTES = 84, CODES = 16, SCALE = 80, MINIMUM = 82 }; /* scales lie at 0 */

static void fit(const float *x, struct gguf_line *line)
{
    static const struct gguf_tries tries = {.top = 3, .first = -0.5f, .step = 0.1f, .count = 16, .absolute = true};
    float w[GROUP];
    for (size_t i = 0; i < GROUP; i++)
        w[i] = fabsf(x[i]);
    *line = gguf_fit_line(x, w, GROUP, &tries);
}

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    float y[GGUF_K];
    const float unit = gguf_normalise(x, GGUF_K, y);
    struct gguf_line lines[GROUPS], top = {0, 0};
    for (size_t g = 0; g < GROUPS; g++) {
        fit(y + g * GROUP, &lines[g]);
        top.scale = lines[g].scale > top.scale ? lines[g].scale : top.scale;
        top.low = lines[g].low < top.low ? lines[g].low : top.low;
    }
    float d, dmin;
    if (!qb_half_write(block + SCALE, top.scale * unit / 15) ||
        !qb_half_write(block + MINIMUM, fabsf(top.low) * unit / 15))
        return false;
    qb_half_read(block + SCALE, &d);
    qb_half_read(block + MINIMUM, &dmin);
    unsigned char codes[GGUF_K];
    for (size_t g = 0; g < GROUPS; g++) {
        const float scale = gguf_clamp(lines[g].scale * gguf_inverse(top.scale / 15), 0, 15);
        const float minimum = gguf_clamp(lines[g].low * gguf_inverse(top.low / 15), 0, 15);
        block[g] = (unsigned char)((int)scale | (int)minimum << 4);
        gguf_line_codes(x + g * GROUP, GROUP, d * scale, dmin * minimum, 3, codes + g * GROUP);
    }
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
