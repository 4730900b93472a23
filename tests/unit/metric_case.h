/* Builds records and asks for one metric's value. For tests of metrics. */
#ifndef QB_TEST_METRIC_CASE_H
#define QB_TEST_METRIC_CASE_H

#include <math.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "metric/metric.h"

static inline void put(struct qb_record *record, const char *name, enum qb_dtype dtype, size_t rows, size_t columns,
                       const void *data)
{
    struct qb_error err = {0};
    size_t dims[] = {rows, columns};
    int rank = columns > 0 ? 2 : 1;
    size_t count = columns > 0 ? rows * columns : rows;
    void *to = qb_record_add(record, name, dtype, rank, dims, "1", "test", &err);
    cr_assert_not_null(to, "%s", err.message);
    if (count > 0)
        memcpy(to, data, count * qb_dtype_size(dtype));
}

static inline void put_scalar(struct qb_record *record, const char *name, double value)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_record_f64(record, name, value, "1", "test", &err), QB_OK, "%s", err.message);
}

static inline void put_texts(struct qb_record *record, const char *name, const char *const *texts, size_t count)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_record_text(record, name, texts, count, "test", &err), QB_OK, "%s", err.message);
}

/* The value as qb_metrics_compute gives it; found says whether it is there. */
static inline struct qb_value ask(const char *experiment, const struct qb_record *record, const char *metric,
                                  bool *found)
{
    struct qb_error err = {0};
    struct qb_value *values = NULL, value = {.value = NAN};
    size_t count = 0;
    cr_assert_eq(qb_metrics_compute(experiment, record, &values, &count, &err), QB_OK);
    *found = false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(values[i].metric, metric) == 0) {
            value = values[i];
            *found = true;
        }
    qb_free(values);
    return value;
}

static inline struct qb_value must(const char *experiment, const struct qb_record *record, const char *metric)
{
    bool found;
    struct qb_value value = ask(experiment, record, metric, &found);
    cr_assert(found, "no %s", metric);
    cr_assert((value.flags & QB_FLAG_NO_INTERVAL) ? isnan(value.lo) && isnan(value.hi) : value.lo <= value.hi);
    cr_assert(!(value.flags & QB_FLAG_NO_INTERVAL) || value.note[0], "%s has no interval and no reason", metric);
    return value;
}

static inline bool absent(const char *experiment, const struct qb_record *record, const char *metric)
{
    bool found;
    ask(experiment, record, metric, &found);
    return !found;
}

#endif
