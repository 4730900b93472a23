/* Planted fault: encode_part without passes. */
#include "planted.h"

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static struct qb_codec codec = PLANTED_OFFERS(sound_gemv, sound_tile, sound_part);
    codec.encode_passes = 0;
    return &codec;
}
