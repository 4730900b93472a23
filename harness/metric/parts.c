#include "metric/parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "metric/interval.h"

static void append_note(struct qb_value *value, const char *format, va_list arguments)
{
    size_t used = strlen(value->note), room = sizeof value->note - used;
    if (used > 0 && room > 2) {
        memcpy(value->note + used, "; ", 3);
        used += 2;
        room -= 2;
    }
    vsnprintf(value->note + used, room, format, arguments);
}

void qb_note(struct qb_value *value, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append_note(value, format, arguments);
    va_end(arguments);
}

bool qb_no_interval(struct qb_value *value, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append_note(value, format, arguments);
    va_end(arguments);
    value->lo = value->hi = NAN;
    value->flags |= QB_FLAG_NO_INTERVAL;
    return true;
}

bool qb_no_memory(struct qb_value *value)
{
    value->value = NAN;
    return qb_no_interval(value, "memory ran out while it was computed");
}

bool qb_exact(struct qb_value *value, double number, size_t n)
{
    value->value = number;
    value->n = n;
    return qb_no_interval(value, "exact: nothing was sampled");
}

static double entry(const struct qb_array *array, size_t i)
{
    switch (array->dtype) {
    case QB_F32:
        return (double)((const float *)array->data)[i];
    case QB_F64:
        return ((const double *)array->data)[i];
    case QB_I32:
        return (double)((const int32_t *)array->data)[i];
    case QB_I64:
        return (double)((const int64_t *)array->data)[i];
    case QB_U8:
        return (double)((const uint8_t *)array->data)[i];
    case QB_TEXT:
        break;
    }
    return NAN;
}

double *qb_doubles(const struct qb_record *record, const char *name, size_t *count)
{
    struct qb_error err = {0};
    const struct qb_array *array = qb_record_find(record, name);
    if (!array || array->dtype == QB_TEXT || array->rank < 1 || array->rank > 2 || array->count == 0)
        return NULL;
    double *x = qb_alloc(array->count, sizeof *x, name, &err);
    for (size_t i = 0; x && i < array->count; i++)
        x[i] = entry(array, i);
    *count = array->count;
    return x;
}

const void *qb_shaped(const struct qb_record *record, const char *name, enum qb_dtype dtype, size_t first,
                      size_t second)
{
    const struct qb_array *array = qb_record_get(record, name, dtype, second > 0 ? 2 : 1);
    if (!array || array->count == 0 || array->dims[0] != first || (second > 0 && array->dims[1] != second))
        return NULL;
    return array->data;
}

bool qb_scalar(const struct qb_record *record, const char *name, double *number)
{
    *number = qb_record_scalar(record, name, NAN);
    return !isnan(*number);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts x; false when a NaN is among its entries, which no order can place. */
static bool sort_numbers(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]))
            return false;
    qsort(x, n, sizeof *x, ascending);
    return true;
}

bool qb_median_value(struct qb_value *value, double *x, size_t n, const char *what)
{
    value->n = n;
    value->value = sort_numbers(x, n) ? qb_quantile(x, n, 0.5) : NAN;
    if (isnan(value->value))
        return qb_no_interval(value, "NaN among the %zu %s", n, what);
    if (!qb_median_interval(x, n, &value->lo, &value->hi))
        return qb_no_interval(value, "median of %zu %s: an interval needs 6", n, what);
    qb_note(value, "median of %zu %s, order statistics; range %.4g to %.4g", n, what, x[0], x[n - 1]);
    return true;
}

bool qb_quantile_value(struct qb_value *value, double *x, size_t n, double p, const char *why)
{
    value->n = n;
    value->value = sort_numbers(x, n) ? qb_quantile(x, n, p) : NAN;
    if (isnan(value->value))
        return qb_no_interval(value, "NaN among the %zu observations", n);
    return qb_no_interval(value, "%s", why);
}

static size_t count_clusters(const int32_t *id, size_t n)
{
    size_t clusters = n > 0;
    for (size_t i = 1; i < n; i++)
        clusters += id[i] != id[i - 1];
    return clusters;
}

bool qb_rate_value(struct qb_value *value, const double *x, const int32_t *id, size_t n, bool binary,
                   const char *clusters)
{
    double mean = qb_mean(x, n), lo, hi;
    size_t groups = count_clusters(id, n);
    value->value = 100 * mean;
    value->n = n;
    if (isnan(mean))
        return qb_no_interval(value, "NaN among the %zu observations", n);
    if (groups < 2)
        return qb_no_interval(value, "fewer than 2 %s, and entries within one depend on each other", clusters);
    if (binary && groups == n) {
        qb_wilson((uint64_t)llround(mean * (double)n), n, &lo, &hi);
        qb_note(value, "Wilson: %zu independent observations", n);
    } else if (mean == 0 || mean == 1) {
        qb_wilson(mean == 1 ? groups : 0, groups, &lo, &hi);
        qb_note(value, "no spread; Wilson over %zu %s", groups, clusters);
    } else {
        qb_cluster_interval(x, id, n, &lo, &hi, &groups);
        if (hi - lo < 1e-12)
            return qb_no_interval(value, "no spread over %zu %s", groups, clusters);
        qb_note(value, "cluster t over %zu %s", groups, clusters);
    }
    value->lo = 100 * fmax(lo, 0);
    value->hi = 100 * fmin(hi, 1);
    return true;
}

bool qb_cluster_mean(struct qb_value *value, const double *x, const int32_t *id, size_t n, const char *clusters)
{
    size_t groups, zeros = 0;
    value->n = n;
    value->value = qb_mean(x, n);
    for (size_t i = 0; i < n; i++)
        zeros += x[i] == 0;
    if (isnan(value->value))
        return qb_no_interval(value, "NaN among the %zu observations", n);
    if (zeros == n) {
        value->lo = value->hi = 0;
        qb_note(value, "exactly 0 at each of %zu positions", n);
        return true;
    }
    if (!qb_cluster_interval(x, id, n, &value->lo, &value->hi, &groups))
        return qb_no_interval(value, "fewer than 2 %s, and entries within one depend on each other", clusters);
    qb_note(value, "cluster t over %zu %s", groups, clusters);
    return true;
}

bool qb_alpha(const struct qb_record *record, struct qb_value *value)
{
    double alpha;
    return qb_scalar(record, "alpha", &alpha) && qb_exact(value, alpha, 1);
}

bool qb_alpha_raw(const struct qb_record *record, struct qb_value *value)
{
    double alpha;
    return qb_scalar(record, "alpha_raw", &alpha) && qb_exact(value, alpha, 1);
}
