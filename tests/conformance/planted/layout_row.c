/* Planted fault: every row lies where row 0 does. The codec keeps the upper halves of floats. */
#include "planted.h"

#ifndef PLANTED_LAYOUT
#define PLANTED_LAYOUT                                                                                                 \
    {                                                                                                                  \
        .kind = QB_LAYOUT_BFLOAT, .row_bytes = 0                                                                       \
    }
#endif

static int size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                struct qb_codec_error *error)
{
    int status = sound_size(config, rows, cols, bytes, error);
    *bytes *= 2;
    return status;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    (void)config;
    if (out_bytes < 2 * rows * cols)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "buffer too small");
    for (size_t i = 0; i < rows * cols; i++) {
        if (!isfinite(x[i]))
            return refuse(error, QB_CODEC_BAD_INPUT, i, "not finite");
        memcpy((unsigned char *)out + 2 * i, (const unsigned char *)&x[i] + 2, 2);
    }
    return QB_CODEC_OK;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    (void)config;
    if (in_bytes < 2 * rows * cols || row > rows || count > rows - row)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "too few bytes or rows outside");
    for (size_t i = 0; i < count * cols; i++) {
        out[i] = 0;
        memcpy((unsigned char *)&out[i] + 2, (const unsigned char *)in + 2 * (row * cols + i), 2);
        if (!isfinite(out[i]))
            return refuse(error, QB_CODEC_BAD_BYTES, 2 * (row * cols + i), "not finite");
    }
    return QB_CODEC_OK;
}

static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *out, struct qb_codec_error *error)
{
    (void)config, (void)rows, (void)cols, (void)in, (void)in_bytes, (void)error;
    *out = (struct qb_codec_layout)PLANTED_LAYOUT;
    return QB_CODEC_OK;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {.struct_size = sizeof codec,
                                          .abi_version = QB_CODEC_ABI_VERSION,
                                          .id = "planted",
                                          .version = "1",
                                          .summary = "a codec with a planted fault",
                                          .tolerance = PLANTED_TOLERANCE,
                                          .encoded_size = size,
                                          .encode = encode,
                                          .decode = decode,
                                          .layout = layout};
    return &codec;
}
