/* Metrics of `kv` beside those that it shares with teacher-forced: divergence by how far into the context a position
 * is, what keys and values take, and their error by layer. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "metric/chunks.h"

/* KL at positions [from, to) of a chunk; false where the context does not reach them. */
static bool kl_within(const struct qb_record *record, int32_t from, int32_t to, struct qb_sample *sample)
{
    size_t n = 0;
    double *x = qb_doubles(record, "kl", &n);
    const int32_t *position = x ? qb_shaped(record, "position", QB_I32, n, 0) : NULL;
    struct qb_error err = {0};
    uint8_t *keep = position ? qb_alloc(n, 1, "positions of a range", &err) : NULL;
    for (size_t i = 0; keep && i < n; i++)
        keep[i] = position[i] >= from && position[i] < to;
    if (position)
        return qb_divergence_where(record, x, keep, n, sample);
    qb_free(x);
    return false;
}

static bool kl_under_512(const struct qb_record *record, struct qb_sample *sample)
{
    return kl_within(record, 0, 512, sample);
}

static bool kl_512_2k(const struct qb_record *record, struct qb_sample *sample)
{
    return kl_within(record, 512, 2048, sample);
}

static bool kl_2k_8k(const struct qb_record *record, struct qb_sample *sample)
{
    return kl_within(record, 2048, 8192, sample);
}

static bool kl_over_8k(const struct qb_record *record, struct qb_sample *sample)
{
    return kl_within(record, 8192, INT32_MAX, sample);
}

static bool kv_bytes(const struct qb_record *record, struct qb_value *value)
{
    double bytes;
    return qb_scalar(record, "kv_bytes", &bytes) && qb_exact(value, bytes, 1);
}

static bool kv_bytes_per_token(const struct qb_record *record, struct qb_value *value)
{
    double bytes;
    return qb_scalar(record, "kv_bytes_per_token", &bytes) && qb_exact(value, bytes, 1);
}

static bool kv_bits(const struct qb_record *record, struct qb_value *value)
{
    double bytes, fp16;
    return qb_scalar(record, "kv_bytes_per_token", &bytes) && qb_scalar(record, "kv_fp16_bytes_per_token", &fp16) &&
           fp16 > 0 && qb_exact(value, 16 * bytes / fp16, 1);
}

static bool kv_saving(const struct qb_record *record, struct qb_value *value)
{
    double bytes, fp16;
    return qb_scalar(record, "kv_bytes_per_token", &bytes) && qb_scalar(record, "kv_fp16_bytes_per_token", &fp16) &&
           fp16 > 0 && qb_exact(value, 100 * (1 - bytes / fp16), 1);
}

/* The mean over layers: all of them, so there is no sampling. */
static bool by_layer(const struct qb_record *record, const char *name, struct qb_value *value)
{
    size_t n = 0;
    double sum = 0, *x = qb_doubles(record, name, &n);
    for (size_t i = 0; x && i < n; i++)
        sum += x[i];
    qb_free(x);
    return x && n > 0 && qb_exact(value, sum / (double)n, n);
}

static bool key_error(const struct qb_record *record, struct qb_value *value)
{
    return by_layer(record, "key_error", value);
}

static bool value_error(const struct qb_record *record, struct qb_value *value)
{
    return by_layer(record, "value_error", value);
}

static bool attention_error(const struct qb_record *record, struct qb_value *value)
{
    return by_layer(record, "attention_error", value);
}

/* ---- memory while the chunks go through ---- */

static bool logits_bytes(const struct qb_record *record, struct qb_value *value)
{
    double bytes;
    return qb_scalar(record, "logits_bytes", &bytes) && qb_exact(value, bytes, 1);
}

/* The sum of what must be there at once; false in files of older programs, which do not say. */
static bool sum_needed(const struct qb_record *record, double *sum)
{
    static const char *const parts[] = {"held_bytes",   "kv_bytes",      "reference_bytes", "record_bytes",
                                        "states_bytes", "scratch_bytes", "logits_bytes"};
    *sum = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        double bytes;
        if (!qb_scalar(record, parts[i], &bytes))
            return false;
        *sum += bytes;
    }
    return true;
}

static bool needed_bytes(const struct qb_record *record, struct qb_value *value)
{
    double sum;
    return sum_needed(record, &sum) && qb_exact(value, sum, 1);
}

static bool peak_rss_ratio(const struct qb_record *record, struct qb_value *value)
{
    double sum;
    if (!sum_needed(record, &sum) || sum <= 0 || !qb_peak_rss(record, value))
        return false;
    value->value /= sum; /* NaN stays what it is */
    return true;
}

#define WITHIN(id, says)                                                                                               \
    {                                                                                                                  \
        .name = #id, .experiment = "kv", .unit = "nat", .direction = QB_LOWER_IS_BETTER, .description = says,          \
        .sample = id, .remark = qb_uniform_remark, .has_identity = true                                                \
    }
#define OF(id, in, good, says)                                                                                         \
    {                                                                                                                  \
        .name = #id, .experiment = "kv", .unit = in, .direction = good, .description = says, .compute = id             \
    }
const struct qb_metric qb_metrics_kv[] = {
    WITHIN(kl_under_512, "kl_mean of the first 512 positions of a chunk"),
    WITHIN(kl_512_2k, "kl_mean of positions 512 to 2047"),
    WITHIN(kl_2k_8k, "kl_mean of positions 2048 to 8191"),
    WITHIN(kl_over_8k, "kl_mean of positions from 8192 on"),
    OF(kv_bytes, "bytes", QB_LOWER_IS_BETTER, "keys and values of a whole chunk, as kept"),
    OF(kv_bytes_per_token, "bytes", QB_LOWER_IS_BETTER, "keys and values of a token once encoded, side data included"),
    OF(kv_bits, "bits", QB_LOWER_IS_BETTER, "bits of a kept value, side data included"),
    OF(kv_saving, "%", QB_HIGHER_IS_BETTER, "what a token's keys and values take less than in FP16"),
    OF(key_error, "1", QB_LOWER_IS_BETTER, "relative error of the keys as kept, mean over layers"),
    OF(value_error, "1", QB_LOWER_IS_BETTER, "relative error of the values as kept, mean over layers"),
    OF(attention_error, "1", QB_LOWER_IS_BETTER,
       "relative error of attention's output on FP32's input, mean over layers"),
    OF(logits_bytes, "bytes", QB_LOWER_IS_BETTER, "logits that exist at once, whatever the context: of both arms"),
    OF(needed_bytes, "bytes", QB_LOWER_IS_BETTER,
       "what must be in memory at once: weights, keys and values, reference, records, states, scratch, logits"),
    {.name = "peak_rss_bytes",
     .experiment = "kv",
     .unit = "bytes",
     .direction = QB_LOWER_IS_BETTER,
     .description = "high-water mark of the cell's resident set until the last chunk was through",
     .compute = qb_peak_rss},
    OF(peak_rss_ratio, "ratio", QB_LOWER_IS_BETTER, "peak_rss_bytes over needed_bytes"),
    {0},
};
