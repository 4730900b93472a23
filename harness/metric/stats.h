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

/* To 12 digits (tests/golden); NaN for arguments out of range. */
double qb_normal_cdf(double z);
double qb_normal_quantile(double p);                      /* p in (0, 1); +-Inf at the ends */
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
    QB_METHOD_ENVELOPE_T,  /* each bound the outer one of cluster-t's and bootstrap-t's: the first holds under heavy
                              symmetric tails, the second under skewness, and few clusters do not tell which it is */
    QB_METHOD_BCA,         /* bias-corrected accelerated cluster bootstrap (Efron 1987), jackknife acceleration */
    QB_METHOD_WILSON,      /* for a share: Wilson's score at the effective sample size p(1-p)/se^2 with Student's t
                              (Korn and Graubard 1998; Dean and Pagano 2015) */
    QB_METHODS
};
const char *qb_interval_method_name(enum qb_interval_method method); /* "bootstrap-t" */

/* What kind of number a mean is of: decides the method, by the coverage table. */
enum qb_data_kind { QB_KIND_REAL, QB_KIND_SHARE /* entries in [0, 1] */ };

/* The method by the coverage table (coverage_table.c says the rule). */
enum qb_interval_method qb_interval_method_for(enum qb_data_kind kind, size_t clusters);

struct qb_interval {
    double value, se; /* of the mean; se cluster-robust */
    double lo, hi;    /* NaN: none */
    enum qb_interval_method method;
};
/* Interval of the ratio at `level` (0.95). False: no interval (lo, hi NaN): fewer than 2 clusters, no spread between
 * clusters beyond rounding (se 0) unless the value is a share, see below, numbers that are not finite (value NaN), or
 * Wilson's method for a mean that is no share. A bootstrap without bounds (too many resamples without spread: under 5
 * clusters, or all but a few alike) stands back for cluster-t, and `method` says so. Bootstraps draw `QB_RESAMPLES`
 * times with a fixed seed, the same clusters for every metric of as many clusters.
 *
 * A share of exactly 0 or 1 has no spread to learn from. With `m` entries a cluster its interval is Wilson's with
 * n / (1 + (m - 1) icc) observations whatever the method; icc in [0, 1] is the caller's, 1: a cluster counts once. Of
 * unequal clusters m is sum of weight^2 / sum of weight. */
enum { QB_RESAMPLES = 1999 };
bool qb_mean_interval(const struct qb_clusters *x, enum qb_data_kind kind, enum qb_interval_method method, double level,
                      double icc, struct qb_interval *interval);

/* ---- differences ---- */

struct qb_difference {
    double value;  /* b - a */
    double se, df; /* df: clusters - 1 when paired, Welch-Satterthwaite when not */
    double lo, hi; /* two-sided interval at `level`, method by the coverage table; NaN: none */
    double p;      /* two-sided, of no difference, by Student's t; NaN, as lo and hi are, where the clusters show no
                      spread (se 0): how far chance could move the value is then not known. 1 when identical */
    size_t clusters;
    bool paired;
    bool identical; /* every paired difference is exactly 0: nothing moved, and chance has no part in it */
};
/* Paired: a and b measured the same clusters (equal counts and weights); the difference is taken a cluster. Exactly 0
 * everywhere is `identical`: value 0, se 0, [0, 0], p 1. A se of no more than the rounding of the totals is 0. False,
 * all NaN: cannot be (counts or weights differ, under 2 clusters, a number that is not finite), or memory ran out. */
bool qb_difference_paired(const struct qb_clusters *a, const struct qb_clusters *b, double level,
                          struct qb_difference *d);
/* Independent clusters (fresh inputs): Welch (1947), interval by Student's t; none when se is 0. False as above. */
bool qb_difference_unpaired(const struct qb_clusters *a, const struct qb_clusters *b, double level,
                            struct qb_difference *d);
/* One-sided p of H0: difference <= bound, by Student's t. NaN for a difference that could not be, and for one without
 * spread (se 0), unless it is identical: then 0 when bound is under 0, else 1. */
double qb_p_above(const struct qb_difference *d, double bound);
double qb_p_below(const struct qb_difference *d, double bound); /* H0: difference >= bound */
/* The smallest true difference (above `bound`, itself: not the distance to it) that a one-sided test of H0: difference
 * <= bound at alpha finds with this power: bound + (t(1 - alpha) + t(power)) se, which stands in for the noncentral t
 * (Bloom 1995). NaN without df. */
double qb_minimum_detectable(const struct qb_difference *d, double bound, double alpha, double power);

/* McNemar's exact test: two-sided binomial p of b against c discordant pairs (1 when b + c is 0). */
double qb_mcnemar(uint64_t b, uint64_t c);
/* The smallest change of a share of right answers over n independent items that this test finds at alpha with this
 * power, where a share `flips` in [0, 1] of the items goes from right to wrong or back: the exact unconditional power
 * (Duffy 1984), summed over how many change. A change above `flips` is of as many items, all one way. To 1e-6; NaN
 * where even the change of all is not found, for arguments out of range, and when memory ran out. */
double qb_mcnemar_detectable(uint64_t n, double flips, double alpha, double power);

/* ---- many tests ---- */

/* p[n] -> adjusted p, monotone and at most 1; NaN entries are left out of the family and stay NaN. `adjusted` may be
 * p. False: memory ran out. */
bool qb_holm(const double *p, size_t n, double *adjusted);
bool qb_benjamini_hochberg(const double *p, size_t n, double *adjusted);

/* ---- quantiles and tails ---- */

/* Quantile p of x[n] (type 7) with an interval from order statistics: independent entries (id NULL) exactly by the
 * binomial; clustered ones by Woodruff (1952): the cluster-robust interval of the share below, inverted, never narrower
 * than of independent entries. In simulation (clusters of 128, icc 0.05) the latter covers 93 to 96% from 10 clusters
 * on for p of 0.5 to 0.99; at an icc of 0.3 and 20 clusters 94% for p 0.5, 91% for 0.9, 80% for 0.99. `x` in the
 * clusters' order, ids of a cluster next to each other; scratch[n] gets the sorted values. False: no interval (lo, hi
 * NaN): one cluster, entries too few to bound the quantile, or a NaN among them (value NaN too). */
bool qb_quantile_interval(const double *x, const int32_t *id, size_t n, double p, double level, double *scratch,
                          double *value, double *lo, double *hi);

/* ---- survival ---- */

/* Kaplan and Meier (1958) over n subjects: time[n], event[n] (0: censored). Steps in ascending time with an event:
 * survival S, and its 95% log-log interval (Kalbfleisch and Prentice; NaN where S is 0). A subject censored at a time
 * is still at risk then. Writes at most n steps, returns how many; 0 when a time is NaN. */
struct qb_survival_step {
    double time, survival, lo, hi;
    size_t at_risk, events;
};
size_t qb_kaplan_meier(const double *time, const uint8_t *event, size_t n, struct qb_survival_step *steps);

/* ---- coverage (coverage.c, coverage_table.c) ---- */

enum qb_population {                       /* what the simulation draws from: clusters of 128 positions */
                     QB_POPULATION_NORMAL, /* cluster effect and noise normal */
                     QB_POPULATION_SKEWED, /* exp of it: like KL over positions */
                     QB_POPULATION_HEAVY,  /* Student's t, 3 df */
                     QB_POPULATION_SHARE,  /* 0 or 1, rare misses: like top-1 agreement */
                     QB_POPULATIONS
};
const char *qb_population_name(enum qb_population population);
enum qb_data_kind qb_population_kind(enum qb_population population);

struct qb_coverage_design {
    enum qb_population population;
    size_t clusters, trials; /* 2.., 1.. */
    double icc;              /* in [0, 1]: correlation of two positions of a cluster on the scale of the population's
                                normal (for t3 its own) variables; QB_COVERAGE_ICC in the shipped table */
    unsigned methods;        /* bits 1 << method: the intervals to simulate */
};
#define QB_COVERAGE_ICC 0.05

/* How a 95% interval did over the trials that gave one. NaN: it was not simulated, or none gave one. */
struct qb_coverage {
    double covered;      /* percent whose interval holds the population's mean */
    double below, above; /* percent whose interval lies wholly below, above the mean */
    double width;        /* its half-width over cluster-t's in the same trial; the median */
    double none;         /* percent of all trials without an interval (no spread between clusters) */
};
/* Simulates each method of the design, and the interval that takes positions for independent (Student's t over
 * positions, Wilson's for a share). Deterministic in the design; trials are spread over the pool. False: memory ran
 * out or the design is out of range. */
struct qb_pool;
bool qb_coverage_simulate(struct qb_pool *pool, const struct qb_coverage_design *design,
                          struct qb_coverage methods[QB_METHODS], struct qb_coverage *iid);

/* What 10^4 trials at QB_COVERAGE_ICC gave, shipped with the program (`qinsbench coverage` makes it anew): percent
 * covered by each method (NaN: not for this kind) and by the interval that takes positions for independent. */
struct qb_coverage_row {
    enum qb_population population;
    size_t clusters;
    double covered[QB_METHODS], iid;
};
const struct qb_coverage_row *qb_coverage_table(size_t *rows);

/* By the table: the least favourable of the populations of this kind, at the largest tabled size up to `clusters`. NaN
 * when there is none (a method that is not for this kind, under 2 clusters). */
double qb_coverage_known(enum qb_data_kind kind, enum qb_interval_method method, size_t clusters);

#endif
