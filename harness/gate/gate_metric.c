/* One metric: exact comparison, or a test of the difference against the margin. A difference is turned so that positive
 * is worse, on the scale where it is a mean: a share for percent, the log for exp of a mean. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "gate/gate_parts.h"

static void set_scale(struct qb_gate_row *row, const struct qb_sample *sample)
{
    row->scale = sample->sum ? sample->transform : QB_AS_IS;
    snprintf(row->worse_unit, sizeof row->worse_unit, "%s", qb_difference_unit(row->scale, row->unit));
}

/* ---- margins ---- */

/* How far FP32 arithmetic in another order moves this metric from identity, in the metric's unit; 0: not measured. */
static double floor_of(const struct qb_baseline *from, const struct qb_baseline_cell *cell, const char *metric)
{
    const struct qb_metric *entry = qb_metric_find(cell->experiment, metric);
    const struct qb_baseline_cell *floor_cell =
        qb_baseline_floor(from, cell->model, QB_FLOOR_ARITHMETIC, cell->experiment);
    const struct qb_baseline_metric *floor_metric = floor_cell ? qb_baseline_metric_of(floor_cell, metric) : NULL;
    if (!entry || !entry->has_identity || !floor_metric || !isfinite(floor_metric->value))
        return 0;
    return fabs(floor_metric->value - entry->identity);
}

/* The margin on the raw scale: the largest of relative, absolute and the arithmetic floor. */
static double margin_of(const struct qb_gate_pair *pair, const struct qb_gate_rule *rule, const struct qb_gate_row *row)
{
    double size = isfinite(row->baseline) ? fabs(row->baseline) : 0; /* nothing is a share of infinite */
    double absolute = fmax(rule->absolute, fmax(floor_of(pair->baseline, pair->then, row->metric),
                                                floor_of(pair->result, pair->now, row->metric)));
    if (row->scale == QB_EXP)
        return fmax(log1p(rule->relative), size > 0 ? log1p(absolute / size) : 0);
    return fmax(rule->relative * size, absolute) / (row->scale == QB_PERCENT ? 100 : 1);
}

/* ---- deterministic comparison ---- */

static void exact_row(const struct qb_gate_pair *pair, const struct qb_gate_rule *rule, bool lower, bool identical,
                      struct qb_gate_row *row)
{
    row->scale = QB_AS_IS;
    snprintf(row->worse_unit, sizeof row->worse_unit, "%s", row->unit);
    row->margin = identical ? 0 : margin_of(pair, rule, row);
    row->worse = lower ? row->value - row->baseline : row->baseline - row->value;
    if (row->value == row->baseline)
        qb_gate_decide(row, QB_GATE_PASS, "identical");
    else if (identical)
        qb_gate_decide(row, QB_GATE_FAIL, "changed, and the rule asks for the same value");
    else if (isinf(row->worse))
        qb_gate_decide(row, row->worse > 0 ? QB_GATE_FAIL : QB_GATE_PASS, "%s: %s", row->worse > 0 ? "worse" : "better",
                       isinf(row->baseline) ? "the baseline is infinite, this is not"
                                            : "infinite, the baseline is not");
    else if (!(row->worse <= row->margin))
        qb_gate_decide(row, QB_GATE_FAIL, "worse by more than the margin; nothing here is sampled");
    else
        qb_gate_decide(row, QB_GATE_PASS, row->worse <= 0 ? "better" : "worse by no more than the margin");
}

/* ---- tests of means ---- */

static bool same_totals(const struct qb_sample *a, const struct qb_sample *b)
{
    return a->clusters == b->clusters && memcmp(a->sum, b->sum, a->clusters * sizeof *a->sum) == 0 &&
           memcmp(a->weight, b->weight, a->clusters * sizeof *a->weight) == 0;
}

/* A share of exactly 0 or 1 shows no spread: what its mean may still vary by, as if 2 of 4 more observations had been
 * hits (Agresti and Coull 1998), at the sample size that the assumed correlation within a cluster leaves. */
static double hidden_variance(const struct qb_sample *sample, double icc)
{
    double hits = 0, n = 0;
    for (size_t i = 0; i < sample->clusters; i++) {
        hits += sample->sum[i];
        n += sample->weight[i];
    }
    if (hits != 0 && hits != n)
        return 0;
    double effective = n / (1 + (n / (double)sample->clusters - 1) * icc);
    double p = (hits / n * effective + 2) / (effective + 4);
    return p * (1 - p) / (effective + 4);
}

static void add_hidden(const struct qb_sample *a, const struct qb_sample *b, double icc, struct qb_difference *d)
{
    double extra = hidden_variance(a, icc) + hidden_variance(b, icc);
    if (!(extra > 0))
        return;
    d->se = sqrt(d->se * d->se + extra);
    d->df = (double)(a->clusters < b->clusters ? a->clusters : b->clusters) - 1;
}

/* FP32, in whatever order, whose value is the reference's own. */
static bool at_identity(const struct qb_gate_pair *pair, const struct qb_gate_row *row)
{
    const struct qb_metric *entry = qb_metric_find(pair->now->experiment, row->metric);
    bool plain = pair->now->floor == QB_FLOOR_IDENTITY || pair->now->floor == QB_FLOOR_ARITHMETIC;
    return plain && entry && entry->has_identity && row->value == entry->identity && row->baseline == entry->identity;
}

/* The difference, positive: worse. False: there is none to be had. */
static bool difference(const struct qb_gate_pair *pair, const struct qb_clusters *then, const struct qb_clusters *now,
                       bool lower, struct qb_difference *d)
{
    const struct qb_clusters *from = lower ? then : now, *to = lower ? now : then;
    return (pair->same_inputs && qb_difference_paired(from, to, 0.95, d)) || qb_difference_unpaired(from, to, 0.95, d);
}

/* A margin relative to the baseline moves with the baseline's own error. So not the difference is tested against a
 * number, but the result against (1 + margin) times the baseline. */
static bool contrast(const struct qb_gate_pair *pair, const struct qb_clusters *then, const struct qb_clusters *now,
                     bool lower, double relative, struct qb_difference *d)
{
    struct qb_error err = {0};
    double factor = lower ? 1 + relative : 1 - relative;
    double *sum = qb_alloc(then->count, sizeof *sum, "scaled totals", &err);
    if (!sum)
        return false;
    for (size_t i = 0; i < then->count; i++)
        sum[i] = factor * then->sum[i];
    bool ok = difference(pair, &(struct qb_clusters){sum, then->weight, then->count}, now, lower, d);
    qb_free(sum);
    return ok;
}

/* Fills raw, for what is told, and test with its bound. */
static bool compare(const struct qb_gate_pair *pair, const struct qb_gate_rule *rule, const struct qb_sample *then,
                    const struct qb_sample *now, bool lower, struct qb_gate_row *row)
{
    struct qb_clusters a = {then->sum, then->weight, then->clusters}, b = {now->sum, now->weight, now->clusters};
    bool relative = row->scale == QB_AS_IS && row->raw_margin == rule->relative * row->baseline;
    if (!difference(pair, &a, &b, lower, &row->raw))
        return false;
    if (!row->raw.paired && now->kind == QB_KIND_SHARE)
        add_hidden(then, now, now->icc, &row->raw);
    row->test = row->raw;
    row->bound = row->raw_margin;
    if (!relative || !(row->raw.se > 0))
        return true;
    row->bound = 0;
    return contrast(pair, &a, &b, lower, rule->relative, &row->test);
}

static void test_row(const struct qb_gate_pair *pair, const struct qb_gate_rule *rule,
                     const struct qb_baseline_metric *then, const struct qb_baseline_metric *now, bool lower,
                     struct qb_gate_row *row)
{
    const struct qb_sample *a = &then->sample, *b = &now->sample;
    set_scale(row, b);
    if (!a->sum || !b->sum) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "no totals by cluster: nothing to test with");
        return;
    }
    if (a->transform != b->transform) {
        qb_gate_decide(row, QB_GATE_FAIL, "the metric is computed in another way than in the baseline");
        return;
    }
    row->raw_margin = margin_of(pair, rule, row);
    row->margin = qb_transform_difference(row->scale, row->raw_margin);
    row->clusters = a->clusters < b->clusters ? a->clusters : b->clusters;
    row->paired = pair->same_inputs;
    bool degenerate = (then->flags | now->flags) & QB_FLAG_DEGENERATE;
    if (pair->same_inputs && same_totals(a, b)) {
        row->worse = row->lo = row->hi = 0;
        qb_gate_decide(row, QB_GATE_PASS, "identical in every cluster%s",
                       degenerate ? " (degenerate: says little)" : "");
    } else if (degenerate) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "degenerate: the run loops or its distributions are nearly uniform");
    } else if (row->clusters < QB_GATE_CLUSTERS_MIN) {
        char count[32] = "one";
        if (row->clusters != 1)
            snprintf(count, sizeof count, "%zu", row->clusters);
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "too little data: %s cluster%s, %d are needed", count,
                       row->clusters == 1 ? "" : "s", QB_GATE_CLUSTERS_MIN);
    } else if (same_totals(a, b) && at_identity(pair, row)) {
        row->worse = row->lo = row->hi = 0;
        qb_gate_decide(row, QB_GATE_PASS, "the reference itself on both sides: the variant encodes nothing");
    } else if (!compare(pair, rule, a, b, lower, row)) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "too little data: no interval of the difference");
    } else {
        row->tested = true;
        row->paired = row->raw.paired;
    }
}

/* ---- any metric ---- */

/* A value that no test can use; one that may be infinite is none. */
static bool unusable(const struct qb_baseline_metric *metric)
{
    return isnan(metric->value) || metric->flags & QB_FLAG_NONFINITE;
}

/* A number to compare: the value, or totals whose exp overflows. */
static bool comparable(const struct qb_baseline_metric *then, const struct qb_baseline_metric *now)
{
    return (!unusable(then) && !unusable(now)) ||
           (unusable(then) && unusable(now) && then->sample.sum && now->sample.sum);
}

/* One side has no value, or neither has. */
static void absent_row(bool then, bool now, struct qb_gate_row *row)
{
    if (then && !now)
        qb_gate_decide(row, QB_GATE_FAIL, "the result has no value, the baseline has");
    else if (now)
        qb_gate_decide(row, QB_GATE_NEW, "the baseline has no value");
    else
        qb_gate_decide(row, QB_GATE_PASS, "no value, as in the baseline");
}

/* Could arithmetic in another order turn the choices of the result's greedy run (qb_floors_apply)? That rests on the
 * reference's margins and on the machine, not on the variant. */
static bool reorderable(const struct qb_gate_pair *pair)
{
    const struct qb_baseline_cell *floor =
        qb_baseline_floor(pair->result, pair->now->model, QB_FLOOR_ARITHMETIC, "teacher-forced");
    const struct qb_baseline_metric *moves = floor ? qb_baseline_metric_of(floor, "max_logit_diff") : NULL;
    const struct qb_baseline_metric *margin = qb_baseline_metric_of(pair->now, "reference_margin_median");
    return strcmp(pair->now->experiment, "greedy") == 0 && moves && margin && margin->value < moves->value;
}

/* Sound in the baseline and degenerate in the result, of the same model on the same inputs: the reference's arm is the
 * same on both sides, so it is the variant's that collapsed. */
static bool collapsed(const struct qb_gate_pair *pair, const struct qb_baseline_metric *then,
                      const struct qb_baseline_metric *now)
{
    return pair->same_inputs && now->flags & ~then->flags & QB_FLAG_DEGENERATE && !reorderable(pair);
}

static bool lacks_value(const struct qb_baseline_metric *then, const struct qb_baseline_metric *now,
                        struct qb_gate_row *row)
{
    if (!now)
        qb_gate_decide(row, QB_GATE_FAIL, "metric missing from the result");
    else if (!row->has_value && !then)
        qb_gate_decide(row, QB_GATE_NEW, "the baseline lacks this metric, and here it has no value");
    else if (!row->has_value || (then && !row->has_baseline && !unusable(now)))
        absent_row(row->has_baseline, row->has_value, row);
    else if (unusable(now) && (!then || !unusable(then) || !row->has_baseline))
        qb_gate_decide(row, QB_GATE_FAIL, "the value is not finite");
    else if (!then)
        qb_gate_decide(row, QB_GATE_NEW, "the baseline lacks this metric");
    else if (!comparable(then, now))
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "the baseline's value is not finite%s",
                       unusable(now) ? ", nor is this one" : "");
    else
        return false;
    return true;
}

void qb_gate_metric_row(const struct qb_gate_pair *pair, const struct qb_gate_rule *rule,
                        const struct qb_baseline_metric *then, const struct qb_baseline_metric *now,
                        struct qb_gate_row *row)
{
    const struct qb_baseline_metric *any = now ? now : then;
    snprintf(row->unit, sizeof row->unit, "%s", any->unit);
    row->baseline = then ? then->value : NAN;
    row->value = now ? now->value : NAN;
    row->has_baseline = then && qb_value_there(then->flags);
    row->has_value = now && qb_value_there(now->flags);
    if (lacks_value(then, now, row))
        return;
    enum qb_direction direction = qb_gate_direction(rule, now);
    bool lower = direction == QB_LOWER_IS_BETTER;
    if ((then->flags | now->flags) & QB_FLAG_BIASED) /* identical or not: it is no measurement of the variant */
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "biased: FP32 over FP32 was not 1 in the same cell%s",
                       now->flags & QB_FLAG_BIASED ? "" : " of the baseline");
    else if (rule->test == QB_TEST_CEILING)
        qb_gate_ceiling_row(rule, then, now, row);
    else if (collapsed(pair, then, now))
        qb_gate_decide(row, QB_GATE_FAIL, "collapsed: sound in the baseline, degenerate now");
    else if (direction == QB_NEUTRAL && rule->test != QB_TEST_IDENTICAL)
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "neither direction is better: the rule has to say which ('better')");
    else if (rule->test == QB_TEST_RATIO)
        qb_gate_ratio_row(pair, rule, then, now, row);
    else if (rule->test == QB_TEST_NON_INFERIORITY)
        test_row(pair, rule, then, now, lower, row);
    else if ((then->flags | now->flags) & QB_FLAG_DEGENERATE && now->value != then->value)
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "degenerate: the run loops or its distributions are nearly uniform");
    else
        exact_row(pair, rule, lower, rule->test == QB_TEST_IDENTICAL, row);
}
