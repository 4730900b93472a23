/* Metrics of `teacher-forced`: both arms see the reference's tokens, so a position's numbers do not feed the next
 * position's. Positions of one chunk still share their context: intervals are over chunks.
 *
 * Where the reference's distributions are nearly uniform (median logit std under 1e-3), agreement and divergences say
 * little and are flagged degenerate. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "metric/parts.h"

static bool nearly_uniform(const struct qb_record *record)
{
    struct qb_value median = {0};
    size_t n = 0;
    double *x = qb_doubles(record, "logit_std", &n);
    if (!x)
        return false;
    qb_quantile_value(&median, x, n, 0.5, "");
    qb_free(x);
    return median.value < 1e-3;
}

static bool flagged(const struct qb_record *record, struct qb_value *value)
{
    if (nearly_uniform(record)) {
        value->flags |= QB_FLAG_DEGENERATE;
        qb_note(value, "reference nearly uniform (logit std < 1e-3)");
    }
    return true;
}

static bool rate(const struct qb_record *record, const char *name, double whole, struct qb_value *value)
{
    size_t n = 0;
    double *x = qb_doubles(record, name, &n);
    const int32_t *chunk = x ? qb_shaped(record, "chunk", QB_I32, n, 0) : NULL;
    for (size_t i = 0; chunk && i < n; i++)
        x[i] /= whole;
    bool there = chunk && qb_rate_value(value, x, chunk, n, whole == 1, "chunks");
    qb_free(x);
    return there && flagged(record, value);
}

static bool top1_agreement(const struct qb_record *record, struct qb_value *value)
{
    return rate(record, "top1", 1, value);
}

static bool top10_overlap(const struct qb_record *record, struct qb_value *value)
{
    return rate(record, "overlap10", 10, value);
}

static bool kl_mean(const struct qb_record *record, struct qb_value *value)
{
    size_t n = 0;
    double *x = qb_doubles(record, "kl", &n);
    const int32_t *chunk = x ? qb_shaped(record, "chunk", QB_I32, n, 0) : NULL;
    bool there = chunk && qb_cluster_mean(value, x, chunk, n, "chunks");
    if (there && value->lo < 0)
        value->lo = 0; /* no mean divergence is negative */
    qb_free(x);
    return there && flagged(record, value);
}

/* All-zero divergences are no sample of anything: the arms are the same and the interval is [0, 0]. */
static bool kl_quantile(const struct qb_record *record, double p, const char *why, struct qb_value *value)
{
    size_t n = 0;
    double *x = qb_doubles(record, "kl", &n);
    bool zero = x;
    if (!x)
        return false;
    for (size_t i = 0; i < n; i++)
        zero = zero && x[i] == 0;
    if (zero) {
        value->value = value->lo = value->hi = 0;
        value->n = n;
        qb_note(value, "exactly 0 at each of %zu positions", n);
    } else {
        qb_quantile_value(value, x, n, p, why);
    }
    qb_free(x);
    return flagged(record, value);
}

static const char dependent_quantile[] = "quantile of dependent positions: no interval in this version";

static bool kl_median(const struct qb_record *record, struct qb_value *value)
{
    return kl_quantile(record, 0.5, dependent_quantile, value);
}

static bool kl_p99(const struct qb_record *record, struct qb_value *value)
{
    return kl_quantile(record, 0.99, dependent_quantile, value);
}

static bool kl_max(const struct qb_record *record, struct qb_value *value)
{
    return kl_quantile(record, 1, "a maximum has no interval", value);
}

/* exp of the mean of plus - minus (either may be NULL) over positions with a target. */
static bool exp_mean(const struct qb_record *record, const char *plus, const char *minus, struct qb_value *value)
{
    size_t n = 0, kept = 0;
    double *x = qb_doubles(record, plus, &n);
    const double *less = x && minus ? qb_shaped(record, minus, QB_F64, n, 0) : NULL;
    const int32_t *chunk = x ? qb_shaped(record, "chunk", QB_I32, n, 0) : NULL;
    const int32_t *target = x ? qb_shaped(record, "target", QB_I32, n, 0) : NULL;
    struct qb_error err = {0};
    bool there = false;
    int32_t *id = qb_alloc(n, sizeof *id, "chunks", &err);
    if (!x || !chunk || !target || (minus && !less) || !id)
        goto out;
    for (size_t i = 0; i < n; i++) {
        if (target[i] < 0)
            continue;
        x[kept] = x[i] - (less ? less[i] : 0);
        id[kept++] = chunk[i];
    }
    if (kept == 0)
        goto out;
    there = qb_cluster_mean(value, x, id, kept, "chunks");
    value->value = exp(value->value);
    value->lo = exp(value->lo);
    value->hi = exp(value->hi);
out:
    qb_free(id);
    qb_free(x);
    return there;
}

static bool perplexity(const struct qb_record *record, struct qb_value *value)
{
    return exp_mean(record, "nll", NULL, value);
}

static bool reference_perplexity(const struct qb_record *record, struct qb_value *value)
{
    return exp_mean(record, "reference_nll", NULL, value);
}

static bool perplexity_ratio(const struct qb_record *record, struct qb_value *value)
{
    return exp_mean(record, "nll", "reference_nll", value) && flagged(record, value);
}

static bool over_positions(const struct qb_record *record, const char *name, double p, const char *why,
                           struct qb_value *value)
{
    size_t n = 0;
    double *x = qb_doubles(record, name, &n);
    if (!x)
        return false;
    qb_quantile_value(value, x, n, p, why);
    qb_free(x);
    return true;
}

static bool max_logit_diff(const struct qb_record *record, struct qb_value *value)
{
    return over_positions(record, "max_logit_diff", 1, "a maximum has no interval", value);
}

static bool reference_margin_median(const struct qb_record *record, struct qb_value *value)
{
    return over_positions(record, "margin", 0.5, dependent_quantile, value);
}

static bool reference_logit_std(const struct qb_record *record, struct qb_value *value)
{
    return over_positions(record, "logit_std", 0.5, dependent_quantile, value);
}

#define TF "teacher-forced"
const struct qb_metric qb_metrics_teacher_forced[] = {
    {.name = "top1_agreement",
     .experiment = TF,
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "positions where both arms rank the same token first",
     .compute = top1_agreement},
    {.name = "top10_overlap",
     .experiment = TF,
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "shared tokens of the two top-10 lists",
     .compute = top10_overlap},
    {.name = "kl_mean",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KL(reference || variant), mean over positions",
     .compute = kl_mean},
    {.name = "kl_median",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KL(reference || variant), median over positions",
     .compute = kl_median},
    {.name = "kl_p99",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KL(reference || variant), 99th percentile over positions",
     .compute = kl_p99},
    {.name = "kl_max",
     .experiment = TF,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "KL(reference || variant), largest over positions",
     .compute = kl_max},
    {.name = "perplexity",
     .experiment = TF,
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "exp of the variant's mean negative log-likelihood of the text",
     .compute = perplexity},
    {.name = "reference_perplexity",
     .experiment = TF,
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "perplexity of the reference",
     .compute = reference_perplexity},
    {.name = "perplexity_ratio",
     .experiment = TF,
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "perplexity over the reference's, paired by position: exp of the mean difference",
     .compute = perplexity_ratio},
    {.name = "max_logit_diff",
     .experiment = TF,
     .unit = "logit",
     .direction = QB_LOWER_IS_BETTER,
     .description = "largest difference of any logit at any position",
     .compute = max_logit_diff},
    {.name = "reference_margin_median",
     .experiment = TF,
     .unit = "logit",
     .direction = QB_NEUTRAL,
     .description = "top-1 minus top-2 logit of the reference; median",
     .compute = reference_margin_median},
    {.name = "reference_logit_std",
     .experiment = TF,
     .unit = "logit",
     .direction = QB_NEUTRAL,
     .description = "standard deviation of the reference's logits; median",
     .compute = reference_logit_std},
    {.name = "alpha",
     .experiment = TF,
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "logit scale that calibration applied",
     .compute = qb_alpha},
    {.name = "alpha_raw",
     .experiment = TF,
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "logit scale that calibration found, before its clamp",
     .compute = qb_alpha_raw},
    {0},
};
