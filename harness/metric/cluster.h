/* Means over clusters as ratios of totals: what the interval methods of this room share. */
#ifndef QB_CLUSTER_H
#define QB_CLUSTER_H

#include "metric/stats.h"

/* R = sum of sums / sum of weights, and the cluster-robust standard error of the linearised ratio,
 * sqrt(G / (G - 1) * sum of e^2) / sum of weights with residuals e = s - R w (Cochran 1977, 6.4; Stata's and
 * statsmodels' cluster-robust variance of a regression on a constant). */
struct qb_ratio {
    double value, se;
    double weight;   /* sum of weights */
    double skewness; /* of the residuals: m3 / m2^1.5; 0 when there is no spread */
};
/* False: no clusters, a weight that is not positive, or a number that is not finite. With one cluster se is NaN. A
 * spread that rounding explains (a few ulp of R) counts as none: se 0. */
bool qb_ratio_of(const struct qb_clusters *x, struct qb_ratio *ratio);

/* Intervals of a bootstrap over clusters (bootstrap.c) around `ratio`, which is x's with se > 0. False: memory ran out,
 * or a bound is not finite (too many resamples without spread). */
bool qb_bootstrap_t(const struct qb_clusters *x, const struct qb_ratio *ratio, double level, double *lo, double *hi);
bool qb_bootstrap_bca(const struct qb_clusters *x, const struct qb_ratio *ratio, double level, double *lo, double *hi);

/* Wilson's score interval of a share p seen at n observations (n > 0, fractions allowed), `t` standard errors wide. */
void qb_wilson_at(double p, double n, double t, double *lo, double *hi);

#endif
