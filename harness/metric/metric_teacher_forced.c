/* Metrics of `teacher-forced` on likelihoods and logits; agreement and divergence have files of their own. */
#include "base/mem.h"
#include "metric/chunks.h"

static const struct qb_sample likelihood = {.transform = QB_EXP, .kind = QB_KIND_REAL, .unit = "chunks"};

/* Mean of plus - minus (NULL: 0) over positions with a target; the value is its exp. */
static bool exp_mean(const struct qb_record *record, const char *plus, const char *minus, struct qb_sample *sample)
{
    size_t n = 0;
    double *x = qb_doubles(record, plus, &n);
    const double *less = x && minus ? qb_shaped(record, minus, QB_F64, n, 0) : NULL;
    const int32_t *target = x ? qb_shaped(record, "target", QB_I32, n, 0) : NULL;
    struct qb_error err = {0};
    bool there = target && (!minus || less);
    uint8_t *keep = there ? qb_alloc(n, 1, "positions with a target", &err) : NULL;
    for (size_t i = 0; keep && i < n; i++) {
        keep[i] = target[i] >= 0;
        x[i] -= less ? less[i] : 0;
    }
    *sample = likelihood;
    sample->nonnegative = !minus;
    if (!keep) {
        qb_free(x);
        return there; /* without totals: memory ran out */
    }
    there = qb_sample_by_chunk(record, x, keep, n, sample);
    qb_free(keep);
    return there;
}

static bool perplexity(const struct qb_record *record, struct qb_sample *sample)
{
    return exp_mean(record, "nll", NULL, sample);
}

static bool reference_perplexity(const struct qb_record *record, struct qb_sample *sample)
{
    return exp_mean(record, "reference_nll", NULL, sample);
}

static bool perplexity_ratio(const struct qb_record *record, struct qb_sample *sample)
{
    return exp_mean(record, "nll", "reference_nll", sample);
}

static bool max_logit_diff(const struct qb_record *record, struct qb_value *value)
{
    return qb_largest_of(record, "max_logit_diff", value);
}

static bool reference_margin_median(const struct qb_record *record, struct qb_value *value)
{
    return qb_quantile_by_chunk(record, "margin", 0.5, value);
}

static bool reference_logit_std(const struct qb_record *record, struct qb_value *value)
{
    return qb_quantile_by_chunk(record, "logit_std", 0.5, value);
}

#define TF "teacher-forced"
const struct qb_metric qb_metrics_teacher_forced[] = {
    {.name = "perplexity",
     .experiment = TF,
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "exp of the variant's mean negative log-likelihood of the text",
     .sample = perplexity},
    {.name = "reference_perplexity",
     .experiment = TF,
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "perplexity of the reference",
     .sample = reference_perplexity},
    {.name = "perplexity_ratio",
     .experiment = TF,
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "perplexity over the reference's, paired by position: exp of the mean difference",
     .sample = perplexity_ratio,
     .remark = qb_uniform_remark,
     .has_identity = true,
     .identity = 1},
    {.name = "max_logit_diff",
     .experiment = TF,
     .unit = "logit",
     .direction = QB_LOWER_IS_BETTER,
     .description = "largest difference of any logit at any position",
     .compute = max_logit_diff,
     .has_identity = true,
     .identity = 0},
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
    {.name = "calibration_overlap",
     .experiment = TF,
     .unit = "contexts",
     .direction = QB_LOWER_IS_BETTER,
     .description = "calibration contexts found inside the evaluated text",
     .compute = qb_calibration_overlap},
    {0},
};
