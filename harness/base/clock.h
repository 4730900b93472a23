/* The one clock that durations are taken with. */
#ifndef QB_CLOCK_H
#define QB_CLOCK_H

#include <sys/resource.h>
#include <time.h>

/* Seconds of the monotonic clock, from an arbitrary start; for differences within one machine's uptime. Thread-safe. */
static inline double qb_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds of processors that this process has used. */
static inline double qb_clock_cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

#endif
