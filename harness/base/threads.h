/* A pool for data-parallel loops. The number and extent of tasks do not depend on the number of threads, or no value
 * depends on where the work is cut: results are bitwise the same for 1 or n threads. Threads that wait look for work
 * some 50 microseconds before they sleep, where the process has a core for each. */
#ifndef QB_THREADS_H
#define QB_THREADS_H

#include <stdatomic.h>
#include <stddef.h>
#include "base/error.h"

struct qb_pool;

/* A pool that runs tasks on `threads` threads, the caller's among them (1: no thread is started). 1..256. */
enum qb_status qb_pool_create(unsigned threads, struct qb_pool **pool, struct qb_error *err);
void qb_pool_free(struct qb_pool *pool);
unsigned qb_pool_threads(const struct qb_pool *pool);

/* Calls task(context, i, worker) once for each i in [0, tasks), worker in [0, threads) being the thread that runs
 * it (for scratch buffers); returns when all are done. Not re-entrant: a task starts no loop on the same pool. */
void qb_pool_run(struct qb_pool *pool, size_t tasks, void (*task)(void *context, size_t index, unsigned worker),
                 void *context);

/* What the tasks of one loop share when they can fail: the error of the first that did. Begins as QB_TASKS_FINE. */
struct qb_task_error {
    atomic_flag taken;
    struct qb_error error;
};
#define QB_TASKS_FINE                                                                                                  \
    {                                                                                                                  \
        .taken = ATOMIC_FLAG_INIT                                                                                      \
    }
void qb_task_fail(struct qb_task_error *error, const struct qb_error *err);
/* When the loop is done: its error in err, or QB_OK. */
enum qb_status qb_task_status(const struct qb_task_error *error, struct qb_error *err);

#endif
