/* Metrics of `linearity`: how far encoding is from a linear map, in units of the codec's own rounding. A ratio near 1
 * is what rounding alone makes; the bound for "linear" is 3. Trials are independent draws. */
#include <math.h>
#include "base/mem.h"
#include "metric/parts.h"

static const double linear_bound = 3;

/* Median over trials of error / noise. Without noise (a lossless codec) no error is ratio 0, any error Inf. */
static bool ratio(const struct qb_record *record, const char *error, const char *noise, struct qb_value *value)
{
    size_t n = 0;
    double *x = qb_doubles(record, error, &n);
    const double *unit = x ? qb_shaped(record, noise, QB_F64, n, 0) : NULL;
    for (size_t i = 0; unit && i < n; i++)
        x[i] = x[i] == 0 && unit[i] == 0 ? 0 : x[i] / unit[i];
    if (unit)
        qb_median_value(value, x, n, "trials");
    qb_free(x);
    return unit;
}

static bool error_of(const struct qb_record *record, const char *error, struct qb_value *value)
{
    size_t n = 0;
    double *x = qb_doubles(record, error, &n);
    if (!x)
        return false;
    qb_median_value(value, x, n, "trials");
    qb_free(x);
    return true;
}

/* 1 when both ratios lie in [0, 3]: written so that NaN is no pass. */
static bool verdict(const struct qb_record *record, const char *additivity, const char *homogeneity, const char *noise,
                    struct qb_value *value)
{
    struct qb_value a = {0}, h = {0};
    if (!ratio(record, additivity, noise, &a) || !ratio(record, homogeneity, noise, &h))
        return false;
    bool linear = a.value >= 0 && a.value <= linear_bound && h.value >= 0 && h.value <= linear_bound;
    value->value = isnan(a.value) || isnan(h.value) ? NAN : linear;
    value->n = a.n;
    return qb_no_interval(value, "additivity %.3g, homogeneity %.3g of the rounding noise; linear up to %g", a.value,
                          h.value, linear_bound);
}

static bool additivity_error(const struct qb_record *record, struct qb_value *value)
{
    return error_of(record, "additivity_error", value);
}

static bool homogeneity_error(const struct qb_record *record, struct qb_value *value)
{
    return error_of(record, "homogeneity_error", value);
}

static bool additivity_ratio(const struct qb_record *record, struct qb_value *value)
{
    return ratio(record, "additivity_error", "rounding_noise", value);
}

static bool homogeneity_ratio(const struct qb_record *record, struct qb_value *value)
{
    return ratio(record, "homogeneity_error", "rounding_noise", value);
}

static bool coord_additivity_ratio(const struct qb_record *record, struct qb_value *value)
{
    return ratio(record, "coord_additivity_error", "coord_rounding_noise", value);
}

static bool coord_homogeneity_ratio(const struct qb_record *record, struct qb_value *value)
{
    return ratio(record, "coord_homogeneity_error", "coord_rounding_noise", value);
}

static bool is_linear(const struct qb_record *record, struct qb_value *value)
{
    return verdict(record, "additivity_error", "homogeneity_error", "rounding_noise", value);
}

static bool coord_is_linear(const struct qb_record *record, struct qb_value *value)
{
    return verdict(record, "coord_additivity_error", "coord_homogeneity_error", "coord_rounding_noise", value);
}

const struct qb_metric qb_metrics_linearity[] = {
    {.name = "linearity_error",
     .experiment = "linearity",
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "|Q(x+y) - Q(x) - Q(y)| over the codec's rounding noise, in value space; median over trials",
     .compute = additivity_ratio,
     .infinite = true},
    {.name = "additivity_ratio",
     .experiment = "linearity",
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "the same as linearity_error",
     .compute = additivity_ratio,
     .infinite = true},
    {.name = "homogeneity_ratio",
     .experiment = "linearity",
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "|Q(ax) - aQ(x)| over the codec's rounding noise, in value space; median over trials",
     .compute = homogeneity_ratio,
     .infinite = true},
    {.name = "is_linear",
     .experiment = "linearity",
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "1: both ratios are at most 3, linear up to rounding; 0: not",
     .compute = is_linear},
    {.name = "coord_additivity_ratio",
     .experiment = "linearity",
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "additivity_ratio on coordinates, the best linear map to values taken out",
     .compute = coord_additivity_ratio,
     .infinite = true},
    {.name = "coord_homogeneity_ratio",
     .experiment = "linearity",
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "homogeneity_ratio on coordinates, the best linear map to values taken out",
     .compute = coord_homogeneity_ratio,
     .infinite = true},
    {.name = "coord_is_linear",
     .experiment = "linearity",
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "is_linear on coordinates",
     .compute = coord_is_linear},
    {.name = "additivity_error",
     .experiment = "linearity",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "|Q(x+y) - Q(x) - Q(y)| / |x+y|; median over trials",
     .compute = additivity_error},
    {.name = "homogeneity_error",
     .experiment = "linearity",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "|Q(ax) - aQ(x)| / |ax|; median over trials",
     .compute = homogeneity_error},
    {0},
};
