/* Metrics of `memory`: bytes counted from the buffers that exist. All are exact counts. */
#include <string.h>
#include "metric/parts.h"

/* Sum of an i64 array over the stored buffers; with `encoded`, only those not stored as fp32. *rows: how many. */
static bool total(const struct qb_record *record, const char *name, bool encoded, double *sum, size_t *rows)
{
    const struct qb_array *store = qb_record_get(record, "store", QB_TEXT, 1);
    const int64_t *x = store ? qb_shaped(record, name, QB_I64, store->count, 0) : NULL;
    *sum = 0;
    *rows = 0;
    for (size_t i = 0; x && i < store->count; i++) {
        if (encoded && strcmp(((char *const *)store->data)[i], "fp32") == 0)
            continue;
        *sum += (double)x[i];
        ++*rows;
    }
    return x;
}

static bool weight_bytes(const struct qb_record *record, struct qb_value *value)
{
    double bytes;
    size_t rows;
    return total(record, "bytes", false, &bytes, &rows) && qb_exact(value, bytes, rows);
}

static bool cache_bytes(const struct qb_record *record, struct qb_value *value)
{
    double bytes;
    size_t rows;
    return total(record, "cache_bytes", false, &bytes, &rows) && qb_exact(value, bytes, rows);
}

static bool held_bytes(const struct qb_record *record, struct qb_value *value)
{
    double bytes;
    size_t rows;
    return total(record, "held_bytes", false, &bytes, &rows) && qb_exact(value, bytes, rows);
}

static bool resident_bytes(const struct qb_record *record, struct qb_value *value)
{
    double bytes, cache;
    size_t rows;
    return total(record, "cache_bytes", false, &cache, &rows) && total(record, "bytes", false, &bytes, &rows) &&
           qb_exact(value, bytes + cache, rows);
}

static bool weight_bits(const struct qb_record *record, struct qb_value *value)
{
    double bytes, values;
    size_t rows;
    if (!total(record, "bytes", false, &bytes, &rows) || !qb_scalar(record, "weight_values", &values) || values <= 0)
        return false;
    return qb_exact(value, 8 * bytes / values, rows);
}

static bool encoded_bits_per_weight(const struct qb_record *record, struct qb_value *value)
{
    double bytes, values;
    size_t rows;
    if (!total(record, "bytes", true, &bytes, &rows) || !total(record, "values", true, &values, &rows) || values <= 0)
        return false;
    return qb_exact(value, 8 * bytes / values, rows);
}

/* Both count every weight, norms and biases too, so that FP32 over FP32 is 1. */
static bool compression(const struct qb_record *record, struct qb_value *value)
{
    double bytes, fp32;
    size_t rows;
    if (!total(record, "bytes", false, &bytes, &rows) || bytes <= 0 || !qb_scalar(record, "fp32_bytes", &fp32))
        return false;
    return qb_exact(value, fp32 / bytes, rows);
}

/* The source's formula takes what is encoded off twice: where that is more than two thirds of all, no size is left. */
static bool outside(double bytes, struct qb_value *value)
{
    return qb_absent(value, "the source's formula gives %.0f bytes here, which is no size", bytes);
}

static bool published_formula_bytes(const struct qb_record *record, struct qb_value *value)
{
    double bytes;
    if (!qb_scalar(record, "published_bytes", &bytes))
        return false;
    return bytes > 0 ? qb_exact(value, bytes, 1) : outside(bytes, value);
}

static bool published_compression(const struct qb_record *record, struct qb_value *value)
{
    double bytes, fp32;
    if (!qb_scalar(record, "published_bytes", &bytes) || !qb_scalar(record, "published_fp32_bytes", &fp32))
        return false;
    return bytes > 0 ? qb_exact(value, fp32 / bytes, 1) : outside(bytes, value);
}

/* 0 is the system not telling, which is no measurement. */
static bool untold(struct qb_value *value)
{
    return qb_absent(value, "the system does not tell how much memory the process has");
}

bool qb_peak_rss(const struct qb_record *record, struct qb_value *value)
{
    if (!qb_scalar(record, "peak_rss", &value->value))
        return false;
    if (value->value <= 0)
        return untold(value);
    value->n = 1;
    return qb_no_interval(value, "one measurement of the cell's own process");
}

static bool rss_growth_bytes(const struct qb_record *record, struct qb_value *value)
{
    double before, after;
    if (!qb_scalar(record, "rss_before", &before) || !qb_scalar(record, "rss_after", &after))
        return false;
    if (before <= 0 || after <= 0)
        return untold(value);
    if (after < before)
        return qb_absent(value, "the process gave back more than the model took: %.0f bytes less than before",
                         before - after);
    value->value = after - before;
    value->n = 1;
    return qb_no_interval(value, "one measurement of the cell's own process");
}

static bool kv_bytes_per_token(const struct qb_record *record, struct qb_value *value)
{
    double bytes;
    return qb_scalar(record, "kv_bytes_per_token", &bytes) && qb_exact(value, bytes, 1);
}

static bool act_bytes_per_token(const struct qb_record *record, struct qb_value *value)
{
    double bytes;
    return qb_scalar(record, "act_bytes_per_token", &bytes) && qb_exact(value, bytes, 1);
}

const struct qb_metric qb_metrics_memory[] = {
    {.name = "weight_bytes",
     .experiment = "memory",
     .unit = "bytes",
     .direction = QB_LOWER_IS_BETTER,
     .description = "bytes of all stored weights (what is not encoded: as FP32), decoded copies aside",
     .compute = weight_bytes},
    {.name = "weight_bits",
     .experiment = "memory",
     .unit = "bits",
     .direction = QB_LOWER_IS_BETTER,
     .description = "weight_bytes in bits per weight, over all weights",
     .compute = weight_bits},
    {.name = "encoded_bits_per_weight",
     .experiment = "memory",
     .unit = "bits",
     .direction = QB_LOWER_IS_BETTER,
     .description = "bits per weight over the encoded matrices alone, ranges and scales included",
     .compute = encoded_bits_per_weight},
    {.name = "compression",
     .experiment = "memory",
     .unit = "ratio",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "all weights at 4 bytes over weight_bytes",
     .compute = compression,
     .has_identity = true,
     .identity = 1},
    {.name = "cache_bytes",
     .experiment = "memory",
     .unit = "bytes",
     .direction = QB_LOWER_IS_BETTER,
     .description = "decoded copies that are kept",
     .compute = cache_bytes},
    {.name = "resident_bytes",
     .experiment = "memory",
     .unit = "bytes",
     .direction = QB_LOWER_IS_BETTER,
     .description = "weight_bytes and cache_bytes: what is not encoded counts as FP32",
     .compute = resident_bytes},
    {.name = "held_bytes",
     .experiment = "memory",
     .unit = "bytes",
     .direction = QB_LOWER_IS_BETTER,
     .description = "what must be in memory: encoded weights, copies, and the rest in its file's own types",
     .compute = held_bytes},
    {.name = "published_formula_bytes",
     .experiment = "memory",
     .unit = "bytes",
     .direction = QB_NEUTRAL,
     .description = "what the source's formula gives for this model; absent where that is no size",
     .compute = published_formula_bytes},
    {.name = "published_compression",
     .experiment = "memory",
     .unit = "ratio",
     .direction = QB_NEUTRAL,
     .description = "the source's FP32 bytes (no norms) over published_formula_bytes",
     .compute = published_compression},
    {.name = "peak_rss_bytes",
     .experiment = "memory",
     .unit = "bytes",
     .direction = QB_LOWER_IS_BETTER,
     .description = "high-water mark of the process's resident set",
     .compute = qb_peak_rss},
    {.name = "rss_growth_bytes",
     .experiment = "memory",
     .unit = "bytes",
     .direction = QB_LOWER_IS_BETTER,
     .description = "resident set after building the model less before",
     .compute = rss_growth_bytes},
    {.name = "kv_bytes_per_token",
     .experiment = "memory",
     .unit = "bytes",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KV cache a token",
     .compute = kv_bytes_per_token},
    {.name = "act_bytes_per_token",
     .experiment = "memory",
     .unit = "bytes",
     .direction = QB_LOWER_IS_BETTER,
     .description = "a token's hidden state from a layer to the next, of a variant that encodes it",
     .compute = act_bytes_per_token},
    {0},
};
