/* Planted fault: decoded values are one code off, by more than is promised where scales may change. */
#include "planted.h"

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    int status = sound_decode(config, rows, cols, in, in_bytes, row, count, out, error);
    for (size_t i = 0; status == QB_CODEC_OK && i < count * cols; i++)
        out[i] += 1 / 500.0f;
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, decode);
    codec.flags = QB_CODEC_RESCALES;
    codec.tolerance.sqnr_db = 30;
    return &codec;
}
