/* No fault: integers from -100 to 100 in steps of 1 / `steps`, each in as many bytes as `bytes` says, of which one is
 * used. For tests of where a format stands among others. */
#include "planted.h"

static size_t bytes_of(const struct qb_codec_config *config)
{
    return (size_t)config->options[0].i;
}

static int size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                struct qb_codec_error *error)
{
    int status = sound_size(config, rows, cols, bytes, error);
    *bytes *= bytes_of(config);
    return status;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    if (out_bytes < bytes_of(config) * rows * cols)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "buffer too small");
    memset(out, 0, bytes_of(config) * rows * cols);
    for (size_t i = 0; i < rows * cols; i++) {
        if (!isfinite(x[i]))
            return refuse(error, QB_CODEC_BAD_INPUT, i, "not finite");
        ((signed char *)out)[bytes_of(config) * i] =
            (signed char)lrintf(fminf(fmaxf(x[i] * (float)config->options[1].f, -100.0f), 100.0f));
    }
    return QB_CODEC_OK;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    if (in_bytes < bytes_of(config) * rows * cols || row > rows || count > rows - row)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "too few bytes or rows outside");
    for (size_t i = 0; i < count * cols; i++)
        out[i] = (float)((const signed char *)in)[bytes_of(config) * (row * cols + i)] / (float)config->options[1].f;
    return QB_CODEC_OK;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec_option options[] = {
        {.name = "bytes", .type = QB_OPTION_INT, .default_value = "1", .min = 1, .max = 4, .help = "bytes a value"},
        {.name = "steps", .type = QB_OPTION_FLOAT, .default_value = "100", .min = 1, .max = 1e4, .help = "steps in 1"},
        {.name = NULL},
    };
    static struct qb_codec codec = PLANTED_CODEC(size, encode, decode);
    codec.id = "sized";
    codec.summary = "a codec of a size and a step";
    codec.options = options;
    return &codec;
}
