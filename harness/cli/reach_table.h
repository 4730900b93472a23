/* What variants encode of models, for inspect and show. */
#ifndef QB_REACH_TABLE_H
#define QB_REACH_TABLE_H

#include "show_filter.h"
#include "run/plan.h"
#include "store/store.h"

/* For each model and variant of the plan's selected cells: matrices, weights and stored bits a weight, then which
 * entries of a variant are without effect, and which cells a run will skip. Opens each model in turn. */
enum qb_status qb_reach_of_suite(const struct qb_suite *suite, const struct qb_plan *plan, struct qb_text *out,
                                 struct qb_error *err);
/* The same of a result file, as its cells recorded it; nothing when none did. */
void qb_reach_of_result(const struct qb_result *result, struct qb_text *out);
/* Of the cells that show prints, a paragraph a model: where variants encode different weights, and what is without
 * effect. Nothing where all encode the same and every entry has effect. */
void qb_reach_legend(const struct qb_result *result, const struct qb_show_filter *filter, size_t width,
                     struct qb_text *out);

#endif
