/* A gate as JUnit XML and as Markdown. */
#include <math.h>
#include <string.h>
#include "base/escape.h"
#include "gate/gate.h"

static void number(struct qb_text *out, double value, bool there)
{
    if (!there)
        qb_text_add(out, "-");
    else if (isnan(value))
        qb_text_add(out, "nan");
    else
        qb_text_add(out, "%.4g", value); /* infinite: inf */
}

/* "0.001 at 99.5%"; a bound of what was not sampled has no level. */
static void bound(struct qb_text *out, double value, double level)
{
    qb_text_add(out, "%.4g", value);
    if (isfinite(level))
        qb_text_add(out, " at %.4g%%", 100 * level);
}

void qb_gate_numbers(const struct qb_gate_row *row, struct qb_text *out)
{
    if (isnan(row->worse))
        return;
    qb_text_add(out, "worse by %.4g", row->worse);
    if (isfinite(row->lo) && isfinite(row->hi)) {
        qb_text_add(out, " [");
        bound(out, row->lo, row->lo_level);
        qb_text_add(out, ", ");
        bound(out, row->hi, row->hi_level);
        qb_text_add(out, "]");
    }
    qb_text_add(out, " %s", row->worse_unit);
    if (isfinite(row->margin))
        qb_text_add(out, ", margin %.4g", row->margin);
    if (isfinite(row->detectable))
        qb_text_add(out, ", finds %.4g", row->detectable);
}

void qb_gate_summary(const struct qb_gate *gate, struct qb_text *out)
{
    for (int v = 0; v < QB_GATE_VERDICTS; v++)
        qb_text_add(out, "%s%zu %s", v ? ", " : "", gate->verdicts[v], qb_gate_verdict_name((enum qb_gate_verdict)v));
}

/* ---- JUnit ---- */

static bool same_suite(const struct qb_gate_row *a, const struct qb_gate_row *b)
{
    return strcmp(a->model, b->model) == 0 && strcmp(a->experiment, b->experiment) == 0;
}

/* "reason; worse by ..." */
static void message(const struct qb_gate_row *row, struct qb_text *out)
{
    qb_text_add(out, "%s", row->reason);
    if (!isnan(row->worse))
        qb_text_add(out, "; ");
    qb_gate_numbers(row, out);
}

static void attribute(struct qb_text *out, const char *name, const char *value)
{
    qb_text_add(out, " %s=\"", name);
    qb_escape_html(out, value);
    qb_text_add(out, "\"");
}

static void testcase(const struct qb_gate_row *row, struct qb_text *out)
{
    struct qb_text class = {0}, name = {0}, said = {0};
    qb_text_add(&class, "%s.%s", row->model, row->experiment);
    qb_text_add(&name, "%s %s", row->variant, row->metric);
    message(row, &said);
    qb_text_add(out, "    <testcase");
    attribute(out, "classname", class.data ? class.data : "");
    attribute(out, "name", name.data ? name.data : "");
    qb_text_add(out, " time=\"0\">");
    bool skipped = row->verdict == QB_GATE_INCONCLUSIVE || row->verdict == QB_GATE_UNMATCHED;
    const char *tag = row->verdict == QB_GATE_FAIL ? "failure" : skipped ? "skipped" : "system-out";
    if (row->verdict == QB_GATE_FAIL || skipped) {
        qb_text_add(out, "<%s", tag);
        attribute(out, "message", said.data ? said.data : "");
        qb_text_add(out, "/>");
    } else {
        qb_text_add(out, "<%s>%s: ", tag, qb_gate_verdict_name(row->verdict));
        qb_escape_html(out, said.data ? said.data : "");
        qb_text_add(out, "</%s>", tag);
    }
    qb_text_add(out, "</testcase>\n");
    out->failed = out->failed || class.failed || name.failed || said.failed;
    qb_text_free(&class);
    qb_text_free(&name);
    qb_text_free(&said);
}

static void testsuite(const struct qb_gate_row *rows, size_t count, struct qb_text *out)
{
    struct qb_text name = {0};
    size_t verdicts[QB_GATE_VERDICTS] = {0};
    for (size_t i = 0; i < count; i++)
        verdicts[rows[i].verdict]++;
    qb_text_add(&name, "%s/%s", rows[0].model, rows[0].experiment);
    qb_text_add(out, "  <testsuite");
    attribute(out, "name", name.data ? name.data : "");
    qb_text_add(out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"0\">\n", count,
                verdicts[QB_GATE_FAIL], verdicts[QB_GATE_INCONCLUSIVE] + verdicts[QB_GATE_UNMATCHED]);
    for (size_t i = 0; i < count; i++)
        testcase(&rows[i], out);
    qb_text_add(out, "  </testsuite>\n");
    qb_text_free(&name);
}

void qb_gate_junit(const struct qb_gate *gate, struct qb_text *out)
{
    qb_text_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    qb_text_add(out,
                "<testsuites name=\"qinsbench gate\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\">\n",
                gate->count, gate->verdicts[QB_GATE_FAIL],
                gate->verdicts[QB_GATE_INCONCLUSIVE] + gate->verdicts[QB_GATE_UNMATCHED]);
    for (size_t i = 0; i < gate->count;) {
        size_t end = i + 1;
        while (end < gate->count && same_suite(&gate->rows[i], &gate->rows[end]))
            end++;
        testsuite(&gate->rows[i], end - i, out);
        i = end;
    }
    qb_text_add(out, "</testsuites>\n");
}

/* ---- Markdown ---- */

static void markdown_row(const struct qb_gate_row *row, struct qb_text *out)
{
    const char *cells[] = {qb_gate_verdict_name(row->verdict), row->model, row->variant, row->experiment, row->metric};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        qb_text_add(out, "| ");
        qb_escape_markdown(out, cells[i]);
        qb_text_add(out, " ");
    }
    double numbers[] = {row->baseline, row->value, row->worse};
    const bool there[] = {row->has_baseline, row->has_value, !isnan(row->worse)};
    for (size_t i = 0; i < 3; i++) {
        qb_text_add(out, "| ");
        number(out, numbers[i], there[i]);
        qb_text_add(out, " ");
    }
    qb_text_add(out, "| ");
    if (isfinite(row->lo) && isfinite(row->hi)) {
        bound(out, row->lo, row->lo_level);
        qb_text_add(out, " to ");
        bound(out, row->hi, row->hi_level);
    } else {
        qb_text_add(out, "-");
    }
    qb_text_add(out, " | ");
    number(out, row->margin, !isnan(row->margin));
    qb_text_add(out, " | ");
    number(out, row->detectable, !isnan(row->detectable));
    qb_text_add(out, " | ");
    qb_escape_markdown(out, row->worse_unit);
    qb_text_add(out, " | ");
    qb_escape_markdown(out, row->reason);
    qb_text_add(out, " |\n");
}

static void markdown_table(const struct qb_gate *gate, bool passed, struct qb_text *out)
{
    qb_text_add(out,
                "| verdict | model | variant | experiment | metric | baseline | now | worse by | bounds, one-sided | "
                "margin | finds at 80%% | unit | why |\n"
                "|---|---|---|---|---|--:|--:|--:|--:|--:|--:|---|---|\n");
    static const enum qb_gate_verdict order[] = {QB_GATE_FAIL, QB_GATE_INCONCLUSIVE, QB_GATE_NEW, QB_GATE_UNMATCHED,
                                                 QB_GATE_PASS};
    for (size_t v = passed ? 4 : 0; v < (passed ? 5u : 4u); v++)
        for (size_t i = 0; i < gate->count; i++)
            if (gate->rows[i].verdict == order[v])
                markdown_row(&gate->rows[i], out);
}

void qb_gate_markdown_report(const struct qb_gate *gate, struct qb_text *out)
{
    size_t passed = 0; /* of the rows, which may be some of the gate's */
    for (size_t i = 0; i < gate->count; i++)
        passed += gate->rows[i].verdict == QB_GATE_PASS;
    const bool open = gate->count > passed;
    qb_text_add(out, "**Gate: ");
    qb_gate_summary(gate, out);
    qb_text_add(out, "** (error rate %g over %zu tests)\n\n", gate->alpha, gate->family);
    if (gate->compared == 0)
        qb_text_add(out,
                    "**Nothing was compared: no metric that a rule names is on both sides. This is no pass.**\n\n");
    if (open)
        markdown_table(gate, false, out);
    if (passed) {
        qb_text_add(out, "%s<details><summary>%zu passed</summary>\n\n", open ? "\n" : "", passed);
        markdown_table(gate, true, out);
        qb_text_add(out, "\n</details>\n");
    }
}
