/* A pool for data-parallel loops. Work is cut into tasks whose number and extent never depend on the number of
 * threads, so results are bitwise the same for 1 or n threads. */
#ifndef QB_THREADS_H
#define QB_THREADS_H

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

#endif
