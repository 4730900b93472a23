/* Means and shares over clusters, by hand; other values are in tests/golden/test_statistics.c. */
#include <math.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "metric/stats.h"

static struct qb_interval interval_of(const double *sum, const double *weight, size_t n, enum qb_data_kind kind,
                                      enum qb_interval_method method, bool expected)
{
    struct qb_interval v;
    cr_expect_eq(qb_mean_interval(&(struct qb_clusters){sum, weight, n}, kind, method, 0.95, 0.05, &v), expected);
    return v;
}

static bool has_none(struct qb_interval v)
{
    return isnan(v.lo) && isnan(v.hi);
}

/* Totals 2 of 2 and 6 of 2: R = 8/4 = 2, residuals -2 and 2, se = sqrt(2 * 8) / 4 = 1; t(1) = 12.7062. */
Test(mean, cluster_t_by_hand)
{
    double sum[] = {2, 6}, weight[] = {2, 2};
    struct qb_interval v = interval_of(sum, weight, 2, QB_KIND_REAL, QB_METHOD_CLUSTER_T, true);
    cr_expect(v.value == 2 && v.se == 1 && v.method == QB_METHOD_CLUSTER_T);
    cr_expect_float_eq(v.hi, 2 + 12.706204736174698, 1e-11);
    cr_expect_float_eq(v.lo, 2 - 12.706204736174698, 1e-11);
}

/* Unequal weights: R is the mean over positions, not over clusters. */
Test(mean, weights_count)
{
    double sum[] = {10, 0, 0}, weight[] = {10, 20, 70};
    struct qb_interval v = interval_of(sum, weight, 3, QB_KIND_REAL, QB_METHOD_CLUSTER_T, true);
    cr_expect_float_eq(v.value, 0.1, 1e-15);
    cr_expect_float_eq(v.se, sqrt(1.5 * (81 + 4 + 49)) / 100, 1e-14);
}

Test(mean, none_from_one_cluster_or_none)
{
    double sum[] = {3, NAN}, weight[] = {2, 2};
    struct qb_interval v = interval_of(sum, weight, 1, QB_KIND_REAL, QB_METHOD_CLUSTER_T, false);
    cr_expect(v.value == 1.5 && isnan(v.se) && has_none(v));
    v = interval_of(sum, weight, 0, QB_KIND_REAL, QB_METHOD_BOOTSTRAP_T, false);
    cr_expect(isnan(v.value) && has_none(v));
    v = interval_of(sum, weight, 2, QB_KIND_REAL, QB_METHOD_BCA, false);
    cr_expect(isnan(v.value) && has_none(v));
}

Test(mean, numbers_that_are_none)
{
    double sum[] = {1, 2, 3}, zero[] = {1, 0, 1}, negative[] = {1, -1, 2}, nan[] = {1, NAN, 1},
           inf[] = {1, INFINITY, 1};
    double ones[] = {1, 1, 1}, infinite[] = {1, INFINITY, 3};
    const double *bad[] = {zero, negative, nan, inf};
    for (int i = 0; i < 4; i++)
        cr_expect(has_none(interval_of(sum, bad[i], 3, QB_KIND_REAL, QB_METHOD_CLUSTER_T, false)), "weights %d", i);
    cr_expect(has_none(interval_of(infinite, ones, 3, QB_KIND_REAL, QB_METHOD_ENVELOPE_T, false)));
    struct qb_interval v;
    struct qb_clusters x = {sum, ones, 3};
    cr_expect_not(qb_mean_interval(&x, QB_KIND_REAL, QB_METHOD_CLUSTER_T, NAN, 0, &v));
    cr_expect_not(qb_mean_interval(&x, QB_KIND_REAL, QB_METHOD_CLUSTER_T, 1, 0, &v));
    cr_expect_not(qb_mean_interval(&x, QB_KIND_REAL, QB_METHOD_WILSON, 0.95, 0, &v), "Wilson's is for shares");
}

/* Equal means of clusters up to rounding: no spread. */
Test(mean, rounding_is_no_spread)
{
    double sum[20], weight[20];
    for (int i = 0; i < 20; i++) {
        weight[i] = i + 1;
        sum[i] = 0;
        for (int k = 0; k <= i; k++)
            sum[i] += 0.1;
    }
    cr_assert_neq(sum[9], 0.1 * weight[9]);
    for (int m = 0; m < QB_METHODS; m++) {
        struct qb_interval v = interval_of(sum, weight, 20, QB_KIND_SHARE, (enum qb_interval_method)m, false);
        cr_expect(v.se == 0 && has_none(v), "method %d: se %g", m, v.se);
    }
    sum[3] *= 1 + 1e-9; /* and a real difference is one */
    cr_expect_gt(interval_of(sum, weight, 20, QB_KIND_REAL, QB_METHOD_CLUSTER_T, true).se, 0);
}

/* 20 chunks of 128, icc 0.05: 2560 / 7.35 observations, Wilson's lower end n / (n + z^2). */
Test(mean, share_at_its_end)
{
    double sum[20], weight[20];
    for (int i = 0; i < 20; i++)
        sum[i] = weight[i] = 128;
    const double z2 = 3.8414588206941236;
    for (int m = 0; m < QB_METHODS; m++) {
        struct qb_interval v = interval_of(sum, weight, 20, QB_KIND_SHARE, (enum qb_interval_method)m, true);
        double n = 2560 / 7.35;
        cr_expect(v.value == 1 && v.hi == 1 && v.method == QB_METHOD_WILSON && v.se == 0);
        cr_expect_float_eq(v.lo, n / (n + z2), 1e-12);
    }
    cr_expect(has_none(interval_of(sum, weight, 20, QB_KIND_REAL, QB_METHOD_CLUSTER_T, false)), "not for a real mean");
    struct qb_interval one;
    cr_expect(qb_mean_interval(&(struct qb_clusters){sum, weight, 1}, QB_KIND_SHARE, QB_METHOD_WILSON, 0.95, 1, &one));
    cr_expect_float_eq(one.lo, 1 / (1 + z2), 1e-12, "one cluster, counted once");
}

Test(mean, share_stays_in_its_range)
{
    double sum[] = {10, 10, 10, 10, 9}, weight[] = {10, 10, 10, 10, 10};
    struct qb_interval t = interval_of(sum, weight, 5, QB_KIND_SHARE, QB_METHOD_CLUSTER_T, true);
    struct qb_interval w = interval_of(sum, weight, 5, QB_KIND_SHARE, QB_METHOD_WILSON, true);
    cr_expect_gt(t.hi, 1);
    cr_expect(w.hi < 1 && w.lo > 0 && w.lo < w.value && w.value < w.hi);
}

/* Resamples without spread (only one cluster of four differs) leave a bootstrap no bounds: cluster-t, and it says so.
 */
Test(mean, stands_back_for_cluster_t)
{
    double sum[] = {0, 0, 0, 8}, weight[] = {1, 1, 1, 1};
    struct qb_interval t = interval_of(sum, weight, 4, QB_KIND_REAL, QB_METHOD_CLUSTER_T, true);
    for (int m = QB_METHOD_BOOTSTRAP_T; m <= QB_METHOD_ENVELOPE_T; m++) {
        struct qb_interval v = interval_of(sum, weight, 4, QB_KIND_REAL, (enum qb_interval_method)m, true);
        cr_expect(v.method == QB_METHOD_CLUSTER_T && v.lo == t.lo && v.hi == t.hi);
    }
}

static void skewed(double *sum, double *weight, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        weight[i] = 1 + (double)(i % 3);
        sum[i] = weight[i] * exp(2 * sin((double)(7 * i)));
    }
}

Test(mean, envelope_is_the_outer_of_two)
{
    double sum[30], weight[30];
    skewed(sum, weight, 30);
    struct qb_interval t = interval_of(sum, weight, 30, QB_KIND_REAL, QB_METHOD_CLUSTER_T, true);
    struct qb_interval b = interval_of(sum, weight, 30, QB_KIND_REAL, QB_METHOD_BOOTSTRAP_T, true);
    struct qb_interval e = interval_of(sum, weight, 30, QB_KIND_REAL, QB_METHOD_ENVELOPE_T, true);
    cr_expect(e.lo == fmin(t.lo, b.lo) && e.hi == fmax(t.hi, b.hi));
    cr_expect(b.lo > t.lo && b.hi > t.hi, "skewed to the right: both bounds move up");
    cr_expect_eq(e.method, QB_METHOD_ENVELOPE_T);
}

/* Clusters of 0 and 1: a resample is told by its number of ones, k ~ Binomial(n, ones / n), so the bounds are atoms
 * that resampling noise does not move. */
static void zeros_and_ones(double *sum, double *weight, size_t n, size_t ones)
{
    for (size_t i = 0; i < n; i++) {
        weight[i] = 1;
        sum[i] = i < ones;
    }
}

/* 5 of 10: P(k <= 1) = 0.011, P(k <= 2) = 0.055, so t* at 2.5% is that of k = 2: (0.2 - 0.5) / sqrt(0.2 * 0.8 / 9) =
 * -2.25, at 97.5% 2.25; se = sqrt(0.25 / 9) = 1/6. */
Test(mean, bootstrap_t_by_hand)
{
    double sum[10], weight[10];
    zeros_and_ones(sum, weight, 10, 5);
    struct qb_interval v = interval_of(sum, weight, 10, QB_KIND_REAL, QB_METHOD_BOOTSTRAP_T, true);
    cr_expect_float_eq(v.lo, 0.5 - 2.25 / 6, 1e-12, "%.12g", v.lo);
    cr_expect_float_eq(v.hi, 0.5 + 2.25 / 6, 1e-12, "%.12g", v.hi);
}

/* The same 5 of 10: z0 and a near 0, bounds at parts near 2.5% and 97.5%, k = 2 and k = 8. 16 of 18: z0 = -0.084 with
 * ties counted half, a = -0.097, so the upper bound is at part 0.934, above P(k <= 17) = 0.880, hence 1. Here rounding
 * hides the ties: taken for resamples above 16 of 18 they give a bound of 17/18. */
Test(mean, bca_by_hand)
{
    double sum[10], weight[10];
    zeros_and_ones(sum, weight, 10, 5);
    struct qb_interval v = interval_of(sum, weight, 10, QB_KIND_REAL, QB_METHOD_BCA, true);
    cr_expect_float_eq(v.lo, 0.2, 1e-12, "%.12g", v.lo);
    cr_expect_float_eq(v.hi, 0.8, 1e-12, "%.12g", v.hi);
    double more[18], ones[18];
    zeros_and_ones(more, ones, 18, 16);
    v = interval_of(more, ones, 18, QB_KIND_REAL, QB_METHOD_BCA, true);
    cr_expect_float_eq(v.hi, 1, 1e-12, "%.12g", v.hi);
}

/* Shift and scale move every interval with the data. */
Test(mean, moves_with_the_data)
{
    double sum[30], weight[30], moved[30];
    skewed(sum, weight, 30);
    for (int i = 0; i < 30; i++)
        moved[i] = 4 * sum[i] - 3 * weight[i];
    for (int m = 0; m < QB_METHOD_WILSON; m++) {
        struct qb_interval a = interval_of(sum, weight, 30, QB_KIND_REAL, (enum qb_interval_method)m, true);
        struct qb_interval b = interval_of(moved, weight, 30, QB_KIND_REAL, (enum qb_interval_method)m, true);
        cr_expect_float_eq(b.lo, 4 * a.lo - 3, 1e-11, "method %d", m);
        cr_expect_float_eq(b.hi, 4 * a.hi - 3, 1e-11, "method %d", m);
    }
}

Test(mean, levels_nest)
{
    double sum[30], weight[30];
    struct qb_interval wide, narrow;
    skewed(sum, weight, 30);
    struct qb_clusters x = {sum, weight, 30};
    for (int m = 0; m < QB_METHOD_WILSON; m++) {
        cr_assert(qb_mean_interval(&x, QB_KIND_REAL, (enum qb_interval_method)m, 0.99, 0, &wide));
        cr_assert(qb_mean_interval(&x, QB_KIND_REAL, (enum qb_interval_method)m, 0.8, 0, &narrow));
        cr_expect(wide.lo < narrow.lo && narrow.hi < wide.hi, "method %d", m);
    }
}

Test(mean, memory_running_out_leaves_cluster_t)
{
    double sum[30], weight[30];
    skewed(sum, weight, 30);
    qb_mem_fail_at(1);
    struct qb_interval v = interval_of(sum, weight, 30, QB_KIND_REAL, QB_METHOD_ENVELOPE_T, true);
    qb_mem_fail_at(0);
    cr_expect(v.method == QB_METHOD_CLUSTER_T && v.lo < v.hi);
}

Test(mean, methods_have_names)
{
    cr_expect_str_eq(qb_interval_method_name(QB_METHOD_BOOTSTRAP_T), "bootstrap-t");
    for (int a = 0; a < QB_METHODS; a++)
        for (int b = 0; b < a; b++)
            cr_expect_str_neq(qb_interval_method_name((enum qb_interval_method)a),
                              qb_interval_method_name((enum qb_interval_method)b));
}
