/* HTML: the tables of values, each followed by the list of where its numbers come from. */
#include "html_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/text_format.h"
#include "escape.h"

void qb_html_badge(struct qb_text *out, const char *kind, const char *title)
{
    qb_text_add(out, " <span class=\"badge %s\"", kind);
    if (*title) {
        qb_text_add(out, " title=\"");
        qb_escape_html(out, title);
        qb_text_add(out, "\"");
    }
    qb_text_add(out, ">%s</span>", kind);
}

/* "model / experiment" of a table, escaped, and the name that its section's id has. */
static void table_id(struct qb_text *out, const struct qb_report_table *table)
{
    qb_text_add(out, "table.");
    qb_anchor(out, table->model, "all", table->experiment, NULL);
}

static void badges(struct qb_text *out, const struct qb_value *value)
{
    const uint32_t quiet = QB_FLAG_NO_INTERVAL; /* no brackets say it already; the reason is in the list */
    for (const struct qb_flag_meaning *m = qb_flag_meanings(); m->name; m++)
        if (value->flags & m->flag & ~quiet)
            qb_html_badge(out, m->name, *value->note ? value->note : m->means);
}

/* Next to an interval that falls short of its 95%. */
static void coverage_badge(struct qb_text *out, const struct qb_value *value)
{
    if (value->covers > 0)
        qb_text_add(out,
                    " <span class=\"badge coverage\" title=\"such intervals cover %.1f%% in simulation\">covers "
                    "%.1f%%</span>",
                    value->covers, value->covers);
}

/* ---- header ---- */

static void column_header(const struct qb_report_column *column, struct qb_text *out)
{
    enum qb_direction direction = column->metric ? column->metric->direction : QB_NEUTRAL;
    qb_text_add(out, "<th scope=\"col\"%s title=\"", column->headline ? "" : " class=\"more\"");
    if (column->metric)
        qb_escape_html(out, column->metric->description);
    qb_text_add(out, "\">");
    qb_escape_html(out, column->name);
    qb_text_add(out, "<small>");
    qb_escape_html(out, qb_column_unit(column));
    if (direction != QB_NEUTRAL)
        qb_text_add(out, " %s", direction == QB_HIGHER_IS_BETTER ? "&uarr; better" : "&darr; better");
    qb_text_add(out, "</small>");
    if (column->same_n) {
        qb_text_add(out, "<small class=\"how\">n %llu", (unsigned long long)column->shared_n);
        if (column->same_note && *column->usual_note && strlen(column->usual_note) < 48) {
            qb_text_add(out, "; ");
            qb_escape_html(out, column->usual_note);
        }
        qb_text_add(out, "</small>");
    }
    qb_text_add(out, "</th>");
}

/* ---- rows ---- */

static void anchor_of(struct qb_text *out, const struct qb_cell *cell, const char *metric)
{
    qb_anchor(out, cell->model, cell->variant, cell->experiment, metric);
}

/* Sorting goes by the number shown; the list under the table has every digit. </td> is left out, as HTML allows. */
static void value_cell(const struct qb_cell *cell, const struct qb_report_column *column, const struct qb_value *value,
                       struct qb_text *out)
{
    bool empty = qb_value_void(value), interval = isfinite(value->lo) && isfinite(value->hi);
    bool missing = !qb_value_there(value->flags);
    qb_text_add(out, "<td id=\"");
    anchor_of(out, cell, column->name);
    qb_text_add(out, "\"");
    if (empty || !column->headline)
        qb_text_add(out, " class=\"%s\"", column->headline ? "void" : empty ? "more void" : "more");
    qb_text_add(out, "><a href=\"#from.");
    anchor_of(out, cell, column->name);
    qb_text_add(out, "\">%s", empty && !missing ? "(" : "");
    if (missing)
        qb_text_add(out, "%s", qb_missing_word(value->flags, "&ndash;"));
    else
        qb_value_html(out, column->format, value->value);
    qb_text_add(out, "%s</a>", empty && !missing ? ")" : "");
    if (interval) {
        qb_text_add(out, "<span class=\"ci\">[");
        qb_value_html(out, column->format, value->lo);
        qb_text_add(out, ", ");
        qb_value_html(out, column->format, value->hi);
        qb_text_add(out, "]</span>");
        coverage_badge(out, value);
    }
    if (!missing)
        badges(out, value);
}

static void row_header(const struct qb_report *report, const struct qb_report_table *table, size_t r,
                       struct qb_text *out)
{
    const struct qb_cell *cell = qb_report_cell(report, table, r);
    struct qb_text otherwise = {0};
    const char *floor = qb_floor_says(cell->floor);
    qb_text_add(out, "<tr%s><th scope=\"row\" class=\"text\" id=\"", floor ? " class=\"floor\"" : "");
    anchor_of(out, cell, NULL);
    qb_text_add(out, "\">");
    qb_escape_html(out, cell->variant);
    if (floor)
        qb_html_badge(out, "floor", floor);
    if (qb_report_encodes_otherwise(report, table, r, &otherwise) && otherwise.data)
        qb_html_badge(out, "encoded", otherwise.data);
    qb_text_free(&otherwise);
    if (cell->state == QB_CELL_FAILED)
        qb_html_badge(out, "failed", cell->message);
    qb_text_add(out, "</th>");
}

static void table_rows(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out)
{
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_cell *cell = qb_report_cell(report, table, r);
        row_header(report, table, r, out);
        for (size_t c = 0; c < table->column_count; c++) {
            size_t at;
            const struct qb_value *value = qb_report_value(report, table, r, c, &at);
            if (value)
                value_cell(cell, &table->columns[c], value, out);
            else
                qb_text_add(out, "<td%s>&ndash;</td>", table->columns[c].headline ? "" : " class=\"more\"");
        }
        qb_text_add(out, "</tr>\n");
    }
}

/* ---- where the numbers come from ---- */

/* Thousands of rows: what all of them share stands in the header, and end tags that HTML does without are left out. */
static void source_row(const struct qb_cell *cell, const struct qb_value *value, size_t summary_row,
                       struct qb_text *out)
{
    qb_text_add(out, "<tr id=\"from.");
    anchor_of(out, cell, value->metric);
    qb_text_add(out, "\"><td><a href=\"#");
    anchor_of(out, cell, value->metric);
    qb_text_add(out, "\">");
    qb_escape_html(out, cell->variant);
    qb_text_add(out, " ");
    qb_escape_html(out, value->metric);
    qb_text_add(out, "</a><td>");
    qb_csv_number(out, value->value, qb_value_there(value->flags));
    qb_text_add(out, "<td>%llu<td>", (unsigned long long)value->n);
    qb_escape_html(out, value->note);
    qb_text_add(out, "<td>%s<td>%zu\n", qb_metric_sources(cell->experiment, value->metric), summary_row);
}

static void sources(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out)
{
    qb_text_add(out,
                "<details><summary>Where these numbers come from: datasets, n, method</summary>\n"
                "<div class=\"scroll\"><table class=\"sorts sources\"><thead><tr><th class=\"text\">variant, metric"
                "</th><th>value</th><th>n</th><th class=\"text\">how</th><th class=\"text\">datasets below <code>"
                "/cells/");
    qb_escape_html(out, table->model);
    qb_text_add(out, "/VARIANT/");
    qb_escape_html(out, table->experiment);
    qb_text_add(out, "/</code> (none named: all)</th><th>row of <code>/summary</code></th></tr></thead><tbody>\n");
    for (size_t r = 0; r < table->row_count; r++)
        for (size_t c = 0; c < table->column_count; c++) {
            size_t at;
            const struct qb_value *value = qb_report_value(report, table, r, c, &at);
            if (value)
                source_row(qb_report_cell(report, table, r), value, at, out);
        }
    qb_text_add(out, "</tbody></table></div></details>\n");
}

static void one_table(const struct qb_report *report, const struct qb_report_table *table, size_t index,
                      struct qb_text *out)
{
    size_t more = 0;
    for (size_t c = 0; c < table->column_count; c++)
        more += !table->columns[c].headline;
    qb_text_add(out, "<section class=\"sheet\" id=\"");
    table_id(out, table);
    qb_text_add(out, "\">\n<h3>");
    qb_escape_html(out, table->model);
    qb_text_add(out, " &middot; ");
    qb_escape_html(out, table->experiment);
    qb_text_add(out, "</h3>\n");
    if (more)
        qb_text_add(
            out,
            "<label class=\"pick\" for=\"all%zu\"><input type=\"checkbox\" class=\"all\" id=\"all%zu\"> all %zu "
            "metrics</label>\n",
            index, index, table->column_count);
    qb_text_add(out, "<div class=\"scroll\"><table class=\"values sorts\"><thead><tr><th scope=\"col\" class=\"text\">"
                     "variant</th>");
    for (size_t c = 0; c < table->column_count; c++)
        column_header(&table->columns[c], out);
    qb_text_add(out, "</tr></thead><tbody>\n");
    table_rows(report, table, out);
    qb_text_add(out, "</tbody></table></div>\n");
    sources(report, table, out);
    qb_text_add(out, "</section>\n");
}

/* A line a model with links to its tables. */
static void contents(const struct qb_report *report, struct qb_text *out)
{
    const char *model = NULL;
    qb_text_add(out, "<dl>");
    for (size_t t = 0; t < report->table_count; t++) {
        const struct qb_report_table *table = &report->tables[t];
        if (!model || strcmp(model, table->model) != 0) {
            qb_text_add(out, "%s<dt>", model ? "</dd>\n" : "");
            qb_escape_html(out, model = table->model);
            qb_text_add(out, "</dt><dd>");
        }
        qb_text_add(out, "<a href=\"#");
        table_id(out, table);
        qb_text_add(out, "\">");
        qb_escape_html(out, table->experiment);
        qb_text_add(out, "</a> ");
    }
    qb_text_add(out, "%s</dl>\n", model ? "</dd>" : "");
}

void qb_html_tables(const struct qb_report *report, struct qb_text *out)
{
    qb_text_add(out,
                "<h2 id=\"results\">Results</h2>\n<p>Value and 95%% interval; a number in grey parentheses is void "
                "(degenerate or not finite). Click a number for its datasets, n and method.</p>\n");
    contents(report, out);
    for (size_t t = 0; t < report->table_count; t++)
        one_table(report, &report->tables[t], t, out);
}

/* ---- comparisons ---- */

static void number_cell(struct qb_text *out, double x, const char *format)
{
    if (!isfinite(x)) {
        qb_text_add(out, "<td>&ndash;</td>");
        return;
    }
    qb_text_add(out, "<td data-v=\"%.17g\">", x);
    qb_text_add(out, strcmp(format, "p") == 0 ? "%.2g" : "%.3g", x);
    qb_text_add(out, "</td>");
}

static void comparison_row(const struct qb_comparison *c, struct qb_text *out)
{
    bool worse = c->lower_is_better ? c->value > 0 : c->value < 0;
    const char *const names[] = {c->model, c->variant, c->floor, c->metric};
    qb_text_add(out, "<tr>");
    for (size_t i = 0; i < 4; i++) {
        qb_text_add(out, "<td class=\"text\">");
        qb_escape_html(out, names[i]);
        qb_text_add(out, "</td>");
    }
    number_cell(out, c->value, "x");
    qb_text_add(out, "<td>");
    if (isfinite(c->lo) && isfinite(c->hi))
        qb_text_add(out, "[%.3g, %.3g]", c->lo, c->hi);
    qb_text_add(out, "</td><td class=\"text\">");
    qb_escape_html(out, c->unit);
    qb_text_add(out, "</td>");
    number_cell(out, c->p, "p");
    number_cell(out, c->adjusted, "p");
    qb_text_add(out, "<td class=\"text\">%s</td><td>%zu ",
                !(c->adjusted <= 0.05) ? "no difference shown"
                : worse                ? "worse than the floor"
                                       : "better than the floor",
                c->clusters);
    qb_escape_html(out, c->cluster_unit);
    qb_text_add(out, "</td></tr>\n");
}

void qb_html_comparisons(const struct qb_report *report, struct qb_text *out)
{
    if (!report->comparison_count)
        return;
    qb_text_add(out, "<h2 id=\"floor\">Against the floor, paired</h2>\n<p>Difference variant minus floor on the same "
                     "clusters of positions (chunks or prompts), with its 95%% interval. p is two-sided, of no "
                     "difference; the adjusted one (Holm) holds for all rows together.</p>\n"
                     "<div class=\"scroll\"><table class=\"sorts\"><thead><tr><th class=\"text\">model</th>"
                     "<th class=\"text\">variant</th><th class=\"text\">floor</th><th class=\"text\">metric</th>"
                     "<th>difference</th><th>95%% interval</th><th class=\"text\">unit</th><th>p</th>"
                     "<th>p adjusted</th><th class=\"text\">reading</th><th>over</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < report->comparison_count; i++)
        if (!report->comparisons[i].why)
            comparison_row(&report->comparisons[i], out);
    qb_text_add(out, "</tbody></table></div>\n");
    struct qb_text left_out = {0};
    qb_left_uncompared(report, &left_out);
    if (left_out.size) {
        qb_text_add(out, "<p class=\"small\">Not compared: ");
        qb_escape_html(out, left_out.data);
        qb_text_add(out, ".</p>\n");
    }
    out->failed = out->failed || left_out.failed;
    qb_text_free(&left_out);
}
