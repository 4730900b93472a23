/* Planted fault: gemm_tile takes the rows of y for dense. */
#include "planted.h"

static int tile(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                size_t row, size_t count, const float *x, size_t n, float *y, size_t ldy, struct qb_codec_error *error)
{
    (void)ldy;
    return sound_tile(config, rows, cols, in, in_bytes, row, count, x, n, y, count, error);
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_OFFERS(sound_gemv, tile, sound_part);
    return &codec;
}
