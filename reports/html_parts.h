/* The parts of the HTML page; only html_*.c include this. Each appends its section. */
#ifndef QB_HTML_PARTS_H
#define QB_HTML_PARTS_H

#include "report_content.h"

void qb_html_tables(const struct qb_report *report, struct qb_text *out);
void qb_html_comparisons(const struct qb_report *report, struct qb_text *out);
void qb_html_attributions(const struct qb_report *report, struct qb_text *out);
void qb_html_ledger(const struct qb_report *report, struct qb_text *out);
/* Reads the pictures of folder/figures. */
enum qb_status qb_html_figures(const struct qb_report *report, const char *folder, struct qb_text *out,
                               struct qb_error *err);

/* <span class="badge KIND" title="TITLE">KIND</span>; kind is one of ours, title is escaped. */
void qb_html_badge(struct qb_text *out, const char *kind, const char *title);

#endif
