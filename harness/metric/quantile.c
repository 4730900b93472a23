/* Quantiles with intervals from order statistics. */
#include <math.h>
#include "metric/cluster.h"
#include "metric/metric.h"

/* The least k with P(Binomial(n, p) <= k) >= share, k <= n. */
static size_t binomial_quantile(size_t n, double p, double share)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (qb_binomial_cdf(middle, n, p) >= share)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Ranks (from 1) r and s with P(x_(r) <= quantile) and P(x_(s) >= quantile) at least 1 - tail each, for independent
 * entries of any distribution (Conover 1999, 3.2). 0 or n + 1: there is none. */
static void binomial_ranks(size_t n, double p, double tail, size_t *r, size_t *s)
{
    *r = binomial_quantile(n, p, tail);         /* P(X <= r - 1) < tail, or r = 0 */
    *s = binomial_quantile(n, p, 1 - tail) + 1; /* P(X <= s - 1) >= 1 - tail */
}

/* The share of entries up to the quantile has a cluster-robust standard error, hence an effective sample size, never
 * above n, and Wilson's interval of p at that size (a Wald interval leaves [0, 1] in the tails). It bounds the rank. As
 * with independent entries there is no bound on a side where the quantile may lie beyond all of them. */
static bool clustered_ranks(const double *x, const int32_t *id, size_t n, double p, double value, double level,
                            size_t *r, size_t *s)
{
    size_t below = 0, clusters = 0;
    double squares = 0, residual = 0;
    for (size_t i = 0; i < n; i++)
        below += x[i] <= value;
    double share = (double)below / (double)n;
    for (size_t i = 0; i < n; i++) {
        residual += (x[i] <= value) - share;
        if (i + 1 < n && id[i + 1] == id[i])
            continue;
        squares += residual * residual;
        residual = 0;
        clusters++;
    }
    if (clusters < 2)
        return false;
    double g = (double)clusters, count = (double)n, variance = g / (g - 1) * squares / (count * count), lo, hi;
    double size = variance > 0 ? fmin(count, share * (1 - share) / variance) : count;
    double t = qb_student_quantile(0.5 + level / 2, g - 1), z = qb_normal_quantile(0.5 + level / 2);
    double effective = size * (z / t) * (z / t), tail = (1 - level) / 2;
    if (pow(p, effective) > tail || pow(1 - p, effective) > tail)
        return false;
    qb_wilson_at(p, size, t, &lo, &hi);
    *r = (size_t)ceil(lo * count);
    *s = (size_t)floor(hi * count) + 1;
    return true;
}

bool qb_quantile_interval(const double *x, const int32_t *id, size_t n, double p, double level, double *scratch,
                          double *value, double *lo, double *hi)
{
    size_t r, s;
    *value = *lo = *hi = NAN;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            return false;
        scratch[i] = x[i];
    }
    qb_sort(scratch, n);
    *value = qb_quantile(scratch, n, p);
    if (n == 0 || !(p > 0 && p < 1) || !(level > 0 && level < 1))
        return false;
    if (!id)
        binomial_ranks(n, p, (1 - level) / 2, &r, &s);
    else if (!clustered_ranks(x, id, n, p, *value, level, &r, &s))
        return false;
    if (r < 1 || s > n)
        return false;
    *lo = scratch[r - 1];
    *hi = scratch[s - 1];
    return true;
}
