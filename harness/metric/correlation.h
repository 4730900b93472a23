/* How two quantities of the same things go together: rank correlation with a bootstrap over the things, and a least-
 * squares line with what it misses a thing by that it was not fitted to. */
#ifndef QB_CORRELATION_H
#define QB_CORRELATION_H

#include <stddef.h>
#include "base/error.h"

/* Spearman's rank correlation: Pearson's of average ranks (ties share the mean of theirs), as scipy.stats.spearmanr. In
 * [-1, 1]; NaN where n < 2 or either is constant. x, y [n], finite. */
enum qb_status qb_spearman(const double *x, const double *y, size_t n, double *rho, struct qb_error *err);

/* 2.5th and 97.5th percentiles (linear between draws) of qb_spearman over QB_CORRELATION_DRAWS samples of n pairs with
 * replacement (Efron 1979), draws that are NaN left out; NaN both where all are. The same draws for the same n. */
enum { QB_CORRELATION_DRAWS = 1999 };
enum qb_status qb_spearman_interval(const double *x, const double *y, size_t n, double *lo, double *hi,
                                    struct qb_error *err);

/* y = a + b x by least squares, and the root mean square of y less the line through the other n - 1 pairs at x, over
 * the pairs. All NaN where n < 3 or x is constant; `left_out` alone where without a pair it is. */
struct qb_line {
    double a, b, left_out;
};
struct qb_line qb_least_squares(const double *x, const double *y, size_t n);

#endif
