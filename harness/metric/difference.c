/* Differences between two arms, and what a test of them can tell. */
#include <float.h>
#include <math.h>
#include "base/mem.h"
#include "metric/cluster.h"

static double two_sided(double t, double df)
{
    return fmin(1, 2 * qb_student_cdf(-fabs(t), df));
}

static struct qb_difference none(bool paired)
{
    return (struct qb_difference){.value = NAN, .se = NAN, .df = NAN, .lo = NAN, .hi = NAN, .p = NAN, .paired = paired};
}

/* The same clusters: equal counts and weights. */
static bool matched(const struct qb_clusters *a, const struct qb_clusters *b)
{
    if (a->count != b->count || a->count < 2)
        return false;
    for (size_t g = 0; g < a->count; g++)
        if (!(a->weight[g] == b->weight[g]))
            return false;
    return true;
}

static bool all_zero(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(x[i] == 0))
            return false;
    return true;
}

/* `rounding`: what a standard error may be by rounding alone, the two means being taken from each other. */
static bool paired_of(const struct qb_clusters *x, double rounding, double level, struct qb_difference *d)
{
    struct qb_interval interval;
    bool has = qb_mean_interval(x, QB_KIND_REAL, qb_interval_method_for(QB_KIND_REAL, x->count), level, NAN, &interval);
    if (isnan(interval.value))
        return false;
    d->value = interval.value;
    d->se = interval.se > rounding ? interval.se : 0;
    d->df = (double)x->count - 1;
    d->clusters = x->count;
    d->identical = all_zero(x->sum, x->count);
    if (d->identical) {
        d->lo = d->hi = 0;
        d->p = 1;
    } else if (d->se > 0) {
        d->p = two_sided(d->value / d->se, d->df);
        d->lo = has ? interval.lo : NAN;
        d->hi = has ? interval.hi : NAN;
    }
    return true;
}

bool qb_difference_paired(const struct qb_clusters *a, const struct qb_clusters *b, double level,
                          struct qb_difference *d)
{
    struct qb_error err = {0};
    *d = none(true);
    if (!matched(a, b))
        return false;
    double *sum = qb_alloc(a->count, sizeof *sum, "paired differences", &err);
    if (!sum)
        return false;
    double size = 0, weight = 0;
    for (size_t g = 0; g < a->count; g++) {
        sum[g] = b->sum[g] - a->sum[g];
        size += fabs(a->sum[g]) + fabs(b->sum[g]);
        weight += a->weight[g];
    }
    bool ok = paired_of(&(struct qb_clusters){sum, a->weight, a->count}, 8 * DBL_EPSILON * size / weight, level, d);
    qb_free(sum);
    return ok;
}

bool qb_difference_unpaired(const struct qb_clusters *a, const struct qb_clusters *b, double level,
                            struct qb_difference *d)
{
    struct qb_ratio ra, rb;
    *d = none(false);
    if (!qb_ratio_of(a, &ra) || !qb_ratio_of(b, &rb) || a->count < 2 || b->count < 2)
        return false;
    double va = ra.se * ra.se, vb = rb.se * rb.se, na = (double)a->count - 1, nb = (double)b->count - 1;
    d->value = rb.value - ra.value;
    d->se = sqrt(va + vb);
    d->clusters = a->count + b->count;
    if (!(d->se > 0)) {
        d->df = na + nb;
        return true;
    }
    d->df = (va + vb) * (va + vb) / (va * va / na + vb * vb / nb);
    double half = qb_student_quantile(0.5 + level / 2, d->df) * d->se;
    d->lo = d->value - half;
    d->hi = d->value + half;
    d->p = two_sided(d->value / d->se, d->df);
    return true;
}

double qb_p_above(const struct qb_difference *d, double bound)
{
    if (isnan(d->value) || isnan(bound) || isnan(d->se))
        return NAN;
    if (!(d->se > 0))
        return !d->identical ? NAN : d->value > bound ? 0 : 1;
    return qb_student_cdf((bound - d->value) / d->se, d->df);
}

double qb_p_below(const struct qb_difference *d, double bound)
{
    if (isnan(d->value) || isnan(bound) || isnan(d->se))
        return NAN;
    if (!(d->se > 0))
        return !d->identical ? NAN : d->value < bound ? 0 : 1;
    return qb_student_cdf((d->value - bound) / d->se, d->df);
}

double qb_minimum_detectable(const struct qb_difference *d, double bound, double alpha, double power)
{
    if (!(d->df > 0 && alpha > 0 && alpha < 1 && power > 0 && power < 1))
        return NAN;
    return bound + (qb_student_quantile(1 - alpha, d->df) + qb_student_quantile(power, d->df)) * d->se;
}

double qb_mcnemar(uint64_t b, uint64_t c)
{
    return fmin(1, 2 * qb_binomial_cdf(b < c ? b : c, b + c, 0.5));
}
