/* Planted fault: no decode. */
#include "planted.h"

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, NULL);
    return &codec;
}
