/* Words of the baseline file, for its reader and its writer. Internal to gate/. */
#ifndef QB_BASELINE_WORDS_H
#define QB_BASELINE_WORDS_H

#define QB_BASELINE_FORMAT "qinsbench-baseline"
enum { QB_BASELINE_VERSION = 1, QB_BASELINE_WORDS = 3 /* in each list */ };

extern const char *const qb_baseline_states[QB_BASELINE_WORDS];     /* by enum qb_cell_state */
extern const char *const qb_baseline_directions[QB_BASELINE_WORDS]; /* by enum qb_direction */
extern const char *const qb_baseline_transforms[QB_BASELINE_WORDS]; /* by enum qb_transform */

#endif
