/* Inside a process of a run, right behind the fork. */
#ifndef QB_PROCESS_H
#define QB_PROCESS_H

#include <sys/types.h>
#include "run/suite.h"

#define QB_PROCESS_ASKS 4 /* descriptor that `settle` moves `asks` to */

/* Dies with `parent`, prints into the chatter pipe, and holds no descriptor of its forebears but these: a copy of a
 * sibling's pipe would hide the sibling's end, a copy of the lock would outlive the run. asks: -1, or a socket to keep.
 */
void qb_process_settle(pid_t parent, int report, int chatter, int asks);

/* No core files; limits.memory beyond what is loaded now. */
void qb_process_limit(const struct qb_suite_limits *limits, unsigned threads);

/* Sends err to the parent (struct qb_worker_report) and closes the pipe; false when that failed. */
bool qb_process_report(const struct qb_error *err);

#endif
