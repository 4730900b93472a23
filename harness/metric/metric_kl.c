/* Metrics of `teacher-forced` on KL(reference || variant): both arms see the reference's tokens, so a position's
 * divergence does not feed the next position's. Positions of one chunk still share their context: intervals are over
 * chunks. */
#include <math.h>
#include "base/mem.h"
#include "metric/chunks.h"

static bool kl_mean(const struct qb_record *record, struct qb_sample *sample)
{
    size_t n = 0;
    double *x = qb_doubles(record, "kl", &n);
    *sample = qb_chunk_divergence;
    return qb_sample_by_chunk(record, x, NULL, n, sample);
}

/* The least q with at least 95% of x[n] up to it; NaN when an entry is, or memory is short. */
static double quantile_95(const double *x, size_t n)
{
    struct qb_error err = {0};
    double *sorted = qb_alloc(n, sizeof *sorted, "sorted divergences", &err), q = NAN;
    bool ordered = sorted;
    for (size_t i = 0; ordered && i < n; i++) {
        sorted[i] = x[i];
        ordered = !isnan(x[i]);
    }
    if (ordered) {
        qb_sort(sorted, n);
        q = sorted[n - n / 20 - 1];
    }
    qb_free(sorted);
    return q;
}

/* The mean of the worst 5% is the mean of q + max(x - q, 0) / 0.05 over all positions, q the 95% quantile (Rockafellar
 * and Uryasev 2000, theorem 10). q minimises that mean, so to first order its own error adds none: the entries can be
 * taken for a sample. */
static bool kl_cvar95(const struct qb_record *record, struct qb_sample *sample)
{
    size_t n = 0;
    double *x = qb_doubles(record, "kl", &n), q = x ? quantile_95(x, n) : NAN;
    for (size_t i = 0; x && i < n; i++)
        x[i] = q + (x[i] <= q ? 0 : (x[i] - q) / 0.05);
    *sample = qb_chunk_divergence;
    return qb_sample_by_chunk(record, x, NULL, n, sample);
}

/* KL where the reference's largest probability is in [low, high). A probability that is NaN belongs nowhere, which the
 * value then says. */
static bool kl_at(const struct qb_record *record, double low, double high, struct qb_sample *sample)
{
    size_t n = 0;
    double *x = qb_doubles(record, "kl", &n);
    const float *top = x ? qb_shaped(record, "reference_top_p", QB_F32, n, 0) : NULL;
    struct qb_error err = {0};
    uint8_t *keep = top ? qb_alloc(n, 1, "positions of a confidence", &err) : NULL;
    for (size_t i = 0; keep && i < n; i++) {
        keep[i] = !((double)top[i] < low || (double)top[i] >= high);
        if (isnan(top[i]))
            x[i] = NAN;
    }
    if (top)
        return qb_divergence_where(record, x, keep, n, sample);
    qb_free(x);
    return false;
}

static bool kl_p_under_25(const struct qb_record *record, struct qb_sample *sample)
{
    return kl_at(record, -INFINITY, 0.25, sample);
}

static bool kl_p_25_50(const struct qb_record *record, struct qb_sample *sample)
{
    return kl_at(record, 0.25, 0.5, sample);
}

static bool kl_p_50_75(const struct qb_record *record, struct qb_sample *sample)
{
    return kl_at(record, 0.5, 0.75, sample);
}

static bool kl_p_75_90(const struct qb_record *record, struct qb_sample *sample)
{
    return kl_at(record, 0.75, 0.9, sample);
}

static bool kl_p_over_90(const struct qb_record *record, struct qb_sample *sample)
{
    return kl_at(record, 0.9, INFINITY, sample);
}

/* All-zero divergences are no sample of anything: the arms are the same and the interval is [0, 0]. */
static bool identical(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *kl = qb_record_get(record, "kl", QB_F64, 1);
    if (!kl || kl->count == 0)
        return false;
    for (size_t i = 0; i < kl->count; i++)
        if (!(((const double *)kl->data)[i] == 0))
            return false;
    value->value = value->lo = value->hi = 0;
    value->n = kl->count;
    qb_note(value, "exactly 0 at each of %zu positions", kl->count);
    return true;
}

static bool kl_median(const struct qb_record *record, struct qb_value *value)
{
    return identical(record, value) || qb_quantile_by_chunk(record, "kl", 0.5, value);
}

static bool kl_p99(const struct qb_record *record, struct qb_value *value)
{
    return identical(record, value) || qb_quantile_by_chunk(record, "kl", 0.99, value);
}

static bool kl_max(const struct qb_record *record, struct qb_value *value)
{
    return identical(record, value) || qb_largest_of(record, "kl", value);
}

#define TF "teacher-forced"
const struct qb_metric qb_metrics_kl[] = {
    {.name = "kl_mean",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KL(reference || variant), mean over positions",
     .sample = kl_mean,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "kl_median",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KL(reference || variant), median over positions",
     .compute = kl_median,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "kl_p99",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KL(reference || variant), 99th percentile over positions",
     .compute = kl_p99,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "kl_cvar95",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KL(reference || variant), mean of the worst 5% of positions",
     .sample = kl_cvar95,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "kl_max",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KL(reference || variant), largest over positions",
     .compute = kl_max,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "kl_p_under_25",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "kl_mean where the reference gives its first token under 25%",
     .sample = kl_p_under_25,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "kl_p_25_50",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "kl_mean where the reference gives its first token 25 to 50%",
     .sample = kl_p_25_50,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "kl_p_50_75",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "kl_mean where the reference gives its first token 50 to 75%",
     .sample = kl_p_50_75,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "kl_p_75_90",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "kl_mean where the reference gives its first token 75 to 90%",
     .sample = kl_p_75_90,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "kl_p_over_90",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "kl_mean where the reference gives its first token 90% or more",
     .sample = kl_p_over_90,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 0},
    {0},
};
