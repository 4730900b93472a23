/* The gate: rows, then the family of tests, then verdicts. */
#include "gate/gate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "gate/gate_parts.h"

const char *qb_gate_verdict_name(enum qb_gate_verdict verdict)
{
    static const char *const names[] = {"pass", "fail", "inconclusive", "new", "unmatched"};
    return names[verdict];
}

static enum qb_status tensor_row(struct qb_gate *gate, const struct qb_gate_pair *pair, struct qb_error *err)
{
    const struct qb_gate_rule *rule =
        qb_gate_rule_for(pair->options->rules, pair->now->variant, pair->now->experiment, QB_GATE_ENCODED);
    if (!rule || rule->test == QB_TEST_IGNORE || pair->then->tensor_count + pair->now->tensor_count == 0)
        return QB_OK;
    struct qb_gate_row *row = qb_gate_add_row(gate, pair->now, QB_GATE_ENCODED, err);
    if (!row)
        return err->status;
    snprintf(row->unit, sizeof row->unit, "tensors");
    if (pair->then->tensor_count == 0)
        qb_gate_decide(row, QB_GATE_NEW, "the baseline lacks the hashes of encoded tensors");
    else
        qb_gate_tensor_row(pair, row);
    return QB_OK;
}

static enum qb_status metric_row(struct qb_gate *gate, const struct qb_gate_pair *pair, const char *name,
                                 struct qb_error *err)
{
    const struct qb_gate_rule *rule =
        qb_gate_rule_for(pair->options->rules, pair->now->variant, pair->now->experiment, name);
    if (!rule || rule->test == QB_TEST_IGNORE)
        return QB_OK;
    struct qb_gate_row *row = qb_gate_add_row(gate, pair->now, name, err);
    if (row)
        qb_gate_metric_row(pair, rule, qb_baseline_metric_of(pair->then, name), qb_baseline_metric_of(pair->now, name),
                           row);
    return err->status;
}

/* Metrics of either side, in the registry's order, which each side keeps; those of the baseline alone come last. */
static enum qb_status metric_rows(struct qb_gate *gate, const struct qb_gate_pair *pair, struct qb_error *err)
{
    if (tensor_row(gate, pair, err))
        return err->status;
    for (size_t i = 0; i < pair->now->metric_count; i++)
        if (metric_row(gate, pair, pair->now->metrics[i].name, err))
            return err->status;
    for (size_t i = 0; i < pair->then->metric_count; i++)
        if (!qb_baseline_metric_of(pair->now, pair->then->metrics[i].name) &&
            metric_row(gate, pair, pair->then->metrics[i].name, err))
            return err->status;
    return QB_OK;
}

static enum qb_status cell_rows(struct qb_gate *gate, struct qb_gate_pair *pair, struct qb_error *err)
{
    struct qb_gate_row *row = qb_gate_add_row(gate, pair->then ? pair->then : pair->now, "cell", err);
    if (!row)
        return err->status;
    if (!pair->then) {
        qb_gate_decide(row, QB_GATE_NEW, "the baseline lacks this cell%s%s",
                       pair->now->state == QB_CELL_FAILED ? ", which failed: " : "",
                       pair->now->state == QB_CELL_FAILED ? pair->now->message : "");
        return QB_OK;
    }
    return qb_gate_cell_row(pair, row) ? metric_rows(gate, pair, err) : QB_OK;
}

/* Why speed on one machine says nothing about the other; "": it does. */
static void other_machine(const struct qb_baseline *a, const struct qb_baseline *b, char *out, size_t room)
{
    const bool both = a->blas_core[0] && b->blas_core[0]; /* baselines of older programs do not say */
    const char *facts[][3] = {{"processor", a->cpu, b->cpu},
                              {"instruction set", a->isa, b->isa},
                              {"threads", a->threads, b->threads},
                              {"BLAS core", both ? a->blas_core : "", both ? b->blas_core : ""}};
    out[0] = '\0';
    if (a->mixed || b->mixed)
        snprintf(out, room, "several machines in the %s: %s", a->mixed ? "result" : "baseline",
                 a->mixed ? a->mixed : b->mixed);
    for (size_t i = 0; i < 4 && !out[0]; i++)
        if (strcmp(facts[i][1], facts[i][2]) != 0)
            qb_utf8_print(out, room, "other machine: %s '%.*s', the baseline's '%.*s'", facts[i][0],
                          QB_UPTO(60, facts[i][1]), QB_UPTO(60, facts[i][2]));
    if (!out[0] && !a->cpu[0])
        snprintf(out, room, "other machine: none of the files says which processor it ran on");
}

/* Both sides are in one order: one walk over the two meets every cell once. */
static enum qb_status all_rows(struct qb_gate *gate, const struct qb_baseline *result,
                               const struct qb_baseline *baseline, const struct qb_gate_options *options,
                               struct qb_error *err)
{
    char other[240];
    other_machine(result, baseline, other, sizeof other);
    struct qb_gate_pair pair = {
        .options = options, .result = result, .baseline = baseline, .other = other[0] ? other : NULL};
    for (size_t t = 0, n = 0; t < baseline->count || n < result->count;) {
        const struct qb_baseline_cell *then = t < baseline->count ? &baseline->cells[t] : NULL;
        const struct qb_baseline_cell *now = n < result->count ? &result->cells[n] : NULL;
        int order = !then ? 1 : !now ? -1 : qb_baseline_order(then, now);
        pair.then = order <= 0 ? then : NULL;
        pair.now = order >= 0 ? now : NULL;
        pair.same_inputs = false;
        t += order <= 0;
        n += order >= 0;
        if (qb_gate_wants(options, pair.then ? pair.then : pair.now) && cell_rows(gate, &pair, err))
            return err->status;
    }
    return QB_OK;
}

/* ---- verdicts ---- */

/* Bounds by what was tested, so that they cannot contradict the verdict: Student's t, the test's own error (that of a
 * relative margin holds the baseline's, too), and for the lower one Holm's level. By how much Holm enlarges this row's
 * p is how much smaller its level is. */
static void bounds(struct qb_gate_row *row, double alpha, size_t family)
{
    double times = row->p_worse > 0 ? row->p_holm / row->p_worse : (double)family;
    double low = qb_student_quantile(1 - alpha / fmax(1, times), row->test.df) * row->test.se;
    double high = qb_student_quantile(1 - alpha, row->test.df) * row->test.se;
    if (isnan(row->p_worse) || !(row->test.se > 0))
        return;
    row->lo_level = 1 - alpha / fmax(1, times);
    row->hi_level = 1 - alpha;
    row->lo = qb_transform_difference(row->scale, row->raw.value - low);
    row->hi = qb_transform_difference(row->scale, row->raw.value + high);
}

static void tell(struct qb_gate_row *row, double alpha, size_t family)
{
    double each = alpha / (double)family;
    row->worse = qb_transform_difference(row->scale, row->raw.value);
    bounds(row, alpha, family);
    row->detectable = qb_transform_difference(
        row->scale, row->raw_margin + qb_minimum_detectable(&row->test, 0, each, QB_GATE_POWER));
}

static void judge(struct qb_gate_row *row, double alpha)
{
    if (isnan(row->p_worse) || isnan(row->p_not_worse))
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE,
                       "no spread between %zu clusters: neither interval nor p value, so nothing is shown",
                       row->clusters);
    else if (row->p_holm <= alpha)
        qb_gate_decide(row, QB_GATE_FAIL, "worse by more than the margin (adjusted p %.2g)", row->p_holm);
    else if (row->p_not_worse <= alpha)
        qb_gate_decide(row, QB_GATE_PASS, "not worse by more than the margin (p %.2g)", row->p_not_worse);
    else
        qb_gate_decide(row, QB_GATE_INCONCLUSIVE, "neither shown to be within the margin nor beyond it");
}

static enum qb_status test_family(struct qb_gate *gate, struct qb_error *err)
{
    double *p = qb_alloc(gate->count, sizeof *p, "p values", err);
    if (!p)
        return err->status;
    gate->family = 0;
    for (size_t i = 0; i < gate->count; i++) {
        struct qb_gate_row *row = &gate->rows[i];
        p[i] = NAN;
        if (!row->tested)
            continue;
        row->p_worse = p[i] = qb_p_above(&row->test, row->bound);
        row->p_not_worse = qb_p_below(&row->test, row->bound);
        gate->family += isnan(p[i]) ? 0 : 1;
    }
    if (!qb_holm(p, gate->count, p)) {
        qb_free(p);
        return qb_fail(err, QB_ERR_MEMORY, "no memory to adjust %zu p values", gate->count);
    }
    for (size_t i = 0; i < gate->count; i++) {
        gate->rows[i].p_holm = p[i];
        if (gate->rows[i].tested) {
            tell(&gate->rows[i], gate->alpha, gate->family ? gate->family : 1);
            judge(&gate->rows[i], gate->alpha);
        }
    }
    qb_free(p);
    return QB_OK;
}

/* Rows in which a metric, or the encoded bytes, stand against the baseline's. */
static size_t count_compared(const struct qb_gate *gate)
{
    size_t count = 0;
    for (size_t i = 0; i < gate->count; i++)
        count += strcmp(gate->rows[i].metric, "cell") != 0 && gate->rows[i].verdict != QB_GATE_NEW;
    return count;
}

enum qb_status qb_gate_run(const struct qb_baseline *result, const struct qb_baseline *baseline,
                           const struct qb_gate_options *options, struct qb_gate **gate, struct qb_error *err)
{
    struct qb_gate *made = *gate = qb_alloc(1, sizeof *made, "a gate", err);
    if (!made)
        return err->status;
    made->alpha = options->alpha;
    if (baseline->edited) {
        struct qb_gate_row *row = qb_gate_add_row(made, NULL, "baseline", err);
        if (row)
            qb_gate_decide(row, QB_GATE_FAIL,
                           "%.*s was edited: its digest is not that of its content; "
                           "`baseline accept` writes baselines",
                           QB_UPTO(200, baseline->path));
    } else if (!all_rows(made, result, baseline, options, err) && !test_family(made, err)) {
        made->compared = count_compared(made);
        qb_gate_unmatched_rows(made, result, baseline, options, err);
    }
    if (err->status) {
        qb_gate_free(made);
        *gate = NULL;
        return err->status;
    }
    for (size_t i = 0; i < made->count; i++)
        made->verdicts[made->rows[i].verdict]++;
    return QB_OK;
}

void qb_gate_free(struct qb_gate *gate)
{
    if (gate)
        qb_free(gate->rows);
    qb_free(gate);
}
