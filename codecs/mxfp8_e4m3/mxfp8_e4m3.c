/* mxfp8_e4m3: OCP MX blocks of 32 values as 8-bit floats (E4M3) times a power of two. */
#include "codec_scaled.h"

static struct qb_levels levels;
static struct qb_tables tables;

static void prepare(void)
{
    qb_levels_minifloat(&levels, 4, 3, 7, 127); /* 127 is NaN */
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    (void)config;
    return (struct qb_scaled){
        .scope = {QB_SCOPE_GROUP, 32}, .bits = 8, .kind = QB_SCALE_POWER, .emax = 8, .levels = &levels};
}

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "mxfp8_e4m3", .version = "1",
    .summary = "OCP MX, 8-bit floats (E4M3) times a power of two for each 32 values: 8.25 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.13, .floor_fraction = 0.5, .absolute_error = 0.093, .bias = 0.0024, .sqnr_db = 30.4})
