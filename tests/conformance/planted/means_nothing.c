/* Planted fault: promises an SQNR that decoding every value to 0 would reach. */
#include "planted.h"

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, sound_decode);
    codec.tolerance.sqnr_db = 0;
    return &codec;
}
