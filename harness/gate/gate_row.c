/* Rows of a gate: made, decided, chosen. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "gate/gate_parts.h"

struct qb_gate_row *qb_gate_add_row(struct qb_gate *gate, const struct qb_baseline_cell *cell, const char *metric,
                                    struct qb_error *err)
{
    struct qb_gate_row *grown = qb_grow(gate->rows, gate->count + 1, sizeof *grown, "rows of a gate", err);
    if (!grown)
        return NULL;
    gate->rows = grown;
    struct qb_gate_row *row = &gate->rows[gate->count++];
    *row = (struct qb_gate_row){.model = cell ? cell->model : "-",
                                .variant = cell ? cell->variant : "-",
                                .experiment = cell ? cell->experiment : "-",
                                .baseline = NAN,
                                .value = NAN,
                                .worse = NAN,
                                .lo = NAN,
                                .hi = NAN,
                                .lo_level = NAN,
                                .hi_level = NAN,
                                .margin = NAN,
                                .detectable = NAN,
                                .p_worse = NAN,
                                .p_holm = NAN,
                                .p_not_worse = NAN,
                                .raw_margin = NAN};
    snprintf(row->metric, sizeof row->metric, "%s", metric);
    return row;
}

void qb_gate_decide(struct qb_gate_row *row, enum qb_gate_verdict verdict, const char *format, ...)
{
    va_list args;
    row->verdict = verdict;
    va_start(args, format);
    qb_utf8_vprint(row->reason, sizeof row->reason, format, args);
    va_end(args);
}

enum qb_direction qb_gate_direction(const struct qb_gate_rule *rule, const struct qb_baseline_metric *metric)
{
    return rule->has_direction ? rule->direction : metric->direction;
}

bool qb_gate_wants(const struct qb_gate_options *options, const struct qb_baseline_cell *cell)
{
    return qb_only_matches(&options->only, cell->model, cell->variant, cell->experiment);
}
