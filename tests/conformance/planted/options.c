/* Planted fault: an option whose default is outside its range. */
#include "planted.h"

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec_option options[] = {
        {.name = "bits", .type = QB_OPTION_INT, .default_value = "9", .min = 2, .max = 8, .help = "bits a code"},
        {.name = NULL},
    };
    static struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, sound_decode);
    codec.options = options;
    return &codec;
}
