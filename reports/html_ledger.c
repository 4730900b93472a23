/* HTML: the claims ledger and the figures. */
#include "html_parts.h"

#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "claims_print.h"
#include "escape.h"
#include "svg_inline.h"

/* ---- ledger ---- */

static void text_cell(struct qb_text *out, const char *text)
{
    qb_text_add(out, "<td class=\"text\">");
    qb_escape_html(out, text);
    qb_text_add(out, "</td>");
}

/* Our number, void where it is degenerate, linked to the value that it was taken from. */
static void measured_cell(struct qb_text *out, const struct qb_claim *c)
{
    bool found = c->has_number && c->measured.found == QB_FOUND;
    bool empty = found && (c->measured.flags & QB_FLAG_DEGENERATE);
    if (!found) {
        qb_text_add(out, "<td>&ndash;</td>");
        return;
    }
    qb_text_add(out, "<td%s><a class=\"number\" href=\"#", empty ? " class=\"void\"" : "");
    qb_anchor(out, c->number.cell.model, c->number.cell.variant, c->number.cell.experiment, c->number.cell.metric);
    qb_text_add(out, "\">%s", empty ? "(" : "");
    qb_escape_html(out, c->measured.text);
    qb_text_add(out, "%s</a></td>", empty ? ")" : "");
}

static void claim_row(const struct qb_ledger *ledger, const struct qb_claim *c, struct qb_text *out)
{
    struct qb_text why = {0};
    qb_claim_why(c, &why);
    qb_text_add(out, "<tr id=\"claim.");
    qb_escape_html(out, c->id);
    qb_text_add(out, "\">");
    text_cell(out, c->place);
    text_cell(out, c->lines);
    text_cell(out, c->what);
    text_cell(out, c->published);
    measured_cell(out, c);
    qb_text_add(out, "<td class=\"text\"%s", why.size ? " title=\"" : "");
    if (why.size) {
        qb_escape_html(out, why.data);
        qb_text_add(out, "\"");
    }
    qb_text_add(out, ">%s</td><td class=\"text\">", qb_verdict_name(c->verdict));
    if (c->conclusion)
        qb_text_add(out, "<a href=\"#conclusion%zu\">%s [%zu]</a>", (size_t)(c->conclusion - ledger->conclusions) + 1,
                    qb_carries_name(c->conclusion->carries), (size_t)(c->conclusion - ledger->conclusions) + 1);
    else
        qb_text_add(out, "&ndash;");
    qb_text_add(out, "</td></tr>\n");
    out->failed = out->failed || why.failed;
    qb_text_free(&why);
}

/* The style of a verdict; report.css has these. */
static const char *badge(enum qb_carries carries)
{
    return carries == QB_CARRIES_YES ? "yes" : carries == QB_CARRIES_NO ? "no" : "open";
}

static void conclusions(const struct qb_ledger *ledger, struct qb_text *out)
{
    qb_text_add(out, "<h3>What the numbers carry</h3>\n<p>" QB_CONCLUSIONS_HEAD "</p>\n<ol>\n");
    for (size_t i = 0; i < ledger->conclusion_count; i++) {
        const struct qb_conclusion *c = &ledger->conclusions[i];
        const char *carries = qb_carries_name(c->carries);
        qb_text_add(out, "<li id=\"conclusion%zu\"><span class=\"badge %s\">%s</span> <q>", i + 1, badge(c->carries),
                    carries);
        qb_escape_html(out, c->says);
        qb_text_add(out, "</q> ");
        qb_escape_html(out, c->sentence.data ? c->sentence.data : "");
        qb_text_add(out, "</li>\n");
    }
    qb_text_add(out, "</ol>\n");
}

void qb_html_ledger(const struct qb_report *report, struct qb_text *out)
{
    const struct qb_ledger *ledger = report->ledger;
    struct qb_text totals = {0};
    if (!ledger)
        return;
    qb_ledger_totals(ledger, &totals);
    qb_text_add(out, "<h2 id=\"ledger\">Claims ledger</h2>\n<p>");
    qb_escape_html(out, totals.data ? totals.data : "");
    qb_text_add(out, "</p>\n");
    out->failed = out->failed || totals.failed;
    qb_text_free(&totals);
    for (size_t d = 0; d < ledger->document_count; d++) {
        const struct qb_claims_document *document = &ledger->documents[d];
        qb_text_add(out, "<h3>");
        qb_escape_html(out, document->title);
        qb_text_add(out, "</h3>\n<p class=\"small\">");
        qb_escape_html(out, document->document);
        qb_text_add(out,
                    "</p>\n<div class=\"scroll\"><table><thead><tr><th class=\"text\">place</th><th class=\"text\">"
                    "line</th><th class=\"text\">what</th><th class=\"text\">%s</th><th>ours</th>"
                    "<th class=\"text\">verdict</th><th class=\"text\">carries</th></tr></thead><tbody>\n",
                    qb_claims_column(document));
        for (size_t i = 0; i < document->count; i++)
            claim_row(ledger, &document->claims[i], out);
        qb_text_add(out, "</tbody></table></div>\n");
    }
    conclusions(ledger, out);
}

/* ---- figures ---- */

static size_t blanks(const char *text)
{
    return strspn(text, " \t\r\n");
}

/* Bytes of the group with nothing in it that starts at `text`, and of the blanks behind; 0: none does. */
static size_t empty_group(const char *text)
{
    static const char end[] = "</g>";
    if (strncmp(text, "<g ", 3) != 0 && strncmp(text, "<g>", 3) != 0)
        return 0;
    size_t n = strcspn(text, ">");
    if (!text[n] || text[n - 1] == '/')
        return 0;
    n++;
    n += blanks(text + n);
    if (strncmp(text + n, end, strlen(end)) != 0)
        return 0;
    n += strlen(end);
    return n + blanks(text + n);
}

/* A third of what gnuplot writes is groups without content, indentation, and SVG's own defaults; the page goes without.
 * (gnuplot's groups with other caps and joins lie beside these, not around them.) */
static void add_compact(struct qb_text *out, const char *svg)
{
    static const char defaults[] = " stroke-linecap=\"butt\" stroke-linejoin=\"miter\"";
    const char *from = svg;
    for (const char *p = svg; *p;) {
        size_t skip = *p == '<' ? empty_group(p) : 0, run = blanks(p);
        if (strncmp(p, defaults, strlen(defaults)) == 0)
            skip = strlen(defaults);
        bool indent = run > 1 && memchr(p, '\n', run);
        if (!skip && !indent) {
            p++;
            continue;
        }
        qb_text_bytes(out, from, (size_t)(p - from));
        if (indent)
            qb_text_add(out, "\n");
        p += skip ? skip : run;
        from = p;
    }
    qb_text_add(out, "%s", from);
}

static enum qb_status one_figure(const struct qb_drawn_figure *figure, const char *folder, struct qb_text *out,
                                 struct qb_error *err)
{
    enum { PICTURE_MAX = 32 << 20 };
    char path[4400], prefix[48], *svg = NULL;
    size_t size;
    snprintf(path, sizeof path, "%s/figures/%s.svg", folder, figure->name);
    snprintf(prefix, sizeof prefix, "%s-", figure->name);
    if (qb_file_read(path, PICTURE_MAX, &svg, &size, err))
        return err->status;
    qb_text_add(out, "<figure id=\"figure.%s\"><h3>", figure->name);
    qb_escape_html(out, figure->title);
    qb_text_add(out, "</h3>\n<div class=\"scroll\">");
    struct qb_text drawn = {0};
    if (!qb_svg_inline(svg, prefix, figure->title, &drawn, err))
        add_compact(out, drawn.data ? drawn.data : "");
    out->failed = out->failed || drawn.failed;
    qb_text_free(&drawn);
    qb_free(svg);
    if (err->status)
        return qb_wrap(err, "%s", path);
    qb_text_add(out, "</div>\n<figcaption>");
    qb_escape_html(out, figure->caption);
    qb_text_add(out, "</figcaption></figure>\n");
    return QB_OK;
}

enum qb_status qb_html_figures(const struct qb_report *report, const char *folder, struct qb_text *out,
                               struct qb_error *err)
{
    const struct qb_figure_list *figures = &report->figures;
    if (!figures->count && !figures->left_out_count && !report->figure_trouble)
        return QB_OK;
    qb_text_add(out, "<h2 id=\"figures\">Figures</h2>\n");
    if (report->figure_trouble) {
        qb_text_add(out, "<p>Not all figures were drawn: ");
        qb_escape_html(out, report->figure_trouble);
        qb_text_add(out, "</p>\n");
    }
    for (size_t i = 0; i < figures->count; i++)
        if (one_figure(&figures->items[i], folder, out, err))
            return err->status;
    if (figures->left_out_count)
        qb_text_add(out, "<h3>Left out</h3>\n<ul class=\"small\">\n");
    for (size_t i = 0; i < figures->left_out_count; i++) {
        qb_text_add(out, "<li><code>%s</code>: ", figures->left_out[i].name);
        qb_escape_html(out, figures->left_out[i].why);
        qb_text_add(out, "</li>\n");
    }
    qb_text_add(out, "%s", figures->left_out_count ? "</ul>\n" : "");
    return QB_OK;
}
