/* No fault: a codec with one option of each type, which ignores them; the option tests read them. */
#include "planted.h"

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec_option options[] = {
        {.name = "scope", .type = QB_OPTION_SCOPE, .default_value = "group:32", .help = "a scope"},
        {.name = "bits", .type = QB_OPTION_INT, .default_value = "4", .min = 2, .max = 8, .help = "an integer"},
        {.name = "clip", .type = QB_OPTION_FLOAT, .default_value = "0.1", .min = 0, .max = 1, .help = "a number"},
        {.name = "dither", .type = QB_OPTION_BOOL, .default_value = "off", .help = "a switch"},
        {.name = "layout",
         .type = QB_OPTION_CHOICE,
         .default_value = "flat",
         .choices = "tiled|flat",
         .help = "a word"},
        {.name = "room",
         .type = QB_OPTION_SIZE,
         .default_value = "none",
         .min = 2,
         .max = 8796093022208,
         .help = "bytes"},
        {.name = NULL},
    };
    static struct qb_codec codec = PLANTED_CODEC(sound_size, sound_encode, sound_decode);
    codec.id = "every-option";
    codec.options = options;
    return &codec;
}
