/* Speed. A metric is a ratio to a ceiling of its own run, so that a slower machine moves both; what is left between two
 * runs of the same program is the spread of log ratios. It is estimated from the baseline's runs, moderated by what is
 * expected beforehand (Smyth 2004: s^2 = (d0 s0^2 + (K - 1) sK^2) / (d0 + K - 1), Student's t with d0 + K - 1 degrees
 * of freedom), and never taken to be less than what the baseline's runs or the repeats within a run show. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "gate/gate_parts.h"

/* Variance of a run's log median, from its 95% interval; NaN: no interval. */
static double within(const struct qb_baseline_run *run)
{
    double width = log(run->hi / run->lo) / (2 * qb_normal_quantile(0.975));
    return width >= 0 ? width * width : NAN;
}

static bool usable(const struct qb_baseline_metric *metric)
{
    for (size_t i = 0; i < metric->run_count; i++)
        if (!(metric->runs[i].value > 0) || isnan(within(&metric->runs[i])))
            return false;
    return metric->run_count > 0;
}

/* Mean variance within the runs. */
static double within_all(const struct qb_baseline_metric *metric)
{
    double sum = 0;
    for (size_t i = 0; i < metric->run_count; i++)
        sum += within(&metric->runs[i]) / (double)metric->run_count;
    return sum;
}

/* Half of a 95% interval, from a variance. */
static double half_width(double variance)
{
    return qb_normal_quantile(0.975) * sqrt(variance);
}

static void prediction(const struct qb_baseline_metric *then, const struct qb_baseline_run *now, double spread,
                       bool lower, struct qb_difference *d)
{
    double k = (double)then->run_count, mean = 0, squares = 0, inside = within(now), inside_then = within_all(then);
    for (size_t i = 0; i < then->run_count; i++)
        mean += log(then->runs[i].value) / k;
    for (size_t i = 0; i < then->run_count; i++) {
        double off = log(then->runs[i].value) - mean;
        squares += off * off;
    }
    double df = QB_GATE_SPREAD_DF + k - 1;
    double variance = (QB_GATE_SPREAD_DF * spread * spread + squares) / df;
    if (k > 1)
        variance = fmax(variance, squares / (k - 1));
    double change = log(now->value) - mean;
    *d = (struct qb_difference){.value = lower ? change : -change, .df = df, .clusters = then->run_count};
    d->se = sqrt(fmax(variance, inside) + fmax(variance, inside_then) / k);
}

/* ---- disturbed machines ---- */

/* What a ceiling usually is: the median of the baseline's runs; NaN when there are none. */
static double usual(const struct qb_baseline_metric *ceiling)
{
    double x[QB_GATE_RUNS_MAX];
    size_t n = ceiling->run_count < QB_GATE_RUNS_MAX ? ceiling->run_count : QB_GATE_RUNS_MAX;
    for (size_t i = 0; i < n; i++)
        x[i] = ceiling->runs[i].value;
    qb_sort(x, n);
    return n > 0 ? qb_quantile(x, n, 0.5) : NAN;
}

static bool far_off(double value, double from, double relative)
{
    return !(fabs(log(value / from)) <= log1p(relative));
}

/* The ceiling of the cell, of a rule before the ratio's own, that was far from its usual height in the baseline's run
 * k, or (k SIZE_MAX) in the result; NULL: none. *share: how high it was. */
static const char *disturbed(const struct qb_gate_pair *pair, const struct qb_gate_rule *ratio, size_t k, double *share)
{
    for (size_t i = 0; i < pair->then->metric_count; i++) {
        const struct qb_baseline_metric *then = &pair->then->metrics[i];
        const struct qb_baseline_metric *now = qb_baseline_metric_of(pair->now, then->name);
        const struct qb_gate_rule *rule =
            qb_gate_rule_for(pair->options->rules, pair->then->variant, pair->then->experiment, then->name);
        if (!rule || rule >= ratio || rule->test != QB_TEST_CEILING || (k == SIZE_MAX ? !now : k >= then->run_count))
            continue;
        double value = k == SIZE_MAX ? now->value : then->runs[k].value;
        *share = value / usual(then);
        if (far_off(value, usual(then), rule->relative))
            return then->name;
    }
    return NULL;
}

void qb_gate_ceiling_row(const struct qb_gate_rule *rule, const struct qb_baseline_metric *then,
                         const struct qb_baseline_metric *now, struct qb_gate_row *row)
{
    row->baseline = usual(then);
    if (!(row->baseline > 0) || !(now->value > 0))
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "no ceiling was measured");
    else if (far_off(now->value, row->baseline, rule->relative))
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "disturbed machine: %.0f%% of the baseline's",
                       100 * now->value / row->baseline);
    else
        qb_gate_decide(row, QB_GATE_PASS, "the machine is as fast as it was");
}

/* ---- the row ---- */

static bool has_interval(const struct qb_baseline_run *run)
{
    return !isnan(within(run));
}

/* The baseline's runs on an undisturbed machine, into room[QB_GATE_RUNS_MAX]. One without an interval (biased, or of
 * too few repeats) is left out where others have one. */
static struct qb_baseline_metric steady(const struct qb_gate_pair *pair, const struct qb_gate_rule *ratio,
                                        const struct qb_baseline_metric *then, struct qb_baseline_run *room)
{
    struct qb_baseline_metric kept = *then;
    double share;
    bool some = false;
    kept.runs = room;
    kept.run_count = 0;
    for (size_t k = 0; k < then->run_count; k++)
        some = some || has_interval(&then->runs[k]);
    for (size_t k = 0; k < then->run_count && k < QB_GATE_RUNS_MAX; k++)
        if (!disturbed(pair, ratio, k, &share) && (!some || has_interval(&then->runs[k])))
            room[kept.run_count++] = then->runs[k];
    return kept;
}

void qb_gate_ratio_row(const struct qb_gate_pair *pair, const struct qb_gate_rule *rule,
                       const struct qb_baseline_metric *then, const struct qb_baseline_metric *now,
                       struct qb_gate_row *row)
{
    bool lower = qb_gate_direction(rule, now) == QB_LOWER_IS_BETTER;
    struct qb_baseline_run room[QB_GATE_RUNS_MAX];
    const struct qb_baseline_metric all = *then, kept = steady(pair, rule, then, room);
    double share = 1;
    const char *ceiling = disturbed(pair, rule, SIZE_MAX, &share);
    then = &kept;
    row->scale = QB_EXP;
    snprintf(row->worse_unit, sizeof row->worse_unit, "%%");
    row->raw_margin = log1p(rule->relative);
    row->margin = qb_transform_difference(row->scale, row->raw_margin);
    row->clusters = then->run_count;
    if (now->run_count != 1 || all.run_count == 0) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "no ratio to a ceiling of the same run: the test needs one");
    } else if (all.run_count == 1 && pair->same_inputs && memcmp(all.runs, now->runs, sizeof *now->runs) == 0) {
        row->worse = row->lo = row->hi = 0;
        qb_gate_decide(row, QB_GATE_PASS, "identical: the baseline is this run");
    } else if (pair->other) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "%s", pair->other);
    } else if (ceiling) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "disturbed machine: %s is at %.0f%% of the baseline's", ceiling,
                       100 * share);
    } else if (then->run_count == 0) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "disturbed machine: no run of the baseline was at its usual speed");
    } else if (!usable(then) || !usable(now)) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "too little data: too few repeats for an interval");
    } else if (then->run_count < 3 && !(half_width(fmax(within_all(then), within_all(now))) <= row->raw_margin)) {
        /* A machine this busy does not stand still from run to run either, and nobody has measured how much. */
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE,
                       "too noisy to time against fewer than 3 baseline runs: repeats place the ratio within +-%.1f%% "
                       "alone, wider than the margin",
                       100 * expm1(half_width(fmax(within_all(then), within_all(now)))));
    } else {
        prediction(then, &now->runs[0], rule->spread, lower, &row->raw);
        row->test = row->raw;
        row->bound = row->raw_margin;
        row->tested = true;
    }
}
