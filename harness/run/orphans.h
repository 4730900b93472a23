/* What a cell's plugin started and left behind: ended with its process. */
#ifndef QB_ORPHANS_H
#define QB_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

/* Kills the children of this process but those that ours(context, pid) knows, and what they leave behind in turn. A run
 * adopts the processes whose parent ended (qb_preparer_adopt), so an orphan is a child. */
void qb_orphans_end(bool (*ours)(const void *context, pid_t pid), const void *context);

#endif
