/* What the commands that run a suite share: run and search. */
#ifndef QB_RUN_REQUEST_H
#define QB_RUN_REQUEST_H

#include <signal.h>
#include "base/text.h"
#include "codec/registry.h"
#include "run/suite.h"

/* From now on SIGINT, SIGTERM and SIGHUP stop a run in good order, and a second one at once. How often it was asked:
 * for qb_run_options.stop. */
const volatile sig_atomic_t *qb_await_stop(void);

/* "qinsbench run ...", as a shell would read it. */
void qb_command_line(int argc, char **argv, struct qb_text *out);

/* A list of a flag that may be repeated; ends with NULL. */
#define QB_REPEATS_MAX 64
struct qb_repeats {
    const char *all[QB_REPEATS_MAX + 1];
    size_t count;
};
enum qb_status qb_repeats_add(struct qb_repeats *repeats, const char *flag, const char *value, struct qb_error *err);

/* Workers side by side: as asked for (0: not), else as many as the cores have room for. */
unsigned qb_jobs(long asked, long threads);

/* Notes each plugin of --codec that no variant of the suite uses. */
void qb_note_unused_codecs(const struct qb_registry *registry, const struct qb_suite *suite);

#endif
