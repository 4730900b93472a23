/* The two arms of a `greedy` record, and what makes a run of theirs degenerate. Internal to metric/.
 *
 * A prompt's sequence is degenerate when
 *   - it has at most max(2, 5% of S) distinct tokens in S >= 10 steps (either arm), or
 *   - at more than half of its steps the distribution is nearly uniform: QB_UNIFORM_SPREAD (either arm), or
 *   - it ends in a cycle that covers at least a quarter of the steps (the reference only: a variant that loops
 *     where the reference does not is a finding, not a flaw of the comparison). */
#ifndef QB_ARMS_H
#define QB_ARMS_H

#include "metric/parts.h"

struct qb_arms {
    size_t prompts, steps;
    const int32_t *tokens, *reference; /* [prompts, steps], the record's */
    const double *share;               /* likewise, of equal tokens: less than 1 where others were as likely. NULL in
                                          files of older programs: equal is equal */
};
/* What the step earns as agreement: 0, 1, or between where equal logits made the choice. `at`: prompt * steps + step.
 */
double qb_arms_match(const struct qb_arms *arms, size_t at);
/* False when the record has no two arms of one shape. */
bool qb_arms_load(const struct qb_record *record, struct qb_arms *arms);

/* The first step at which the arms do not agree in full, `steps` when they always do. */
size_t qb_arms_divergence(const struct qb_arms *arms, size_t prompt);

/* The shortest period whose last three repeats or more end the sequence, 0 when none does; *covered is the length of
 * the tail that has this period. */
size_t qb_cycle_of(const int32_t *tokens, size_t n, size_t *covered);

/* What the metrics that compare the arms say of a degenerate run: flagged when half of an arm's prompts or more are. */
void qb_greedy_remark(const struct qb_record *record, struct qb_value *value);

#endif
