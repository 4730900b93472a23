/* What the metric_*.c files share: reading records safely and filling in a value with its interval or the reason why it
 * has none. Internal to metric/. None of these keeps a pointer; all are thread-safe on different values. */
#ifndef QB_METRIC_PARTS_H
#define QB_METRIC_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "metric/metric.h"

/* The metrics of one experiment, ended by a NULL name. */
extern const struct qb_metric qb_metrics_roundtrip[], qb_metrics_linearity[], qb_metrics_depth[], qb_metrics_greedy[],
    qb_metrics_teacher_forced[], qb_metrics_memory[], qb_metrics_speed[];

/* Appends to value->note, "; " between parts; what does not fit is cut. */
void qb_note(struct qb_value *value, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* lo = hi = NaN, QB_FLAG_NO_INTERVAL and the reason in the note. Returns true, for `return qb_no_interval(...)`. */
bool qb_no_interval(struct qb_value *value, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* NaN because memory ran out, the note saying so; true. */
bool qb_no_memory(struct qb_value *value);

/* A count or a size: the value is exact, there is no sampling. n = observations. Returns true. */
bool qb_exact(struct qb_value *value, double number, size_t n);

/* A numeric array of rank 1 or 2 with entries, as doubles in a new buffer for qb_free: NULL when the record has none or
 * memory is short. */
double *qb_doubles(const struct qb_record *record, const char *name, size_t *count);

/* An array of the type with exactly these dims (rank 1 when second is 0), or NULL. Empty arrays count as missing. */
const void *qb_shaped(const struct qb_record *record, const char *name, enum qb_dtype dtype, size_t first,
                      size_t second);

/* A scalar that must be there: false when it is missing or NaN. */
bool qb_scalar(const struct qb_record *record, const char *name, double *number);

/* The median of independent observations x[n] with its order-statistics interval. Sorts x; `what` names an observation
 * in the plural ("repeats"). A NaN among them makes the value NaN. Returns true. */
bool qb_median_value(struct qb_value *value, double *x, size_t n, const char *what);

/* A quantile of x[n] without interval (`why`). Sorts x. n >= 1. Returns true. */
bool qb_quantile_value(struct qb_value *value, double *x, size_t n, double p, const char *why);

/* A share in percent: the mean of x[n], entries in [0, 1], which fall into clusters id[n] of dependent observations
 * ("prompts", "chunks"). Interval by cluster; Wilson when every entry is its own cluster and `binary`. When all
 * entries are 0 or all 1 the spread says nothing: then Wilson with a cluster as one observation. Returns true. */
bool qb_rate_value(struct qb_value *value, const double *x, const int32_t *id, size_t n, bool binary,
                   const char *clusters);

/* The mean of x[n] with a cluster interval; exactly 0 everywhere gives [0, 0]. Returns true. */
bool qb_cluster_mean(struct qb_value *value, const double *x, const int32_t *id, size_t n, const char *clusters);

/* The calibrated variants' scalars, in greedy and teacher-forced alike. */
bool qb_alpha(const struct qb_record *record, struct qb_value *value);
bool qb_alpha_raw(const struct qb_record *record, struct qb_value *value);

#endif
