/* int4: 4-bit integers times a scale, with groups, zero point and a clipped range as options. */
#include "affine_int.h"

static struct affine describe(const struct qb_codec_config *config)
{
    return int_describe(config, 4);
}

AFFINE_CODEC(
    describe, .id = "int4", .version = "1",
    .summary = "4-bit integers times a scale, with or without zero point and clipping: 4 bits a weight and the scales",
    .flags = QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES, .options = int_options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.12, .floor_fraction = 0.5, .absolute_error = 0.075, .bias = 0.0066, .sqnr_db = 20.2})
