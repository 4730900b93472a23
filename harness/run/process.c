#include "run/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "compute/linear.h"
#include "run/worker.h"

#define REPORT_FD 3

void qb_process_settle(pid_t parent, int report, int chatter, int asks)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);            /* it died before prctl */
    signal(SIGINT, SIG_IGN); /* the terminal sends Ctrl-C to all; the parent decides */
    signal(SIGHUP, SIG_IGN); /* as does its end */
    signal(SIGTERM, SIG_DFL);
    int null = open("/dev/null", O_RDONLY);
    /* Above the standard ones first, so that no dup2 overwrites what the next needs. */
    report = fcntl(report, F_DUPFD, 10);
    chatter = fcntl(chatter, F_DUPFD, 10);
    asks = asks < 0 ? null : fcntl(asks, F_DUPFD, 10);
    if (null < 0 || report < 0 || chatter < 0 || asks < 0 || dup2(null, 0) < 0 || dup2(chatter, 1) < 0 ||
        dup2(chatter, 2) < 0 || dup2(report, REPORT_FD) < 0 || dup2(asks, QB_PROCESS_ASKS) < 0)
        _exit(1);
    close_range(QB_PROCESS_ASKS + 1, ~0u, 0);
}

#define BLAS_BUFFER ((uint64_t)256 << 20) /* address space that OpenBLAS and a stack take for each further thread */

void qb_process_limit(const struct qb_suite_limits *limits, unsigned threads)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (!limits->memory)
        return;
    qb_blas_init(); /* maps its buffer now: OpenBLAS spins for ever where it cannot get one */
    uint64_t all = qb_address_space() + limits->memory + (uint64_t)(threads - 1) * BLAS_BUFFER;
    struct rlimit as = {all, all};
    setrlimit(RLIMIT_AS, &as);
    qb_mem_limit((size_t)limits->memory);
}

bool qb_process_report(const struct qb_error *err)
{
    struct qb_worker_report answer = {.status = err->status};
    qb_utf8_print(answer.message, sizeof answer.message, "%s", err->message);
    ssize_t n = write(REPORT_FD, &answer, sizeof answer);
    close(REPORT_FD);
    return n == (ssize_t)sizeof answer;
}
