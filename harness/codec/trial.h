/* A plugin's code, run in a child before this process trusts itself to it. */
#ifndef QB_TRIAL_H
#define QB_TRIAL_H

#include "base/error.h"

/* Runs work(path) in a child that ends with this process and prints nowhere. Its failure is the caller's; to crash, to
 * end the process and to take longer than `seconds` is QB_ERR_CODEC that names path. The child's own children are
 * ended with it. QB_ERR_IO: the system refused a process. */
enum qb_status qb_trial(enum qb_status (*work)(const char *path, struct qb_error *err), const char *path,
                        unsigned seconds, struct qb_error *err);

#endif
