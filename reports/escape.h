/* Text from a result file (names, notes, messages of plugins) made harmless for the languages that reports are written
 * in. Every function appends to `out`. Control characters are dropped, and bytes that are no UTF-8 become U+FFFD. */
#ifndef QB_ESCAPE_H
#define QB_ESCAPE_H

#include "base/text.h"

/* HTML text and quoted attribute values: & < > " '. */
void qb_escape_html(struct qb_text *out, const char *text);

/* GitHub-flavoured Markdown, in a paragraph or a table cell: line ends become blanks, and every character that could
 * start markup or HTML is a backslash escape or an entity. */
void qb_escape_markdown(struct qb_text *out, const char *text);

/* LaTeX text mode: \ { } $ & # % _ ^ ~ < > | " and the ligatures of - ' `; what pdflatex's fonts lack is written as
 * [U+2603]. */
void qb_escape_latex(struct qb_text *out, const char *text);

/* A field of CSV (qb_csv_field). */
void qb_escape_csv(struct qb_text *out, const char *text);

/* The anchor of a value, "model.variant.experiment.metric", the same in every format. Characters of a part other than
 * [A-Za-z0-9_-] (a dot above all) are written ":2e", so that no two values share an anchor. `metric` may be NULL: the
 * anchor of the cell. */
void qb_anchor(struct qb_text *out, const char *model, const char *variant, const char *experiment, const char *metric);

#endif
