/* Planted fault: decode reads one byte behind its input. */
#include "planted.h"

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    int status = sound_decode(config, rows, cols, in, in_bytes, row, count, out, error);
    volatile unsigned char next = status == QB_CODEC_OK ? ((const unsigned char *)in)[in_bytes] : 0;
    (void)next;
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, decode);
    return &codec;
}
