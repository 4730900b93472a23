/* mxint8: OCP MX blocks of 32 values as 8-bit integers in units of 1/64 times a power of two. */
#include "codec_scaled.h"

static struct qb_levels levels;
static struct qb_tables tables;

static void prepare(void)
{
    qb_levels_begin(&levels, 0, true);
    for (int i = -127; i <= 127; i++) /* two's complement */
        qb_levels_add(&levels, ((double)i - 0.5) / 64, (unsigned)i & 0xff, (float)i / 64);
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    (void)config;
    return (struct qb_scaled){
        .scope = {QB_SCOPE_GROUP, 32}, .bits = 8, .kind = QB_SCALE_POWER, .emax = 0, .levels = &levels};
}

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "mxint8", .version = "1",
    .summary = "OCP MX, 8-bit integers in units of 1/64 times a power of two for each 32 values: 8.25 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.011, .floor_fraction = 0.5, .absolute_error = 0.0061, .bias = 0.00015, .sqnr_db = 42.5})
