/* Another program, run without a shell. */
#ifndef QB_TOOL_H
#define QB_TOOL_H

#include <stddef.h>
#include "base/error.h"

/* A program that runs; several may at once. */
struct qb_tool {
    const char *name; /* argv[0], not copied */
    int pid, said;    /* said: the end of the pipe with its stdout and stderr */
};

/* Starts argv[0] (found on PATH, argv ended by NULL) in `folder` with stdin empty. QB_ERR_IO: the system refused, and
 * there is nothing to finish. */
enum qb_status qb_tool_start(struct qb_tool *tool, const char *folder, const char *const *argv, struct qb_error *err);

/* Waits for it, once. stdout and stderr go to `said`: the last bytes that fit `room`, NUL-terminated, without blanks at
 * the end. *status is what waitpid gives. Not on PATH is QB_ERR_INPUT, what the system refuses QB_ERR_IO. */
enum qb_status qb_tool_finish(struct qb_tool *tool, char *said, size_t room, int *status, struct qb_error *err);

/* Both. Returns the exit code, 128 + the signal that ended it, or -1 with err. */
int qb_tool_run(const char *folder, const char *const *argv, char *said, size_t room, struct qb_error *err);

#endif
