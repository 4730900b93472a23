/* A plugin's code, run in a child (base/trial.h) before this process trusts itself to it. */
#ifndef QB_PLUGIN_TRIAL_H
#define QB_PLUGIN_TRIAL_H

#include "base/error.h"

/* work(context), which loads the plugin at path, in a child. Its failure is the caller's; to crash, to end the process
 * and to take longer than `seconds` is QB_ERR_CODEC that names path. QB_ERR_IO: the system refused a process. */
enum qb_status qb_plugin_trial(enum qb_status (*work)(void *context, struct qb_error *err), void *context,
                               const char *path, unsigned seconds, struct qb_error *err);

#endif
