/* codec_block.h - for codecs of qinsbench that store whole blocks: `values` neighbouring values of a row become `bytes`
 * bytes, which hold all that reading them back needs. Blocks follow each other, row after row, without a header, and a
 * row is a whole number of them (GGUF's types are made so). Apache-2.0. Optional, as codec_util.h is. */
#ifndef QB_CODEC_BLOCK_H
#define QB_CODEC_BLOCK_H

#include "codec_table.h"

#include <stdbool.h>

#define QB_BLOCK_FINE SIZE_MAX

struct qb_block {
    size_t values, bytes; /* of a block; bytes <= 4 * values */
    /* Stores x[values], all finite. False where a scale would overflow: the block's largest magnitude is refused. */
    bool (*encode)(const float *x, unsigned char *block);
    bool (*encode_avx512)(const float *x, unsigned char *block); /* the same bytes where AVX-512 is; NULL: encode */
    /* Reads a block into out[values]. QB_BLOCK_FINE, and all values are finite; or the offset in the block of the bytes
     * (a scale) that make one infinite or NaN. */
    size_t (*decode)(const unsigned char *block, float *out);
};

/* A buffer of `have` bytes holds an encoded rows x cols matrix, which has rows [row, row + count). */
static inline int qb_block_check(const struct qb_block *block, size_t rows, size_t cols, size_t have, size_t row,
                                 size_t count, struct qb_codec_error *error)
{
    int status = qb_check_shape(rows, cols, sizeof(float), error);
    if (!status && cols % block->values != 0)
        return qb_refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX,
                         "rows of %zu values are no whole number of blocks of %zu values", cols, block->values);
    return status ? status : qb_check_part(have, rows * (cols / block->values) * block->bytes, rows, row, count, error);
}

static inline int qb_block_size(const struct qb_block *block, size_t rows, size_t cols, size_t *bytes,
                                struct qb_codec_error *error)
{
    *bytes = rows * (cols / block->values) * block->bytes;
    return qb_block_check(block, rows, cols, SIZE_MAX, 0, rows, error);
}

static inline size_t qb_largest(const float *x, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        at = fabsf(x[i]) > fabsf(x[at]) ? i : at;
    return at;
}

static inline int qb_block_encode(const struct qb_block *block, int32_t isa, size_t rows, size_t cols, size_t row,
                                  size_t count, const float *x, void *out, size_t out_bytes,
                                  struct qb_codec_error *error)
{
    int status = qb_block_check(block, rows, cols, out_bytes, row, count, error);
    status = status ? status : qb_all_finite(isa, x, count * cols, row * cols, error);
    if (status)
        return status;
    bool (*const encode)(const float *, unsigned char *) =
        isa >= QB_ISA_AVX512 && block->encode_avx512 ? block->encode_avx512 : block->encode;
    size_t first = row * (cols / block->values), blocks = count * (cols / block->values);
    unsigned char *bytes = (unsigned char *)out + first * block->bytes;
    for (size_t i = 0; i < blocks; i++)
        if (!encode(x + i * block->values, bytes + i * block->bytes)) {
            size_t at = i * block->values + qb_largest(x + i * block->values, block->values);
            return qb_refuse(error, QB_CODEC_BAD_INPUT, row * cols + at,
                             "%g cannot be stored, it is too large for the scale of its block", (double)x[at]);
        }
    return QB_CODEC_OK;
}

static inline int qb_block_decode(const struct qb_block *block, size_t rows, size_t cols, const void *in,
                                  size_t in_bytes, size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    int status = qb_block_check(block, rows, cols, in_bytes, row, count, error);
    if (status)
        return status;
    size_t first = row * (cols / block->values), blocks = count * (cols / block->values);
    const unsigned char *bytes = in;
    for (size_t i = 0; i < blocks; i++) {
        size_t at = (first + i) * block->bytes, bad = block->decode(bytes + at, out + i * block->values);
        if (bad != QB_BLOCK_FINE)
            return qb_refuse(error, QB_CODEC_BAD_BYTES, at + bad,
                             "byte %zu starts a scale that is not finite or too large", at + bad);
    }
    return QB_CODEC_OK;
}

/* A layout function's body, for blocks of 32 codes that begin with their scale; values: of codes of 4 bits, else NULL.
 */
static inline int qb_block_layout(const struct qb_block *block, enum qb_layout_kind kind, enum qb_layout_scale scale,
                                  const float *values, size_t rows, size_t cols, size_t in_bytes,
                                  struct qb_codec_layout *layout, struct qb_codec_error *error)
{
    *layout = (struct qb_codec_layout){.kind = (int32_t)kind,
                                       .scale = (int32_t)scale,
                                       .first = scale == QB_LAYOUT_SCALE_HALF ? 2 : 1,
                                       .row_bytes = cols / block->values * block->bytes,
                                       .scale_row = cols / block->values * block->bytes,
                                       .group = block->values,
                                       .scale_group = block->bytes,
                                       .block_bytes = block->bytes};
    if (values)
        memcpy(layout->values, values, 16 * sizeof *values);
    return qb_block_check(block, rows, cols, in_bytes, 0, rows, error);
}

/* Defines all of a plugin whose codec stores the static const struct qb_block BLOCK and has no options: its functions
 * and its entry. What follows BLOCK are the codec's own fields: .id, .version, .summary, .flags, .tolerance, .layout.
 */
#define QB_BLOCK_CODEC(BLOCK, ...)                                                                                     \
    static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,             \
                            struct qb_codec_error *error)                                                              \
    {                                                                                                                  \
        (void)config;                                                                                                  \
        return qb_block_size(&(BLOCK), rows, cols, bytes, error);                                                      \
    }                                                                                                                  \
    static int encode_part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,  \
                           size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)    \
    {                                                                                                                  \
        (void)pass;                                                                                                    \
        return qb_block_encode(&(BLOCK), config->isa, rows, cols, row, count, x, out, out_bytes, error);               \
    }                                                                                                                  \
    static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,       \
                      size_t out_bytes, struct qb_codec_error *error)                                                  \
    {                                                                                                                  \
        return encode_part(config, rows, cols, 0, 0, rows, x, out, out_bytes, error);                                  \
    }                                                                                                                  \
    static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes, \
                      size_t row, size_t count, float *out, struct qb_codec_error *error)                              \
    {                                                                                                                  \
        (void)config;                                                                                                  \
        return qb_block_decode(&(BLOCK), rows, cols, in, in_bytes, row, count, out, error);                            \
    }                                                                                                                  \
    QB_CODEC_ENTRY(, .encoded_size = encoded_size, .encode = encode, .decode = decode, .encode_passes = 1,             \
                   .encode_part = encode_part, __VA_ARGS__)

#endif
