/* What the LaTeX writers share; only latex_*.c include this. */
#ifndef QB_LATEX_PARTS_H
#define QB_LATEX_PARTS_H

#include "report_content.h"

enum { QB_LATEX_COLUMNS = 12 }; /* metrics of a printed table at most */

/* Appends a table's file: a floating table with caption, \label{tab:<anchor>} and notes. False: nothing to print. */
bool qb_latex_table(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out);

/* Appends the file of an attribution: its table with caption, \label{tab:MODEL.all.attribution} and sentence. */
void qb_latex_attribution(const struct qb_attribution *attribution, struct qb_text *out);

#endif
