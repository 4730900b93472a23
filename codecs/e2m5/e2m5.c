/* e2m5: 8-bit floats of 2 exponent and 5 mantissa bits, all codes finite, times a float32 scale. */
#include "codec_scaled.h"

static struct qb_levels levels;
static struct qb_tables tables;

static void prepare(void)
{
    qb_levels_minifloat(&levels, 2, 5, -4, 128); /* in units of the least subnormal */
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    return (struct qb_scaled){
        .scope = config->options[0].scope, .bits = 8, .kind = QB_SCALE_TOP, .top = 252, .levels = &levels};
}

static const struct qb_codec_option options[] = {QB_SCOPE_OPTION("row"), {.name = NULL}};

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "e2m5", .version = "1",
    .summary = "8-bit floats E2M5, all codes finite, times a scale: 8 bits a weight and the scales",
    .flags = QB_CODEC_KEEPS_ZERO, .options = options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.014, .floor_fraction = 0.5, .absolute_error = 0.0077, .bias = 0.00019, .sqnr_db = 43.4})
