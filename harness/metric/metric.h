/* The metric registry: pure functions from a record's raw arrays to a value with unit, direction and interval. One
 * table drives show, claims, reports and the gate. Metrics include base only. */
#ifndef QB_METRIC_H
#define QB_METRIC_H

#include <stddef.h>
#include <stdint.h>
#include "base/record.h"
#include "base/text.h"

enum qb_direction { QB_HIGHER_IS_BETTER, QB_LOWER_IS_BETTER, QB_NEUTRAL };

enum {                               /* flags of a value or cell */
       QB_FLAG_DEGENERATE = 1u << 0, /* the run loops or its distributions are nearly uniform: the value says little */
       QB_FLAG_NONFINITE = 1u << 1,  /* NaN or Inf came up */
       QB_FLAG_FAILED = 1u << 2,
       QB_FLAG_SKIPPED = 1u << 3,
       QB_FLAG_NO_INTERVAL = 1u << 4 /* note says why */
};
/* "degenerate,no-interval" appended to out; nothing for 0. Bits in the order above. */
void qb_flags_print(uint32_t flags, struct qb_text *out);

struct qb_value {
    char metric[40];
    char unit[16];
    double value;  /* NaN: missing (flags say why) */
    double lo, hi; /* 95% interval; NaN with QB_FLAG_NO_INTERVAL */
    uint64_t n;    /* observations behind it: positions, steps, repeats */
    uint32_t flags;
    char note[160]; /* how the interval was made, or why there is none */
};

struct qb_metric {
    const char *name;       /* match_rate */
    const char *experiment; /* greedy */
    const char *unit;       /* "%", "nat", "bytes", ... */
    enum qb_direction direction;
    const char *description; /* one line */
    /* Fills value, lo, hi, n, flags, note; name and unit are filled by the registry. Returns false when the record
     * lacks what it needs (the metric is then absent). */
    bool (*compute)(const struct qb_record *record, struct qb_value *value);
};

/* All metrics, NULL-terminated, in display order (grouped by experiment). */
const struct qb_metric *const *qb_metrics(void);
const struct qb_metric *qb_metric_find(const char *experiment, const char *name);

/* Every metric of an experiment on its record; *values is a new qb_alloc'ed array. A value that is NaN or Inf gets
 * QB_FLAG_NONFINITE. */
enum qb_status qb_metrics_compute(const char *experiment, const struct qb_record *record, struct qb_value **values,
                                  size_t *count, struct qb_error *err);

/* ---- functions on logits, float64 inside (used by experiments while logits exist) ---- */

/* log softmax normaliser: log sum exp of x[n]. */
double qb_logsumexp(const float *x, size_t n);
/* KL(p || q) in nat between softmax(p) and softmax(q): exactly 0 when the logits are bitwise equal. Summed so that tiny
 * divergences (1e-14) are resolved: sum p (log p - log q) with compensated terms, never clamped. */
double qb_kl(const float *p_logits, const float *q_logits, size_t n);
/* Index of the largest value, lowest index on ties; -1 when n is 0 or a NaN is met. */
int32_t qb_argmax(const float *x, size_t n);
/* Indices of the k largest, largest first, lowest index on ties (as torch.topk on distinct values). */
void qb_topk(const float *x, size_t n, size_t k, int32_t *out);
/* |A intersect B| of two lists of k distinct indices. */
unsigned qb_overlap(const int32_t *a, const int32_t *b, size_t k);
/* Largest minus second largest. */
double qb_top2_margin(const float *x, size_t n);
double qb_mean(const double *x, size_t n);
double qb_std(const double *x, size_t n);                     /* unbiased (n - 1); NaN for n < 2 */
double qb_std_f32(const float *x, size_t n);                  /* unbiased, two-pass in double */
double qb_quantile(const double *sorted, size_t n, double p); /* type 7 (R, numpy default) */

/* Wilson score interval of k successes in n, 95%. */
void qb_wilson(uint64_t k, uint64_t n, double *lo, double *hi);
/* 95% interval of the mean of `x`[n] whose entries fall into clusters id[n] (consecutive ids): cluster-robust t with
 * clusters - 1 degrees of freedom. False (lo, hi NaN) when there are fewer than 2 clusters. */
bool qb_cluster_interval(const double *x, const int32_t *id, size_t n, double *lo, double *hi, size_t *clusters);
double qb_student_t975(size_t df); /* 97.5% quantile of Student's t */

#endif
