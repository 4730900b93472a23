/* Writes a report: figures first, for the pages show them; then what the pages say; then each format. */
#include "report.h"

#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "report_content.h"
#include "tool.h"

static const struct {
    const char *name;
    unsigned bit;
} formats[] = {{"html", QB_REPORT_HTML}, {"md", QB_REPORT_MARKDOWN}, {"tex", QB_REPORT_LATEX}, {"csv", QB_REPORT_CSV}};
enum { FORMATS = sizeof formats / sizeof *formats };

enum qb_status qb_report_parse_formats(const char *flag, const char *text, unsigned *bits, struct qb_error *err)
{
    *bits = 0;
    for (const char *p = text;;) {
        size_t n = strcspn(p, ","), i = 0;
        while (i < FORMATS && (strlen(formats[i].name) != n || strncmp(formats[i].name, p, n) != 0))
            i++;
        if (i == FORMATS || (*bits & formats[i].bit))
            return qb_fail(err, QB_ERR_INPUT, "%s: expected a list of html, md, tex, csv, each once, found '%s'", flag,
                           text);
        *bits |= formats[i].bit;
        if (!p[n])
            return QB_OK;
        p += n + 1;
    }
}

/* ---- figures ---- */

static bool lists(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == size && strncmp(p, word, size) == 0)
            return true;
    return false;
}

/* What was asked for, and what the pages show. */
static void figure_formats(const struct qb_report_options *options, struct qb_text *out)
{
    qb_text_add(out, "%s", options->figures ? options->figures : "png,svg,pdf");
    if ((options->formats & (QB_REPORT_HTML | QB_REPORT_MARKDOWN)) && !lists(out->data, "svg"))
        qb_text_add(out, ",svg");
    if ((options->formats & QB_REPORT_LATEX) && !lists(out->data, "tex"))
        qb_text_add(out, ",tex");
}

/* A failure is kept in `trouble`: the pages come without the rest of the figures, and say so. */
static enum qb_status draw(struct qb_report *report, const struct qb_report_options *options, struct qb_text *said,
                           struct qb_error *trouble)
{
    struct qb_text list = {0};
    if (options->figures && strcmp(options->figures, "none") == 0)
        return QB_OK;
    figure_formats(options, &list);
    if (list.failed)
        return qb_fail(trouble, QB_ERR_MEMORY, "no memory for the figures' formats");
    struct qb_figure_options figures = {.folder = options->folder, .formats = list.data, .ledger = report->ledger};
    if (qb_figures_write(report->result, &figures, &report->figures, said, trouble))
        report->figure_trouble = trouble->message;
    qb_text_free(&list);
    return trouble->status;
}

/* ---- PDF ---- */

/* Twice: the second run knows the numbers of tables and figures. */
static enum qb_status compile(const char *folder, struct qb_text *said, struct qb_error *err)
{
    static const char *const argv[] = {"pdflatex",       "-no-shell-escape", "-interaction=nonstopmode",
                                       "-halt-on-error", "example.tex",      NULL};
    char tex[4200], talk[1200], file[32];
    snprintf(tex, sizeof tex, "%s/tex", folder);
    for (const char *const *made = (const char *const[]){"pdf", "aux", "log", NULL}; *made; made++) {
        snprintf(file, sizeof file, "example.%s", *made);
        if (qb_report_clear(tex, file, err))
            return err->status;
    }
    for (int pass = 0; pass < 2; pass++) {
        int code = qb_tool_run(tex, argv, talk, sizeof talk, err);
        if (code < 0 && err->status == QB_ERR_INPUT)
            return qb_fail(err, QB_ERR_IO,
                           "pdflatex is not installed (Debian: apt-get install texlive-latex-base "
                           "texlive-latex-recommended texlive-science lmodern); the LaTeX files are in %s",
                           tex);
        if (code < 0)
            return err->status;
        if (code > 0) {
            const char *line = strstr(talk, "\n!"); /* LaTeX's first complaint, when it is in what was kept */
            return qb_fail(err, QB_ERR_IO, "pdflatex failed on %s/example.tex (exit code %d): %.*s", tex, code,
                           QB_UPTO(700, line ? line + 1 : talk));
        }
    }
    qb_text_add(said, "PDF          %s/example.pdf\n", tex);
    return QB_OK;
}

/* ---- all of it ---- */

static enum qb_status write_formats(const struct qb_report *report, const struct qb_report_options *options,
                                    struct qb_text *said, struct qb_error *err)
{
    static enum qb_status (*const writers[FORMATS])(const struct qb_report *, const char *, struct qb_text *,
                                                    struct qb_error *) = {qb_write_html, qb_write_markdown,
                                                                          qb_write_latex, qb_write_csv};
    for (size_t i = 0; i < FORMATS; i++)
        if ((options->formats & formats[i].bit) && writers[i](report, options->folder, said, err))
            return err->status;
    return QB_OK;
}

enum qb_status qb_report_write(const struct qb_result *result, const struct qb_report_options *options,
                               struct qb_text *said, struct qb_error *err)
{
    struct qb_report report = {.result = result};
    struct qb_error trouble = {0};
    int lock = -1;
    if (strlen(options->folder) > 4000)
        return qb_fail(err, QB_ERR_INPUT, "the folder's path is too long: %.*s...", QB_UPTO(60, options->folder));
    if (qb_report_begin(options->folder, &lock, err) || qb_ledger_of_run(result, options->ledger, &report.ledger, err))
        goto out;
    if (draw(&report, options, said, &trouble) == QB_ERR_INPUT)
        qb_fail(err, QB_ERR_INPUT, "%s", trouble.message); /* a wrong request, no failed drawing */
    if (err->status || qb_report_tables(&report, err) || qb_report_remarks(&report, err) ||
        qb_report_comparisons(&report, err) || qb_report_attributions(&report, err) ||
        write_formats(&report, options, said, err))
        goto out;
    if (trouble.status)
        qb_fail(err, trouble.status, "%s", trouble.message);
    if (!err->status && options->pdf)
        compile(options->folder, said, err);
out:
    qb_report_end(&lock);
    qb_report_free(&report);
    return err->status;
}
