/* Planted fault: a codec of blocks of 32 values takes 40 columns. */
#include "planted.h"

static int size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                struct qb_codec_error *error)
{
    int status = sound_size(config, rows, cols, bytes, error);
    return !status && cols % 32 && cols != 40 ? refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX, "blocks of 32") : status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_CODEC(size, sound_encode, sound_decode);
    return &codec;
}
