#include "metric/parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"

bool qb_value_there(uint32_t flags)
{
    return !(flags & (QB_FLAG_ABSENT | QB_FLAG_FAILED | QB_FLAG_SKIPPED));
}

static void append_note(struct qb_value *value, const char *format, va_list arguments)
{
    size_t used = strlen(value->note), room = sizeof value->note - used;
    if (used > 0 && room > 2) {
        memcpy(value->note + used, "; ", 3);
        used += 2;
        room -= 2;
    }
    qb_utf8_vprint(value->note + used, room, format, arguments);
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

bool qb_absent(struct qb_value *value, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append_note(value, format, arguments);
    va_end(arguments);
    value->value = value->lo = value->hi = NAN;
    value->n = 0;
    value->flags |= QB_FLAG_ABSENT | QB_FLAG_NO_INTERVAL;
    return true;
}

bool qb_no_memory(struct qb_value *value)
{
    return qb_absent(value, "memory ran out while it was computed");
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

/* qb_quantile_interval with a buffer of its own. False: memory ran out or a NaN is met, and *value is NaN; or there is
 * no interval. */
static bool quantile(const double *x, const int32_t *id, size_t n, double p, struct qb_value *value, double *least,
                     double *most)
{
    struct qb_error err = {0};
    double *sorted = qb_alloc(n, sizeof *sorted, "sorted numbers", &err);
    bool there =
        sorted && n > 0 && qb_quantile_interval(x, id, n, p, 0.95, sorted, &value->value, &value->lo, &value->hi);
    value->n = n;
    *least = there ? sorted[0] : NAN;
    *most = there ? sorted[n - 1] : NAN;
    if (!sorted)
        qb_no_memory(value);
    qb_free(sorted);
    return there;
}

bool qb_median_value(struct qb_value *value, const double *x, size_t n, const char *what)
{
    double least, most;
    if (quantile(x, NULL, n, 0.5, value, &least, &most)) {
        qb_note(value, "median of %zu %s, order statistics; range %.4g to %.4g", n, what, least, most);
        return true;
    }
    if (value->flags & QB_FLAG_NO_INTERVAL)
        return true;
    if (isnan(value->value))
        return qb_no_interval(value, "NaN among the %zu %s", n, what);
    return qb_no_interval(value, "median of %zu %s: an interval needs 6", n, what);
}

static size_t count_clusters(const int32_t *id, size_t n)
{
    size_t clusters = n > 0;
    for (size_t i = 1; i < n; i++)
        clusters += id[i] != id[i - 1];
    return clusters;
}

bool qb_too_few(struct qb_value *value, size_t clusters, const char *what)
{
    if (clusters == 1)
        return qb_no_interval(value, "one %.*s: entries within one depend on each other", (int)strlen(what) - 1, what);
    return qb_no_interval(value, "%s are not known, and entries within one depend on each other", what);
}

bool qb_quantile_value(struct qb_value *value, const double *x, const int32_t *id, size_t n, double p,
                       const char *clusters)
{
    double least, most;
    size_t groups = id ? count_clusters(id, n) : 0;
    if (quantile(x, id, n, p, value, &least, &most) && groups > 1) {
        qb_note(value, "Woodruff over %zu %s", groups, clusters);
        return true;
    }
    if (value->flags & QB_FLAG_NO_INTERVAL)
        return true;
    if (isnan(value->value))
        return qb_no_interval(value, "NaN among the %zu observations", n);
    if (groups < 2)
        return qb_too_few(value, groups, clusters);
    return qb_no_interval(value, "too few observations over %zu %s for an interval of this quantile", groups, clusters);
}

bool qb_largest_value(struct qb_value *value, const double *x, size_t n)
{
    value->n = n;
    value->value = x[0];
    for (size_t i = 1; i < n && !isnan(value->value); i++)
        if (!(x[i] <= value->value))
            value->value = x[i];
    if (isnan(value->value))
        return qb_no_interval(value, "NaN among the %zu observations", n);
    return qb_no_interval(value, "a maximum has no interval");
}

void qb_lists_remark(const struct qb_record *record, struct qb_value *value)
{
    double vocabulary;
    if (!qb_scalar(record, "vocabulary", &vocabulary) || vocabulary > 10)
        return;
    value->flags |= QB_FLAG_DEGENERATE;
    qb_note(value, "every list holds the whole vocabulary of %.0f tokens", vocabulary);
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

bool qb_calibration_overlap(const struct qb_record *record, struct qb_value *value)
{
    double contexts;
    return qb_scalar(record, "calibration_overlap", &contexts) && qb_exact(value, contexts, 1);
}
