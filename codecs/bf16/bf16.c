/* bf16: the upper half of a binary32, rounded to nearest even. Same range as FP32, 8 significant bits. */
#include "codec.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 5))) static int refuse(struct qb_codec_error *error, int status, size_t index,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    error->index = index;
    return status;
}

static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error)
{
    (void)config;
    if (rows == 0 || cols == 0 || rows > SIZE_MAX / sizeof(float) / cols)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "a matrix of %zu x %zu is out of range", rows, cols);
    *bytes = rows * cols * 2;
    return QB_CODEC_OK;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    size_t need = 0;
    int status = encoded_size(config, rows, cols, &need, error);
    if (status != QB_CODEC_OK)
        return status;
    if (out_bytes < need)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "the buffer has %zu bytes, %zu are needed", out_bytes, need);
    unsigned char *bytes = out;
    for (size_t i = 0; i < rows * cols; i++) {
        uint32_t word;
        memcpy(&word, &x[i], sizeof word);
        /* Half of the dropped part, less one when the kept part is even: ties go to even. A carry into the exponent
         * is the right next value, and for a NaN or Inf, or when it overflows, the exponent ends up all ones. */
        uint32_t rounded = word + 0x7fffu + (word >> 16 & 1);
        if ((word & 0x7f800000u) == 0x7f800000u || (rounded & 0x7f800000u) == 0x7f800000u)
            return refuse(error, QB_CODEC_BAD_INPUT, i, "%g cannot be stored, the largest value is 3.38953e38",
                          (double)x[i]);
        uint16_t half = (uint16_t)(rounded >> 16);
        memcpy(bytes + 2 * i, &half, sizeof half);
    }
    return QB_CODEC_OK;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    size_t need = 0;
    int status = encoded_size(config, rows, cols, &need, error);
    if (status != QB_CODEC_OK)
        return status;
    if (in_bytes < need)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "%zu bytes given, the shape needs %zu", in_bytes, need);
    if (row > rows || count > rows - row)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "rows [%zu, +%zu) of %zu asked for", row, count, rows);
    const unsigned char *bytes = (const unsigned char *)in + row * cols * 2;
    uint32_t seen = 0; /* gets its top bit from an exponent of all ones */
    for (size_t i = 0; i < count * cols; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, sizeof half);
        uint32_t word = (uint32_t)half << 16;
        memcpy(&out[i], &word, sizeof word);
        seen |= (word & 0x7f800000u) + 0x00800000u;
    }
    for (size_t i = 0; seen >> 31 && i < count * cols; i++)
        if (!isfinite(out[i]))
            return refuse(error, QB_CODEC_BAD_BYTES, 2 * (row * cols + i), "byte %zu starts a NaN or Inf",
                          2 * (row * cols + i));
    return QB_CODEC_OK;
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
    };
    return &codec;
}
