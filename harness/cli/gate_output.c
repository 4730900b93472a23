/* What gate, baseline and compare share: rules, filters, rows as tables. */
#include "gate_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text_format.h"
#include "base/data_path.h"
#include "base/mem.h"

enum qb_status qb_parse_share(const char *flag, const char *text, double low, double high, double *value,
                              struct qb_error *err)
{
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= low && number <= high))
        return qb_fail(err, QB_ERR_INPUT, "%s: expected a number in [%g, %g], found '%s'", flag, low, high, text);
    *value = number;
    return QB_OK;
}

enum qb_status qb_open_rules(const char *path, struct qb_gate_rules **rules, struct qb_error *err)
{
    char shipped[4096];
    if (!path && qb_data_path("gate/default.yaml", shipped, err))
        return err->status;
    return qb_gate_rules_load(path ? path : shipped, rules, err);
}

const char *qb_short_number(double value, bool there, char text[32])
{
    if (!there)
        snprintf(text, 32, "-");
    else if (!isfinite(value))
        snprintf(text, 32, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    else if (value == floor(value) && fabs(value) < 1e15)
        snprintf(text, 32, "%.0f", value);
    else
        snprintf(text, 32, "%.4g", value);
    return text;
}

/* ---- console ---- */

static void console_row(const struct qb_gate_row *row, struct qb_text *out)
{
    struct qb_text numbers = {0};
    char now[32], then[32];
    qb_text_add(out, "%-12s  %s/%s/%s/%s", qb_gate_verdict_name(row->verdict), row->model, row->variant,
                row->experiment, row->metric);
    if (row->has_value || row->has_baseline)
        qb_text_add(out, ": %s, baseline %s %s", qb_short_number(row->value, row->has_value, now),
                    qb_short_number(row->baseline, row->has_baseline, then), row->unit);
    qb_gate_numbers(row, &numbers);
    if (numbers.data)
        qb_text_add(out, "\n%14s%s", "", numbers.data);
    qb_text_add(out, "\n%14s%s\n", "", row->reason);
    qb_text_free(&numbers);
}

/* A cell that is comparable is counted, not shown. */
static bool quiet(const struct qb_gate_row *row)
{
    return row->verdict == QB_GATE_PASS && strcmp(row->metric, "cell") == 0;
}

/* comparable: cells that are. */
static void console(const struct qb_gate *gate, size_t comparable, struct qb_text *out)
{
    static const enum qb_gate_verdict order[] = {QB_GATE_FAIL, QB_GATE_INCONCLUSIVE, QB_GATE_NEW, QB_GATE_UNMATCHED,
                                                 QB_GATE_PASS};
    size_t shown = 0;
    for (size_t v = 0; v < QB_GATE_VERDICTS; v++)
        for (size_t i = 0; i < gate->count; i++) {
            const struct qb_gate_row *row = &gate->rows[i];
            if (row->verdict != order[v] || quiet(row))
                continue;
            if (row->verdict == QB_GATE_UNMATCHED)
                qb_text_add(out, "%-12s  %s experiment %s\n", "unmatched", row->reason, row->experiment);
            else
                console_row(row, out);
            shown++;
        }
    qb_text_add(out, "%s", shown ? "\n" : "");
    qb_gate_summary(gate, out);
    qb_text_add(out, "; error rate %g over %zu tests; %zu cells are comparable with the baseline's\n", gate->alpha,
                gate->family, comparable);
}

/* ---- CSV and JSON ---- */

static const struct {
    const char *name;
    size_t at; /* of a double in struct qb_gate_row */
} numbers[] = {
    {"baseline", offsetof(struct qb_gate_row, baseline)},
    {"value", offsetof(struct qb_gate_row, value)},
    {"worse", offsetof(struct qb_gate_row, worse)},
    {"lo", offsetof(struct qb_gate_row, lo)},
    {"hi", offsetof(struct qb_gate_row, hi)},
    {"lo_level", offsetof(struct qb_gate_row, lo_level)},
    {"hi_level", offsetof(struct qb_gate_row, hi_level)},
    {"margin", offsetof(struct qb_gate_row, margin)},
    {"detectable", offsetof(struct qb_gate_row, detectable)},
    {"p_worse", offsetof(struct qb_gate_row, p_worse)},
    {"p_holm", offsetof(struct qb_gate_row, p_holm)},
    {"p_not_worse", offsetof(struct qb_gate_row, p_not_worse)},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };

/* *there: the first two may be NaN themselves, the others are NaN where there is none. */
static double number_of(const struct qb_gate_row *row, size_t i, bool *there)
{
    double value;
    memcpy(&value, (const char *)row + numbers[i].at, sizeof value);
    *there = i == 0 ? row->has_baseline : i == 1 ? row->has_value : !isnan(value);
    return value;
}

static void json(const struct qb_gate *gate, struct qb_text *out)
{
    qb_text_add(out, "[");
    for (size_t i = 0; i < gate->count; i++) {
        const struct qb_gate_row *row = &gate->rows[i];
        bool there;
        const char *texts[][2] = {{"model", row->model},
                                  {"variant", row->variant},
                                  {"experiment", row->experiment},
                                  {"metric", row->metric},
                                  {"verdict", qb_gate_verdict_name(row->verdict)},
                                  {"reason", row->reason},
                                  {"unit", row->unit},
                                  {"worse_unit", row->worse_unit}};
        qb_text_add(out, "%s\n  {", i ? "," : "");
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            qb_text_add(out, "%s\"%s\": ", k ? ", " : "", texts[k][0]);
            qb_json_string(out, texts[k][1]);
        }
        for (size_t k = 0; k < NUMBERS; k++) {
            qb_text_add(out, ", \"%s\": ", numbers[k].name);
            double number = number_of(row, k, &there);
            qb_json_number(out, number, there);
        }
        qb_text_add(out, ", \"clusters\": %zu, \"paired\": %s}", row->clusters, row->paired ? "true" : "false");
    }
    qb_text_add(out, "%s]\n", gate->count ? "\n" : "");
}

static void csv(const struct qb_gate *gate, struct qb_text *out)
{
    qb_text_add(out, "model,variant,experiment,metric,verdict,reason,unit,worse_unit");
    for (size_t k = 0; k < NUMBERS; k++)
        qb_text_add(out, ",%s", numbers[k].name);
    qb_text_add(out, ",clusters,paired\r\n");
    for (size_t i = 0; i < gate->count; i++) {
        const struct qb_gate_row *row = &gate->rows[i];
        bool there;
        const char *texts[] = {
            row->model,  row->variant, row->experiment, row->metric, qb_gate_verdict_name(row->verdict),
            row->reason, row->unit,    row->worse_unit};
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            qb_text_add(out, "%s", k ? "," : "");
            qb_csv_field(out, texts[k]);
        }
        for (size_t k = 0; k < NUMBERS; k++) {
            qb_text_add(out, ",");
            double number = number_of(row, k, &there);
            qb_csv_number(out, number, there);
        }
        qb_text_add(out, ",%zu,%s\r\n", row->clusters, row->paired ? "true" : "false");
    }
}

static void print(const struct qb_gate *gate, size_t comparable, enum qb_output output, struct qb_text *out)
{
    if (output == QB_OUTPUT_JSON)
        json(gate, out);
    else if (output == QB_OUTPUT_CSV)
        csv(gate, out);
    else if (output == QB_OUTPUT_MARKDOWN)
        qb_gate_markdown_report(gate, out);
    else
        console(gate, comparable, out);
}

void qb_gate_print(const struct qb_gate *gate, enum qb_output output, bool failed, struct qb_text *out)
{
    struct qb_error err = {0};
    struct qb_gate shown = *gate; /* its rows alone are others */
    size_t comparable = 0;
    for (size_t i = 0; i < gate->count; i++)
        comparable += quiet(&gate->rows[i]);
    if (!failed) {
        print(gate, comparable, output, out);
        return;
    }
    shown.count = 0;
    shown.rows = qb_alloc(gate->count, sizeof *shown.rows, "rows of a gate", &err);
    for (size_t i = 0; shown.rows && i < gate->count; i++)
        if (gate->rows[i].verdict == QB_GATE_FAIL || gate->rows[i].verdict == QB_GATE_INCONCLUSIVE)
            shown.rows[shown.count++] = gate->rows[i];
    print(&shown, comparable, output, out);
    out->failed = out->failed || err.status;
    qb_free(shown.rows);
}
