/* fp4: blocks of values as a sign and one of the 8 magnitudes of bitsandbytes' 4-bit float, times the block's greatest
 * magnitude. */
#include "bitsandbytes.h"

static struct qb_levels levels;
static struct qb_tables tables;

static void prepare(void)
{
    /* In units of 1/192: codes 0 to 7 are 0, 1, 128, 192, 64, 96, 32, 48. */
    static const unsigned char ascending[8] = {0, 1, 6, 7, 4, 5, 2, 3};
    static const float units[8] = {0, 1, 32, 48, 64, 96, 128, 192};
    qb_levels_begin(&levels, 8, false);
    for (unsigned i = 0; i < 8; i++)
        bnb_add(&levels, ascending[i], units[i] / 192);
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
    bnb_dynamic8(&bnb_map);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    return bnb_describe(config, &levels);
}

QB_SCALED_CODEC(
    prepare, describe, BNB_PASSES, .id = "fp4", .version = "1",
    .summary = "FP4 of bitsandbytes, 4-bit floats times the greatest magnitude of 64 values: 4.5 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES, .options = bnb_options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.21, .floor_fraction = 0.5, .absolute_error = 0.14, .bias = 0.011, .sqnr_db = 18.2})
