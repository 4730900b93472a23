/* Metrics of `greedy` on where the arms part: the steps that a prompt's two sequences agree from the start, censored at
 * the last step. After Deiseroth et al. (2023), "Divergent Token Metrics", arXiv 2311.01544; the statistics are those
 * of survival. Prompts are independent. */
#include <math.h>
#include "base/mem.h"
#include "metric/arms.h"

static const struct qb_sample share = {.transform = QB_PERCENT, .kind = QB_KIND_SHARE, .icc = 1, .unit = "prompts"};

static size_t count_diverged(const struct qb_arms *a)
{
    size_t diverged = 0;
    for (size_t p = 0; p < a->prompts; p++)
        diverged += qb_arms_divergence(a, p) < a->steps;
    return diverged;
}

static bool first_divergence(const struct qb_record *record, struct qb_value *value)
{
    struct qb_error err = {0};
    struct qb_arms a;
    if (!qb_arms_load(record, &a))
        return false;
    double *x = qb_alloc(a.prompts, sizeof *x, "first divergences", &err);
    for (size_t p = 0; x && p < a.prompts; p++)
        x[p] = (double)qb_arms_divergence(&a, p);
    size_t kept = a.prompts - count_diverged(&a);
    if (kept == a.prompts)
        qb_note(value, "no divergence in %zu steps", a.steps);
    else if (kept > 0)
        qb_note(value, "%zu of %zu prompts did not diverge: counted as %zu", kept, a.prompts, a.steps);
    if (x)
        qb_median_value(value, x, a.prompts, "prompts");
    else
        qb_no_memory(value);
    qb_free(x);
    return true;
}

static bool first_divergence_min(const struct qb_record *record, struct qb_value *value)
{
    struct qb_arms a;
    if (!qb_arms_load(record, &a))
        return false;
    size_t least = a.steps;
    for (size_t p = 0; p < a.prompts; p++) {
        size_t at = qb_arms_divergence(&a, p);
        least = at < least ? at : least;
    }
    value->value = (double)least;
    value->n = a.prompts;
    if (least == a.steps)
        qb_note(value, "no divergence in %zu steps", a.steps);
    qb_no_interval(value, "a minimum has no interval");
    return true;
}

/* The sample of a number a prompt: its agreeing steps, or with `survive` whether they are that many. */
static bool over_prompts(const struct qb_arms *a, size_t survive, struct qb_sample *sample)
{
    struct qb_error err = {0};
    double *x = qb_alloc(a->prompts, sizeof *x, "divergences", &err);
    int32_t *id = qb_alloc(a->prompts, sizeof *id, "prompts", &err);
    bool there = true; /* without totals: memory ran out */
    for (size_t p = 0; x && id && p < a->prompts; p++) {
        size_t agree = qb_arms_divergence(a, p);
        id[p] = (int32_t)p;
        x[p] = survive > 0 ? agree >= survive : (double)agree;
    }
    if (x && id)
        there = qb_sample_fill(sample, x, id, NULL, a->prompts);
    qb_free(id);
    qb_free(x);
    return there;
}

static bool survival_at(const struct qb_record *record, size_t steps, struct qb_sample *sample)
{
    struct qb_arms a;
    *sample = share;
    return qb_arms_load(record, &a) && steps <= a.steps && over_prompts(&a, steps, sample);
}

static bool survival_25(const struct qb_record *record, struct qb_sample *sample)
{
    return survival_at(record, 25, sample);
}

static bool survival_50(const struct qb_record *record, struct qb_sample *sample)
{
    return survival_at(record, 50, sample);
}

static bool survival_100(const struct qb_record *record, struct qb_sample *sample)
{
    return survival_at(record, 100, sample);
}

static bool diverged_share(const struct qb_record *record, struct qb_sample *sample)
{
    struct qb_arms a;
    *sample = share;
    if (!qb_arms_load(record, &a) || !over_prompts(&a, a.steps, sample))
        return false;
    for (size_t p = 0; p < sample->clusters; p++)
        sample->sum[p] = 1 - sample->sum[p];
    return true;
}

static bool divergence_mean(const struct qb_record *record, struct qb_sample *sample)
{
    struct qb_arms a;
    *sample = (struct qb_sample){.kind = QB_KIND_REAL, .unit = "prompts", .nonnegative = true};
    if (!qb_arms_load(record, &a))
        return false;
    sample->most = (double)a.steps;
    return over_prompts(&a, 0, sample);
}

/* Median of a survival curve with the interval of Brookmeyer and Crowley (1982): the times at which the curve's own
 * interval holds 1/2. That interval is missing where S is 0, and then [0, 0]. */
static void median_of_curve(const struct qb_arms *a, const struct qb_survival_step *steps, size_t n,
                            struct qb_value *value)
{
    double at[3] = {NAN, NAN, NAN}; /* where the lower bound, S and the upper bound reach 1/2 */
    for (size_t i = 0; i < n; i++) {
        bool left = steps[i].survival > 0;
        double heights[3] = {left ? steps[i].lo : 0, steps[i].survival, left ? steps[i].hi : 0};
        for (size_t k = 0; k < 3; k++)
            if (isnan(at[k]) && heights[k] <= 0.5 + 1e-12) /* S is a product of rounded ratios */
                at[k] = steps[i].time;
    }
    value->value = isnan(at[1]) ? (double)a->steps : at[1];
    value->lo = at[0];
    value->hi = at[2];
    if (isnan(at[1]))
        qb_note(value, "more than half never diverge in %zu steps: at least %zu", a->steps, a->steps);
    if (a->prompts < 2)
        qb_no_interval(value, "1 prompt has no interval");
    else if (isnan(at[0]))
        qb_no_interval(value, "the interval lies beyond %zu steps", a->steps);
    else if (isnan(at[2]))
        qb_no_interval(value, "the interval is from %g to beyond %zu steps", at[0], a->steps);
    else
        qb_note(value, "Kaplan-Meier over %zu prompts", a->prompts);
}

static bool divergence_median(const struct qb_record *record, struct qb_value *value)
{
    struct qb_error err = {0};
    struct qb_arms a;
    if (!qb_arms_load(record, &a))
        return false;
    double *time = qb_alloc(a.prompts, sizeof *time, "divergences", &err);
    uint8_t *event = qb_alloc(a.prompts, 1, "divergences", &err);
    struct qb_survival_step *steps = qb_alloc(a.prompts, sizeof *steps, "a survival curve", &err);
    for (size_t p = 0; time && event && p < a.prompts; p++) {
        size_t agree = qb_arms_divergence(&a, p);
        time[p] = (double)agree;
        event[p] = agree < a.steps;
    }
    value->n = a.prompts;
    if (time && event && steps)
        median_of_curve(&a, steps, qb_kaplan_meier(time, event, a.prompts, steps), value);
    else
        qb_no_memory(value);
    qb_free(steps);
    qb_free(event);
    qb_free(time);
    return true;
}

const struct qb_metric qb_metrics_divergence[] = {
    {.name = "first_divergence",
     .experiment = "greedy",
     .unit = "step",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "first step, from 0, with another token than the reference's; median over prompts",
     .compute = first_divergence,
     .remark = qb_greedy_remark},
    {.name = "first_divergence_min",
     .experiment = "greedy",
     .unit = "step",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "first_divergence of the earliest prompt",
     .compute = first_divergence_min,
     .remark = qb_greedy_remark},
    {.name = "diverged_share",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_LOWER_IS_BETTER,
     .description = "prompts with any token other than the reference's",
     .sample = diverged_share,
     .remark = qb_greedy_remark,
     .has_identity = true,
     .identity = 0},
    {.name = "divergence_median",
     .experiment = "greedy",
     .unit = "steps",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "steps that half of the prompts agree for; Kaplan-Meier median, censored at the last step",
     .compute = divergence_median,
     .remark = qb_greedy_remark},
    {.name = "divergence_mean",
     .experiment = "greedy",
     .unit = "steps",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "steps before the first difference, up to the last step; mean over prompts",
     .sample = divergence_mean,
     .remark = qb_greedy_remark},
    {.name = "survival_25",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "prompts that agree for the first 25 steps or more",
     .sample = survival_25,
     .remark = qb_greedy_remark,
     .has_identity = true,
     .identity = 100},
    {.name = "survival_50",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "prompts that agree for the first 50 steps or more",
     .sample = survival_50,
     .remark = qb_greedy_remark,
     .has_identity = true,
     .identity = 100},
    {.name = "survival_100",
     .experiment = "greedy",
     .unit = "%",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "prompts that agree for the first 100 steps or more",
     .sample = survival_100,
     .remark = qb_greedy_remark,
     .has_identity = true,
     .identity = 100},
    {0},
};
