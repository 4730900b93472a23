/* Lists of numbers in order. */
#include <math.h>
#include <stdlib.h>
#include "metric/metric.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void qb_sort(double *x, size_t n)
{
    qsort(x, n, sizeof *x, ascending);
}

double qb_quantile(const double *sorted, size_t n, double p)
{
    if (n == 0 || !(p >= 0 && p <= 1))
        return NAN;
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n || sorted[below] == sorted[below + 1]) /* equal neighbours may be Inf */
        return sorted[below];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}
