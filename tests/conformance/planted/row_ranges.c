/* Planted fault: rows that do not start at 0 are those of one row before. */
#include "planted.h"

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    size_t wrong = row > 0 && row < rows ? row - 1 : row;
    return sound_decode(config, rows, cols, in, in_bytes, wrong, count, out, error);
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, decode);
    return &codec;
}
