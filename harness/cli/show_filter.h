/* Which cells and metrics a reader of a result file asked for. */
#ifndef QB_SHOW_FILTER_H
#define QB_SHOW_FILTER_H

#include <stdbool.h>
#include "base/only.h"
#include "store/store.h"

struct qb_show_filter {
    struct qb_only only;
    struct qb_globs metrics;
    bool headlines; /* of each experiment the metrics that its tables show first (report_sources.h) */
};
static inline bool qb_show_wants(const struct qb_show_filter *filter, const struct qb_cell *cell)
{
    return qb_only_matches(&filter->only, cell->model, cell->variant, cell->experiment);
}

#endif
