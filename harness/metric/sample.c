/* Means over clusters: totals taken from observations, and the value with its interval from them. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "metric/parts.h"

void qb_sample_free(struct qb_sample *sample)
{
    qb_free(sample->sum);
    qb_free(sample->weight);
    *sample = (struct qb_sample){0};
}

double qb_transform(enum qb_transform transform, double x)
{
    switch (transform) {
    case QB_PERCENT:
        return 100 * x;
    case QB_EXP:
        return exp(x);
    case QB_AS_IS:
        break;
    }
    return x;
}

double qb_transform_difference(enum qb_transform transform, double x)
{
    return transform == QB_EXP ? 100 * expm1(x) : qb_transform(transform, x);
}

const char *qb_difference_unit(enum qb_transform transform, const char *unit)
{
    return transform == QB_PERCENT ? "points" : transform == QB_EXP ? "%" : unit;
}

/* Totals of the kept entries; a new cluster begins with the first kept entry of another id. Returns their number. */
static size_t total(struct qb_sample *sample, const double *x, const int32_t *id, const uint8_t *keep, size_t n)
{
    size_t clusters = 0, last = 0;
    for (size_t i = 0; i < n; i++) {
        if (keep && !keep[i])
            continue;
        if (clusters == 0 || id[i] != id[last])
            clusters++;
        last = i;
        sample->n++;
        sample->sum[clusters - 1] += x[i];
        sample->weight[clusters - 1]++;
    }
    return clusters;
}

bool qb_sample_fill(struct qb_sample *sample, const double *x, const int32_t *id, const uint8_t *keep, size_t n)
{
    struct qb_error err = {0};
    size_t runs = n > 0;
    for (size_t i = 1; i < n; i++)
        runs += id[i] != id[i - 1];
    sample->n = 0;
    sample->sum = qb_alloc(runs, sizeof *sample->sum, "cluster totals", &err);
    sample->weight = qb_alloc(runs, sizeof *sample->weight, "cluster totals", &err);
    if (!sample->sum || !sample->weight) {
        qb_sample_free(sample);
        return true;
    }
    sample->clusters = total(sample, x, id, keep, n);
    if (sample->clusters > 0)
        return true;
    qb_sample_free(sample);
    return false;
}

/* A share without a miss, or without a hit, shows no spread between clusters: what its interval then rests on. */
static void note_assumption(const struct qb_sample *sample, struct qb_value *value)
{
    int singular = (int)strlen(sample->unit) - 1;
    if (sample->n == sample->clusters)
        return;
    if (sample->icc >= 1)
        qb_note(value, "no spread: a %.*s counts once", singular, sample->unit);
    else
        qb_note(value, "assumes an intra-%.*s correlation of at most %g", singular, sample->unit, sample->icc);
}

static void note_coverage(const struct qb_sample *sample, enum qb_interval_method method, struct qb_value *value)
{
    double known = qb_coverage_known(sample->kind, method, sample->clusters);
    if (isnan(known))
        qb_note(value, "what intervals over so few %s cover is not known", sample->unit);
    else if (!(known >= 94))
        qb_note(value, "such intervals cover %.1f%% in simulation", value->covers = known);
}

static bool interval_value(const struct qb_sample *sample, double mean, struct qb_value *value)
{
    struct qb_clusters totals = {sample->sum, sample->weight, sample->clusters};
    struct qb_interval interval;
    bool share = sample->kind == QB_KIND_SHARE;
    enum qb_interval_method method = qb_interval_method_for(sample->kind, sample->clusters);
    if (!qb_mean_interval(&totals, sample->kind, method, 0.95, sample->icc, &interval))
        return qb_no_interval(value, "no spread over %zu %s", sample->clusters, sample->unit);
    if (share || sample->nonnegative)
        interval.lo = fmax(interval.lo, 0);
    if (share)
        interval.hi = fmin(interval.hi, 1);
    if (sample->most > 0)
        interval.hi = fmin(interval.hi, sample->most);
    value->lo = qb_transform(sample->transform, interval.lo);
    value->hi = qb_transform(sample->transform, interval.hi);
    qb_note(value, "%s over %zu %s", qb_interval_method_name(interval.method), sample->clusters, sample->unit);
    if (share && (mean == 0 || mean == 1))
        note_assumption(sample, value);
    note_coverage(sample, interval.method, value);
    return true;
}

bool qb_sample_value(const struct qb_sample *sample, double identity, struct qb_value *value)
{
    double sum = 0, weight = 0;
    bool zero = sample->kind == QB_KIND_REAL && qb_transform(sample->transform, 0) == identity;
    if (!sample->sum)
        return qb_no_memory(value);
    for (size_t i = 0; i < sample->clusters; i++) {
        sum += sample->sum[i];
        weight += sample->weight[i];
        zero = zero && sample->sum[i] == 0;
    }
    value->n = sample->n;
    value->value = qb_transform(sample->transform, sum / weight);
    if (!isfinite(sum / weight))
        return qb_no_interval(value, "NaN or Inf among the %llu observations", (unsigned long long)sample->n);
    if (!isfinite(value->value))
        return qb_no_interval(value, "exp of a mean of %.6g, more than a double holds", sum / weight);
    if (zero) {
        value->lo = value->hi = identity;
        qb_note(value, "exactly %g at each of %llu positions", identity, (unsigned long long)sample->n);
        return true;
    }
    if (sample->clusters < 2 && sample->n < 2)
        return qb_no_interval(value, "one observation has no interval");
    if (sample->clusters < 2)
        return qb_too_few(value, sample->clusters, sample->unit);
    return interval_value(sample, sum / weight, value);
}
