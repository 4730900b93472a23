/* int6: 6-bit integers times a scale, with groups, zero point and a clipped range as options. */
#include "affine_int.h"

static struct affine describe(const struct qb_codec_config *config)
{
    return int_describe(config, 6);
}

AFFINE_CODEC(
    describe, .id = "int6", .version = "1",
    .summary = "6-bit integers times a scale, with or without zero point and clipping: 6 bits a weight and the scales",
    .flags = QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES, .options = int_options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.026, .floor_fraction = 0.5, .absolute_error = 0.017, .bias = 7.6e-05, .sqnr_db = 33})
