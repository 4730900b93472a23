/* qinsc: sign and logarithm of the magnitude, over some octaves under the greatest magnitude of a scope. Code 1 is that
 * magnitude, code N the lowest, geometric between; code 0, as an option, is zero. */
#include "codec_scaled.h"

enum { SCOPE, LEVELS, OCTAVES, ZERO };

struct range {
    unsigned count; /* N */
    double octaves; /* K */
    bool zero;
    struct qb_levels levels;
};

/* T[c] = float32(2^(-K (c - 1) / (N - 1))); kept for this thread's next calls, which mostly have the same options. */
static const struct range *range_of(const struct qb_codec_config *config)
{
    static _Thread_local struct range range;
    const unsigned count = config->options[LEVELS].i == 0 ? 127 : 254;
    const double octaves = config->options[OCTAVES].f;
    const bool zero = config->options[ZERO].i;
    if (range.count == count && range.octaves == octaves && range.zero == zero)
        return &range;
    range = (struct range){.count = count, .octaves = octaves, .zero = zero};
    qb_levels_begin(&range.levels, count == 127 ? 0x80 : 0x100, false);
    if (zero)
        qb_levels_add(&range.levels, 0, 0, 0);
    for (unsigned c = 1; c <= count; c++) /* the rule below takes codes, not edges */
        qb_levels_add(&range.levels, 0, c, (float)exp2(-octaves * (c - 1) / (count - 1)));
    return &range;
}

static void code(const struct qb_scaled *scaled, float scale, const float *x, size_t n, uint16_t *codes)
{
    const struct range *range = scaled->own;
    const double a = (double)scale, steps = range->count - 1, least = a * exp2(-(range->octaves + 1));
    for (size_t i = 0; i < n; i++) {
        const double magnitude = fabs((double)x[i]);
        double c = magnitude > 0 ? log2(a / magnitude) * steps / range->octaves : steps;
        c = c < 0 ? 0 : c < steps ? c : steps;
        c = (c + 0x1.8p52) - 0x1.8p52; /* to the nearest integer, ties to even */
        const unsigned whole = range->zero && magnitude <= least ? 0 : 1 + (unsigned)c;
        codes[i] = (uint16_t)(whole | (signbit(x[i]) ? scaled->levels->sign : 0));
    }
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    const struct range *range = range_of(config);
    return (struct qb_scaled){.scope = config->options[SCOPE].scope,
                              .bits = range->count == 127 ? 8 : 9,
                              .kind = QB_SCALE_AMAX,
                              .levels = &range->levels,
                              .code = code,
                              .own = range};
}

static void prepare(void)
{
}

static const struct qb_codec_option options[] = {
    [SCOPE] = QB_SCOPE_OPTION("row"),
    [LEVELS] = {.name = "levels",
                .type = QB_OPTION_CHOICE,
                .default_value = "127",
                .choices = "127|254",
                .help = "magnitudes: 127, 8 bits a weight with the sign, or 254, 9 bits"},
    [OCTAVES] = {.name = "octaves",
                 .type = QB_OPTION_FLOAT,
                 .default_value = "7",
                 .min = 1,
                 .max = 64,
                 .help = "how far the lowest magnitude lies under the greatest, in powers of two"},
    [ZERO] = {.name = "zero",
              .type = QB_OPTION_BOOL,
              .default_value = "false",
              .help = "whether code 0 is zero, for magnitudes from an octave under the lowest on"},
    {.name = NULL},
};

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "qinsc", .version = "1",
    .summary = "sign and log magnitude over some octaves under the greatest: 8 or 9 bits a weight and the scales",
    .options = options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.02, .floor_fraction = 0.5, .absolute_error = 0.014, .bias = 0.00055, .sqnr_db = 39})
