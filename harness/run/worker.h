/* A process of a run as its parent sees it: fork, pipes, limits, and what its end means. */
#ifndef QB_WORKER_H
#define QB_WORKER_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/error.h"

struct qb_worker_report {  /* one write to the report pipe, smaller than PIPE_BUF */
    enum qb_status status; /* QB_OK: done, or ready */
    char message[1024];
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

/* Opens the worker's pipes and starts its clock. ends: the process's ends, report and chatter, for its parent to close.
 */
enum qb_status qb_worker_open(struct qb_worker *worker, int ends[2], struct qb_error *err);

/* Forks a process that runs `child`, which does not return. The parent must have one thread. QB_ERR_IO when the system
 * refuses a pipe or a process. */
typedef void (*qb_worker_child)(void *context, pid_t parent, int report, int chatter);
enum qb_status qb_worker_start(struct qb_worker *worker, qb_worker_child child, void *context, struct qb_error *err);

/* Has it reported, as far as it was read? */
bool qb_worker_reported(const struct qb_worker *worker, struct qb_worker_report *report);

/* True when the process has ended (then pid is 0, the pipes are closed and *end is filled), without waiting; takes what
 * it sent. seconds: its limit, over which it is killed. */
bool qb_worker_ended(struct qb_worker *worker, double seconds, struct qb_worker_end *end);

/* Kills the process and waits for its end; pipes are closed also where there is none. */
void qb_worker_kill(struct qb_worker *worker);

#endif
