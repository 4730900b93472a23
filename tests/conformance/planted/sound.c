/* Planted fault: none. What the others differ from; it must pass, or the faults prove nothing. */
#include "planted.h"

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = PLANTED_OFFERS(sound_gemv, sound_tile, sound_part);
    return &codec;
}
