/* fp32: the values themselves, 4 bytes each, little-endian IEEE 754 binary32. The yardstick that loses nothing. */
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
    *bytes = rows * cols * sizeof(float);
    return QB_CODEC_OK;
}

/* Index of the first value that is NaN or Inf; n when there is none. One added to an exponent of all ones carries into
 * the sign bit, which was masked off; sixteen values a step let the compiler use vectors. */
static size_t first_nonfinite(const float *x, size_t n)
{
    enum { STEP = 16 };
    size_t i = 0;
    for (uint32_t seen = 0; i + STEP <= n; i += STEP) {
        for (int j = 0; j < STEP; j++) {
            uint32_t word;
            memcpy(&word, x + i + j, sizeof word);
            seen |= (word & 0x7f800000u) + 0x00800000u;
        }
        if (seen >> 31)
            break;
    }
    while (i < n && isfinite(x[i]))
        i++;
    return i;
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
    size_t bad = first_nonfinite(x, rows * cols);
    if (bad < rows * cols)
        return refuse(error, QB_CODEC_BAD_INPUT, bad, "%f cannot be stored", (double)x[bad]);
    memcpy(out, x, need);
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
    size_t first = row * cols;
    memcpy(out, (const unsigned char *)in + first * sizeof(float), count * cols * sizeof(float));
    size_t bad = first_nonfinite(out, count * cols);
    if (bad < count * cols)
        return refuse(error, QB_CODEC_BAD_BYTES, (first + bad) * sizeof(float), "byte %zu starts a NaN or Inf",
                      (first + bad) * sizeof(float));
    return QB_CODEC_OK;
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
    };
    return &codec;
}
