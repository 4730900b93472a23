/* Accepting: what is refused, what is kept, what moved. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/text_format.h"
#include "gate/gate.h"
#include "gate/json_write.h"
#include "base/utf8.h"

static bool gated(const struct qb_gate_rules *rules, const struct qb_baseline_cell *cell, const char *metric)
{
    const struct qb_gate_rule *rule = qb_gate_rule_for(rules, cell->variant, cell->experiment, metric);
    return rule && rule->test != QB_TEST_IGNORE;
}

static void line(const struct qb_baseline_cell *cell, const char *metric, const char *why, struct qb_text *out)
{
    qb_text_add(out, "%s/%s/%s%s%s: %s\n", cell->model, cell->variant, cell->experiment, metric ? "/" : "",
                metric ? metric : "", why);
}

static const char *refusal(const struct qb_baseline_metric *metric)
{
    return !qb_value_there(metric->flags) ? NULL /* none is expected either of a later result */
           : isnan(metric->value) || metric->flags & QB_FLAG_NONFINITE ? "the value is not finite"
           : metric->flags & QB_FLAG_DEGENERATE   ? "degenerate: the run loops or its distributions are nearly uniform"
           : metric->flags & QB_FLAG_UNRESOLVED   ? "not resolved: within what FP32 arithmetic in another order costs"
           : metric->flags & QB_FLAG_BIASED       ? "biased: FP32 over FP32 was not 1 in the same cell; measure again"
           : metric->flags & QB_FLAG_CONTAMINATED ? "contaminated: calibrated on text that it is evaluated on"
                                                  : NULL;
}

size_t qb_baseline_refusals(const struct qb_baseline *baseline, const struct qb_gate_rules *rules, struct qb_text *out)
{
    size_t count = (baseline->mixed != NULL) + (size_t)baseline->interrupted;
    if (baseline->interrupted)
        qb_text_add(out, "the run was interrupted: cells that had not run yet are missing (run --resume goes on)\n");
    if (baseline->mixed)
        qb_text_add(out, "speed: timed cells of several machines: %s\n", baseline->mixed);
    for (size_t i = 0; i < baseline->count; i++) {
        const struct qb_baseline_cell *cell = &baseline->cells[i];
        if (cell->state == QB_CELL_FAILED) {
            line(cell, NULL, cell->message[0] ? cell->message : "failed", out);
            count++;
        }
        for (size_t m = 0; m < cell->metric_count; m++) {
            const char *why = gated(rules, cell, cell->metrics[m].name) ? refusal(&cell->metrics[m]) : NULL;
            if (why)
                line(cell, cell->metrics[m].name, why, out);
            count += why != NULL;
        }
    }
    return count;
}

void qb_baseline_keep_gated(struct qb_baseline *baseline, const struct qb_gate_rules *rules)
{
    for (size_t i = 0; i < baseline->count; i++) {
        struct qb_baseline_cell *cell = &baseline->cells[i];
        for (size_t m = cell->metric_count; m-- > 0;)
            if (!gated(rules, cell, cell->metrics[m].name))
                qb_baseline_drop(cell, m);
    }
}

/* ---- what moved ---- */

static size_t moved_text(const struct qb_baseline_cell *cell, const char *what, const char *from, const char *to,
                         struct qb_text *out)
{
    if (strcmp(from, to) == 0)
        return 0;
    qb_text_add(out, "%s/%s/%s: %s: %.*s -> %.*s\n", cell->model, cell->variant, cell->experiment, what,
                QB_UPTO(100, from[0] ? from : "(not recorded)"), QB_UPTO(100, to[0] ? to : "(not recorded)"));
    return 1;
}

static void moved_value(const struct qb_baseline_metric *metric, struct qb_text *out)
{
    if (qb_value_there(metric->flags))
        qb_csv_number(out, metric->value, true);
    else
        qb_text_add(out, "(no value)");
}

static size_t moved_metric(const struct qb_baseline_cell *cell, const struct qb_baseline_metric *from,
                           const struct qb_baseline_metric *to, struct qb_text *out)
{
    const struct qb_baseline_metric *any = to ? to : from;
    if (from && to && (from->value == to->value || (isnan(from->value) && isnan(to->value))))
        return 0;
    qb_text_add(out, "%s/%s/%s/%s: ", cell->model, cell->variant, cell->experiment, any->name);
    if (from)
        moved_value(from, out);
    qb_text_add(out, "%s", from && to ? " -> " : to ? "new, " : "");
    if (to)
        moved_value(to, out);
    else
        qb_text_add(out, ", gone");
    qb_text_add(out, " %s", any->unit);
    if (from && to && from->value != 0 && isfinite(from->value) && isfinite(to->value / from->value))
        qb_text_add(out, " (%+.3g%%)", 100 * (to->value - from->value) / fabs(from->value));
    qb_text_add(out, "\n");
    return 1;
}

static size_t moved_tensors(const struct qb_baseline_cell *from, const struct qb_baseline_cell *to, struct qb_text *out)
{
    size_t differ = 0, most = from->tensor_count > to->tensor_count ? from->tensor_count : to->tensor_count;
    for (size_t i = 0; i < most; i++)
        differ += i >= from->tensor_count || i >= to->tensor_count ||
                  strcmp(from->tensors[i].sha256, to->tensors[i].sha256) != 0;
    if (differ)
        qb_text_add(out, "%s/%s/%s: encoded bytes of %zu of %zu tensors\n", to->model, to->variant, to->experiment,
                    differ, most);
    return differ != 0;
}

static size_t moved_cell(const struct qb_baseline_cell *from, const struct qb_baseline_cell *to, struct qb_text *out)
{
    static const char *const states[] = {"done", "failed", "skipped"};
    size_t count = moved_text(to, "state", states[from->state], states[to->state], out) +
                   moved_text(to, "model", from->model_sha256, to->model_sha256, out) +
                   moved_text(to, "inputs", from->inputs, to->inputs, out) +
                   moved_text(to, "options", from->options, to->options, out) +
                   moved_text(to, "variant", from->definition, to->definition, out) + moved_tensors(from, to, out);
    for (size_t m = 0; m < to->metric_count; m++)
        count += moved_metric(to, qb_baseline_metric_of(from, to->metrics[m].name), &to->metrics[m], out);
    for (size_t m = 0; m < from->metric_count; m++)
        if (!qb_baseline_metric_of(to, from->metrics[m].name))
            count += moved_metric(from, &from->metrics[m], NULL, out);
    return count;
}

size_t qb_baseline_moved(const struct qb_baseline *from, const struct qb_baseline *to, struct qb_text *out)
{
    size_t count = 0;
    for (size_t f = 0, t = 0; f < from->count || t < to->count;) {
        const struct qb_baseline_cell *a = f < from->count ? &from->cells[f] : NULL;
        const struct qb_baseline_cell *b = t < to->count ? &to->cells[t] : NULL;
        int order = !a ? 1 : !b ? -1 : qb_baseline_order(a, b);
        f += order <= 0;
        t += order >= 0;
        if (order == 0) {
            count += moved_cell(a, b, out);
        } else {
            line(order < 0 ? a : b, NULL, order < 0 ? "gone" : "new", out);
            count++;
        }
    }
    return count;
}
