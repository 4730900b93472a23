/* Planted fault: decode leaves the last value as it was. */
#include "planted.h"

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    float last = count > 0 && row < rows && count <= rows - row ? out[count * cols - 1] : 0;
    int status = sound_decode(config, rows, cols, in, in_bytes, row, count, out, error);
    if (status == QB_CODEC_OK)
        out[count * cols - 1] = last;
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, decode);
    return &codec;
}
