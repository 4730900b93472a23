/* Means and rates over clusters: the ratio, its standard error, and the intervals that need no resampling. */
#include <float.h>
#include <math.h>
#include "metric/cluster.h"

const char *qb_interval_method_name(enum qb_interval_method method)
{
    switch (method) {
    case QB_METHOD_CLUSTER_T:
        return "cluster-t";
    case QB_METHOD_BOOTSTRAP_T:
        return "bootstrap-t";
    case QB_METHOD_ENVELOPE_T:
        return "envelope-t";
    case QB_METHOD_BCA:
        return "bca";
    case QB_METHOD_WILSON:
        return "wilson";
    case QB_METHODS:
        break;
    }
    return "unknown";
}

bool qb_ratio_of(const struct qb_clusters *x, struct qb_ratio *ratio)
{
    double sum = 0, weight = 0, squares = 0, cubes = 0, count = (double)x->count;
    *ratio = (struct qb_ratio){.value = NAN, .se = NAN, .weight = NAN};
    for (size_t g = 0; g < x->count; g++) {
        if (!(x->weight[g] > 0))
            return false;
        sum += x->sum[g];
        weight += x->weight[g];
    }
    double value = sum / weight;
    if (!isfinite(value) || !isfinite(weight))
        return false;
    for (size_t g = 0; g < x->count; g++) {
        double e = x->sum[g] - value * x->weight[g];
        squares += e * e;
        cubes += e * e * e;
    }
    ratio->value = value;
    ratio->weight = weight;
    if (x->count < 2)
        return true;
    ratio->se = sqrt(count / (count - 1) * squares) / weight;
    if (!(ratio->se > 8 * DBL_EPSILON * fabs(value)))
        ratio->se = 0;
    else
        ratio->skewness = cubes / count / pow(squares / count, 1.5);
    return isfinite(ratio->se);
}

void qb_wilson_at(double p, double n, double t, double *lo, double *hi)
{
    double t2 = t * t / n;
    double middle = (p + t2 / 2) / (1 + t2), half = t / (1 + t2) * sqrt((p * (1 - p) + t2 / 4) / n);
    *lo = p > 0 ? fmax(0, middle - half) : 0; /* exact at the ends, where the difference would leave rounding */
    *hi = p < 1 ? fmin(1, middle + half) : 1;
}

/* A share of exactly 0 or 1. Clusters of m entries count as n / (1 + (m - 1) icc) observations (Kish 1965); with
 * unequal clusters m is the mean size that an entry sees. */
static void wilson_at_the_end(const struct qb_clusters *x, double level, double icc, struct qb_interval *interval)
{
    double n = 0, squares = 0;
    for (size_t g = 0; g < x->count; g++) {
        n += x->weight[g];
        squares += x->weight[g] * x->weight[g];
    }
    double effect = 1 + (fmax(1, squares / n) - 1) * fmin(fmax(icc, 0), 1);
    interval->se = 0;
    interval->method = QB_METHOD_WILSON;
    qb_wilson_at(interval->value, n / effect, qb_normal_quantile(0.5 + level / 2), &interval->lo, &interval->hi);
}

static void cluster_t(const struct qb_clusters *x, const struct qb_ratio *ratio, double level, double *lo, double *hi)
{
    double half = qb_student_quantile(0.5 + level / 2, (double)x->count - 1) * ratio->se;
    *lo = ratio->value - half;
    *hi = ratio->value + half;
}

static void wilson(const struct qb_clusters *x, const struct qb_ratio *ratio, double level, double *lo, double *hi)
{
    double p = ratio->value, n = p * (1 - p) / (ratio->se * ratio->se);
    qb_wilson_at(p, n, qb_student_quantile(0.5 + level / 2, (double)x->count - 1), lo, hi);
}

static bool envelope_t(const struct qb_clusters *x, const struct qb_ratio *ratio, double level, double *lo, double *hi)
{
    double low, high;
    if (!qb_bootstrap_t(x, ratio, level, &low, &high))
        return false;
    cluster_t(x, ratio, level, lo, hi);
    *lo = fmin(*lo, low);
    *hi = fmax(*hi, high);
    return true;
}

/* By the method, or by cluster-t where a bootstrap gives no bounds. */
static void interval_by(enum qb_interval_method method, const struct qb_clusters *x, const struct qb_ratio *ratio,
                        double level, struct qb_interval *interval)
{
    double *lo = &interval->lo, *hi = &interval->hi;
    bool has = false;
    if (method == QB_METHOD_WILSON)
        wilson(x, ratio, level, lo, hi), has = true;
    else if (method == QB_METHOD_BOOTSTRAP_T)
        has = qb_bootstrap_t(x, ratio, level, lo, hi);
    else if (method == QB_METHOD_ENVELOPE_T)
        has = envelope_t(x, ratio, level, lo, hi);
    else if (method == QB_METHOD_BCA)
        has = qb_bootstrap_bca(x, ratio, level, lo, hi);
    interval->method = has ? method : QB_METHOD_CLUSTER_T;
    if (!has)
        cluster_t(x, ratio, level, lo, hi);
}

bool qb_mean_interval(const struct qb_clusters *x, enum qb_data_kind kind, enum qb_interval_method method, double level,
                      double icc, struct qb_interval *interval)
{
    struct qb_ratio ratio;
    bool finite = qb_ratio_of(x, &ratio), share = kind == QB_KIND_SHARE && ratio.value >= 0 && ratio.value <= 1;
    *interval = (struct qb_interval){ratio.value, ratio.se, NAN, NAN, method};
    if (!finite || !(level > 0 && level < 1))
        return false;
    if (share && (ratio.value == 0 || ratio.value == 1) && !isnan(icc)) {
        wilson_at_the_end(x, level, icc, interval);
        return true;
    }
    if (x->count < 2 || !(ratio.se > 0) || (method == QB_METHOD_WILSON && !share))
        return false;
    interval_by(method, x, &ratio, level, interval);
    return true;
}

void qb_wilson(uint64_t k, uint64_t n, double *lo, double *hi)
{
    *lo = *hi = NAN;
    if (n > 0 && k <= n)
        qb_wilson_at((double)k / (double)n, (double)n, qb_normal_quantile(0.975), lo, hi);
}
