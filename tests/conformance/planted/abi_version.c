/* Planted fault: built for a later ABI version. */
#include "planted.h"

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, sound_decode);
    codec.abi_version = QB_CODEC_ABI_VERSION + 1;
    return &codec;
}
