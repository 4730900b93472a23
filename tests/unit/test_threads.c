#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "base/threads.h"
#include "unit/sanitized.h"

static struct qb_pool *pool_of(unsigned threads)
{
    struct qb_error err = {0};
    struct qb_pool *pool = NULL;
    cr_assert_eq(qb_pool_create(threads, &pool, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_pool_threads(pool), threads);
    return pool;
}

static void ask_mask(void *context, size_t index, unsigned worker)
{
    atomic_int *blocked = context;
    sigset_t mask;
    (void)index, (void)worker;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (size_t i = 0; i < 3; i++)
        atomic_fetch_add(blocked, sigismember(&mask, (const int[]){SIGBUS, SIGSEGV, SIGFPE}[i]));
}

/* A fault whose signal is blocked ends the program without a word. */
Test(threads, faults_are_not_blocked)
{
    atomic_int blocked = 0;
    struct qb_pool *pool = pool_of(3);
    qb_pool_run(pool, 60, ask_mask, &blocked);
    cr_assert_eq(blocked, 0);
    qb_pool_free(pool);
}

struct visits {
    atomic_int count[1000];
    unsigned threads;
    atomic_int bad_worker;
};

static void visit(void *context, size_t index, unsigned worker)
{
    struct visits *visits = context;
    atomic_fetch_add(&visits->count[index], 1);
    if (worker >= visits->threads)
        atomic_store(&visits->bad_worker, 1);
}

Test(threads, every_task_runs_once)
{
    static const size_t amounts[] = {0, 1, 2, 7, 8, 9, 1000};
    for (unsigned threads = 1; threads <= 8; threads++) {
        struct qb_pool *pool = pool_of(threads);
        for (size_t a = 0; a < sizeof amounts / sizeof *amounts; a++) {
            static struct visits visits;
            memset(&visits, 0, sizeof visits);
            visits.threads = threads;
            qb_pool_run(pool, amounts[a], visit, &visits);
            for (size_t i = 0; i < 1000; i++)
                cr_assert_eq(visits.count[i], i < amounts[a] ? 1 : 0);
            cr_assert_eq(visits.bad_worker, 0);
        }
        qb_pool_free(pool);
    }
}

enum { PARTS = 37, PART = 1001 };

/* A sum whose rounding depends on its order: equal results mean equal cuts. */
static void add_part(void *context, size_t index, unsigned worker)
{
    float *sums = context, sum = 0.0f;
    (void)worker;
    for (size_t i = 0; i < PART; i++)
        sum += sinf((float)(index * PART + i)) * 1e3f;
    sums[index] = sum;
}

Test(threads, results_are_bitwise_equal_for_any_number)
{
    float reference[PARTS] = {0};
    for (unsigned threads = 1; threads <= 8; threads++) {
        float sums[PARTS] = {0};
        struct qb_pool *pool = pool_of(threads);
        qb_pool_run(pool, PARTS, add_part, sums);
        qb_pool_free(pool);
        if (threads == 1)
            memcpy(reference, sums, sizeof sums);
        cr_assert_eq(memcmp(reference, sums, sizeof sums), 0, "%u threads", threads);
    }
}

static void count(void *context, size_t index, unsigned worker)
{
    (void)worker;
    atomic_fetch_add((atomic_size_t *)context, index + 1);
}

Test(threads, many_short_loops)
{
    struct qb_pool *pool = pool_of(4);
    atomic_size_t sum = 0;
    for (int i = 0; i < 5000; i++)
        qb_pool_run(pool, 3, count, &sum);
    qb_pool_free(pool);
    cr_assert_eq(sum, 5000 * 6);
}

struct nest {
    struct qb_pool *inner[3]; /* one for each worker: a pool serves one caller at a time */
    atomic_size_t sum;
};

static void run_inner(void *context, size_t index, unsigned worker)
{
    struct nest *nest = context;
    (void)index;
    qb_pool_run(nest->inner[worker], 10, count, &nest->sum);
}

Test(threads, tasks_may_use_other_pools)
{
    struct nest nest = {.inner = {pool_of(2), pool_of(2), pool_of(2)}};
    struct qb_pool *outer = pool_of(3);
    qb_pool_run(outer, 20, run_inner, &nest);
    cr_assert_eq(nest.sum, 20 * 55);
    qb_pool_free(outer);
    for (int i = 0; i < 3; i++)
        qb_pool_free(nest.inner[i]);
}

static void wrong_nest(void *context, size_t index, unsigned worker)
{
    atomic_size_t sum = 0;
    (void)index;
    (void)worker;
    qb_pool_run(context, 2, count, &sum);
}

Test(threads, a_loop_inside_a_loop_is_caught, .signal = SIGABRT)
{
    struct qb_pool *pool = pool_of(2);
    qb_pool_run(pool, 2, wrong_nest, pool);
}

Test(threads, numbers_out_of_range)
{
    static const unsigned bad[] = {0, 257, UINT32_MAX};
    for (int i = 0; i < 3; i++) {
        struct qb_error err = {0};
        struct qb_pool *pool = NULL;
        cr_assert_eq(qb_pool_create(bad[i], &pool, &err), QB_ERR_INPUT);
        cr_assert_null(pool);
        cr_assert_not_null(strstr(err.message, "1 to 256"));
    }
    qb_pool_free(NULL);
    qb_pool_free(pool_of(256));
}

Test(threads, short_memory)
{
    struct qb_error err = {0};
    struct qb_pool *pool = NULL;
    qb_mem_fail_at(1);
    cr_assert_eq(qb_pool_create(4, &pool, &err), QB_ERR_MEMORY);
    cr_assert_null(pool);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

/* No address space for another stack: the threads already started must end, and nothing may leak. */
Test(threads, the_system_refuses_a_thread, .disabled = QB_SANITIZED)
{
    struct rlimit before, tight;
    struct qb_error err = {0};
    struct qb_pool *pool = NULL;
    getrlimit(RLIMIT_AS, &before);
    tight = before;
    tight.rlim_cur = qb_rss_bytes() + ((rlim_t)256 << 20);
    cr_assert_eq(setrlimit(RLIMIT_AS, &tight), 0);
    enum qb_status status = qb_pool_create(200, &pool, &err);
    setrlimit(RLIMIT_AS, &before);
    cr_assert_eq(status, QB_ERR_IO);
    cr_assert_null(pool);
    cr_assert_not_null(strstr(err.message, "of 200"));
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}
