/* The run engine: a plan's cells in worker processes, shards, resume, and the result file at the end. */
#ifndef QB_ENGINE_H
#define QB_ENGINE_H

#include <signal.h>
#include "run/talk.h"

struct qb_run_options {
    const char *output; /* result file; its shards are in "<output>.shards", its lock is "<output>.lock" */
    const struct qb_only *only;
    const char *cache;      /* folder of references that runs share; NULL: none */
    uint64_t cache_most;    /* its bound in bytes */
    bool resume;            /* finished cells whose content key still holds are kept */
    bool force;             /* finished cells that this run cannot keep are dropped; without it that is an error */
    unsigned jobs, threads; /* workers side by side, threads of each */
    enum qb_isa isa;
    const char *command; /* line, for the provenance */
    /* How often the user asked to stop; read while running, written by a signal handler. May be NULL. */
    const volatile sig_atomic_t *stop;
    void (*event)(void *context, const struct qb_run_event *event); /* may be NULL */
    void *context;
};

struct qb_run_summary {
    size_t total, done, failed, skipped;
    size_t taken, cached; /* parts of done: from an earlier run of the output, references from the cache */
    bool interrupted;
    double seconds;
};

/* Runs the suite. The process must have one thread and must not have computed with BLAS. Models are loaded one at a
 * time; cells are forked from here. QB_OK also when cells failed (see the summary); errors are what stops a run as a
 * whole: a locked or foreign output, finished cells of an earlier run that would be dropped, a model that cannot be
 * loaded when no cell could run, a full disk. */
enum qb_status qb_run(const struct qb_suite *suite, const struct qb_run_options *options,
                      struct qb_run_summary *summary, struct qb_error *err);

#endif
