/* Intervals that only metric/ needs; the public ones are in metric.h. */
#ifndef QB_INTERVAL_H
#define QB_INTERVAL_H

#include <stdbool.h>
#include <stddef.h>

/* 95% interval of the median of n independent observations, given in ascending order, by order statistics (no
 * assumption on their distribution; coverage at least 95%). False (lo, hi NaN) for n < 6: no such interval exists. */
bool qb_median_interval(const double *sorted, size_t n, double *lo, double *hi);

#endif
