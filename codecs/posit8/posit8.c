/* posit8: posits of 8 bits with es exponent bits, times a float32 scale. */
#include "codec_scaled.h"

#include <stdlib.h>

enum { ES_MAX = 2 };

static struct qb_levels levels[ES_MAX + 1];
static struct qb_tables tables[ES_MAX + 1];

/* The positive posit of `bits` bits, read as an integer code > 0. */
static double value_of(unsigned code, int bits, int es)
{
    int at = bits - 2, run = 0; /* below the sign */
    const unsigned first = code >> at & 1;
    for (; at >= 0 && (code >> at & 1) == first; at--)
        run++;
    const int regime = first ? run - 1 : -run, left = at > 0 ? at : 0; /* the bit that ends the run is passed */
    const int kept = left < es ? left : es; /* exponent bits that are there; the rest are 0 */
    const unsigned rest = code & ((1u << left) - 1);
    const unsigned exponent = (rest >> (left - kept)) << (es - kept), fraction = rest & ((1u << (left - kept)) - 1);
    return ldexp(1 + ldexp(fraction, kept - left), regime * (1 << es) + (int)exponent);
}

/* Rounding is to the nearest bit string, ties to even: between two posits lies the one of 9 bits between their codes.
 * What is not 0 never becomes 0. */
static void prepare(void)
{
    for (int es = 0; es <= ES_MAX; es++) {
        qb_levels_begin(&levels[es], 0, true);
        for (int i = -127; i <= 127; i++) {                   /* two's complement */
            const int middle = i > 0 ? 2 * i - 1 : 1 - 2 * i; /* its magnitude, between |i| and the level below i */
            const double edge = i == 0 ? -0x1p-1074 : i == 1 ? 0 : value_of((unsigned)middle, 9, es);
            const double value = i == 0 ? 0 : value_of((unsigned)abs(i), 8, es);
            qb_levels_add(&levels[es], i < 0 ? -edge : edge, (unsigned)i & 0xff, (float)(i < 0 ? -value : value));
        }
        qb_levels_find(&levels[es], qb_nearest_codes, 0, &tables[es]);
    }
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    return (struct qb_scaled){.scope = config->options[0].scope,
                              .bits = 8,
                              .kind = QB_SCALE_TOP,
                              .top = 4, /* posits are finest near 1; the greatest of many values lies a few sigma out */
                              .levels = &levels[config->options[1].i]};
}

static const struct qb_codec_option options[] = {
    QB_SCOPE_OPTION("row"),
    {.name = "es", .type = QB_OPTION_INT, .default_value = "1", .max = ES_MAX, .help = "exponent bits"},
    {.name = NULL},
};

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "posit8", .version = "1",
    .summary = "8-bit posits times a scale: 8 bits a weight and the scales", .flags = QB_CODEC_KEEPS_ZERO,
    .options = options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.027, .floor_fraction = 0.5, .absolute_error = 0.015, .bias = 0.00031, .sqnr_db = 37.6})
