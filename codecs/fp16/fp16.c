/* fp16: IEEE 754 binary16, rounded to nearest even. A value that would become Inf is refused, never stored. */
#include "codec.h"
#include "fp16.h"

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

void fp16_narrow_portable(const float *x, size_t n, unsigned char *bytes)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, &x[i], sizeof word);
        uint32_t sign = word >> 16 & 0x8000u, magnitude = word & 0x7fffffffu, half;
        if (magnitude >= 0x38800000u) { /* 2^-14 and up: rebias the exponent by -112, round off 13 bits */
            half = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1)) >> 13;
        } else { /* a denormal half counts 2^-24; so do the bits of a float in [0.5, 1), and adding rounds to even */
            float sum;
            memcpy(&sum, &magnitude, sizeof sum);
            sum += 0.5f;
            memcpy(&half, &sum, sizeof half);
            half -= 0x3f000000u;
        }
        uint16_t stored = (uint16_t)(sign | half);
        memcpy(bytes + 2 * i, &stored, sizeof stored);
    }
}

void fp16_widen_portable(const unsigned char *bytes, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, sizeof half);
        uint32_t word = (uint32_t)(half & 0x7fffu) << 13, sign = (uint32_t)(half & 0x8000u) << 16;
        float value;
        memcpy(&value, &word, sizeof value);
        value *= 0x1p112f; /* rebias; exact, and a denormal float becomes the denormal half's value */
        memcpy(&word, &value, sizeof word);
        word |= sign;
        memcpy(&out[i], &word, sizeof word);
    }
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
    for (size_t i = 0; i < rows * cols; i++)
        if (!(fabsf(x[i]) < FP16_LIMIT)) /* NaN fails the comparison too */
            return refuse(error, QB_CODEC_BAD_INPUT, i, "%g cannot be stored, the largest value is 65504",
                          (double)x[i]);
    (config->isa >= QB_ISA_AVX2 ? fp16_narrow_avx2 : fp16_narrow_portable)(x, rows * cols, out);
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
    (config->isa >= QB_ISA_AVX2 ? fp16_widen_avx2 : fp16_widen_portable)(bytes, count * cols, out);
    uint32_t seen = 0; /* gets its top bit from an exponent of all ones */
    for (size_t i = 0; i < count * cols; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, sizeof half);
        seen |= (half & 0x7c00u) + 0x0400u;
    }
    for (size_t i = 0; seen >> 15 && i < count * cols; i++)
        if (!(fabsf(out[i]) < FP16_LIMIT))
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
        .id = "fp16",
        .version = "1",
        .summary = "IEEE 754 binary16, rounded to nearest even: 16 bits a weight",
        .flags = QB_CODEC_KEEPS_ZERO,
        /* A relative error of 2^-11 follows from 11 significant bits, down to the denormals below 6.1e-5; the rest is
         * measured plus a margin. */
        .tolerance =
            {.relative_error = 0.00049, .floor_fraction = 0.001, .absolute_error = 0.0004, .bias = 1e-5, .sqnr_db = 73},
        .encoded_size = encoded_size,
        .encode = encode,
        .decode = decode,
    };
    return &codec;
}
