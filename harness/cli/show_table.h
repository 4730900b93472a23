/* The summary of a result file as tables for a reader. */
#ifndef QB_SHOW_TABLE_H
#define QB_SHOW_TABLE_H

#include <stdbool.h>
#include "base/only.h"
#include "base/text.h"
#include "store/store.h"

struct qb_show_filter {
    struct qb_only only;
    const char *metric; /* glob */
};
static inline bool qb_show_wants(const struct qb_show_filter *filter, const struct qb_cell *cell)
{
    return qb_only_matches(&filter->only, cell->model, cell->variant, cell->experiment);
}

/* A table an experiment: rows are variants under their model, columns metrics. Flags are marked and explained. */
void qb_show_tables(const struct qb_result *result, const struct qb_show_filter *filter, size_t width,
                    struct qb_text *out);

#endif
