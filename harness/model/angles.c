#include "model/angles.h"

#include <math.h>
#include "base/mem.h"

#define TWO_PI 6.283185307179586

static void scale_linear(const struct qb_rope *rope, float *f)
{
    for (size_t i = 0; i < rope->dims / 2; i++)
        f[i] /= rope->factor;
}

static void scale_llama3(const struct qb_rope *rope, float *f)
{
    const float context = (float)rope->original_context, low = rope->low_freq_factor, high = rope->high_freq_factor;
    for (size_t i = 0; i < rope->dims / 2; i++) {
        float wave = (float)TWO_PI / f[i];
        float smooth = (context / wave - low) / (high - low);
        if (wave > context / low)
            f[i] /= rope->factor;
        else if (!(wave < context / high))
            f[i] = (1.0f - smooth) * f[i] / rope->factor + smooth * f[i];
    }
}

/* The (fractional) index of the wave that makes so many turns in the original context. */
static double turns_at(const struct qb_rope *rope, double turns)
{
    return (double)rope->dims * log((double)rope->original_context / (turns * TWO_PI)) / (2 * log((double)rope->theta));
}

static void scale_yarn(const struct qb_rope *rope, float *f)
{
    double low = floor(turns_at(rope, rope->beta_fast > 0 ? (double)rope->beta_fast : 32));
    double high = ceil(turns_at(rope, rope->beta_slow > 0 ? (double)rope->beta_slow : 1));
    low = fmax(low, 0);
    high = fmin(high, (double)rope->dims - 1);
    high += low == high ? 0.001 : 0;
    for (size_t i = 0; i < rope->dims / 2; i++) {
        float ramp = fminf(fmaxf(((float)i - (float)low) / (float)(high - low), 0.0f), 1.0f), kept = 1.0f - ramp;
        f[i] = 1.0f / (rope->factor * (1.0f / f[i])) * (1.0f - kept) + f[i] * kept;
    }
}

static float attention_factor(const struct qb_rope *rope)
{
    const double factor = (double)rope->factor;
    if (rope->attention_factor > 0)
        return rope->attention_factor;
    if (factor <= 1)
        return 1;
    if (rope->scaling == QB_ROPE_YARN)
        return (float)(0.1 * log(factor) + 1);
    if (rope->scaling == QB_ROPE_LONGROPE)
        return (float)sqrt(1 + log(factor) / log((double)rope->original_context));
    return 1;
}

void qb_rope_frequencies(const struct qb_rope *rope, bool beyond, float frequency[QB_HEAD_DIM_MAX / 2], float *factor)
{
    const float *factors = beyond && rope->factors_long     ? rope->long_factor
                           : !beyond && rope->factors_short ? rope->short_factor
                                                            : NULL;
    for (size_t i = 0; i < rope->dims / 2; i++) {
        float power = (float)pow((double)rope->theta, (double)((float)(2 * i) / (float)rope->dims));
        frequency[i] = 1.0f / (factors ? factors[i] * power : power);
    }
    *factor = attention_factor(rope);
    if (rope->scaling == QB_ROPE_LINEAR)
        scale_linear(rope, frequency);
    else if (rope->scaling == QB_ROPE_LLAMA3)
        scale_llama3(rope, frequency);
    else if (rope->scaling == QB_ROPE_YARN)
        scale_yarn(rope, frequency);
}

enum qb_status qb_angle_table_reach(struct qb_angle_table *table, const struct qb_rope *rope, bool beyond,
                                    size_t positions, struct qb_error *err)
{
    const size_t half = rope->dims / 2;
    float frequency[QB_HEAD_DIM_MAX / 2], factor;
    const size_t have = table->positions, grown = have + have / 2;
    if (table->values && have >= positions && table->beyond == beyond)
        return QB_OK;
    positions = positions <= have ? have : positions < grown ? grown : positions;
    float *values = qb_alloc(2 * half, positions * sizeof *values, "angles of positions", err);
    if (!values)
        return err->status;
    qb_rope_frequencies(rope, beyond, frequency, &factor);
    for (size_t p = 0; p < positions; p++)
        for (size_t i = 0; i < half; i++) {
            float angle = (float)p * frequency[i];
            values[p * half + i] = (float)cos((double)angle) * factor;
            values[(positions + p) * half + i] = (float)sin((double)angle) * factor;
        }
    qb_free(table->values);
    *table = (struct qb_angle_table){values, positions, beyond};
    return QB_OK;
}

struct qb_angles qb_angle_table_from(const struct qb_angle_table *table, const struct qb_rope *rope, size_t first)
{
    const size_t half = rope->dims / 2;
    return (struct qb_angles){.cosine = table->values + first * half,
                              .sine = table->values + (table->positions + first) * half,
                              .half = half,
                              .pairs = rope->pairs};
}

void qb_angle_table_free(struct qb_angle_table *table)
{
    qb_free(table->values);
    *table = (struct qb_angle_table){0};
}
