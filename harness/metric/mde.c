/* How small a change of accuracy McNemar's exact test finds. */
#include <math.h>
#include "base/mem.h"
#include "metric/stats.h"

/* The largest k at which k against m - k is significant at alpha, for each m in [first, first + count); -1: none. */
static void critical(uint64_t first, size_t count, double alpha, int64_t *k)
{
    int64_t at = -1;
    for (size_t i = 0; i < count; i++) {
        const uint64_t m = first + i;
        if (i == 0)
            at = (int64_t)(m / 2);
        for (at += at < (int64_t)(m / 2); at >= 0 && qb_mcnemar((uint64_t)at, m - (uint64_t)at) > alpha; at--)
            continue;
        k[i] = at;
    }
}

/* Of n items a share of `flips` in [0, 1] changes, to right with chance p each. Sums over how many change, m in
 * [first, first + count), weighted by the binomial; k: critical values. */
static double power_at(uint64_t n, double flips, double p, uint64_t first, size_t count, const int64_t *k)
{
    double power = 0, before = first > 0 ? qb_binomial_cdf(first - 1, n, flips) : 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t m = first + i;
        const double upto = m >= n ? 1 : qb_binomial_cdf(m, n, flips), weight = upto - before;
        before = upto;
        if (k[i] < 0 || !(weight > 0))
            continue;
        const uint64_t low = (uint64_t)k[i];
        power += weight * (qb_binomial_cdf(low, m, p) + 1 - qb_binomial_cdf(m - low - 1, m, p));
    }
    return power;
}

/* The power against a change by delta: of max(flips, delta) items. NaN: memory ran out. */
static double power_of(uint64_t n, double flips, double delta, double alpha)
{
    struct qb_error err = {0};
    const double share = fmin(1, fmax(flips, delta)), mean = (double)n * share, sd = sqrt(mean * (1 - share));
    const uint64_t first = (uint64_t)fmax(0, floor(mean - 9 * sd - 2));
    const uint64_t last = (uint64_t)fmin((double)n, ceil(mean + 9 * sd + 20));
    const size_t count = (size_t)(last - first) + 1;
    int64_t *k = qb_alloc(count, sizeof *k, "critical values", &err);
    if (!k)
        return NAN;
    critical(first, count, alpha, k);
    const double power = power_at(n, share, fmin(1, (share + delta) / (2 * share)), first, count, k);
    qb_free(k);
    return power;
}

double qb_mcnemar_detectable(uint64_t n, double flips, double alpha, double power)
{
    double low = 0, high = 1;
    if (n == 0 || !(flips >= 0 && flips <= 1 && alpha > 0 && alpha < 1 && power > 0 && power < 1) ||
        !(power_of(n, flips, 1, alpha) >= power))
        return NAN;
    while (high - low > 1e-6) { /* a millionth of all items is less than one */
        const double middle = (low + high) / 2, found = power_of(n, flips, middle, alpha);
        if (isnan(found))
            return NAN;
        if (found >= power)
            high = middle;
        else
            low = middle;
    }
    return high;
}
