/* LaTeX: where the loss of a model comes from, one file a model, made for \input. */
#include "latex_parts.h"

#include <math.h>
#include "escape.h"

static void number(const struct qb_attribution *a, double x, struct qb_text *out)
{
    qb_text_add(out, "\\num{");
    qb_value_plain(out, qb_attribution_format(a, x), x);
    qb_text_add(out, "}");
}

static void part_row(const struct qb_attribution *a, const struct qb_attribution_row *row, struct qb_text *out)
{
    if (row->metric) { /* as the other tables have it: the anchor above the row */
        qb_text_add(out, "%% ");
        qb_anchor(out, a->model, a->variant, row->experiment, row->metric);
        qb_text_add(out, "\n");
    }
    qb_text_add(out, "%s", row->kind == QB_ATTRIBUTION_SUM ? "\\textit{" : "");
    qb_escape_latex(out, row->label);
    qb_text_add(out, "%s & %s", row->kind == QB_ATTRIBUTION_SUM ? "}" : "", a->empty ? "(" : "");
    number(a, row->value, out);
    qb_text_add(out, "%s & ", a->empty ? ")" : "");
    qb_attribution_interval(a, row, number, "--", out);
    qb_text_add(out, " & ");
    if (a->total > 0) {
        double percent = 100 * row->value / a->total;
        qb_text_add(out, "\\num{%.1f}", fabs(percent) < 0.05 ? 0.0 : percent);
    }
    qb_text_add(out, " \\\\\n");
}

void qb_latex_attribution(const struct qb_attribution *a, struct qb_text *out)
{
    qb_text_add(out, "%% Needs booktabs and siunitx. Anchors stand above each row.\n\\begin{table*}\n\\centering\n"
                     "\\caption{Where the loss comes from: ");
    qb_escape_latex(out, a->sentence.data ? a->sentence.data : "");
    qb_text_add(out, "}\n\\label{tab:");
    qb_anchor(out, a->model, "all", "attribution", NULL);
    qb_text_add(out, "}\n\\scriptsize\\setlength{\\tabcolsep}{4pt}%%\n"
                     "\\sisetup{output-exponent-marker=\\mathrm{e},group-minimum-digits=5}%%\n"
                     "\\begin{tabular}{lrrr}\n\\toprule\n"
                     "Part & mean KL & 95\\%% interval & of the total \\\\\n & nat & nat & \\%% \\\\\n\\midrule\n");
    for (size_t r = 0; r < a->row_count; r++) {
        part_row(a, &a->rows[r], out);
        if (a->rows[r].kind == QB_ATTRIBUTION_SUM && r + 1 < a->row_count)
            qb_text_add(out, "\\midrule\n");
    }
    qb_text_add(
        out,
        "\\bottomrule\n\\end{tabular}\n\\par\\smallskip\n\\begin{minipage}{\\linewidth}\\scriptsize\\raggedright ");
    qb_escape_latex(out, qb_attribution_meaning());
    if (*a->zeros) {
        qb_text_add(out, " Exactly 0 at every position: ");
        qb_escape_latex(out, a->zeros);
        qb_text_add(out, ".");
    }
    qb_text_add(out, "\n\\end{minipage}\n\\end{table*}\n");
}
