/* What runs inside a worker; only worker.c includes this. */
#ifndef QB_WORKER_CELL_H
#define QB_WORKER_CELL_H

#include "run/worker.h"

struct qb_worker_report {  /* one write to the report pipe, smaller than PIPE_BUF */
    enum qb_status status; /* QB_OK: the shard is in place */
    char message[1024];
};

/* Never returns. parent: its process id before the fork. */
_Noreturn void qb_worker_cell(const struct qb_worker_job *job, pid_t parent, int report, int chatter);

/* The first NaN or Inf of a record's float arrays is QB_ERR_NUMERIC naming array and index; a NaN of nll and
 * reference_nll where target is -1 means "no target". */
enum qb_status qb_worker_finite(const struct qb_record *record, struct qb_error *err);

#endif
