/* log2-8: a byte a value, a sign and the logarithm to base 2 in quarters, as an outside author would write a codec.
 * Byte 0 is zero; else bit 7 is the sign and 2^((code - 104) / 4), code = bits 6..0 in [1, 127], the magnitude. */
#include "codec.h"
#include <math.h>
#include <stdio.h>

static int refuse(struct qb_codec_error *error, int status, size_t index, const char *text)
{
    snprintf(error->message, sizeof error->message, "%s", text);
    error->index = index;
    return status;
}

static int size(const struct qb_codec_config *c, size_t rows, size_t cols, size_t *bytes, struct qb_codec_error *error)
{
    if (rows == 0 || cols == 0 || rows > SIZE_MAX / 4 / cols)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "the shape is out of range");
    *bytes = rows * cols;
    return QB_CODEC_OK;
}

static int encode(const struct qb_codec_config *c, size_t rows, size_t cols, const float *x, void *out, size_t bytes,
                  struct qb_codec_error *error)
{
    if (bytes < rows * cols)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "the buffer is too small");
    for (size_t i = 0; i < rows * cols; i++) {
        if (!isfinite(x[i]))
            return refuse(error, QB_CODEC_BAD_INPUT, i, "NaN and Inf have no logarithm");
        float code = x[i] == 0 ? 0 : fminf(fmaxf(rintf(log2f(fabsf(x[i])) * 4) + 104, 1), 127);
        ((unsigned char *)out)[i] = (unsigned char)((int)code | (x[i] < 0) << 7);
    }
    return QB_CODEC_OK;
}

static int decode(const struct qb_codec_config *c, size_t rows, size_t cols, const void *in, size_t bytes, size_t row,
                  size_t count, float *out, struct qb_codec_error *error)
{
    if (bytes < rows * cols || row > rows || count > rows - row)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "too few bytes, or rows outside the matrix");
    for (size_t i = 0; i < count * cols; i++) {
        int byte = ((const unsigned char *)in)[row * cols + i], code = byte & 127;
        out[i] = code == 0 ? 0 : exp2f((float)(code - 104) / 4) * (byte > 127 ? -1.0f : 1.0f);
    }
    return QB_CODEC_OK;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    /* clang-format off */
    static const struct qb_codec codec = {
        .struct_size = sizeof codec, .abi_version = QB_CODEC_ABI_VERSION, .id = "log2-8", .version = "1",
        .summary = "sign and base-2 logarithm in quarters, 8 bits a weight", .flags = QB_CODEC_KEEPS_ZERO,
        .tolerance = {.relative_error = 0.092, .absolute_error = 0.1, .bias = 0.005, .sqnr_db = 25},
        .encoded_size = size, .encode = encode, .decode = decode};
    /* clang-format on */
    return &codec;
}
