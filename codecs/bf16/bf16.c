/* bf16: the upper half of a binary32, rounded to nearest even. Same range as FP32, 8 significant bits. */
#include "codec_util.h"

enum { VALUE_BYTES = 2 };

static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error)
{
    (void)config;
    *bytes = rows * cols * VALUE_BYTES;
    return qb_check_shape(rows, cols, sizeof(float), error);
}

static int encode_part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,
                       size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    (void)config, (void)pass;
    int status = qb_check_values(out_bytes, VALUE_BYTES, rows, cols, row, count, error);
    if (status)
        return status;
    unsigned char *bytes = (unsigned char *)out + row * cols * VALUE_BYTES;
    for (size_t i = 0; i < count * cols; i++) {
        uint32_t word;
        memcpy(&word, &x[i], sizeof word);
        /* Half of the dropped part, less one when the kept part is even: ties go to even. A carry into the exponent
         * is the right next value, and for a NaN or Inf, or when it overflows, the exponent ends up all ones. */
        uint32_t rounded = word + 0x7fffu + (word >> 16 & 1);
        if ((word & 0x7f800000u) == 0x7f800000u || (rounded & 0x7f800000u) == 0x7f800000u)
            return qb_refuse(error, QB_CODEC_BAD_INPUT, row * cols + i,
                             "%g cannot be stored, the largest value is 3.38953e38", (double)x[i]);
        uint16_t half = (uint16_t)(rounded >> 16);
        memcpy(bytes + i * VALUE_BYTES, &half, sizeof half);
    }
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
    int status = qb_check_values(in_bytes, VALUE_BYTES, rows, cols, row, count, error);
    if (status)
        return status;
    const unsigned char *bytes = (const unsigned char *)in + row * cols * VALUE_BYTES;
    uint32_t seen = 0; /* gets its top bit from an exponent of all ones */
    for (size_t i = 0; i < count * cols; i++) {
        uint16_t half;
        memcpy(&half, bytes + i * VALUE_BYTES, sizeof half);
        uint32_t word = (uint32_t)half << 16;
        memcpy(&out[i], &word, sizeof word);
        seen |= (word & 0x7f800000u) + 0x00800000u;
    }
    for (size_t i = 0; seen >> 31 && i < count * cols; i++)
        if (!isfinite(out[i]))
            return qb_refuse(error, QB_CODEC_BAD_BYTES, (row * cols + i) * VALUE_BYTES, "byte %zu starts a NaN or Inf",
                             (row * cols + i) * VALUE_BYTES);
    return QB_CODEC_OK;
}

static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *layout, struct qb_codec_error *error)
{
    (void)config, (void)in;
    *layout = (struct qb_codec_layout){.kind = QB_LAYOUT_BFLOAT, .row_bytes = cols * VALUE_BYTES};
    return qb_check_values(in_bytes, VALUE_BYTES, rows, cols, 0, rows, error);
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);
QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {
        .struct_size = sizeof codec,
        .abi_version = QB_CODEC_ABI_VERSION,
        .id = "bf16",
        .version = "1",
        .summary = "bfloat16, rounded to nearest even: 16 bits a weight",
        .flags = QB_CODEC_KEEPS_ZERO,
        /* A relative error of 2^-8 follows from 8 significant bits; the rest is measured plus a margin. */
        .tolerance = {.relative_error = 0.00391, .absolute_error = 0.003, .bias = 2e-5, .sqnr_db = 55},
        .encoded_size = encoded_size,
        .encode = encode,
        .decode = decode,
        .encode_passes = 1,
        .encode_part = encode_part,
        .layout = layout,
    };
    return &codec;
}
