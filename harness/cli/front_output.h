/* What gate --front prints. */
#ifndef QB_FRONT_OUTPUT_H
#define QB_FRONT_OUTPUT_H

#include "cli.h"
#include "gate/front.h"

/* Console and Markdown: the placed format's row, what it is to the others, and the Pareto front with it, a front after
 * the other. CSV and JSON: a row a format of each front. */
void qb_front_print(struct qb_front *const *fronts, size_t count, enum qb_output output, struct qb_text *out);

#endif
