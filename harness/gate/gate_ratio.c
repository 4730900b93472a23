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
    double half = qb_student_quantile(0.975, df) * d->se;
    d->lo = d->value - half;
    d->hi = d->value + half;
}

void qb_gate_ratio_row(const struct qb_gate_pair *pair, const struct qb_gate_rule *rule,
                       const struct qb_baseline_metric *then, const struct qb_baseline_metric *now,
                       struct qb_gate_row *row)
{
    bool lower = qb_gate_direction(rule, now) == QB_LOWER_IS_BETTER;
    row->scale = QB_SCALE_LOG;
    snprintf(row->worse_unit, sizeof row->worse_unit, "%%");
    row->raw_margin = log1p(rule->relative);
    row->margin = qb_gate_tell(row, row->raw_margin);
    row->clusters = then->run_count;
    if (now->run_count != 1 || then->run_count == 0) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "no ratio to a ceiling of the same run: the test needs one");
    } else if (then->run_count == 1 && pair->same_inputs && memcmp(then->runs, now->runs, sizeof *now->runs) == 0) {
        row->worse = row->lo = row->hi = 0;
        qb_gate_decide(row, QB_GATE_PASS, "identical: the baseline is this run");
    } else if (pair->other) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "%s", pair->other);
    } else if (!usable(then) || !usable(now)) {
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "too little data: too few repeats for an interval");
    } else if (!(half_width(fmax(within_all(then), within_all(now))) <= row->raw_margin)) {
        /* A machine this busy does not stand still from run to run either: no estimate of its spread can be trusted. */
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE,
                       "too noisy to time: repeats place the median within +-%.1f%% alone, wider than the margin",
                       100 * expm1(half_width(fmax(within_all(then), within_all(now)))));
    } else {
        prediction(then, &now->runs[0], rule->spread, lower, &row->raw);
        row->test = row->raw;
        row->bound = row->raw_margin;
        row->tested = true;
    }
}
