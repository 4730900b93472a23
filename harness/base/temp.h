/* Names of files in the making, so that nothing is left of them, whatever ends the program. */
#ifndef QB_TEMP_H
#define QB_TEMP_H

#include <limits.h>
#include "base/error.h"

/* Notes "TARGET.PID-N.tmp", TARGET being the file that path leads to (path.h), a name of its own for each call, in
 * temp: until qb_temp_done, qb_temp_remove_all removes that
 * file. The file is the caller's to make. A path that is too long is QB_ERR_INPUT. */
enum qb_status qb_temp_begin(const char *path, char temp[PATH_MAX], struct qb_error *err);
/* The file is in its place or removed. */
void qb_temp_done(const char *temp);

/* Removes "PATH.PID-N.tmp" of processes that ended without it (kill -9, power): no process has this id here and
 * nobody has written for an hour, for the process may run on another machine that shares the folder. */
void qb_temp_sweep(const char *path);

/* For a signal handler: removes what this process, not one that it was forked from, has noted. */
void qb_temp_remove_all(void);

#endif
