/* e5m2: OCP 8-bit floats of 5 exponent and 2 mantissa bits times a float32 scale. */
#include "codec_scaled.h"

static struct qb_levels levels;
static struct qb_tables tables;

static void prepare(void)
{
    qb_levels_minifloat(&levels, 5, 2, 15, 124); /* 124 is Inf, then NaN */
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    return (struct qb_scaled){
        .scope = config->options[0].scope, .bits = 8, .kind = QB_SCALE_TOP, .top = 57344, .levels = &levels};
}

static const struct qb_codec_option options[] = {QB_SCOPE_OPTION("row"), {.name = NULL}};

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "e5m2", .version = "1",
    .summary = "OCP FP8 E5M2 times a scale: 8 bits a weight and the scales", .flags = QB_CODEC_KEEPS_ZERO,
    .options = options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.12, .floor_fraction = 0.5, .absolute_error = 0.065, .bias = 0.0034, .sqnr_db = 25.6})
