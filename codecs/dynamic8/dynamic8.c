/* dynamic8: blocks of values in bitsandbytes' 8-bit map times the block's greatest magnitude. */
#include "bitsandbytes.h"

static struct qb_tables tables;

static void prepare(void)
{
    bnb_dynamic8(&bnb_map);
    qb_levels_find(&bnb_map, qb_nearest_codes, 0, &tables);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    return (struct qb_scaled){.scope = {QB_SCOPE_GROUP, (uint32_t)config->options[0].i},
                              .runs_on = true,
                              .bits = 8,
                              .kind = QB_SCALE_AMAX,
                              .levels = &bnb_map};
}

static const struct qb_codec_option options[] = {
    {.name = "block",
     .type = QB_OPTION_INT,
     .default_value = "256",
     .min = 1,
     .max = 1048576,
     .help = "values that share a scale; a whole number of rows may, else a block ends with its row"},
    {.name = NULL},
};

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "dynamic8", .version = "1",
    .summary = "bitsandbytes' 8-bit map times the greatest magnitude of 256 values: 8.125 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES, .options = options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.013, .floor_fraction = 0.5, .absolute_error = 0.0074, .bias = 0.00028, .sqnr_db = 39.3})
