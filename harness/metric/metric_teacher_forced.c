/* Metrics of `teacher-forced` on likelihoods and logits; agreement and divergence have files of their own. */
#include <math.h>
#include "base/mem.h"
#include "metric/chunks.h"

static const struct qb_sample likelihood = {.transform = QB_EXP, .kind = QB_KIND_REAL, .unit = "chunks"};

/* Mean of plus - minus (NULL: 0) over positions with a target that the reference gives a probability; the value is its
 * exp. *masked: how many were left out because it gives none. */
static bool exp_mean(const struct qb_record *record, const char *plus, const char *minus, struct qb_sample *sample,
                     size_t *masked)
{
    size_t n = 0;
    double *x = qb_doubles(record, plus, &n);
    const double *less = x && minus ? qb_shaped(record, minus, QB_F64, n, 0) : NULL;
    const int32_t *target = x ? qb_shaped(record, "target", QB_I32, n, 0) : NULL;
    struct qb_error err = {0};
    bool there = target && (!minus || less);
    uint8_t *keep = there ? qb_alloc(n, 1, "positions with a target", &err) : NULL;
    *masked = keep ? qb_keep_possible(record, target, keep, n) : 0;
    for (size_t i = 0; keep && i < n; i++)
        x[i] -= less ? less[i] : 0;
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

/* The same as a value; absent where the reference gives no target a probability. */
static bool exp_value(const struct qb_record *record, const char *plus, const char *minus, struct qb_value *value)
{
    struct qb_sample sample = {0};
    size_t masked;
    bool there = exp_mean(record, plus, minus, &sample, &masked);
    if (there)
        qb_sample_value(&sample, minus ? 1 : NAN, value);
    qb_sample_free(&sample);
    if (masked == 0)
        return there;
    if (!there)
        return qb_absent(value, "the reference gives none of the %zu targets a probability", masked);
    qb_note(value, "without %zu position%s whose target the reference gives no probability", masked,
            masked == 1 ? "" : "s");
    return true;
}

static bool perplexity_sample(const struct qb_record *record, struct qb_sample *sample)
{
    size_t masked;
    return exp_mean(record, "nll", NULL, sample, &masked);
}

static bool perplexity(const struct qb_record *record, struct qb_value *value)
{
    return exp_value(record, "nll", NULL, value);
}

static bool reference_perplexity_sample(const struct qb_record *record, struct qb_sample *sample)
{
    size_t masked;
    return exp_mean(record, "reference_nll", NULL, sample, &masked);
}

static bool reference_perplexity(const struct qb_record *record, struct qb_value *value)
{
    return exp_value(record, "reference_nll", NULL, value);
}

static bool perplexity_ratio_sample(const struct qb_record *record, struct qb_sample *sample)
{
    size_t masked;
    return exp_mean(record, "nll", "reference_nll", sample, &masked);
}

static bool perplexity_ratio(const struct qb_record *record, struct qb_value *value)
{
    return exp_value(record, "nll", "reference_nll", value);
}

static bool max_logit_diff(const struct qb_record *record, struct qb_value *value)
{
    double file;
    if (qb_scalar(record, "base_file", &file) && file > 0)
        return qb_absent(value, "the reference has log-probabilities alone");
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
     .compute = perplexity,
     .sample = perplexity_sample},
    {.name = "reference_perplexity",
     .experiment = TF,
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "perplexity of the reference",
     .compute = reference_perplexity,
     .sample = reference_perplexity_sample},
    {.name = "perplexity_ratio",
     .experiment = TF,
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "perplexity over the reference's, paired by position: exp of the mean difference",
     .compute = perplexity_ratio,
     .sample = perplexity_ratio_sample,
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
