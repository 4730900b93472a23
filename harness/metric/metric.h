/* The metric registry: pure functions from a record's raw arrays to a value with unit, direction and interval. One
 * table drives show, claims, reports and the gate. Metrics include base and compute/kernels.h only. */
#ifndef QB_METRIC_H
#define QB_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/floor.h"
#include "base/record.h"
#include "base/text.h"
#include "metric/stats.h"

enum qb_direction { QB_HIGHER_IS_BETTER, QB_LOWER_IS_BETTER, QB_NEUTRAL };

enum {                               /* flags of a value or cell */
       QB_FLAG_DEGENERATE = 1u << 0, /* the run loops or its distributions are nearly uniform: the value says little */
       QB_FLAG_NONFINITE = 1u << 1,  /* NaN, or Inf where the metric cannot be infinite */
       QB_FLAG_FAILED = 1u << 2,
       QB_FLAG_SKIPPED = 1u << 3,
       QB_FLAG_NO_INTERVAL = 1u << 4,  /* note says why */
       QB_FLAG_UNRESOLVED = 1u << 5,   /* no further from "identical" than FP32 arithmetic in another order is */
       QB_FLAG_CONTAMINATED = 1u << 6, /* calibrated on text that it is evaluated on */
       QB_FLAG_BIASED = 1u << 7, /* a time whose cell did not find FP32 as fast as FP32: the turns were not fair */
       QB_FLAG_ABSENT = 1u << 8  /* there is no value, and the note says why */
};
/* "degenerate,no-interval" appended to out; nothing for 0. Bits in the order above. */
void qb_flags_print(uint32_t flags, struct qb_text *out);

/* What floors flagged a value for (qb_floors_apply), and said so in its note. */
enum qb_floor_mark {
    QB_MARK_MARGIN = 1u << 0,     /* degenerate: the reference's median margin is under what reordering moves */
    QB_MARK_VOID = 1u << 1,       /* degenerate: a part of a kl_mean that is */
    QB_MARK_UNRESOLVED = 1u << 2, /* unresolved */
    QB_MARK_OLDER = 1u << 3       /* of an older program's file, which does not tell: flags and note stay as they are */
};

enum { QB_NOTE_MAX = 256 };
struct qb_value {
    char metric[40];
    char unit[16];
    /* May be infinite where the metric's entry says so (an exact codec's SQNR); else Inf, and NaN anywhere, is an
     * accident, flagged nonfinite. NaN with QB_FLAG_ABSENT, FAILED or SKIPPED is no number but none: qb_value_there. */
    double value;
    double lo, hi; /* 95% interval, finite; NaN with QB_FLAG_NO_INTERVAL */
    uint64_t n;    /* observations behind it: positions, steps, repeats */
    uint32_t flags;
    char note[QB_NOTE_MAX]; /* how the interval was made, or why there is none; then what floors say of the value */
    double covers;          /* of 95% such intervals hold so many percent in simulation; 0: 94 or more, or not known */
    uint32_t floor_marks;   /* bits of enum qb_floor_mark */
    uint32_t own_note;      /* bytes of the note before the first mark; with marks alone */
};

/* Is there a value, were it NaN? False: absent, failed or skipped. The one place that tells missing from not a number;
 * `flags` are a value's. */
bool qb_value_there(uint32_t flags);

/* A metric that is a mean over clusters, taken apart: value = transform(sum of sum / sum of weight). What intervals,
 * paired comparisons and the gate work on; small enough to travel in a baseline. */
enum qb_transform { QB_AS_IS, QB_PERCENT /* 100 x */, QB_EXP /* exp(x) */ };
struct qb_sample {
    double *sum, *weight; /* [clusters], qb_alloc'ed; freed by qb_sample_free */
    size_t clusters;
    uint64_t n; /* observations */
    enum qb_transform transform;
    enum qb_data_kind kind;
    double icc;       /* for a share of exactly 0 or 1 (stats.h) */
    const char *unit; /* of a cluster, plural: "chunks", "prompts"; static */
    bool nonnegative; /* no entry can be below 0, so its interval is not either */
    double most;      /* no entry a unit of weight can be above this, nor can its interval; 0: no such bound */
};
void qb_sample_free(struct qb_sample *sample); /* the content; zeroes it */
double qb_transform(enum qb_transform transform, double x);
/* A difference of two means as it is told: percentage points, or for exp of a mean the change in percent. */
double qb_transform_difference(enum qb_transform transform, double x);
/* The unit of such a difference of a metric in `unit`: "points", "%" or `unit` itself. */
const char *qb_difference_unit(enum qb_transform transform, const char *unit);

struct qb_metric {
    const char *name;       /* match_rate */
    const char *experiment; /* greedy */
    const char *unit;       /* "%", "nat", "bytes", ... */
    enum qb_direction direction;
    const char *description; /* one line */
    /* Fills value, lo, hi, n, flags, note; name and unit are filled by the registry. Returns false when the record
     * lacks what it needs (the metric is then absent). NULL where `sample` says all. */
    bool (*compute)(const struct qb_record *record, struct qb_value *value);
    /* For a mean over clusters: takes the record apart; false when it lacks what is needed. True without totals (sum
     * NULL, 0 clusters): memory ran out. NULL: no such mean. With `compute` NULL, value and interval come from it. */
    bool (*sample)(const struct qb_record *record, struct qb_sample *sample);
    /* Adds flags and notes that say how far the value can be read, whatever it is; may be NULL. */
    void (*remark)(const struct qb_record *record, struct qb_value *value);
    /* The value when the variant is the reference itself (KL 0, agreement 100, ratio 1), where there is one. */
    bool has_identity;
    double identity;
    /* May the value be infinite? A ratio to nothing is: the SQNR of an exact codec, the growth of an error from 0. */
    bool infinite;
};

/* Floors across cells. A value no further from its metric's identity than the model's QB_FLOOR_ARITHMETIC is flagged
 * unresolved, unless it is at the identity itself, or speed or memory, or the cell is a floor. A greedy run whose
 * reference's median top-2 margin is under what reordering moves a logit by (the max_logit_diff of that floor,
 * teacher-forced) is flagged degenerate, and so is `attribute` where the variant's teacher-forced kl_mean is. Each flag
 * comes with a mark and a note. Values are changed in place, but for those marked QB_MARK_OLDER; applying it again,
 * with the same or other floors, first takes back what it did. Cells in any order; names are borrowed. */
struct qb_floor_cell {
    const char *model, *variant, *experiment;
    enum qb_floor floor;
    struct qb_value *values;
    size_t count;
};
void qb_floors_apply(struct qb_floor_cell *cells, size_t count);

/* All metrics, NULL-terminated, in display order (grouped by experiment). */
const struct qb_metric *const *qb_metrics(void);
const struct qb_metric *qb_metric_find(const char *experiment, const char *name);

/* Every metric of an experiment on its record; *values is a new qb_alloc'ed array. A value that is NaN, or Inf where
 * the metric cannot be, gets QB_FLAG_NONFINITE. */
enum qb_status qb_metrics_compute(const char *experiment, const struct qb_record *record, struct qb_value **values,
                                  size_t *count, struct qb_error *err);

/* ---- functions on logits, float64 inside (used by experiments while logits exist) ---- */

/* log softmax normaliser: log sum exp of x[n]. */
double qb_logsumexp(const float *x, size_t n);
/* KL(p || q) in nat between softmax(p) and softmax(q): exactly 0 when the logits are bitwise equal. Summed so that tiny
 * divergences (1e-14) are resolved: sum p (log p - log q) with compensated terms, never clamped. */
double qb_kl(const float *p_logits, const float *q_logits, size_t n);
/* Plain versions of both, which the kernels are tested against: libm, one term after another. */
double qb_logsumexp_plain(const float *x, size_t n);
double qb_kl_plain(const float *p_logits, const float *q_logits, size_t n);
/* Index of the largest value, lowest index on ties; -1 when n is 0 or a NaN is met. */
int32_t qb_argmax(const float *x, size_t n);
/* Indices of the k largest, largest first, lowest index on ties (as torch.topk on distinct values). */
void qb_topk(const float *x, size_t n, size_t k, int32_t *out);
/* |A intersect B| of two lists of k distinct indices. */
unsigned qb_overlap(const int32_t *a, const int32_t *b, size_t k);
/* Largest minus second largest. */
double qb_top2_margin(const float *x, size_t n);
double qb_std_f32(const float *x, size_t n); /* unbiased, two-pass in double */
/* qb_std_f32 of the entries whose mask is 0; mask NULL: of all. One entry that the mask leaves spreads by 0 - a token
 * that is certain, which qb_logit_spread does not take for a uniform choice; NaN where it leaves none. */
double qb_std_unmasked(const float *x, const uint8_t *mask, size_t n);
/* How far a row of finite logits is from uniform: the unbiased standard deviation of the logits of those tokens that
 * have a probability of DBL_EPSILON / n or more (all others together are less than the rounding of a sum of
 * probabilities). One such token alone is no uniform choice: then its distance to the next, at most FLT_MAX. log_sum:
 * qb_logsumexp(x). */
double qb_logit_spread(const float *x, size_t n, double log_sum);
/* (float)qb_logit_spread, to the bit, of a row whose qb_std_f32 is std, in no time; false where it does not follow from
 * std, as it mostly does where every token counts. */
bool qb_logit_spread_beside(const float *x, size_t n, double log_sum, double std, float *spread);
float qb_smallest(const float *x, size_t n);                  /* without NaN; Inf for n = 0 */
#define QB_UNIFORM_SPREAD 1e-3                                /* a spread under this is nearly uniform */
void qb_sort(double *x, size_t n);                            /* ascending; no NaN among them */
double qb_quantile(const double *sorted, size_t n, double p); /* type 7 (R, numpy default) */

/* Wilson score interval of k successes in n, 95%. */
void qb_wilson(uint64_t k, uint64_t n, double *lo, double *hi);

#endif
