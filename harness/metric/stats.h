/* Statistics on numbers: distributions, cluster intervals, paired and unpaired differences, multiplicity, quantiles,
 * survival. Nothing here knows a record. Float64, no state, thread-safe; every result is the same for any number of
 * threads. Sources stand at each function; values are checked against SciPy and statsmodels
 * (tests/golden/make_statistics.py).
 *
 * Positions of one chunk, or steps of one prompt, depend on each other. A cluster is such a group; clusters are
 * independent draws. A mean over positions is a ratio of cluster totals: sum of sums / sum of weights. */
#ifndef QB_STATS_H
#define QB_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- distributions ---- */

double qb_normal_cdf(double z);
double qb_normal_quantile(double p);                      /* p in (0, 1); +-Inf at the ends, NaN outside */
double qb_student_cdf(double t, double df);               /* df > 0, fractions allowed (Welch); df Inf: normal */
double qb_student_quantile(double p, double df);          /* likewise */
double qb_beta_cdf(double x, double a, double b);         /* regularised incomplete beta */
double qb_binomial_cdf(uint64_t k, uint64_t n, double p); /* P(X <= k), exact through the incomplete beta */

/* ---- means and rates over clusters ---- */

/* Totals a cluster: value = sum(sum) / sum(weight). Borrowed arrays [count]; weights > 0, all finite. */
struct qb_clusters {
    const double *sum, *weight;
    size_t count;
};

enum qb_interval_method {
    QB_METHOD_CLUSTER_T,   /* linearised ratio, cluster-robust standard error, Student's t with count - 1 df */
    QB_METHOD_BOOTSTRAP_T, /* studentised cluster bootstrap (Efron and Tibshirani 1993, ch. 12) */
    QB_METHOD_BCA,         /* bias-corrected accelerated cluster bootstrap (Efron 1987), jackknife acceleration */
    QB_METHOD_WILSON,      /* for a share: Wilson's score at the effective sample size p(1-p)/se^2 with Student's t
                              (Korn and Graubard 1998; Dean and Pagano 2015) */
};
const char *qb_interval_method_name(enum qb_interval_method method); /* "bootstrap-t" */

/* What kind of number a mean is of: decides the method, by the coverage table. */
enum qb_data_kind { QB_KIND_REAL, QB_KIND_SHARE /* entries in [0, 1] */ };

/* The method with the best simulated coverage at this number of clusters (coverage.c). */
enum qb_interval_method qb_interval_method_for(enum qb_data_kind kind, size_t clusters);

struct qb_interval {
    double value, se; /* of the mean; se cluster-robust */
    double lo, hi;    /* NaN: none */
    enum qb_interval_method method;
};
/* Interval of the ratio at `level` (0.95). False: no interval (lo, hi NaN): fewer than 2 clusters, or no spread between
 * clusters (se 0) unless the value is a share, see below. Bootstraps draw `QB_RESAMPLES` times with a fixed seed.
 *
 * A share of exactly 0 or 1 has no spread to learn from. With `m` entries a cluster its interval is Wilson's with
 * n / (1 + (m - 1) icc) observations; icc in [0, 1] is the caller's, 1: a cluster counts once. */
enum { QB_RESAMPLES = 1999 };
bool qb_mean_interval(const struct qb_clusters *x, enum qb_data_kind kind, enum qb_interval_method method, double level,
                      double icc, struct qb_interval *interval);

/* ---- differences ---- */

struct qb_difference {
    double value;  /* b - a */
    double se, df; /* df: clusters - 1 when paired, Welch-Satterthwaite when not */
    double lo, hi; /* two-sided interval at `level`, method by the coverage table; NaN: none */
    double p;      /* two-sided, of no difference; 1 when every paired difference is exactly 0 */
    size_t clusters;
    bool paired;
};
/* Paired: a and b measured the same clusters (equal counts and weights); the difference is taken a cluster. Exactly 0
 * everywhere gives value 0, se 0, [0, 0], p 1. False: cannot be (counts or weights differ, under 2 clusters). */
bool qb_difference_paired(const struct qb_clusters *a, const struct qb_clusters *b, double level,
                          struct qb_difference *d);
/* Independent clusters (fresh inputs). */
bool qb_difference_unpaired(const struct qb_clusters *a, const struct qb_clusters *b, double level,
                            struct qb_difference *d);
/* One-sided p of H0: difference <= bound. With se 0: 0 when value > bound, else 1. */
double qb_p_above(const struct qb_difference *d, double bound);
double qb_p_below(const struct qb_difference *d, double bound); /* H0: difference >= bound */
/* The smallest true difference over `bound` that a one-sided test at alpha finds with this power; NaN without df. */
double qb_minimum_detectable(const struct qb_difference *d, double bound, double alpha, double power);

/* McNemar's exact test: two-sided binomial p of b against c discordant pairs (1 when b + c is 0). */
double qb_mcnemar(uint64_t b, uint64_t c);

/* ---- many tests ---- */

/* p[n] -> adjusted p, monotone and at most 1; NaN entries are left out of the family and stay NaN. `adjusted` may be
 * p. False: memory ran out. */
bool qb_holm(const double *p, size_t n, double *adjusted);
bool qb_benjamini_hochberg(const double *p, size_t n, double *adjusted);

/* ---- quantiles and tails ---- */

/* Quantile p of x[n] (type 7) with an interval from order statistics: independent entries (id NULL) exactly by the
 * binomial; clustered ones by Woodruff (1952): the cluster-robust interval of the share below, inverted. `x` in the
 * clusters' order, id[n] consecutive; scratch[n] gets the sorted values. False: no interval (too few). */
bool qb_quantile_interval(const double *x, const int32_t *id, size_t n, double p, double level, double *scratch,
                          double *value, double *lo, double *hi);

/* ---- survival ---- */

/* Kaplan and Meier (1958) over n subjects: time[n], event[n] (0: censored). Steps in ascending time with an event:
 * survival S, and its 95% log-log interval (Kalbfleisch and Prentice). Writes at most n steps, returns how many. */
struct qb_survival_step {
    double time, survival, lo, hi;
    size_t at_risk, events;
};
size_t qb_kaplan_meier(const double *time, const uint8_t *event, size_t n, struct qb_survival_step *steps);

/* ---- coverage (coverage.c) ---- */

enum qb_population {                       /* what the simulation draws from, clustered */
                     QB_POPULATION_NORMAL, /* cluster effect and noise normal */
                     QB_POPULATION_SKEWED, /* exp of it: like KL over positions */
                     QB_POPULATION_HEAVY,  /* Student's t, 3 df */
                     QB_POPULATION_SHARE,  /* 0 or 1, rare misses: like top-1 agreement */
                     QB_POPULATIONS
};
const char *qb_population_name(enum qb_population population);

/* Simulated coverage in percent of the 95% interval by `method` (or, with iid, of the interval that takes positions for
 * independent), from `trials` trials at this number of clusters. Deterministic in its arguments; tasks over threads. */
struct qb_pool;
double qb_coverage_simulate(struct qb_pool *pool, enum qb_population population, enum qb_interval_method method,
                            bool iid, size_t clusters, size_t trials);

/* What 10^4 trials gave, shipped with the program (`qinsbench coverage` makes the table anew): the least favourable of
 * the populations of this kind, at the largest tabled size up to `clusters`. NaN when there is none. */
double qb_coverage_known(enum qb_data_kind kind, enum qb_interval_method method, size_t clusters);

#endif
