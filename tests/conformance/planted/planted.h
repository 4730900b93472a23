/* A small sound codec, "planted": int8 codes of one scale (value * 100, in [-100, 100]), from which each planted fault
 * differs in one place that it defines before it includes this. Tests only. */
#ifndef PLANTED_H
#define PLANTED_H

#include "codec.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

__attribute__((unused)) static int refuse(struct qb_codec_error *error, int status, size_t index, const char *text)
{
    (void)snprintf(error->message, sizeof error->message, "%s", text);
    error->index = index;
    return status;
}

__attribute__((unused)) static int sound_size(const struct qb_codec_config *config, size_t rows, size_t cols,
                                              size_t *bytes, struct qb_codec_error *error)
{
    (void)config;
    if (rows == 0 || cols == 0 || rows > SIZE_MAX / 16 / cols)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "shape out of range");
    *bytes = rows * cols;
    return QB_CODEC_OK;
}

__attribute__((unused)) static int sound_part(const struct qb_codec_config *config, size_t rows, size_t cols,
                                              unsigned pass, size_t row, size_t count, const float *x, void *out,
                                              size_t out_bytes, struct qb_codec_error *error)
{
    (void)config, (void)pass;
    if (out_bytes < rows * cols || row > rows || count > rows - row)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "buffer too small or rows outside");
    signed char *codes = (signed char *)out + row * cols;
    for (size_t i = 0; i < count * cols; i++) {
        if (!isfinite(x[i]))
            return refuse(error, QB_CODEC_BAD_INPUT, row * cols + i, "not finite");
        codes[i] = (signed char)lrintf(fminf(fmaxf(x[i] * 500.0f, -100.0f), 100.0f));
    }
    return QB_CODEC_OK;
}

__attribute__((unused)) static int sound_encode(const struct qb_codec_config *config, size_t rows, size_t cols,
                                                const float *x, void *out, size_t out_bytes,
                                                struct qb_codec_error *error)
{
    return sound_part(config, rows, cols, 0, 0, rows, x, out, out_bytes, error);
}

__attribute__((unused)) static int sound_decode(const struct qb_codec_config *config, size_t rows, size_t cols,
                                                const void *in, size_t in_bytes, size_t row, size_t count, float *out,
                                                struct qb_codec_error *error)
{
    (void)config;
    const signed char *codes = in;
    if (in_bytes < rows * cols || row > rows || count > rows - row)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "too few bytes or rows outside");
    for (size_t i = 0; i < count * cols; i++)
        out[i] = (float)codes[row * cols + i] / 500.0f;
    return QB_CODEC_OK;
}

__attribute__((unused)) static int sound_tile(const struct qb_codec_config *config, size_t rows, size_t cols,
                                              const void *in, size_t in_bytes, size_t row, size_t count, const float *x,
                                              size_t n, float *y, size_t ldy, struct qb_codec_error *error)
{
    (void)config;
    const signed char *codes = in;
    if (in_bytes < rows * cols || row > rows || count > rows - row)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "too few bytes or rows outside");
    for (size_t k = 0; k < n; k++) {
        for (size_t r = 0; r < count; r++) {
            double sum = 0;
            for (size_t i = 0; i < cols; i++)
                sum += (double)codes[(row + r) * cols + i] * (double)x[k * cols + i];
            y[k * ldy + r] = (float)(sum / 500);
        }
    }
    return QB_CODEC_OK;
}

__attribute__((unused)) static int sound_gemv(const struct qb_codec_config *config, size_t rows, size_t cols,
                                              const void *in, size_t in_bytes, size_t row, size_t count, const float *x,
                                              float *y, struct qb_codec_error *error)
{
    return sound_tile(config, rows, cols, in, in_bytes, row, count, x, 1, y, count, error);
}

/* Room for every tolerance: the faults that are planted are found by other checks. */
#define PLANTED_TOLERANCE                                                                                              \
    {                                                                                                                  \
        .relative_error = 0.99, .floor_fraction = 0.5, .absolute_error = 0.99, .bias = 0.99, .sqnr_db = 0.01           \
    }

#define PLANTED_CODEC(size_function, encode_function, decode_function)                                                 \
    {                                                                                                                  \
        .struct_size = sizeof(struct qb_codec), .abi_version = QB_CODEC_ABI_VERSION, .id = "planted", .version = "1",  \
        .summary = "a codec with a planted fault", .tolerance = PLANTED_TOLERANCE, .encoded_size = (size_function),    \
        .encode = (encode_function), .decode = (decode_function)                                                       \
    }

/* The sound codec with what a codec may offer besides. */
#define PLANTED_OFFERS(gemv_function, tile_function, part_function)                                                    \
    {                                                                                                                  \
        .struct_size = sizeof(struct qb_codec), .abi_version = QB_CODEC_ABI_VERSION, .id = "planted", .version = "1",  \
        .summary = "a codec with a planted fault", .tolerance = PLANTED_TOLERANCE, .encoded_size = sound_size,         \
        .encode = sound_encode, .decode = sound_decode, .gemv = (gemv_function), .gemm_tile = (tile_function),         \
        .encode_passes = 1, .encode_part = (part_function)                                                             \
    }

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);

#endif
