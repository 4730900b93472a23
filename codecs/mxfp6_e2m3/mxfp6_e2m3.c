/* mxfp6_e2m3: OCP MX blocks of 32 values as 6-bit floats (E2M3) times a power of two. */
#include "codec_scaled.h"

static struct qb_levels levels;
static struct qb_tables tables;

static void prepare(void)
{
    qb_levels_minifloat(&levels, 2, 3, 1, 32);
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    (void)config;
    return (struct qb_scaled){
        .scope = {QB_SCOPE_GROUP, 32}, .bits = 6, .kind = QB_SCALE_POWER, .emax = 2, .levels = &levels};
}

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "mxfp6_e2m3", .version = "1",
    .summary = "OCP MX, 6-bit floats (E2M3) times a power of two for each 32 values: 6.25 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.06, .floor_fraction = 0.5, .absolute_error = 0.047, .bias = 0.0012, .sqnr_db = 30.9})
