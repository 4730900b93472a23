/* What a cell's plugin started and left behind: ended with its process. */
#ifndef QB_ORPHANS_H
#define QB_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/error.h"

/* Kills the children of this process but those that ours(context, pid) knows, and what they leave behind in turn. A run
 * adopts the processes whose parent ended (qb_preparer_adopt), so an orphan is a child. */
void qb_orphans_end(bool (*ours)(const void *context, pid_t pid), const void *context);

/* The same where the run itself is killed: a process of its own waits for that end and kills what still has the run's
 * environment, QINSBENCH_STARTED=<id>; a process that was started with another one it does not know. *watch: to be
 * closed by qb_orphans_unwatch; every process of the run but this one must close it. Call before the run adopts. */
enum qb_status qb_orphans_watch(int *watch, struct qb_error *err);
void qb_orphans_unwatch(int watch); /* the run ends by itself; -1: nothing to do */

#endif
