/* nf4: blocks of values as one of 16 quantiles of the normal distribution times the block's greatest magnitude. */
#include "bitsandbytes.h"

static struct qb_levels levels;
static struct qb_tables tables;

static void prepare(void)
{
    /* As published with QLoRA and in bitsandbytes: the normal quantiles themselves differ by up to 1e-7. */
    static const float values[16] = {
        -1.0f,
        -0.6961928009986877f,
        -0.5250730514526367f,
        -0.39491748809814453f,
        -0.28444138169288635f,
        -0.18477343022823334f,
        -0.09105003625154495f,
        0.0f,
        0.07958029955625534f,
        0.16093020141124725f,
        0.24611230194568634f,
        0.33791524171829224f,
        0.44070982933044434f,
        0.5626170039176941f,
        0.7229568362236023f,
        1.0f,
    };
    qb_levels_begin(&levels, 0, false);
    for (unsigned i = 0; i < 16; i++)
        bnb_add(&levels, i, values[i]);
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
    bnb_dynamic8(&bnb_map);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    return bnb_describe(config, &levels);
}

QB_SCALED_CODEC(
    prepare, describe, BNB_PASSES, .id = "nf4", .version = "1",
    .summary = "NF4 of QLoRA, 16 normal quantiles times the greatest magnitude of 64 values: 4.5 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES, .options = bnb_options,
    /* Measured plus a margin. */
    .tolerance = {.relative_error = 0.19, .floor_fraction = 0.5, .absolute_error = 0.11, .bias = 0.01, .sqnr_db = 20.6})
