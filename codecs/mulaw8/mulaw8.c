/* mulaw8: sign and magnitude on the mu-law curve (mu = 255) under the greatest magnitude of a scope. */
#include "codec_scaled.h"

static struct qb_levels levels;
static struct qb_tables tables;

enum { CLOSE = 8 }; /* x / scale is rounded to a float for the tables, and is a double below */

static void code(const struct qb_scaled *scaled, float scale, const float *x, size_t n, uint16_t *codes)
{
    (void)scaled;
    for (size_t i = 0; i < n; i++) {
        const double share = scale > 0 ? 255 * fabs((double)x[i]) / (double)scale : 0;
        const double q = floor(127 * log1p(share) / log(256) + 0.5);
        codes[i] = (uint16_t)((unsigned)(q < 127 ? q : 127) | (signbit(x[i]) ? 0x80u : 0));
    }
}

static void prepare(void)
{
    qb_levels_begin(&levels, 0x80, false);
    for (unsigned q = 0; q < 128; q++) /* the rule below takes codes, not edges */
        qb_levels_add(&levels, 0, q, (float)((pow(256, q / 127.0) - 1) / 255));
    qb_levels_find(&levels, code, CLOSE, &tables);
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    return (struct qb_scaled){
        .scope = config->options[0].scope, .bits = 8, .kind = QB_SCALE_AMAX, .levels = &levels, .code = code};
}

static const struct qb_codec_option options[] = {QB_SCOPE_OPTION("row"), {.name = NULL}};

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "mulaw8", .version = "1",
    .summary = "sign and 7 bits on the mu-law curve under the greatest magnitude: 8 bits a weight and the scales",
    .flags = QB_CODEC_KEEPS_ZERO, .options = options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.023, .floor_fraction = 0.5, .absolute_error = 0.016, .bias = 9.8e-05, .sqnr_db = 38})
