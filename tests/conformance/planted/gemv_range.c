/* Planted fault: gemv rounds otherwise where the range does not start at row 0. */
#include "planted.h"

static int gemv(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                size_t row, size_t count, const float *x, float *y, struct qb_codec_error *error)
{
    int status = sound_gemv(config, rows, cols, in, in_bytes, row, count, x, y, error);
    if (status == QB_CODEC_OK && row > 0)
        y[0] = nextafterf(y[0], 1);
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_OFFERS(gemv, sound_tile, sound_part);
    return &codec;
}
