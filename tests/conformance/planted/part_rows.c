/* Planted fault: the last of several parts is written one row too early. */
#include "planted.h"

static int part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row, size_t count,
                const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    size_t wrong = row > 0 && row + count == rows ? row - 1 : row;
    return sound_part(config, rows, cols, pass, wrong, count, x, out, out_bytes, error);
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_OFFERS(sound_gemv, sound_tile, part);
    return &codec;
}
