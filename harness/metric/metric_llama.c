/* Metrics of `kl` as llama.cpp's perplexity tool prints them under --kl-divergence, by its formulas in its types: sums
 * in float64 of float32 products in the order of positions, percentiles in float32. The +- of its block is one standard
 * error that takes positions for independent draws; it has a metric of its own, NAME_se. */
#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "metric/chunks.h"

/* What its tool adds up. */
struct sums {
    size_t n;
    double nll, nll2, base, base2, both, kld, kld2, dp, dp2, dp4, same;
};

static bool add_up(const struct qb_record *record, struct sums *s)
{
    const struct qb_array *kld = qb_record_get(record, "llama_kld", QB_F64, 1);
    const size_t n = kld ? kld->count : 0;
    const float *nll = qb_shaped(record, "llama_nll", QB_F32, n, 0);
    const float *base = qb_shaped(record, "llama_nll_base", QB_F32, n, 0),
                *dp = qb_shaped(record, "llama_dp", QB_F32, n, 0);
    const uint8_t *same = qb_shaped(record, "llama_same_top", QB_U8, n, 0);
    *s = (struct sums){.n = n};
    if (n == 0 || !nll || !base || !dp || !same)
        return false;
    for (size_t i = 0; i < n; i++) {
        const double divergence = ((const double *)kld->data)[i], square = (double)(dp[i] * dp[i]);
        s->nll += (double)nll[i];
        s->nll2 += (double)(nll[i] * nll[i]);
        s->base += (double)base[i];
        s->base2 += (double)(base[i] * base[i]);
        s->both += (double)(nll[i] * base[i]);
        s->kld += divergence;
        s->kld2 += divergence * divergence;
        s->dp += (double)dp[i];
        s->dp2 += square;
        s->dp4 += square * square;
        s->same += same[i];
    }
    return true;
}

/* A mean and its standard error: 0 of 10 positions or fewer, and where rounding leaves no variance. */
struct mean {
    double value, se;
};

static struct mean mean_of(double sum, double squares, size_t n)
{
    const double mean = sum / (double)n, variance = squares / (double)n - mean * mean;
    return (struct mean){mean, variance > 0 && n > 10 ? sqrt(variance / (double)(n - 1)) : 0};
}

static double covariance(const struct sums *s)
{
    const double n = (double)s->n;
    return s->n < 10 ? 0 : (s->both / n - s->nll / n * (s->base / n)) / (n - 1);
}

static struct mean ln_ppl(const struct sums *s)
{
    return mean_of(s->nll, s->nll2, s->n);
}

static struct mean ln_ppl_base(const struct sums *s)
{
    return mean_of(s->base, s->base2, s->n);
}

static struct mean exponential(struct mean x)
{
    return (struct mean){exp(x.value), exp(x.value) * x.se};
}

static struct mean ppl(const struct sums *s)
{
    return exponential(ln_ppl(s));
}

static struct mean ppl_base(const struct sums *s)
{
    return exponential(ln_ppl_base(s));
}

/* The correlation of the positions' log-likelihoods: of their mean, too. */
static struct mean correlation(const struct sums *s)
{
    return (struct mean){100 * (covariance(s) / (ln_ppl(s).se * ln_ppl_base(s).se)), NAN};
}

static struct mean ln_ratio(const struct sums *s)
{
    const struct mean a = ln_ppl(s), b = ln_ppl_base(s);
    return (struct mean){a.value - b.value, sqrt(a.se * a.se + b.se * b.se - 2 * covariance(s))};
}

static struct mean ratio(const struct sums *s)
{
    return exponential(ln_ratio(s));
}

static struct mean difference(const struct sums *s)
{
    const struct mean a = ppl(s), b = ppl_base(s);
    const double both = a.value * b.value * covariance(s);
    return (struct mean){a.value - b.value, sqrt(a.se * a.se + b.se * b.se - 2 * both)};
}

static struct mean kld(const struct sums *s)
{
    return mean_of(s->kld, s->kld2, s->n);
}

static struct mean dp(const struct sums *s)
{
    const struct mean x = mean_of(s->dp, s->dp2, s->n);
    return (struct mean){100 * x.value, 100 * x.se};
}

static struct mean dp_rms(const struct sums *s)
{
    const struct mean square = mean_of(s->dp2, s->dp4, s->n);
    const double root = sqrt(square.value);
    return (struct mean){100 * root, 100 * (0.5 / root * square.se)};
}

static struct mean same_top(const struct sums *s)
{
    const double p = s->same / (double)s->n;
    return (struct mean){100 * p, 100 * sqrt(p * (1 - p) / ((double)s->n - 1))};
}

/* ---- values ---- */

static void note_few(size_t n, struct qb_value *value)
{
    if (n < 100)
        qb_note(value, "llama.cpp prints none under 100 positions");
}

static bool told_mean(const struct qb_record *record, struct mean (*of)(const struct sums *), struct qb_value *value)
{
    struct sums s;
    if (!add_up(record, &s))
        return false;
    const struct mean x = of(&s);
    if (isnan(x.value))
        return qb_absent(value, "llama.cpp's formula has no number here");
    value->value = x.value;
    value->n = s.n;
    if (isnan(x.se))
        qb_no_interval(value, "llama.cpp's formula, which has no +-");
    else
        qb_no_interval(value, "+- %.6g as llama.cpp has it: one standard error, positions taken as independent", x.se);
    note_few(s.n, value);
    return true;
}

/* Of arms that are almost the same, rounding can leave a variance under 0: no number. */
static bool told_se(const struct qb_record *record, struct mean (*of)(const struct sums *), struct qb_value *value)
{
    struct sums s;
    if (!add_up(record, &s))
        return false;
    const double se = of(&s).se;
    if (isnan(se))
        return qb_absent(value, "llama.cpp's formula takes a root under 0 here");
    value->value = se;
    value->n = s.n;
    qb_no_interval(value, "llama.cpp's +-: one standard error, positions taken as independent");
    note_few(s.n, value);
    return true;
}

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Entry p (n - 1) of the sorted values, between its neighbours in float32. The median of an even number is the mean of
 * the middle two. */
static float percentile(const float *sorted, size_t n, float p)
{
    float at = p * (float)(n - 1);
    size_t k = (size_t)at;
    if (p == 0.5f) /* as its own formula, which is exact where this one need not be */
        return n % 2 ? sorted[n / 2] : 0.5f * (sorted[n / 2] + sorted[n / 2 - 1]);
    if (p <= 0 || p >= 1 || k >= n)
        return p <= 0 ? sorted[0] : sorted[n - 1];
    at -= (float)k;
    return (1 - at) * sorted[k] + at * sorted[k + 1 < n ? k + 1 : n - 1];
}

static bool told_percentile(const struct qb_record *record, const char *array, double unit, float p,
                            struct qb_value *value)
{
    struct qb_error err = {0};
    size_t n = 0;
    double *x = qb_doubles(record, array, &n);
    float *sorted = x ? qb_alloc(n, sizeof *sorted, "sorted values", &err) : NULL;
    if (!sorted) {
        const bool there = x;
        qb_free(x);
        return there && qb_no_memory(value);
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = (float)x[i];
    qsort(sorted, n, sizeof *sorted, by_size);
    value->value = unit * (double)percentile(sorted, n, p);
    value->n = n;
    qb_no_interval(value, "llama.cpp's formula, which has no +-");
    note_few(n, value);
    qb_free(sorted);
    qb_free(x);
    return true;
}

/* ---- the table ---- */

#define MEAN(name, of)                                                                                                 \
    static bool name(const struct qb_record *record, struct qb_value *value)                                           \
    {                                                                                                                  \
        return told_mean(record, of, value);                                                                           \
    }
#define MEAN_SE(name, of)                                                                                              \
    MEAN(name, of)                                                                                                     \
    static bool name##_se(const struct qb_record *record, struct qb_value *value)                                      \
    {                                                                                                                  \
        return told_se(record, of, value);                                                                             \
    }
#define PERCENTILE(name, array, unit, p)                                                                               \
    static bool name(const struct qb_record *record, struct qb_value *value)                                           \
    {                                                                                                                  \
        return told_percentile(record, array, unit, p, value);                                                         \
    }

MEAN_SE(llama_ppl, ppl)
MEAN_SE(llama_ppl_base, ppl_base)
MEAN(llama_ppl_correlation, correlation)
MEAN_SE(llama_ln_ppl_ratio, ln_ratio)
MEAN_SE(llama_ppl_ratio, ratio)
MEAN_SE(llama_ppl_difference, difference)
MEAN_SE(llama_kld_mean, kld)
MEAN_SE(llama_dp_mean, dp)
MEAN_SE(llama_dp_rms, dp_rms)
MEAN_SE(llama_same_top_p, same_top)

#define KLD(name, p) PERCENTILE(llama_kld_##name, "llama_kld", 1, p)
KLD(max, 1)
KLD(p99_9, 0.999f)
KLD(p99, 0.99f)
KLD(p95, 0.95f)
KLD(p90, 0.9f)
KLD(median, 0.5f)
KLD(p10, 0.1f)
KLD(p5, 0.05f)
KLD(p1, 0.01f)
KLD(p0_1, 0.001f)
KLD(min, 0)

#define DP(name, p) PERCENTILE(llama_dp_##name, "llama_dp", 100, p)
DP(max, 1)
DP(p99_9, 0.999f)
DP(p99, 0.99f)
DP(p95, 0.95f)
DP(p90, 0.9f)
DP(p75, 0.75f)
DP(median, 0.5f)
DP(p25, 0.25f)
DP(p10, 0.1f)
DP(p5, 0.05f)
DP(p1, 0.01f)
DP(p0_1, 0.001f)
DP(min, 0)

#define ENTRY(id, in, good, says)                                                                                      \
    {                                                                                                                  \
        .name = #id, .experiment = "kl", .unit = in, .direction = good, .description = says, .compute = id,            \
        .remark = qb_uniform_remark                                                                                    \
    }
#define PAIR(id, in, good, says)                                                                                       \
    ENTRY(id, in, good, "llama.cpp: " says), ENTRY(id##_se, in, QB_NEUTRAL, "llama.cpp: the +- of " #id)
#define KLDS(name, label) ENTRY(llama_kld_##name, "nat", QB_LOWER_IS_BETTER, "llama.cpp: " label " KLD")
#define DPS(name, label) ENTRY(llama_dp_##name, "points", QB_NEUTRAL, "llama.cpp: " label " delta p")

const struct qb_metric qb_metrics_llama[] = {
    PAIR(llama_ppl, "1", QB_LOWER_IS_BETTER, "Mean PPL(Q)"),
    PAIR(llama_ppl_base, "1", QB_NEUTRAL, "Mean PPL(base)"),
    ENTRY(llama_ppl_correlation, "%", QB_NEUTRAL, "llama.cpp: Cor(ln(PPL(Q)), ln(PPL(base)))"),
    PAIR(llama_ln_ppl_ratio, "nat", QB_LOWER_IS_BETTER, "Mean ln(PPL(Q)/PPL(base))"),
    PAIR(llama_ppl_ratio, "ratio", QB_LOWER_IS_BETTER, "Mean PPL(Q)/PPL(base)"),
    PAIR(llama_ppl_difference, "1", QB_LOWER_IS_BETTER, "Mean PPL(Q)-PPL(base)"),
    PAIR(llama_kld_mean, "nat", QB_LOWER_IS_BETTER, "Mean KLD"),
    KLDS(max, "Maximum"),
    KLDS(p99_9, "99.9%"),
    KLDS(p99, "99.0%"),
    KLDS(p95, "95.0%"),
    KLDS(p90, "90.0%"),
    KLDS(median, "Median"),
    KLDS(p10, "10.0%"),
    KLDS(p5, "5.0%"),
    KLDS(p1, "1.0%"),
    KLDS(p0_1, "0.1%"),
    KLDS(min, "Minimum"),
    PAIR(llama_dp_mean, "points", QB_NEUTRAL, "Mean delta p, of the token that follows"),
    DPS(max, "Maximum"),
    DPS(p99_9, "99.9%"),
    DPS(p99, "99.0%"),
    DPS(p95, "95.0%"),
    DPS(p90, "90.0%"),
    DPS(p75, "75.0%"),
    DPS(median, "Median"),
    DPS(p25, "25.0%"),
    DPS(p10, "10.0%"),
    DPS(p5, "5.0%"),
    DPS(p1, "1.0%"),
    DPS(p0_1, "0.1%"),
    DPS(min, "Minimum"),
    PAIR(llama_dp_rms, "points", QB_LOWER_IS_BETTER, "RMS delta p"),
    PAIR(llama_same_top_p, "%", QB_HIGHER_IS_BETTER, "Same top p"),
    {0},
};
