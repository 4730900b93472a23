/* The summary of a result file as tables for a reader. */
#ifndef QB_SHOW_TABLE_H
#define QB_SHOW_TABLE_H

#include "base/text.h"
#include "show_filter.h"

/* A table an experiment: rows are variants under their model, columns metrics. Flags are marked and explained.
 * markdown: a heading and a table each, for a page; `width` then is that of what stands below. */
void qb_show_tables(const struct qb_result *result, const struct qb_show_filter *filter, size_t width, bool markdown,
                    struct qb_text *out);

#endif
