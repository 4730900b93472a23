/* Markdown (GitHub-flavoured): the report as one page, figures as pictures beside it. */
#include "report_content.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "escape.h"

static const char *fact(const struct qb_report *report, const char *name)
{
    const char *value = qb_provenance_get(qb_result_provenance(report->result), name);
    return value ? value : "";
}

static void title(const struct qb_report *report, struct qb_text *out)
{
    qb_text_add(out, "# Suite ");
    qb_escape_markdown(out, fact(report, "suite_name"));
    qb_text_add(out, "\n\nValue \\[95%% interval\\]. A value in ~~strikethrough~~ is void: degenerate or not finite. "
                     "*Floors* are yardsticks on the same model, no formats under test. Every value has the anchor "
                     "`model.variant.experiment.metric`; under each table stand its datasets, and `tables/*.csv` has "
                     "full precision, n, method and the row of `/summary`.\n\n");
    qb_text_add(out, "## Before reading the numbers\n\n");
    for (size_t i = 0; i < report->remark_count; i++) {
        if (strcmp(report->remarks[i].kind, "skipped") == 0)
            continue;
        qb_text_add(out, "- **%s**: ", report->remarks[i].kind);
        qb_escape_markdown(out, report->remarks[i].text.data ? report->remarks[i].text.data : "");
        qb_text_add(out, "\n");
    }
    if (!report->remark_count)
        qb_text_add(out, "No value is flagged and no cell failed.\n");
    qb_text_add(out, "\n");
}

/* ---- tables ---- */

static void value_cell(const struct qb_cell *cell, const struct qb_report_column *column, const struct qb_value *value,
                       struct qb_text *out)
{
    bool empty = qb_value_void(value) && qb_value_there(value->flags);
    qb_text_add(out, " <a id=\"");
    qb_anchor(out, cell->model, cell->variant, cell->experiment, column->name);
    qb_text_add(out, "\"></a>%s", empty ? "~~" : "");
    if (qb_value_there(value->flags))
        qb_value_plain(out, column->format, value->value);
    else
        qb_text_add(out, "%s", qb_missing_word(value->flags, "\u2013"));
    if (isfinite(value->lo) && isfinite(value->hi)) {
        qb_text_add(out, " \\[");
        qb_value_plain(out, column->format, value->lo);
        qb_text_add(out, ", ");
        qb_value_plain(out, column->format, value->hi);
        qb_text_add(out, "\\]");
        if (value->covers > 0)
            qb_text_add(out, " *covers %.1f%%*", value->covers);
    }
    qb_text_add(out, "%s", empty ? "~~" : "");
    for (const struct qb_flag_meaning *m = qb_flag_meanings(); m->name; m++)
        if (value->flags & m->flag & ~(uint32_t)QB_FLAG_NO_INTERVAL)
            qb_text_add(out, " *%s*", m->name);
    qb_text_add(out, " |");
}

static void table_row(const struct qb_report *report, const struct qb_report_table *table, size_t r,
                      struct qb_text *out)
{
    const struct qb_cell *cell = qb_report_cell(report, table, r);
    const char *mark = qb_floor_says(cell->floor) ? "*" : "";
    qb_text_add(out, "| %s", mark);
    qb_escape_markdown(out, cell->variant);
    qb_text_add(out, "%s%s%s |", mark, qb_report_encodes_otherwise(report, table, r, NULL) ? " \xe2\x80\xa0" : "",
                cell->state == QB_CELL_FAILED ? " **failed**" : "");
    for (size_t c = 0; c < table->column_count; c++) {
        size_t at;
        const struct qb_value *value = qb_report_value(report, table, r, c, &at);
        if (!table->columns[c].headline)
            continue;
        if (value && !(value->flags & (QB_FLAG_FAILED | QB_FLAG_SKIPPED)))
            value_cell(cell, &table->columns[c], value, out);
        else
            qb_text_add(out, " - |");
    }
    qb_text_add(out, "\n");
}

/* "kl_mean from kl, chunk; ..." */
static void sources(const struct qb_report_table *table, struct qb_text *out)
{
    size_t listed = 0;
    qb_text_add(out, "Datasets, below `/cells/%s/VARIANT/%s/`: ", table->model, table->experiment);
    for (size_t c = 0; c < table->column_count; c++) {
        if (!table->columns[c].headline)
            continue;
        const char *arrays = qb_metric_sources(table->experiment, table->columns[c].name);
        qb_text_add(out, "%s", listed++ ? "; " : "");
        qb_escape_markdown(out, table->columns[c].name);
        qb_text_add(out, " from `%s`", *arrays ? arrays : "all");
    }
    qb_text_add(out, ". All %zu metrics: [tables/%s.csv](tables/%s.csv).\n\n", table->column_count, table->file,
                table->file);
}

static void encoded_note(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out)
{
    struct qb_text note = {0};
    qb_report_encoded_note(report, table, &note);
    if (note.size) {
        qb_text_add(out, "\xe2\x80\xa0 ");
        qb_escape_markdown(out, note.data);
        qb_text_add(out, ".\n\n");
    }
    out->failed = out->failed || note.failed;
    qb_text_free(&note);
}

static void one_table(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out)
{
    qb_text_add(out, "### ");
    qb_escape_markdown(out, table->model);
    qb_text_add(out, ", ");
    qb_escape_markdown(out, table->experiment);
    qb_text_add(out, "\n\n| variant |");
    for (size_t c = 0; c < table->column_count; c++) {
        const struct qb_report_column *column = &table->columns[c];
        if (!column->headline)
            continue;
        qb_text_add(out, " ");
        qb_escape_markdown(out, column->name);
        if (*qb_column_unit(column)) {
            qb_text_add(out, ", ");
            qb_escape_markdown(out, column->unit);
        }
        if (column->same_n)
            qb_text_add(out, "<br>n %llu", (unsigned long long)column->shared_n);
        qb_text_add(out, " |");
    }
    qb_text_add(out, "\n|---|");
    for (size_t c = 0; c < table->column_count; c++)
        qb_text_add(out, "%s", table->columns[c].headline ? "---:|" : "");
    qb_text_add(out, "\n");
    for (size_t r = 0; r < table->row_count; r++)
        table_row(report, table, r, out);
    qb_text_add(out, "\n");
    encoded_note(report, table, out);
    sources(table, out);
}

/* ---- where the loss comes from ---- */

static void attribution_row(const struct qb_attribution *a, const struct qb_attribution_row *row, struct qb_text *out)
{
    const char *mark = row->kind == QB_ATTRIBUTION_SUM ? "**" : "";
    qb_text_add(out, "| ");
    qb_escape_markdown(out, row->label);
    qb_text_add(out, " | ");
    qb_escape_markdown(out, row->metric ? row->metric : "");
    qb_text_add(out, " | %s", mark);
    qb_value_plain(out, qb_attribution_format(a, row->value), row->value);
    qb_text_add(out, "%s | ", mark);
    if (isfinite(row->lo) && isfinite(row->hi)) {
        qb_text_add(out, "\\[");
        qb_value_plain(out, qb_attribution_format(a, row->lo), row->lo);
        qb_text_add(out, ", ");
        qb_value_plain(out, qb_attribution_format(a, row->hi), row->hi);
        qb_text_add(out, "\\]");
    }
    qb_text_add(out, " |\n");
}

static void attributions(const struct qb_report *report, struct qb_text *out)
{
    if (!report->attribution_count)
        return;
    qb_text_add(out, "## Where the loss comes from\n\n");
    qb_escape_markdown(out, qb_attribution_meaning());
    qb_text_add(out, "\n\n");
    for (size_t i = 0; i < report->attribution_count; i++) {
        const struct qb_attribution *a = &report->attributions[i];
        qb_text_add(out, "### ");
        qb_escape_markdown(out, a->model);
        qb_text_add(out, ", parts of the loss\n\n");
        qb_escape_markdown(out, a->sentence.data ? a->sentence.data : "");
        qb_text_add(out, "\n\n| part | metric | nat | 95%% interval |\n|---|---|---:|---|\n");
        for (size_t r = 0; r < a->row_count; r++)
            attribution_row(a, &a->rows[r], out);
        if (*a->zeros) {
            qb_text_add(out, "\nExactly 0 at every position: ");
            qb_escape_markdown(out, a->zeros);
            qb_text_add(out, ".\n");
        }
        qb_text_add(out, "\n");
    }
}

/* ---- comparisons, figures, what was run ---- */

static void comparisons(const struct qb_report *report, struct qb_text *out)
{
    if (!report->comparison_count)
        return;
    qb_text_add(out,
                "## Against the floor, paired\n\nDifference variant minus floor on the same clusters, 95%% interval, "
                "two-sided p of no difference and the same adjusted by Holm over all rows.\n\n"
                "| model | variant | floor | metric | difference | p | p adjusted | |\n"
                "|---|---|---|---|---:|---:|---:|---|\n");
    for (size_t i = 0; i < report->comparison_count; i++) {
        const struct qb_comparison *c = &report->comparisons[i];
        const char *const names[] = {c->model, c->variant, c->floor, c->metric};
        if (c->why)
            continue;
        for (size_t k = 0; k < 4; k++) {
            qb_text_add(out, "| ");
            qb_escape_markdown(out, names[k]);
            qb_text_add(out, " ");
        }
        qb_text_add(out, "| %.3g", c->value);
        if (isfinite(c->lo) && isfinite(c->hi))
            qb_text_add(out, " \\[%.3g, %.3g\\]", c->lo, c->hi);
        qb_text_add(out, " ");
        qb_escape_markdown(out, c->unit);
        qb_text_add(out, " | %.2g | %.2g | %zu %s |\n", c->p, c->adjusted, c->clusters, c->cluster_unit);
    }
    struct qb_text left_out = {0};
    qb_left_uncompared(report, &left_out);
    if (left_out.size) {
        qb_text_add(out, "\nNot compared: ");
        qb_escape_markdown(out, left_out.data);
        qb_text_add(out, ".\n");
    }
    out->failed = out->failed || left_out.failed;
    qb_text_free(&left_out);
    qb_text_add(out, "\n");
}

static void figures(const struct qb_report *report, struct qb_text *out)
{
    if (report->figures.count || report->figure_trouble)
        qb_text_add(out, "## Figures\n\n");
    if (report->figure_trouble) {
        qb_text_add(out, "Not all figures were drawn: ");
        qb_escape_markdown(out, report->figure_trouble);
        qb_text_add(out, "\n\n");
    }
    for (size_t i = 0; i < report->figures.count; i++) {
        const struct qb_drawn_figure *f = &report->figures.items[i];
        qb_text_add(out, "### ");
        qb_escape_markdown(out, f->title);
        qb_text_add(out, "\n\n![");
        qb_escape_markdown(out, f->title);
        qb_text_add(out, "](figures/%s.svg)\n\n", f->name);
        qb_escape_markdown(out, f->caption);
        qb_text_add(out, "\n\n");
    }
    for (size_t i = 0; i < report->figures.left_out_count; i++) {
        qb_text_add(out, "- `%s` left out: ", report->figures.left_out[i].name);
        qb_escape_markdown(out, report->figures.left_out[i].why);
        qb_text_add(out, "\n");
    }
    qb_text_add(out, "\n");
}

static void what_was_run(const struct qb_report *report, struct qb_text *out)
{
    const struct qb_provenance *p = qb_result_provenance(report->result);
    qb_text_add(out, "## What was run\n\n| fact | value |\n|---|---|\n");
    for (size_t i = 0; i < p->count; i++) {
        const char *name = p->pairs[i].name;
        if (strcmp(name, "suite") == 0 || strncmp(name, "variant.", 8) == 0 || strncmp(name, "codecs.", 7) == 0)
            continue;
        qb_text_add(out, "| ");
        qb_escape_markdown(out, name);
        qb_text_add(out, " | ");
        qb_escape_markdown(out, p->pairs[i].value);
        qb_text_add(out, " |\n");
    }
}

enum qb_status qb_write_markdown(const struct qb_report *report, const char *folder, struct qb_text *said,
                                 struct qb_error *err)
{
    struct qb_text out = {0}, ledger = {0};
    title(report, &out);
    qb_text_add(&out, "## Results\n\n");
    for (size_t t = 0; t < report->table_count; t++)
        one_table(report, &report->tables[t], &out);
    attributions(report, &out);
    comparisons(report, &out);
    figures(report, &out);
    what_was_run(report, &out);
    if (report->ledger) {
        qb_ledger_print(report->ledger, QB_LEDGER_MARKDOWN, &ledger);
        qb_text_add(&out, "\n");
        qb_text_bytes(&out, ledger.data, ledger.size);
    }
    out.failed = out.failed || ledger.failed;
    if (!qb_report_save(folder, "report.md", &out, err))
        qb_text_add(said, "Markdown     %s/report.md\n", folder);
    qb_text_free(&out);
    qb_text_free(&ledger);
    return err->status;
}
