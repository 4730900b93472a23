/* Planted fault: the AVX2 level decodes otherwise than the portable one. */
#include "planted.h"

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    int status = sound_decode(config, rows, cols, in, in_bytes, row, count, out, error);
    if (status == QB_CODEC_OK && config->isa > QB_ISA_PORTABLE)
        out[0] = nextafterf(out[0], 1);
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, decode);
    return &codec;
}
