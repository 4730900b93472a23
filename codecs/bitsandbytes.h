/* What the formats of bitsandbytes share: its rule for codes, its 8-bit map, and scales that are stored in that map
 * ("double quantisation"). */
#ifndef BITSANDBYTES_H
#define BITSANDBYTES_H

#include "codec_scaled.h"

#include <float.h>

/* The next level; a float32 midpoint parts it from the last one, and belongs to that. */
static inline void bnb_add(struct qb_levels *levels, unsigned code, float value)
{
    const float before = levels->count > 0 ? levels->value[levels->code[levels->count - 1]] : 0;
    qb_levels_add(levels, (double)(0.5f * (before + value)), code, value);
}

/* The 256 values of dynamic8 with their indices as codes: 0, 1, and the midpoints of [0.1, 1] cut into 2^i parts, times
 * 10^(i - 6), of both signs, i = 0 ... 6. Midpoint j is 0.1 + 0.9 (2 j + 1) / 2^(i + 1): a fraction of whole numbers.
 */
static inline void bnb_dynamic8(struct qb_levels *levels)
{
    float positive[127];
    size_t count = 0;
    double power = 20e6;
    for (int i = 0; i <= 6; i++, power /= 10)
        for (int j = 0, parts = 1 << i; j < parts; j++)
            positive[count++] = (float)((2 * parts + 9 * (2 * j + 1)) / (parts * power));
    qb_levels_begin(levels, 0, false);
    for (size_t i = count; i > 0; i--)
        bnb_add(levels, levels->count, -positive[i - 1]);
    bnb_add(levels, levels->count, 0);
    for (size_t i = 0; i < count; i++)
        bnb_add(levels, levels->count, positive[i]);
    bnb_add(levels, levels->count, 1);
}

/* ---- double quantisation: amax of each block as offset + dynamic8 * step, a step for each 256 of them ----
 * The layout of the scales: offset (float32), the steps (float32 each), a code of dynamic8 for each block. */

enum { BNB_NESTED = 256 };

static struct qb_levels bnb_map; /* filled by bnb_dynamic8 when the plugin is loaded */

struct bnb_places {
    size_t steps, codes, end; /* offsets */
};

static inline struct bnb_places bnb_places(const struct qb_scaled *scaled)
{
    struct bnb_places at = {.steps = sizeof(float)};
    at.codes = at.steps + ((scaled->scopes.count - 1) / BNB_NESTED + 1) * sizeof(float);
    at.end = at.codes + scaled->scopes.count;
    return at;
}

static inline size_t bnb_bytes(const struct qb_scaled *scaled)
{
    return bnb_places(scaled).end;
}

/* First pass: the sum of all amax, in double, over the offset and the first step; at the end the offset, their mean.
 * Second: the steps, max |amax - offset|. Third: the codes. Blocks do not reach beyond their row. */
static inline void bnb_learn(const struct qb_scaled *scaled, unsigned pass, size_t row, size_t count, const float *x,
                             unsigned char *out)
{
    const struct bnb_places at = bnb_places(scaled);
    struct qb_span span = qb_scopes_from(&scaled->scopes, row);
    double sum = 0;
    float offset, step;
    size_t scope;
    memcpy(&offset, out, sizeof offset);
    if (pass == 0 && row > 0)
        memcpy(&sum, out, sizeof sum);
    while (qb_next_scope(&scaled->scopes, row + count, &span, &scope)) {
        const float amax = qb_amax(scaled->isa, x + (span.first - row * scaled->cols), span.size);
        unsigned char *place = out + at.steps + scope / BNB_NESTED * sizeof step;
        uint16_t code;
        memcpy(&step, place, sizeof step);
        sum += (double)amax;
        if (pass == 1) {
            step = fmaxf(scope % BNB_NESTED ? step : 0, fabsf(amax - offset));
            memcpy(place, &step, sizeof step);
        } else if (pass == 2) {
            const struct qb_scaled map = {.kind = QB_SCALE_AMAX, .levels = &bnb_map};
            const float rest = amax - offset;
            qb_nearest_codes(&map, step, &rest, 1, &code);
            out[at.codes + scope] = (unsigned char)code;
        }
    }
    offset = (float)(sum / (double)scaled->scopes.count);
    if (pass == 0 && row + count < scaled->rows)
        memcpy(out, &sum, sizeof sum);
    else if (pass == 0)
        memcpy(out, &offset, sizeof offset);
}

/* A scale may come out below 0, as in bitsandbytes; one beyond FLT_MAX is FLT_MAX. */
static inline size_t bnb_load(const struct qb_scaled *scaled, const unsigned char *in, size_t scope, float *scale)
{
    const struct bnb_places at = bnb_places(scaled);
    const size_t place = at.steps + scope / BNB_NESTED * sizeof(float);
    float offset, step;
    memcpy(&offset, in, sizeof offset);
    memcpy(&step, in + place, sizeof step);
    if (signbit(offset) || !isfinite(offset))
        return 0;
    if (signbit(step) || !isfinite(step))
        return place;
    *scale = fminf(bnb_map.value[in[at.codes + scope]] * step + offset, FLT_MAX);
    return SIZE_MAX;
}

static const struct qb_scales bnb_scales = {
    .passes = 3, .bytes = bnb_bytes, .learn = bnb_learn, .load = bnb_load, .exact = true};

/* The options of nf4 and fp4, and what they describe. */
enum { BNB_BLOCK, BNB_DOUBLE, BNB_PASSES = 4 };
static const struct qb_codec_option bnb_options[] = {
    [BNB_BLOCK] = {.name = "block",
                   .type = QB_OPTION_INT,
                   .default_value = "64",
                   .min = 1,
                   .max = 1048576,
                   .help = "values of a row that share a scale"},
    [BNB_DOUBLE] = {.name = "double_quantisation",
                    .type = QB_OPTION_BOOL,
                    .default_value = "false",
                    .help = "whether scales are stored as dynamic8, 8 bits each"},
    {.name = NULL},
};

static inline struct qb_scaled bnb_describe(const struct qb_codec_config *config, const struct qb_levels *levels)
{
    return (struct qb_scaled){.scope = {QB_SCOPE_GROUP, (uint32_t)config->options[BNB_BLOCK].i},
                              .bits = 4,
                              .kind = QB_SCALE_AMAX,
                              .levels = levels,
                              .scales = config->options[BNB_DOUBLE].i ? &bnb_scales : NULL};
}

#endif
