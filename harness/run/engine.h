/* The run engine: a plan's cells in worker processes, shards, resume, and the result file at the end. */
#ifndef QB_ENGINE_H
#define QB_ENGINE_H

#include <signal.h>
#include "run/plan.h"
#include "run/suite.h"
#include "store/store.h"

enum qb_run_event_kind {
    QB_RUN_NOTE,    /* text: something the user should know once */
    QB_RUN_WARNING, /* text: a variant's warning, once a run; at the end, calibration on evaluated text, once a model */
    QB_RUN_FINISHED, /* a cell ended: label, state, seconds, text = message */
    QB_RUN_TICK      /* several times a second: the counts */
};

struct qb_run_event {
    enum qb_run_event_kind kind;
    const char *text;
    const char *label; /* model/variant/experiment */
    enum qb_cell_state state;
    double seconds;     /* of the cell */
    size_t done, total; /* selected cells that ended, and all of them */
    size_t taken;       /* of done: taken from an earlier run */
    size_t running;
    const char *running_labels; /* comma-separated */
    double elapsed;             /* seconds since the start */
};

struct qb_run_options {
    const char *output;     /* result file; its shards are in "<output>.shards", its lock is "<output>.lock" */
    const char *only;       /* as qb_plan_make's */
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
    size_t total, done, failed, skipped, taken; /* taken is part of done */
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
