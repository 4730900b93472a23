/* What a child of this process takes is its own once it was waited for, and another's until then. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/others.h"

static double child_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

Test(others, a_child_counts_as_another_until_it_was_waited_for)
{
    struct qb_others others;
    qb_others_start(&others);
    if (isnan(others.busy))
        cr_skip_test("the system does not tell");
    const double start = qb_clock();
    const pid_t child = fork();
    if (child == 0) {
        while (qb_clock_cpu() < 2) /* of a processor: however long that takes */
            ;
        _exit(0);
    }
    siginfo_t end;
    cr_assert_eq(waitid(P_PID, (id_t)child, &end, WEXITED | WNOWAIT), 0);
    const double all = (qb_clock() - start) * (double)sysconf(_SC_NPROCESSORS_ONLN);
    const double before = qb_others_share(&others);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    const double after = qb_others_share(&others);
    cr_assert_geq(child_seconds(), 1.5);
    cr_expect_geq(before, 1.5 / all, "%g of %g s", before, all);
    cr_expect_leq(after, before - 1 / all, "%g, before %g, of %g s", after, before, all);
}
