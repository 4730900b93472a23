/* Planted fault: a codec of blocks refuses other columns without a word of its blocks. */
#include "planted.h"

static int size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                struct qb_codec_error *error)
{
    int status = sound_size(config, rows, cols, bytes, error);
    return !status && cols % 32 ? refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX, "no whole blocks") : status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_CODEC(size, sound_encode, sound_decode);
    return &codec;
}
