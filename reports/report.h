/* The report of a run, from its result file alone: one HTML page, Markdown, LaTeX tables, CSV, and the figures that
 * they show. Every number carries an anchor (escape.h, qb_anchor) and names the datasets and the summary row that it
 * comes from; anchors are the same in all formats. */
#ifndef QB_REPORT_H
#define QB_REPORT_H

#include <stdbool.h>
#include "base/error.h"
#include "base/text.h"
#include "store/store.h"

enum qb_report_format {
    QB_REPORT_HTML = 1u << 0,     /* DIR/index.html: self-contained, no network, no other file */
    QB_REPORT_MARKDOWN = 1u << 1, /* DIR/report.md, GitHub-flavoured */
    QB_REPORT_LATEX = 1u << 2,    /* DIR/tex/<table>.tex (booktabs, siunitx), DIR/tex/example.tex shows them all */
    QB_REPORT_CSV = 1u << 3       /* DIR/tables/<table>.csv, RFC 4180, full precision */
};

struct qb_report_options {
    const char *folder;  /* DIR; made when it is not there */
    unsigned formats;    /* bits of enum qb_report_format */
    const char *figures; /* picture formats besides those that the pages need: "png,pdf"; "none": no figure at all;
                            NULL: png,svg,pdf */
    const char *ledger;  /* folder of claims, or NULL: the shipped ones, shown when the run measures any of them */
    bool pdf;            /* runs pdflatex on DIR/tex/example.tex; needs QB_REPORT_LATEX */
};

/* Reads "html,md,tex,csv" (each once) into format bits; anything else is QB_ERR_INPUT naming `flag`. */
enum qb_status qb_report_parse_formats(const char *flag, const char *text, unsigned *formats, struct qb_error *err);

/* Writes everything, a line each to `said`. Figures that cannot be drawn (no gnuplot) do not keep the pages from being
 * written; the error comes afterwards. A missing pdflatex is QB_ERR_IO with the packages to install; so is LaTeX
 * failing, with what it said. */
enum qb_status qb_report_write(const struct qb_result *result, const struct qb_report_options *options,
                               struct qb_text *said, struct qb_error *err);

#endif
