/* Text from a result file (names, notes, messages of plugins) made harmless for the languages that reports are written
 * in: HTML and Markdown in base/escape.h, CSV in base/text_format.h, LaTeX and anchors here. Every function cleans
 * (base/utf8.h), escapes for its own language and nothing else, and appends to `out`. */
#ifndef QB_REPORT_ESCAPE_H
#define QB_REPORT_ESCAPE_H

#include "base/escape.h"

/* LaTeX text mode: \ { } $ & # % _ ^ ~ < > | " and the ligatures of - ' `; what pdflatex's fonts lack is written as
 * [U+2603]. */
void qb_escape_latex(struct qb_text *out, const char *text);

/* The anchor of a value, "model.variant.experiment.metric", the same in every format. Characters of a part other than
 * [A-Za-z0-9_-] (a dot above all) are written ":2e", so that no two values share an anchor. `metric` may be NULL: the
 * anchor of the cell. */
void qb_anchor(struct qb_text *out, const char *model, const char *variant, const char *experiment, const char *metric);

#endif
