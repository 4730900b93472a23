/* Metrics of `kl` beside those that it shares with teacher-forced: what llama.cpp's block tells, here exactly, with
 * intervals over chunks. dp is what the variant gives the token that follows less what the reference gives it, as a
 * difference of probabilities in percent. */
#include <math.h>
#include "base/mem.h"
#include "metric/chunks.h"

/* ---- likelihoods, paired by position ---- */

/* Both arms' -log p of the targets that the reference gives a probability. */
struct pairs {
    size_t n, masked;
    const int32_t *chunk;
    double *nll, *reference, *x; /* [n], own; x: for the caller to fill */
    uint8_t *keep;               /* [n], own */
};

static void drop(struct pairs *p)
{
    qb_free(p->nll);
    qb_free(p->reference);
    qb_free(p->x);
    qb_free(p->keep);
}

/* False: the record lacks something, or memory ran out, and *value says so. Drop it also then. */
static bool load(const struct qb_record *record, struct pairs *p, struct qb_value *value, bool *there)
{
    struct qb_error err = {0};
    size_t n = 0;
    *p = (struct pairs){0};
    const struct qb_array *nll = qb_record_get(record, "nll", QB_F64, 1);
    p->n = nll ? nll->count : 0;
    const int32_t *target = qb_shaped(record, "target", QB_I32, p->n, 0);
    p->chunk = qb_shaped(record, "chunk", QB_I32, p->n, 0);
    *there = p->n > 0 && target && p->chunk && qb_shaped(record, "reference_nll", QB_F64, p->n, 0);
    if (!*there)
        return false;
    p->nll = qb_doubles(record, "nll", &n);
    p->reference = qb_doubles(record, "reference_nll", &n);
    p->x = qb_alloc(p->n, sizeof *p->x, "pairs of likelihoods", &err);
    p->keep = qb_alloc(p->n, 1, "positions with a target", &err);
    if (!p->nll || !p->reference || !p->x || !p->keep)
        return !qb_no_memory(value);
    p->masked = qb_keep_possible(record, target, p->keep, p->n);
    return true;
}

static void note_masked(const struct pairs *p, struct qb_value *value)
{
    if (p->masked)
        qb_note(value, "without %zu position%s whose target the reference gives no probability", p->masked,
                p->masked == 1 ? "" : "s");
}

/* The value with the interval of the mean of x about it: x is its linear part, entry by entry (the delta method). */
static bool linearised(const struct pairs *p, double number, double identity, struct qb_value *value)
{
    struct qb_sample sample = {.kind = QB_KIND_REAL, .unit = "chunks"};
    if (!isfinite(number))
        return qb_absent(value, "more than a double holds, or no spread to correlate");
    if (!qb_sample_fill(&sample, p->x, p->chunk, p->keep, p->n))
        return qb_absent(value, "the reference gives none of the %zu targets a probability", p->masked);
    if (qb_sample_value(&sample, 0, value) && !(value->flags & QB_FLAG_ABSENT)) {
        const double by = number - value->value;
        const bool same = value->lo == 0 && value->hi == 0 && number == identity;
        value->lo = same ? identity : value->lo + by;
        value->hi = same ? identity : value->hi + by;
        value->value = number;
        if (same) {
            value->note[0] = '\0';
            qb_note(value, "both arms give each of %llu targets the same probability", (unsigned long long)value->n);
        }
    }
    qb_sample_free(&sample);
    note_masked(p, value);
    return true;
}

/* Means of f(nll), f(reference) over the kept; the count. */
static double means(const struct pairs *p, double *nll, double *reference)
{
    double count = 0;
    *nll = *reference = 0;
    for (size_t i = 0; i < p->n; i++)
        if (p->keep[i]) {
            *nll += p->nll[i];
            *reference += p->reference[i];
            count++;
        }
    *nll /= count;
    *reference /= count;
    return count;
}

static bool perplexity_difference(const struct qb_record *record, struct qb_value *value)
{
    struct pairs p;
    bool there;
    if (load(record, &p, value, &there)) {
        double a, b;
        means(&p, &a, &b);
        for (size_t i = 0; i < p.n; i++)
            p.x[i] = exp(a) * p.nll[i] - exp(b) * p.reference[i];
        linearised(&p, exp(a) - exp(b), 0, value);
    }
    drop(&p);
    return there;
}

/* Over positions: llama.cpp's Cor(ln(PPL(Q)), ln(PPL(base))). Its linear part is zx zy - r (zx^2 + zy^2) / 2 of the
 * standardised likelihoods. */
static bool likelihood_correlation(const struct qb_record *record, struct qb_value *value)
{
    struct pairs p;
    bool there;
    if (load(record, &p, value, &there)) {
        double a, b, aa = 0, bb = 0, ab = 0, n = means(&p, &a, &b);
        for (size_t i = 0; i < p.n; i++)
            if (p.keep[i]) {
                aa += (p.nll[i] - a) * (p.nll[i] - a);
                bb += (p.reference[i] - b) * (p.reference[i] - b);
                ab += (p.nll[i] - a) * (p.reference[i] - b);
            }
        const double r = ab / sqrt(aa * bb);
        for (size_t i = 0; i < p.n; i++) {
            const double x = (p.nll[i] - a) / sqrt(aa / n), y = (p.reference[i] - b) / sqrt(bb / n);
            p.x[i] = 100 * (x * y - r * ((x * x + y * y) / 2));
        }
        linearised(&p, 100 * r, 100, value);
        value->hi = fmin(value->hi, 100);
        value->lo = fmax(value->lo, -100);
    }
    drop(&p);
    return there;
}

static bool log_perplexity_ratio(const struct qb_record *record, struct qb_sample *sample)
{
    struct qb_value value = {0};
    struct pairs p;
    bool there;
    *sample = (struct qb_sample){.kind = QB_KIND_REAL, .unit = "chunks"};
    if (load(record, &p, &value, &there)) {
        for (size_t i = 0; i < p.n; i++)
            p.x[i] = p.nll[i] - p.reference[i];
        there = qb_sample_fill(sample, p.x, p.chunk, p.keep, p.n);
    }
    drop(&p);
    return there;
}

/* ---- differences of probabilities ---- */

/* 100 (p - p of the reference) of each position's target, for qb_free; NULL: none, or memory ran out. */
static double *differences(const struct qb_record *record, size_t *n)
{
    double *x = qb_doubles(record, "nll", n);
    const double *reference = x ? qb_shaped(record, "reference_nll", QB_F64, *n, 0) : NULL;
    for (size_t i = 0; reference && i < *n; i++)
        x[i] = 100 * (exp(-x[i]) - exp(-reference[i]));
    if (reference)
        return x;
    qb_free(x);
    return NULL;
}

static bool dp_mean(const struct qb_record *record, struct qb_sample *sample)
{
    size_t n = 0;
    double *x = differences(record, &n);
    *sample = (struct qb_sample){.kind = QB_KIND_REAL, .unit = "chunks"};
    return qb_sample_by_chunk(record, x, NULL, n, sample);
}

/* The root of the mean square, and of its bounds. */
static bool dp_rms(const struct qb_record *record, struct qb_value *value)
{
    struct qb_sample sample = {.kind = QB_KIND_REAL, .unit = "chunks", .nonnegative = true};
    size_t n = 0;
    double *x = differences(record, &n);
    for (size_t i = 0; x && i < n; i++)
        x[i] *= x[i];
    const bool there = qb_sample_by_chunk(record, x, NULL, n, &sample);
    if (there) {
        qb_sample_value(&sample, 0, value);
        value->value = sqrt(value->value);
        value->lo = sqrt(value->lo);
        value->hi = sqrt(value->hi);
    }
    qb_sample_free(&sample);
    return there;
}

/* Quantile p; at 0 and 1 the end itself, which has no interval. Takes x. */
static bool quantile(const struct qb_record *record, double *x, size_t n, double p, struct qb_value *value)
{
    const bool there = x;
    bool zero = there;
    double least = x ? x[0] : 0;
    for (size_t i = 0; x && i < n; i++) {
        zero = zero && x[i] == 0;
        least = x[i] >= least ? least : x[i];
    }
    if (zero) {
        *value = (struct qb_value){.n = n};
        qb_note(value, "exactly 0 at each of %zu positions", n);
    } else if (x && p >= 1) {
        qb_largest_value(value, x, n);
    } else if (x && p <= 0) {
        value->value = least;
        value->n = n;
        qb_no_interval(value, "a minimum has no interval");
    } else if (x) {
        qb_quantile_value(value, x, qb_shaped(record, "chunk", QB_I32, n, 0), n, p, "chunks");
    }
    qb_free(x);
    return there;
}

#define KL(name, p)                                                                                                    \
    static bool kl_##name(const struct qb_record *record, struct qb_value *value)                                      \
    {                                                                                                                  \
        size_t n = 0;                                                                                                  \
        double *x = qb_doubles(record, "kl", &n);                                                                      \
        return quantile(record, x, n, p, value);                                                                       \
    }
KL(p99_9, 0.999)
KL(p95, 0.95)
KL(p90, 0.9)
KL(p10, 0.1)
KL(p5, 0.05)
KL(p1, 0.01)
KL(p0_1, 0.001)
KL(min, 0)

#define DP(name, p)                                                                                                    \
    static bool dp_##name(const struct qb_record *record, struct qb_value *value)                                      \
    {                                                                                                                  \
        size_t n = 0;                                                                                                  \
        double *x = differences(record, &n);                                                                           \
        return quantile(record, x, n, p, value);                                                                       \
    }
DP(max, 1)
DP(p99_9, 0.999)
DP(p99, 0.99)
DP(p95, 0.95)
DP(p90, 0.9)
DP(p75, 0.75)
DP(median, 0.5)
DP(p25, 0.25)
DP(p10, 0.1)
DP(p5, 0.05)
DP(p1, 0.01)
DP(p0_1, 0.001)
DP(min, 0)

/* ---- the table ---- */

#define OF_KL(id, in, good, says)                                                                                      \
    .name = #id, .experiment = "kl", .unit = in, .direction = good, .description = says, .remark = qb_uniform_remark
#define COMMON(id, in, good, says) OF_KL(id, in, good, says), .has_identity = true
#define KLS(name, says)                                                                                                \
    {                                                                                                                  \
        COMMON(kl_##name, "nat", QB_LOWER_IS_BETTER, "KL(reference || variant), " says " over positions"),             \
            .compute = kl_##name                                                                                       \
    }
/* A part of a signed distribution passes 0 wherever that lies: being near tells nothing, so there is no identity. */
#define DPS(name, says)                                                                                                \
    {                                                                                                                  \
        OF_KL(dp_##name, "points", QB_NEUTRAL, "p(next token) less the reference's, " says " over positions"),         \
            .compute = dp_##name                                                                                       \
    }

const struct qb_metric qb_metrics_pairs[] = {
    KLS(p99_9, "99.9th percentile"),
    KLS(p95, "95th percentile"),
    KLS(p90, "90th percentile"),
    KLS(p10, "10th percentile"),
    KLS(p5, "5th percentile"),
    KLS(p1, "1st percentile"),
    KLS(p0_1, "0.1th percentile"),
    KLS(min, "smallest"),
    {COMMON(log_perplexity_ratio, "nat", QB_LOWER_IS_BETTER, "ln of perplexity_ratio: mean difference of -log p"),
     .sample = log_perplexity_ratio},
    {COMMON(perplexity_difference, "1", QB_LOWER_IS_BETTER, "perplexity less the reference's, paired by position"),
     .compute = perplexity_difference},
    {COMMON(likelihood_correlation, "%", QB_HIGHER_IS_BETTER, "correlation of both arms' -log p over positions"),
     .compute = likelihood_correlation, .identity = 100},
    {COMMON(dp_mean, "points", QB_NEUTRAL, "p(next token) less the reference's, mean over positions"),
     .sample = dp_mean},
    DPS(max, "largest"),
    DPS(p99_9, "99.9th percentile"),
    DPS(p99, "99th percentile"),
    DPS(p95, "95th percentile"),
    DPS(p90, "90th percentile"),
    DPS(p75, "75th percentile"),
    DPS(median, "median"),
    DPS(p25, "25th percentile"),
    DPS(p10, "10th percentile"),
    DPS(p5, "5th percentile"),
    DPS(p1, "1st percentile"),
    DPS(p0_1, "0.1th percentile"),
    DPS(min, "smallest"),
    {COMMON(dp_rms, "points", QB_LOWER_IS_BETTER, "p(next token) less the reference's, root mean square"),
     .compute = dp_rms},
    {0},
};
