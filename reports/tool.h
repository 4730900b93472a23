/* Another program, run without a shell. */
#ifndef QB_TOOL_H
#define QB_TOOL_H

#include <stddef.h>
#include "base/error.h"

/* Runs argv[0] (found on PATH, argv ended by NULL) in `folder` with stdin empty, and waits. stdout and stderr go to
 * `said`: the last bytes that fit `room`, NUL-terminated, without blanks at the end. Returns the exit code, 128 + the
 * signal that ended it, or -1 with err: not on PATH is QB_ERR_INPUT, what the system refuses QB_ERR_IO. */
int qb_tool_run(const char *folder, const char *const *argv, char *said, size_t room, struct qb_error *err);

#endif
