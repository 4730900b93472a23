/* Quantiles, survival and distribution functions at their ends, by hand; other values are in
 * tests/golden/test_statistics.c. */
#include <math.h>
#include <criterion/criterion.h>
#include "metric/stats.h"

static double x[4000], scratch[4000], value, lo, hi;
static int32_t id[4000];

static void count_up(size_t n)
{
    for (size_t i = 0; i < n; i++) /* a permutation of 1 .. n, for n no multiple of 7 */
        x[i] = (double)((i * 7) % n + 1);
}

/* Ranks of the 95% interval of the median: the usual table of the sign test (Conover, Table A3). */
Test(quantile, median_by_order_statistics)
{
    static const int table[][3] = {{6, 1, 6}, {9, 2, 8}, {12, 3, 10}, {20, 6, 15}, {40, 14, 27}};
    for (int i = 0; i < 5; i++) {
        count_up((size_t)table[i][0]);
        cr_assert(qb_quantile_interval(x, NULL, (size_t)table[i][0], 0.5, 0.95, scratch, &value, &lo, &hi));
        cr_expect(lo == table[i][1] && hi == table[i][2], "n %d: %g to %g", table[i][0], lo, hi);
        cr_expect_float_eq(value, (table[i][0] + 1) / 2.0, 1e-12);
    }
    count_up(5);
    cr_expect_not(qb_quantile_interval(x, NULL, 5, 0.5, 0.95, scratch, &value, &lo, &hi));
    cr_expect(value == 3 && isnan(lo) && isnan(hi));
}

/* 0.99^n <= 0.025 from n = 368 on: below, the 99% quantile may lie beyond every entry. */
Test(quantile, no_bound_beyond_the_entries)
{
    count_up(367);
    cr_expect_not(qb_quantile_interval(x, NULL, 367, 0.99, 0.95, scratch, &value, &lo, &hi));
    count_up(368);
    cr_expect(qb_quantile_interval(x, NULL, 368, 0.99, 0.95, scratch, &value, &lo, &hi));
    cr_expect_eq(hi, 368);
}

static void in_clusters(size_t clusters, size_t each)
{
    for (size_t i = 0; i < clusters * each; i++)
        id[i] = (int32_t)(i / each);
}

/* Every cluster one value repeated: 20 observations, not 2000. */
Test(quantile, clusters_count_as_one_when_all_alike)
{
    double alone_lo, alone_hi;
    for (size_t i = 0; i < 2000; i++)
        x[i] = (double)(i / 100);
    in_clusters(20, 100);
    cr_assert(qb_quantile_interval(x, id, 2000, 0.5, 0.95, scratch, &value, &lo, &hi));
    cr_assert(qb_quantile_interval(x, NULL, 2000, 0.5, 0.95, scratch, &value, &alone_lo, &alone_hi));
    cr_expect(lo <= 5 && hi >= 14, "%g to %g", lo, hi);
    cr_expect(alone_lo >= 9 && alone_hi <= 10, "taken for independent: %g to %g", alone_lo, alone_hi);
}

/* Clusters that hold the same shares exactly show no spread, and are never narrower than independent entries. */
Test(quantile, never_narrower_than_independent)
{
    double alone_lo, alone_hi;
    for (size_t i = 0; i < 4000; i++)
        x[i] = (double)(i % 100);
    in_clusters(40, 100);
    cr_assert(qb_quantile_interval(x, id, 4000, 0.9, 0.95, scratch, &value, &lo, &hi));
    cr_assert(qb_quantile_interval(x, NULL, 4000, 0.9, 0.95, scratch, &value, &alone_lo, &alone_hi));
    cr_expect(lo <= alone_lo && hi >= alone_hi && lo < value && value < hi, "%g to %g", lo, hi);
}

Test(quantile, what_has_no_interval)
{
    count_up(100);
    in_clusters(1, 100);
    cr_expect_not(qb_quantile_interval(x, id, 100, 0.5, 0.95, scratch, &value, &lo, &hi));
    cr_expect(value == 50.5 && isnan(lo) && isnan(hi));
    cr_expect_not(qb_quantile_interval(x, NULL, 0, 0.5, 0.95, scratch, &value, &lo, &hi));
    cr_expect(isnan(value));
    cr_expect_not(qb_quantile_interval(x, NULL, 100, 0, 0.95, scratch, &value, &lo, &hi));
    cr_expect_not(qb_quantile_interval(x, NULL, 100, 1, 0.95, scratch, &value, &lo, &hi));
    cr_expect_not(qb_quantile_interval(x, NULL, 100, NAN, 0.95, scratch, &value, &lo, &hi));
    cr_expect_not(qb_quantile_interval(x, NULL, 100, 0.5, NAN, scratch, &value, &lo, &hi));
    x[40] = NAN;
    cr_expect_not(qb_quantile_interval(x, NULL, 100, 0.5, 0.95, scratch, &value, &lo, &hi));
    cr_expect(isnan(value));
}

Test(quantile, infinite_entries_are_entries)
{
    count_up(100);
    x[0] = INFINITY;
    cr_assert(qb_quantile_interval(x, NULL, 100, 0.5, 0.95, scratch, &value, &lo, &hi));
    cr_expect(isfinite(lo) && isfinite(hi));
}

/* Deaths at 1 and 3, one lost at 2: S = 3/4, then 3/4 * 1/2. */
Test(survival, by_hand)
{
    const double time[] = {3, 1, 5, 2};
    const uint8_t event[] = {1, 1, 0, 0};
    struct qb_survival_step steps[4];
    cr_assert_eq(qb_kaplan_meier(time, event, 4, steps), 2);
    cr_expect(steps[0].time == 1 && steps[0].at_risk == 4 && steps[0].events == 1 && steps[0].survival == 0.75);
    cr_expect(steps[1].time == 3 && steps[1].at_risk == 2 && steps[1].events == 1 && steps[1].survival == 0.375);
    cr_expect(steps[1].lo > 0 && steps[1].lo < 0.375 && steps[1].hi > 0.375 && steps[1].hi < 1);
}

Test(survival, lost_at_a_death_is_still_at_risk)
{
    const double time[] = {2, 2, 2};
    const uint8_t event[] = {0, 1, 0};
    struct qb_survival_step steps[3];
    cr_assert_eq(qb_kaplan_meier(time, event, 3, steps), 1);
    cr_expect_eq(steps[0].at_risk, 3);
}

Test(survival, all_die_none_die_none_there)
{
    const double time[] = {2, 1, NAN};
    const uint8_t all[] = {1, 1, 1}, none[] = {0, 0, 0};
    struct qb_survival_step steps[3];
    cr_assert_eq(qb_kaplan_meier(time, all, 2, steps), 2);
    cr_expect(steps[1].survival == 0 && isnan(steps[1].lo) && isnan(steps[1].hi));
    cr_expect_eq(qb_kaplan_meier(time, none, 2, steps), 0);
    cr_expect_eq(qb_kaplan_meier(time, all, 0, steps), 0);
    cr_expect_eq(qb_kaplan_meier(time, all, 3, steps), 0, "NaN is no time");
}

Test(distribution, ends_and_nan)
{
    cr_expect(qb_normal_quantile(0) == -INFINITY && qb_normal_quantile(1) == INFINITY && qb_normal_quantile(0.5) == 0);
    cr_expect(isnan(qb_normal_quantile(-0.1)) && isnan(qb_normal_quantile(NAN)) && isnan(qb_normal_cdf(NAN)));
    cr_expect(qb_student_quantile(0.5, 3) == 0 && isnan(qb_student_quantile(0.9, 0)) &&
              isnan(qb_student_quantile(NAN, 3)));
    cr_expect(qb_student_quantile(0, 3) == -INFINITY && qb_student_quantile(1, 3) == INFINITY);
    cr_expect(qb_student_cdf(INFINITY, 3) == 1 && qb_student_cdf(-INFINITY, 3) == 0 && isnan(qb_student_cdf(NAN, 3)));
    cr_expect_float_eq(qb_student_cdf(1.5, INFINITY), qb_normal_cdf(1.5), 1e-16);
    cr_expect(qb_beta_cdf(0, 2, 3) == 0 && qb_beta_cdf(1, 2, 3) == 1 && isnan(qb_beta_cdf(1.1, 2, 3)));
    cr_expect(isnan(qb_beta_cdf(0.5, 0, 3)) && isnan(qb_beta_cdf(NAN, 1, 1)));
    cr_expect(qb_binomial_cdf(3, 3, 0.2) == 1 && qb_binomial_cdf(0, 5, 0) == 1 && qb_binomial_cdf(4, 5, 1) == 0);
    cr_expect(isnan(qb_binomial_cdf(1, 5, NAN)) && isnan(qb_binomial_cdf(1, 5, 1.5)));
}
