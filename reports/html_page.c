/* HTML: the frame of the page, what was run, remarks, and how to read it. */
#include "html_parts.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "escape.h"

static const char *fact(const struct qb_report *report, const char *name)
{
    const char *value = qb_provenance_get(qb_result_provenance(report->result), name);
    return value ? value : "";
}

/* ---- head ---- */

static enum qb_status head(const struct qb_report *report, struct qb_text *out, struct qb_error *err)
{
    qb_text_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                     "'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    qb_escape_html(out, fact(report, "suite_name"));
    qb_text_add(out, " &ndash; qinsbench report</title>\n<style>\n");
    qb_report_template("templates/report.css", out, err);
    qb_text_add(out, "</style>\n</head>\n<body>\n<div class=\"page\">\n");
    return err->status;
}

static void count_cells(const struct qb_report *report, size_t count[3])
{
    count[0] = count[1] = count[2] = 0;
    for (size_t i = 0; i < qb_result_count(report->result); i++)
        if (strcmp(qb_result_cell(report->result, i)->variant, "reference") != 0)
            count[qb_result_cell(report->result, i)->state]++;
}

static void title(const struct qb_report *report, struct qb_text *out)
{
    size_t count[3];
    count_cells(report, count);
    qb_text_add(out, "<header><div class=\"top\"><h1>Suite ");
    qb_escape_html(out, *fact(report, "suite_name") ? fact(report, "suite_name") : "(unnamed)");
    qb_text_add(out,
                "</h1><button id=\"theme\" type=\"button\" hidden>Dark</button></div>\n<p class=\"lead\">%zu cells "
                "(model, variant, experiment) measured",
                count[QB_CELL_DONE]);
    if (count[QB_CELL_FAILED])
        qb_text_add(out, ", %zu failed", count[QB_CELL_FAILED]);
    if (count[QB_CELL_SKIPPED])
        qb_text_add(out, ", %zu skipped", count[QB_CELL_SKIPPED]);
    qb_text_add(out, "; started ");
    qb_escape_html(out, fact(report, "started"));
    qb_text_add(out, "; qinsbench ");
    qb_escape_html(out, fact(report, "program_version"));
    qb_text_add(out, "</p></header>\n<nav aria-label=\"Sections\"><ul>"
                     "<li><a href=\"#remarks\">Before reading</a></li><li><a href=\"#results\">Results</a></li>");
    if (report->attribution_count)
        qb_text_add(out, "<li><a href=\"#attribution\">Where the loss comes from</a></li>");
    if (report->comparison_count)
        qb_text_add(out, "<li><a href=\"#floor\">Against the floor</a></li>");
    if (report->figures.count)
        qb_text_add(out, "<li><a href=\"#figures\">Figures</a></li>");
    if (report->ledger)
        qb_text_add(out, "<li><a href=\"#ledger\">Claims ledger</a></li>");
    qb_text_add(out,
                "<li><a href=\"#run\">What was run</a></li><li><a href=\"#reading\">How to read</a></li></ul></nav>\n");
}

/* ---- remarks ---- */

static void remarks(const struct qb_report *report, struct qb_text *out)
{
    qb_text_add(out, "<h2 id=\"remarks\">Before reading the numbers</h2>\n");
    if (!report->remark_count)
        qb_text_add(out, "<p>No value is flagged and no cell failed.</p>\n");
    else
        qb_text_add(out, "<p>What each mark means stands under <a href=\"#reading\">How to read</a>.</p>\n");
    for (size_t i = 0, open = 0; i < report->remark_count; i++) {
        const struct qb_remark *remark = &report->remarks[i];
        bool folded = strcmp(remark->kind, "skipped") == 0;
        if (!open || (folded && open == 1)) {
            qb_text_add(out, "%s%s<ul class=\"remarks\">\n", open ? "</ul>\n" : "",
                        folded ? "<details><summary>Cells that were not run</summary>\n" : "");
            open = folded ? 2 : 1;
        }
        qb_text_add(out, "<li>");
        qb_html_badge(out, remark->kind, "");
        qb_text_add(out, " ");
        qb_escape_html(out, remark->text.data ? remark->text.data : "");
        qb_text_add(out, "</li>\n");
        if (i + 1 == report->remark_count)
            qb_text_add(out, "</ul>%s\n", open == 2 ? "</details>" : "");
    }
}

/* ---- what was run ---- */

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

static void facts(const struct qb_report *report, const char *heading, bool (*wanted)(const char *),
                  struct qb_text *out)
{
    const struct qb_provenance *p = qb_result_provenance(report->result);
    size_t shown = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (!wanted(p->pairs[i].name))
            continue;
        if (!shown++)
            qb_text_add(out, "<h3>%s</h3>\n<dl>\n", heading);
        qb_text_add(out, "<dt>");
        qb_escape_html(out, p->pairs[i].name);
        qb_text_add(out, "</dt><dd>");
        qb_escape_html(out, p->pairs[i].value);
        qb_text_add(out, "</dd>\n");
    }
    qb_text_add(out, "%s", shown ? "</dl>\n" : "");
}

static bool is_model(const char *name)
{
    return begins(name, "model.");
}
static bool is_codec(const char *name)
{
    return begins(name, "codec.");
}
static bool is_variant(const char *name)
{
    return begins(name, "variant.") || begins(name, "codecs.");
}
static bool is_other(const char *name)
{
    return !is_model(name) && !is_codec(name) && !is_variant(name) && strcmp(name, "suite") != 0;
}

static void what_was_run(const struct qb_report *report, struct qb_text *out)
{
    qb_text_add(out, "<h2 id=\"run\">What was run</h2>\n<p>Result file <code>");
    const char *path = qb_result_path(report->result), *slash = strrchr(path, '/');
    qb_escape_html(out, slash ? slash + 1 : path);
    qb_text_add(out, "</code>; every number on this page is in it.</p>\n");
    facts(report, "Models", is_model, out);
    facts(report, "Codecs", is_codec, out);
    facts(report, "Program and machine", is_other, out);
    qb_text_add(out, "<details><summary>Variants as they ran</summary>\n");
    facts(report, "Variants", is_variant, out);
    qb_text_add(out, "</details>\n");
    if (*fact(report, "suite")) {
        qb_text_add(out, "<details><summary>The suite</summary>\n<pre>");
        qb_escape_html(out, fact(report, "suite"));
        qb_text_add(out, "</pre></details>\n");
    }
}

/* ---- how to read ---- */

static void how_to_read(struct qb_text *out)
{
    qb_text_add(out,
                "<h2 id=\"reading\">How to read</h2>\n<dl>\n"
                "<dt>value [lo, hi]</dt><dd>The metric and its 95%% interval over clusters (chunks of text, prompts, "
                "repeats). A value without brackets has no interval; the list under the table says why.</dd>\n"
                "<dt>(value)</dt><dd>Void: it was measured and says nothing about the format.</dd>\n");
    for (const struct qb_flag_meaning *m = qb_flag_meanings(); m->name; m++) {
        qb_text_add(out, "<dt>");
        qb_html_badge(out, m->name, "");
        qb_text_add(out, "</dt><dd>");
        qb_escape_html(out, m->means);
        qb_text_add(out, "</dd>\n");
    }
    qb_text_add(out, "<dt>");
    qb_html_badge(out, "coverage", "");
    qb_text_add(out, "</dt><dd>The interval is known, by simulation, to cover less than its 95%% at this number of "
                     "clusters; the badge says how much.</dd>\n<dt>");
    qb_html_badge(out, "encoded", "");
    qb_text_add(out,
                "</dt><dd>The variant encodes more or fewer weights of the model than most rows of its table do (the "
                "badge says how many): it differs from them in placement, not in its format alone.</dd>\n<dt>");
    qb_html_badge(out, "floor", "");
    qb_text_add(out,
                "</dt><dd>Not a format under test but a yardstick on the same model: FP32 arithmetic in another order, "
                "FP16 weights, BF16 weights. A loss under the first cannot be told from "
                "none.</dd>\n"
                "<dt>anchors</dt><dd>Each value has the anchor <code>model.variant.experiment.metric</code>, the same "
                "in this page, in Markdown, in LaTeX labels and in the column <code>anchor</code> of the CSV tables; "
                "a link with it behind <code>#</code> leads to the value, <code>#from.</code> before it to the "
                "datasets.</dd>\n</dl>\n");
}

enum qb_status qb_write_html(const struct qb_report *report, const char *folder, struct qb_text *said,
                             struct qb_error *err)
{
    struct qb_text out = {0};
    if (head(report, &out, err))
        goto out;
    title(report, &out);
    remarks(report, &out);
    qb_html_tables(report, &out);
    qb_html_attributions(report, &out);
    qb_html_comparisons(report, &out);
    if (qb_html_figures(report, folder, &out, err))
        goto out;
    qb_html_ledger(report, &out);
    what_was_run(report, &out);
    how_to_read(&out);
    qb_text_add(&out, "</div>\n<script>\n");
    qb_report_template("templates/report.js", &out, err);
    qb_text_add(&out, "</script>\n</body>\n</html>\n");
    if (!err->status && !qb_report_save(folder, "index.html", &out, err))
        qb_text_add(said, "page         %s/index.html\n", folder);
out:
    qb_text_free(&out);
    return err->status;
}
