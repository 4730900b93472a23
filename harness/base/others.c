#include "base/others.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"

/* Seconds that processors were at work, all together: of user, nice, system, idle, iowait, irq, softirq, steal all but
 * idle and iowait. */
static double busy_seconds(void)
{
    double x[8];
    FILE *file = fopen("/proc/stat", "re");
    const int n = file ? fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &x[0], &x[1], &x[2], &x[3], &x[4], &x[5],
                                &x[6], &x[7])
                       : 0;
    if (file)
        fclose(file);
    return n == 8 ? (x[0] + x[1] + x[2] + x[5] + x[6] + x[7]) / (double)sysconf(_SC_CLK_TCK) : NAN;
}

static double own_seconds(void)
{
    struct rusage children;
    getrusage(RUSAGE_CHILDREN, &children);
    return qb_clock_cpu() + (double)(children.ru_utime.tv_sec + children.ru_stime.tv_sec) +
           1e-6 * (double)(children.ru_utime.tv_usec + children.ru_stime.tv_usec);
}

void qb_others_start(struct qb_others *others)
{
    *others = (struct qb_others){busy_seconds(), own_seconds(), qb_clock()};
}

double qb_others_share(const struct qb_others *others)
{
    const double all = (qb_clock() - others->clock) * (double)sysconf(_SC_NPROCESSORS_ONLN);
    const double share = (busy_seconds() - others->busy - (own_seconds() - others->own)) / all;
    return isnan(share) || !(all > 0) ? NAN : fmin(fmax(share, 0), 1);
}
