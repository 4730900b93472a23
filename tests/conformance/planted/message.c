/* Planted fault: a refusal leaves a message without an end. */
#include "planted.h"

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    int status = sound_encode(config, rows, cols, x, out, out_bytes, error);
    if (status != QB_CODEC_OK)
        memset(error->message, 0x1b, sizeof error->message);
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_CODEC(sound_size, encode, sound_decode);
    return &codec;
}
