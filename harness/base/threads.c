#include "base/threads.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include "base/cpu.h"
#include "base/mem.h"

enum { THREADS_MAX = 256, LOOKS = 2000 }; /* some 30 to 80 microseconds */

struct worker {
    struct qb_pool *pool;
    pthread_t thread;
    unsigned index; /* 1..threads-1; the caller is 0 */
};

/* A loop is published by a new round number; every worker takes part in every round and the caller waits for all of
 * them, so that none can meet a later loop's tasks late. A decoding step is hundreds of loops of some ten microseconds,
 * as long as it takes to wake a thread: who waits looks a while before it sleeps. It is woken under the lock by who
 * changes what it waits for and then sees it asleep; it says that it is, and then looks once more. */
struct qb_pool {
    unsigned threads, started, looks;
    pthread_mutex_t lock;
    pthread_cond_t begin, done;
    atomic_ulong round;
    atomic_uint busy;     /* workers that have not ended this round */
    atomic_uint sleeping; /* workers that wait for `begin` */
    atomic_bool waiting;  /* the caller waits for `done` */
    atomic_bool stop;
    void (*task)(void *context, size_t index, unsigned worker);
    void *context;
    size_t tasks;
    atomic_size_t next;
    struct worker workers[];
};

static void work(struct qb_pool *pool, unsigned worker)
{
    for (;;) {
        size_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (index >= pool->tasks)
            return;
        pool->task(pool->context, index, worker);
    }
}

/* Between two looks: lets the core's other thread, or its clock, have the time. */
static void pause_briefly(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#endif
}

static bool begun(struct qb_pool *pool, unsigned long seen)
{
    return atomic_load(&pool->round) != seen || atomic_load(&pool->stop);
}

static void await_begin(struct qb_pool *pool, unsigned long seen)
{
    for (unsigned i = 0; i < pool->looks && !begun(pool, seen); i++)
        pause_briefly();
    if (begun(pool, seen))
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleeping, 1);
    while (!begun(pool, seen))
        pthread_cond_wait(&pool->begin, &pool->lock);
    atomic_fetch_sub(&pool->sleeping, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void await_done(struct qb_pool *pool)
{
    for (unsigned i = 0; i < pool->looks && atomic_load(&pool->busy) != 0; i++)
        pause_briefly();
    if (atomic_load(&pool->busy) == 0)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->waiting, true);
    while (atomic_load(&pool->busy) != 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->waiting, false);
    pthread_mutex_unlock(&pool->lock);
}

static void wake(struct qb_pool *pool, pthread_cond_t *sleepers)
{
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(sleepers);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *argument)
{
    struct worker *self = argument;
    struct qb_pool *pool = self->pool;
    for (unsigned long seen = 0;; seen++) {
        await_begin(pool, seen);
        if (atomic_load(&pool->stop))
            return NULL;
        work(pool, self->index);
        if (atomic_fetch_sub(&pool->busy, 1) == 1 && atomic_load(&pool->waiting))
            wake(pool, &pool->done);
    }
}

/* Signals stay with the thread that made the pool: the workers block all but those that tell of their own faults, for a
 * fault whose signal is blocked ends the program without a word. */
static enum qb_status start_workers(struct qb_pool *pool, struct qb_error *err)
{
    sigset_t all, before;
    static const int faults[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGABRT};
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = 0;
    for (unsigned i = 1; i < pool->threads && reason == 0; i++) {
        struct worker *worker = &pool->workers[i - 1];
        *worker = (struct worker){.pool = pool, .index = i};
        reason = pthread_create(&worker->thread, NULL, worker_main, worker);
        pool->started += reason == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reason != 0)
        return qb_fail(err, QB_ERR_IO, "cannot start thread %u of %u: %s", pool->started + 2, pool->threads,
                       strerror(reason));
    return QB_OK;
}

enum qb_status qb_pool_create(unsigned threads, struct qb_pool **pool, struct qb_error *err)
{
    *pool = NULL;
    if (threads < 1 || threads > THREADS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%u threads: expected 1 to %d", threads, THREADS_MAX);
    struct qb_pool *made = qb_alloc(1, sizeof *made + (threads - 1) * sizeof *made->workers, "a thread pool", err);
    if (!made)
        return err->status;
    made->threads = threads;
    made->looks = threads <= qb_cpu()->cores ? LOOKS : 0;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->begin, NULL);
    pthread_cond_init(&made->done, NULL);
    if (start_workers(made, err)) {
        qb_pool_free(made);
        return err->status;
    }
    *pool = made;
    return QB_OK;
}

void qb_pool_free(struct qb_pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    wake(pool, &pool->begin);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->begin);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    qb_free(pool);
}

unsigned qb_pool_threads(const struct qb_pool *pool)
{
    return pool->threads;
}

void qb_pool_run(struct qb_pool *pool, size_t tasks, void (*task)(void *context, size_t index, unsigned worker),
                 void *context)
{
    if (pool->threads == 1 || tasks <= 1) {
        for (size_t i = 0; i < tasks; i++)
            task(context, i, 0);
        return;
    }
    assert(atomic_load(&pool->busy) == 0 && "a task started a loop on its own pool");
    pool->task = task;
    pool->context = context;
    pool->tasks = tasks;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->busy, pool->started);
    atomic_fetch_add(&pool->round, 1);
    if (atomic_load(&pool->sleeping) != 0)
        wake(pool, &pool->begin);
    work(pool, 0);
    await_done(pool);
}

void qb_task_fail(struct qb_task_error *error, const struct qb_error *err)
{
    if (!atomic_flag_test_and_set(&error->taken))
        error->error = *err;
}

enum qb_status qb_task_status(const struct qb_task_error *error, struct qb_error *err)
{
    if (error->error.status)
        *err = error->error;
    return err->status;
}
