/* LaTeX: the values by anchor, and an example document that shows every table and figure. */
#include "latex_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "escape.h"

/* \qbvalue{anchor} prints a number of the run: a text that cites it so cannot drift from the result. */
static enum qb_status write_values(const struct qb_report *report, const char *folder, struct qb_error *err)
{
    struct qb_text out = {0};
    qb_text_add(&out, "%% \\qbvalue{model.variant.experiment.metric} prints that value (needs siunitx).\n"
                      "\\providecommand{\\qbvalue}[1]{\\ifcsname qb@#1\\endcsname\\csname qb@#1\\endcsname\\else"
                      "\\errmessage{qinsbench: no value #1}\\fi}\n");
    for (size_t t = 0; t < report->table_count; t++) {
        const struct qb_report_table *table = &report->tables[t];
        for (size_t r = 0; r < table->row_count; r++)
            for (size_t c = 0; c < table->column_count; c++) {
                size_t at;
                const struct qb_cell *cell = qb_report_cell(report, table, r);
                const struct qb_value *value = qb_report_value(report, table, r, c, &at);
                if (!value || !qb_value_there(value->flags) || isnan(value->value))
                    continue;
                const bool infinite = isinf(value->value);
                qb_text_add(&out, "\\expandafter\\def\\csname qb@");
                qb_anchor(&out, cell->model, cell->variant, cell->experiment, value->metric);
                qb_text_add(&out, "\\endcsname{%s", qb_value_void(value) ? "(" : "");
                if (infinite)
                    qb_text_add(&out, "\\ensuremath{%s\\infty}", value->value < 0 ? "-" : "");
                else
                    qb_text_add(&out, "\\num{");
                if (!infinite)
                    qb_value_plain(&out, table->columns[c].format, value->value);
                qb_text_add(&out, "%s%s}%%\n", infinite ? "" : "}", qb_value_void(value) ? ")" : "");
            }
    }
    qb_report_save(folder, "values.tex", &out, err);
    qb_text_free(&out);
    return err->status;
}

static void introduction(const struct qb_report *report, struct qb_text *out)
{
    const char *suite = qb_provenance_get(qb_result_provenance(report->result), "suite_name");
    const char *version = qb_provenance_get(qb_result_provenance(report->result), "program_version");
    qb_text_add(out, "\\title{Suite ");
    qb_escape_latex(out, suite ? suite : "");
    qb_text_add(out, "}\n\\author{qinsbench ");
    qb_escape_latex(out, version ? version : "");
    qb_text_add(
        out, "}\n\\date{}\n\\begin{document}\n\\maketitle\n"
             "\\noindent Every table is one \\texttt{\\textbackslash input}, as is every figure. Values carry 95\\%% "
             "intervals where they have one. A value in parentheses is void. Floors, in italics, are yardsticks "
             "on the same model: FP32 arithmetic in another order, FP16 weights, BF16 weights.\n\n"
             "\\section*{Before reading the numbers}\n");
    size_t listed = 0;
    for (size_t i = 0; i < report->remark_count; i++) {
        if (strcmp(report->remarks[i].kind, "skipped") == 0)
            continue;
        qb_text_add(out, "%s\\item \\textbf{%s}: ", listed++ ? "" : "\\begin{itemize}\\raggedright\\small\n",
                    report->remarks[i].kind);
        qb_escape_latex(out, report->remarks[i].text.data ? report->remarks[i].text.data : "");
        qb_text_add(out, "\n");
    }
    qb_text_add(out, "%s", listed ? "\\end{itemize}\n" : "No value is flagged and no cell failed.\n");
}

/* A page holds few floats, and LaTeX keeps few in mind: pages are ended in between. */
static void flush(struct qb_text *out, size_t *floats)
{
    if (++*floats % 6 == 0)
        qb_text_add(out, "\\clearpage\n");
}

static void figures(const struct qb_report *report, const char *folder, struct qb_text *out, size_t *floats)
{
    for (size_t i = 0; i < report->figures.count; i++) {
        const struct qb_drawn_figure *f = &report->figures.items[i];
        const char *environment = f->width > 3.5 ? "figure*" : "figure";
        char path[4400];
        snprintf(path, sizeof path, "%s/figures/%s.tex", folder, f->name);
        if (!qb_file_exists(path))
            continue;
        qb_text_add(out, "\\begin{%s}\n\\centering\n\\input{../figures/%s.tex}\n\\caption{", environment, f->name);
        qb_escape_latex(out, f->caption);
        qb_text_add(out, "}\n\\label{fig:%s}\n\\end{%s}\n", f->name, environment);
        flush(out, floats);
    }
}

static enum qb_status write_example(const struct qb_report *report, const char *folder, const char *tables,
                                    const struct qb_text *inputs, struct qb_error *err)
{
    struct qb_text out = {0};
    size_t floats = 0;
    qb_report_template("templates/example.tex", &out, err);
    introduction(report, &out);
    figures(report, folder, &out, &floats);
    out.failed = out.failed || inputs->failed;
    qb_text_add(&out, "\\clearpage\n%s\\end{document}\n", inputs->data ? inputs->data : "");
    if (!err->status)
        qb_report_save(tables, "example.tex", &out, err);
    qb_text_free(&out);
    return err->status;
}

enum qb_status qb_write_latex(const struct qb_report *report, const char *folder, struct qb_text *said,
                              struct qb_error *err)
{
    char tables[4200], name[256];
    struct qb_text inputs = {0};
    size_t floats = 0;
    snprintf(tables, sizeof tables, "%s/tex", folder);
    qb_file_mkdirs(tables, err);
    for (size_t t = 0; t < report->table_count && !err->status; t++) {
        struct qb_text out = {0};
        if (qb_latex_table(report, &report->tables[t], &out)) {
            snprintf(name, sizeof name, "%s.tex", report->tables[t].file);
            qb_report_save(tables, name, &out, err);
            qb_text_add(&inputs, "\\input{%s}\n", name);
            flush(&inputs, &floats);
        }
        qb_text_free(&out);
    }
    for (size_t i = 0; i < report->attribution_count && !err->status; i++) {
        struct qb_text out = {0};
        qb_latex_attribution(&report->attributions[i], &out);
        snprintf(name, sizeof name, "%.200s.attribution.tex", report->attributions[i].model);
        qb_report_save(tables, name, &out, err);
        qb_text_add(&inputs, "\\input{%s}\n", name);
        flush(&inputs, &floats);
        qb_text_free(&out);
    }
    if (!err->status && !write_values(report, tables, err) && !write_example(report, folder, tables, &inputs, err))
        qb_text_add(said, "LaTeX        %s/*.tex (example.tex shows all)\n", tables);
    qb_text_free(&inputs);
    return err->status;
}
