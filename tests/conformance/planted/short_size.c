/* Planted fault: decode accepts a buffer one byte too small. */
#include "planted.h"

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    if (in_bytes + 1 == rows * cols && row == 0 && count == rows) {
        memset(out, 0, count * cols * sizeof *out);
        return QB_CODEC_OK;
    }
    return sound_decode(config, rows, cols, in, in_bytes, row, count, out, error);
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, decode);
    return &codec;
}
