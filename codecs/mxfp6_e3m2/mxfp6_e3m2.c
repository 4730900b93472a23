/* mxfp6_e3m2: OCP MX blocks of 32 values as 6-bit floats (E3M2) times a power of two. */
#include "codec_scaled.h"

static struct qb_levels levels;
static struct qb_tables tables;

static void prepare(void)
{
    qb_levels_minifloat(&levels, 3, 2, 3, 32);
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    (void)config;
    return (struct qb_scaled){
        .scope = {QB_SCOPE_GROUP, 32}, .bits = 6, .kind = QB_SCALE_POWER, .emax = 4, .levels = &levels};
}

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "mxfp6_e3m2", .version = "1",
    .summary = "OCP MX, 6-bit floats (E3M2) times a power of two for each 32 values: 6.25 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.13, .floor_fraction = 0.5, .absolute_error = 0.093, .bias = 0.0041, .sqnr_db = 25.2})
