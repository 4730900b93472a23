/* What the metric_*.c files share: reading records safely and filling in a value with its interval or the reason why it
 * has none. Internal to metric/. None of these keeps a pointer; all are thread-safe on different values. */
#ifndef QB_METRIC_PARTS_H
#define QB_METRIC_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "metric/metric.h"

/* Appends to value->note, "; " between parts; what does not fit is cut. */
void qb_note(struct qb_value *value, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* lo = hi = NaN, QB_FLAG_NO_INTERVAL and the reason in the note. Returns true, for `return qb_no_interval(...)`. */
bool qb_no_interval(struct qb_value *value, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* No value: QB_FLAG_ABSENT, the reason in the note; no interval either. For a number outside its metric's domain, and
 * one that could not be had. Returns true. */
bool qb_absent(struct qb_value *value, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Absent because memory ran out; true. */
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

/* The median of independent observations x[n] with its order-statistics interval; `what` names an observation in the
 * plural ("repeats"). A NaN among them makes the value NaN. Returns true. */
bool qb_median_value(struct qb_value *value, const double *x, size_t n, const char *what);

/* Quantile p of x[n], which fall into clusters id[n] (consecutive ids) of dependent observations, with its interval;
 * id NULL: none is known, hence no interval. `clusters` names them in the plural ("chunks"). A NaN among x makes the
 * value NaN. n >= 1. Returns true. */
bool qb_quantile_value(struct qb_value *value, const double *x, const int32_t *id, size_t n, double p,
                       const char *clusters);

/* No interval for want of clusters ("chunks"): one says "one chunk", 0 that they are not known. Returns true. */
bool qb_too_few(struct qb_value *value, size_t clusters, const char *what);

/* The largest of x[n], which has no interval; NaN when one is. n >= 1. Returns true. */
bool qb_largest_value(struct qb_value *value, const double *x, size_t n);

/* ---- means over clusters (sample.c) ---- */

/* Totals of x[n] by cluster id[n] (consecutive ids) into a sample whose transform, kind, icc, unit and nonnegative are
 * set. Entries with keep[i] 0 are left out (keep NULL: none), and so are clusters that none is left in; false: none is
 * left at all. True without totals: memory ran out. */
bool qb_sample_fill(struct qb_sample *sample, const double *x, const int32_t *id, const uint8_t *keep, size_t n);

/* Value, interval, n and note of a sample, by the method that the coverage table names. A real mean of 0 in each
 * cluster that transforms to `identity` (NaN: there is none) is identical arms, not chance: [identity, identity].
 * Returns true. */
bool qb_sample_value(const struct qb_sample *sample, double identity, struct qb_value *value);

/* A top-10 list of a vocabulary of 10 tokens or fewer is all of it: flags degenerate, whatever the arms are. */
void qb_lists_remark(const struct qb_record *record, struct qb_value *value);

/* The calibrated variants' scalars, in greedy and teacher-forced alike. */
bool qb_alpha(const struct qb_record *record, struct qb_value *value);
bool qb_alpha_raw(const struct qb_record *record, struct qb_value *value);

/* The scalar peak_rss: absent where the system does not tell. In memory and kv alike. */
bool qb_peak_rss(const struct qb_record *record, struct qb_value *value);

/* Calibration contexts found in the text that the cell evaluates, likewise. */
bool qb_calibration_overlap(const struct qb_record *record, struct qb_value *value);

#endif
