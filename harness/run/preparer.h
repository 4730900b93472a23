/* A preparer: the process that builds the net of a (model, variant) once and then forks the cells that share it, copy
 * on write. A cell is a child of the run all the same, with pipes, limits and an end of its own: the preparer forks a
 * process that forks the cell and ends, and an orphan falls to the run (PR_SET_CHILD_SUBREAPER, qb_preparer_adopt). */
#ifndef QB_PREPARER_H
#define QB_PREPARER_H

#include "run/experiment.h"
#include "run/suite.h"
#include "run/worker.h"

struct qb_preparer {
    struct qb_worker worker; /* its process; pid 0: none */
    size_t cell;             /* that it was started for; others of its variant share the net */
    int asks;                /* socket; -1: dismissed */
};

struct qb_preparer_job {
    const struct qb_suite_limits *limits;
    unsigned threads;
    struct qb_cell_env env; /* of one of the cells; the pool is the preparer's to fill */
    /* Runs cell i in its process, which has settled, and returns what it reports. */
    enum qb_status (*run)(void *context, size_t i, const struct qb_prepared *prepared, struct qb_error *err);
    void *context;
};

/* The run adopts orphans from now on, or leaves it. */
enum qb_status qb_preparer_adopt(bool adopt, struct qb_error *err);

/* Forks a preparer, which reports (worker.h) when the net is ready or failed. */
enum qb_status qb_preparer_start(struct qb_preparer *preparer, size_t cell, struct qb_preparer_job *job,
                                 struct qb_error *err);
bool qb_preparer_ready(const struct qb_preparer *preparer);
/* Starts cell i from a preparer that is ready; worker is the cell's. */
enum qb_status qb_preparer_cell(struct qb_preparer *preparer, size_t i, struct qb_worker *worker, struct qb_error *err);
/* Lets it end: no cell is wanted any more. */
void qb_preparer_dismiss(struct qb_preparer *preparer);
void qb_preparer_kill(struct qb_preparer *preparer);

#endif
