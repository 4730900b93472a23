/* Bootstraps over clusters. Resample b draws its clusters from stream b of a counter-based generator with a fixed seed:
 * the same on every machine and any number of threads, and the same clusters for every metric of the same clusters. */
#include <math.h>
#include "base/mem.h"
#include "base/splitmix.h"
#include "metric/cluster.h"
#include "metric/metric.h"

static const uint64_t bootstrap_seed = 0x71626f6f74737472;

/* A cluster's terms of a resample's ratio and standard error. Residuals about R, so that no digits cancel. */
struct terms {
    double e, w, ee, ew, ww;
};

static struct terms *terms_of(const struct qb_clusters *x, double value)
{
    struct qb_error err = {0};
    struct terms *terms = qb_alloc(x->count, sizeof *terms, "bootstrap", &err);
    for (size_t g = 0; terms && g < x->count; g++) {
        double w = x->weight[g], e = x->sum[g] - value * w;
        terms[g] = (struct terms){e, w, e * e, e * w, w * w};
    }
    return terms;
}

/* The totals of resample b: `count` clusters drawn with replacement, two from each 64-bit output (an index of a
 * 32-bit number by multiplication; its bias, count / 2^32, is nothing). */
static struct terms resample(const struct terms *terms, size_t count, size_t b)
{
    struct terms sum = {0};
    uint64_t counter = qb_splitmix_hash(bootstrap_seed + QB_SPLITMIX_GAMMA * (b + 1)), bits = 0;
    for (size_t i = 0; i < count; i++) {
        bits = i % 2 == 0 ? qb_splitmix_next(&counter) : bits >> 32;
        const struct terms *t = &terms[(bits & UINT32_MAX) * count >> 32];
        sum.e += t->e;
        sum.w += t->w;
        sum.ee += t->ee;
        sum.ew += t->ew;
        sum.ww += t->ww;
    }
    return sum;
}

/* R* - R, exactly 0 where rounding alone tells them apart: resamples tie with the data, and a tie counts half. */
static double deviation(const struct terms *sum, const struct qb_ratio *ratio)
{
    double d = sum->e / sum->w;
    return fabs(d) > 1e-12 * ratio->se ? d : 0;
}

/* The studentised deviation of a resample: (R* - R) / se*. Without spread it is infinite, or 0 when R* is R. */
static double studentised(const struct terms *sum, const struct qb_ratio *ratio, size_t count)
{
    double d = deviation(sum, ratio), n = (double)count;
    double squares = sum->ee - 2 * d * sum->ew + d * d * sum->ww; /* of residuals about R* */
    double se = squares > 1e-14 * sum->ee ? sqrt(n / (n - 1) * squares) / sum->w : 0;
    return se > 0 ? d / se : d == 0 ? 0 : copysign(INFINITY, d);
}

bool qb_bootstrap_t(const struct qb_clusters *x, const struct qb_ratio *ratio, double level, double *lo, double *hi)
{
    double t[QB_RESAMPLES];
    struct terms *terms = terms_of(x, ratio->value);
    *lo = *hi = NAN;
    if (!terms)
        return false;
    for (size_t b = 0; b < QB_RESAMPLES; b++) {
        struct terms sum = resample(terms, x->count, b);
        t[b] = studentised(&sum, ratio, x->count);
    }
    qb_free(terms);
    qb_sort(t, QB_RESAMPLES);
    size_t k = (size_t)((QB_RESAMPLES + 1) * (1 - level) / 2 + 1e-9); /* k of B + 1 parts lie below t[k - 1] */
    k = k < 1 ? 1 : k;
    double low = t[k - 1], high = t[QB_RESAMPLES - k];
    if (!isfinite(low) || !isfinite(high))
        return false;
    *lo = ratio->value - high * ratio->se;
    *hi = ratio->value - low * ratio->se;
    return true;
}

/* Efron's acceleration from leaving out one cluster at a time. */
static double acceleration(const struct terms *terms, size_t count)
{
    double e = 0, w = 0, mean = 0, squares = 0, cubes = 0;
    for (size_t g = 0; g < count; g++) {
        e += terms[g].e;
        w += terms[g].w;
    }
    for (size_t g = 0; g < count; g++)
        mean += (e - terms[g].e) / (w - terms[g].w) / (double)count;
    for (size_t g = 0; g < count; g++) {
        double d = mean - (e - terms[g].e) / (w - terms[g].w);
        squares += d * d;
        cubes += d * d * d;
    }
    return squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
}

/* Quantile p of the sorted deviations, between order statistics at parts of B + 1. */
static double part(const double *sorted, double p)
{
    double at = p * (QB_RESAMPLES + 1) - 1;
    if (!(at >= 0 && at <= QB_RESAMPLES - 1))
        return at < 0 ? sorted[0] : sorted[QB_RESAMPLES - 1];
    size_t below = (size_t)at;
    if (below + 1 >= QB_RESAMPLES)
        return sorted[below];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

bool qb_bootstrap_bca(const struct qb_clusters *x, const struct qb_ratio *ratio, double level, double *lo, double *hi)
{
    double d[QB_RESAMPLES], below = 0;
    struct terms *terms = terms_of(x, ratio->value);
    *lo = *hi = NAN;
    if (!terms)
        return false;
    for (size_t b = 0; b < QB_RESAMPLES; b++) {
        struct terms sum = resample(terms, x->count, b);
        d[b] = deviation(&sum, ratio);
        below += d[b] < 0 ? 1 : d[b] == 0 ? 0.5 : 0;
    }
    double a = acceleration(terms, x->count), z0 = qb_normal_quantile(below / QB_RESAMPLES);
    qb_free(terms);
    if (!isfinite(z0))
        return false;
    qb_sort(d, QB_RESAMPLES);
    double z = qb_normal_quantile(0.5 + level / 2), low = z0 - z, high = z0 + z;
    if (!(1 - a * low > 0 && 1 - a * high > 0)) /* |a| far above what G >= 3 clusters give; no transformation then */
        return false;
    *lo = ratio->value + part(d, qb_normal_cdf(z0 + low / (1 - a * low)));
    *hi = ratio->value + part(d, qb_normal_cdf(z0 + high / (1 - a * high)));
    return true;
}
