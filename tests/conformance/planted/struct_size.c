/* Planted fault: another struct of the same ABI version. */
#include "planted.h"

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, sound_decode);
    codec.struct_size -= 8;
    return &codec;
}
