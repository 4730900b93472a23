/* Planted fault: a refusal names the element in the part, not in the matrix. */
#include "planted.h"

static int part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row, size_t count,
                const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    int status = sound_part(config, rows, cols, pass, row, count, x, out, out_bytes, error);
    if (status == QB_CODEC_BAD_INPUT)
        error->index -= row * cols;
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_OFFERS(sound_gemv, sound_tile, part);
    return &codec;
}
