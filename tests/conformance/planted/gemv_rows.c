/* Planted fault: gemv of a range of rows starts at row 0. */
#include "planted.h"

static int gemv(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                size_t row, size_t count, const float *x, float *y, struct qb_codec_error *error)
{
    size_t wrong = row < rows ? 0 : row;
    return sound_gemv(config, rows, cols, in, in_bytes, wrong, count, x, y, error);
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_OFFERS(gemv, sound_tile, sound_part);
    return &codec;
}
