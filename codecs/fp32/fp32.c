/* fp32: the values themselves, 4 bytes each, little-endian IEEE 754 binary32. The yardstick that loses nothing. */
#include "codec_util.h"

static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error)
{
    (void)config;
    *bytes = rows * cols * sizeof(float);
    return qb_check_shape(rows, cols, sizeof(float), error);
}

static int encode_part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,
                       size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    (void)config, (void)pass;
    int status = qb_check_values(out_bytes, sizeof(float), rows, cols, row, count, error);
    if (status)
        return status;
    status = qb_check_finite(x, count * cols, row * cols, error);
    if (status)
        return status;
    memcpy((unsigned char *)out + row * cols * sizeof(float), x, count * cols * sizeof(float));
    return QB_CODEC_OK;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    return encode_part(config, rows, cols, 0, 0, rows, x, out, out_bytes, error);
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    (void)config;
    int status = qb_check_values(in_bytes, sizeof(float), rows, cols, row, count, error);
    if (status)
        return status;
    memcpy(out, (const unsigned char *)in + row * cols * sizeof(float), count * cols * sizeof(float));
    size_t bad = qb_first_nonfinite(out, count * cols), at = (row * cols + bad) * sizeof(float);
    if (bad < count * cols)
        return qb_refuse(error, QB_CODEC_BAD_BYTES, at, "byte %zu starts a NaN or Inf", at);
    return QB_CODEC_OK;
}

static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *layout, struct qb_codec_error *error)
{
    (void)config, (void)in;
    *layout = (struct qb_codec_layout){.kind = QB_LAYOUT_FLOAT, .row_bytes = cols * sizeof(float)};
    return qb_check_values(in_bytes, sizeof(float), rows, cols, 0, rows, error);
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);
QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {
        .struct_size = sizeof codec,
        .abi_version = QB_CODEC_ABI_VERSION,
        .id = "fp32",
        .version = "1",
        .summary = "IEEE 754 binary32, the values themselves: 32 bits a weight",
        .flags = QB_CODEC_LOSSLESS | QB_CODEC_KEEPS_ZERO,
        .tolerance = {.sqnr_db = 1e9},
        .encoded_size = encoded_size,
        .encode = encode,
        .decode = decode,
        .encode_passes = 1,
        .encode_part = encode_part,
        .layout = layout,
    };
    return &codec;
}
