/* mxfp4_ocp: OCP MX blocks of 32 values as 4-bit floats (E2M1) times a power of two. */
#include "codec_scaled.h"

static struct qb_levels levels;
static struct qb_tables tables;

static void prepare(void)
{
    qb_levels_minifloat(&levels, 2, 1, 1, 8);
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    (void)config;
    return (struct qb_scaled){
        .scope = {QB_SCOPE_GROUP, 32}, .bits = 4, .kind = QB_SCALE_POWER, .emax = 2, .levels = &levels};
}

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "mxfp4_ocp", .version = "1",
    .summary = "OCP MX, 4-bit floats (E2M1) times a power of two for each 32 values: 4.25 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.26, .floor_fraction = 0.5, .absolute_error = 0.19, .bias = 0.019, .sqnr_db = 18.7})
