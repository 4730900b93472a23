/* The process of one cell: forked from the parent that has the model loaded, it measures, writes its shard and ends. */
#ifndef QB_WORKER_H
#define QB_WORKER_H

#include <stdint.h>
#include <sys/types.h>
#include "run/plan.h"
#include "run/suite.h"

/* Where a finished cell's record is: a shard, or a cell of an older result file. */
struct qb_record_source {
    const char *shard; /* path, or NULL */
    const char *result;
    size_t index; /* in result */
};

struct qb_worker_job {
    const struct qb_suite *suite;
    const struct qb_plan_cell *cell;
    const struct qb_model *model;
    const struct qb_inputs *inputs;
    const struct qb_record_source *reference; /* NULL: the cell reads none */
    const char *key, *shard;
    unsigned threads;
    enum qb_isa isa;
    const struct qb_provenance *provenance; /* of the run: what the cell says of itself */
};

/* What the parent knows of a running worker. */
struct qb_worker {
    pid_t pid;           /* 0: no worker */
    int report, chatter; /* pipes to read; -1: closed */
    double started;      /* qb_clock */
    bool overdue;        /* killed for its time limit */
    char tail[1024];     /* the last that it printed */
    size_t tail_size;
    char answer[1200]; /* struct qb_worker_report, as far as it came */
    size_t answer_size;
};

/* How a worker ended. */
struct qb_worker_end {
    bool done;      /* its shard is whole */
    bool nonfinite; /* NaN or Inf came up */
    char message[1400];
};

/* Forks. The parent must have one thread. QB_ERR_IO when the system refuses a pipe or a process. */
enum qb_status qb_worker_start(const struct qb_worker_job *job, struct qb_worker *worker, struct qb_error *err);

/* Takes what the worker sent, without waiting. */
void qb_worker_read(struct qb_worker *worker);

/* True when the worker has ended (then pid is 0, the pipes are closed and *end is filled), without waiting. seconds:
 * the cell's limit, over which the worker is killed. */
bool qb_worker_ended(struct qb_worker *worker, double seconds, struct qb_worker_end *end);

/* Kills the worker and waits for its end. */
void qb_worker_kill(struct qb_worker *worker);

#endif
