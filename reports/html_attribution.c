/* HTML: where the loss comes from, a sentence and a table of parts for each model. */
#include "html_parts.h"

#include <math.h>
#include "escape.h"

static void number(const struct qb_attribution *a, double x, struct qb_text *out)
{
    qb_value_html(out, qb_attribution_format(a, x), x);
}

/* The value, linked to where it comes from; sums have no such place. */
static void value_cell(const struct qb_attribution *a, const struct qb_attribution_row *row, struct qb_text *out)
{
    qb_text_add(out, "<td>");
    if (row->metric) {
        qb_text_add(out, "<a class=\"number\" href=\"#from.");
        qb_anchor(out, a->model, a->variant, row->experiment, row->metric);
        qb_text_add(out, "\">");
    }
    qb_text_add(out, "%s", a->empty ? "(" : "");
    number(a, row->value, out);
    qb_text_add(out, "%s%s</td>", a->empty ? ")" : "", row->metric ? "</a>" : "");
}

static void part_row(const struct qb_attribution *a, const struct qb_attribution_row *row, struct qb_text *out)
{
    bool sums = row->kind == QB_ATTRIBUTION_SUM;
    qb_text_add(out, "<tr%s><th scope=\"row\" class=\"text\">",
                sums                               ? " class=\"sum\""
                : row->kind == QB_ATTRIBUTION_LOSS ? " class=\"loss\""
                                                   : "");
    qb_escape_html(out, row->label);
    if (row->metric) {
        qb_text_add(out, "<small>");
        qb_escape_html(out, row->metric);
        qb_text_add(out, "</small>");
    }
    qb_text_add(out, "</th>");
    value_cell(a, row, out);
    qb_text_add(out, "<td>");
    qb_attribution_interval(a, row, number, "&ndash;", out);
    qb_text_add(out, "</td><td>");
    if (a->total > 0) {
        double percent = 100 * row->value / a->total;
        qb_text_add(out, "%s%.1f", percent <= -0.05 ? "&minus;" : "", fabs(percent));
    }
    qb_text_add(out, "</td></tr>\n");
}

static void one_model(const struct qb_attribution *a, struct qb_text *out)
{
    qb_text_add(out, "<section id=\"attribution.");
    qb_anchor(out, a->model, a->variant, "attribute", NULL);
    qb_text_add(out, "\">\n<h3>");
    qb_escape_html(out, a->model);
    qb_text_add(out, " &middot; ");
    qb_escape_html(out, a->variant);
    qb_text_add(out, "</h3>\n<p>");
    qb_escape_html(out, a->sentence.data ? a->sentence.data : "");
    qb_text_add(out,
                "</p>\n<div class=\"scroll\"><table class=\"values parts%s\"><thead><tr><th class=\"text\">part"
                "</th><th>KL<small>nat</small></th><th>95%% interval<small>nat</small></th><th>of the total"
                "<small>%%</small></th></tr></thead><tbody>\n",
                a->empty ? " void" : "");
    for (size_t r = 0; r < a->row_count; r++)
        part_row(a, &a->rows[r], out);
    qb_text_add(out, "</tbody></table></div>\n");
    if (*a->zeros) {
        qb_text_add(out, "<p class=\"small\">Exactly 0 at every position: ");
        qb_escape_html(out, a->zeros);
        qb_text_add(out, ".</p>\n");
    }
    qb_text_add(out, "</section>\n");
}

void qb_html_attributions(const struct qb_report *report, struct qb_text *out)
{
    if (!report->attribution_count)
        return;
    qb_text_add(out, "<h2 id=\"attribution\">Where the loss comes from</h2>\n<p>");
    qb_escape_html(out, qb_attribution_meaning());
    qb_text_add(out, "</p>\n");
    for (size_t i = 0; i < report->attribution_count; i++)
        one_model(&report->attributions[i], out);
}
