/* What a run ends with: its main numbers. */
#ifndef QB_RUN_TABLE_H
#define QB_RUN_TABLE_H

#include "base/text.h"
#include "store/store.h"

/* A row a model and variant, a column an experiment: the value of its main metric, marked as by show. Of a result with
 * more rows than a screen has, nothing. */
void qb_run_table(const struct qb_result *result, size_t width, struct qb_text *out);

#endif
