/* Differences, tests of them and families of tests, by hand; other values are in tests/golden/test_statistics.c. */
#include <math.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "metric/stats.h"

static const double ones[] = {1, 1, 1, 1, 1, 1};

static struct qb_clusters of(const double *sum, size_t n)
{
    return (struct qb_clusters){sum, ones, n};
}

/* Differences 1, 2, 3: mean 2, se 1 / sqrt 3, t = 3.4641 at 2 df; P(|T| > t) = 1 - t / sqrt(2 + t^2) = 0.0742. */
Test(difference, paired_by_hand)
{
    double a[] = {5, 9, 1}, b[] = {6, 11, 4};
    struct qb_clusters x = of(a, 3), y = of(b, 3);
    struct qb_difference d, r;
    cr_assert(qb_difference_paired(&x, &y, 0.95, &d));
    cr_expect(d.paired && d.clusters == 3 && d.df == 2);
    cr_expect_float_eq(d.value, 2, 1e-15);
    cr_expect_float_eq(d.se, 1 / sqrt(3), 1e-15);
    cr_expect_float_eq(d.p, 1 - sqrt(12.0 / 14), 1e-14);
    cr_expect_float_eq(d.hi - d.lo, 2 * sqrt(2 * 0.95 * 0.95 / (1 - 0.95 * 0.95)) / sqrt(3), 1e-11);
    cr_assert(qb_difference_paired(&y, &x, 0.95, &r));
    cr_expect(r.value == -d.value && r.p == d.p);
}

Test(difference, the_same_data_differ_by_exactly_0)
{
    double a[] = {0.1, 0.2, 0.7, 1e-9};
    struct qb_clusters x = of(a, 4);
    struct qb_difference d;
    cr_assert(qb_difference_paired(&x, &x, 0.95, &d));
    cr_expect(d.value == 0 && d.se == 0 && d.lo == 0 && d.hi == 0 && d.p == 1);
    cr_expect(qb_p_above(&d, 0) == 1 && qb_p_above(&d, -1e-12) == 0);
    cr_expect(qb_p_below(&d, 0) == 1 && qb_p_below(&d, 1e-12) == 0);
}

Test(difference, the_same_step_everywhere_has_no_spread)
{
    double a[] = {1, 2, 3, 4}, b[] = {1.5, 2.5, 3.5, 4.5};
    struct qb_clusters x = of(a, 4), y = of(b, 4);
    struct qb_difference d;
    cr_assert(qb_difference_paired(&x, &y, 0.95, &d));
    cr_expect(d.value == 0.5 && d.se == 0 && isnan(d.lo) && isnan(d.hi) && isnan(d.p));
    cr_expect(isnan(qb_p_above(&d, 0.4)) && isnan(qb_p_below(&d, 0.6)), "no spread, no p value");
    cr_expect_not(d.identical);
    /* two prompts that both lost a quarter: nothing says how far a third would be off */
    double two[] = {0.5, 0.75}, less[] = {0.25, 0.5};
    struct qb_clusters p = of(two, 2), q = of(less, 2);
    cr_assert(qb_difference_paired(&p, &q, 0.95, &d));
    cr_expect(d.value == -0.25 && isnan(d.p) && isnan(d.lo));
}

/* 0.3 - 0.2 and 100.3 - 100.2 differ by the rounding of 100.3 alone, 1.4e-14: no spread either. */
Test(difference, a_spread_of_rounding_is_none)
{
    double a[] = {0.2, 100.2, 50.2}, b[] = {0.3, 100.3, 50.3};
    struct qb_clusters x = of(a, 3), y = of(b, 3);
    struct qb_difference d;
    cr_assert(b[1] - a[1] != b[0] - a[0], "the case has rounding in it");
    cr_assert(qb_difference_paired(&x, &y, 0.95, &d));
    cr_expect(d.se == 0 && isnan(d.p) && isnan(d.lo), "se %g p %g", d.se, d.p);
    double c[] = {0.3, 100.3, 50.3001};
    struct qb_clusters z = of(c, 3);
    cr_assert(qb_difference_paired(&x, &z, 0.95, &d));
    cr_expect(d.se > 0 && d.p > 0 && d.p < 1e-3, "a real spread, were it small, counts");
}

Test(difference, what_cannot_be_paired)
{
    double a[] = {1, 2, 3}, w[] = {1, 2, 1}, nan[] = {1, NAN, 2};
    struct qb_difference d;
    struct qb_clusters x = of(a, 3), y = of(a, 2), z = {a, w, 3}, n = of(nan, 3), one = of(a, 1);
    cr_expect_not(qb_difference_paired(&x, &y, 0.95, &d));
    cr_expect(isnan(d.value) && isnan(d.p) && isnan(d.lo));
    cr_expect_not(qb_difference_paired(&x, &z, 0.95, &d));
    cr_expect_not(qb_difference_paired(&x, &n, 0.95, &d));
    cr_expect(isnan(d.value) && isnan(qb_p_above(&d, 0)) && isnan(qb_p_below(&d, 0)));
    cr_expect(isnan(qb_minimum_detectable(&d, 0, 0.05, 0.8)));
    cr_expect_not(qb_difference_paired(&one, &one, 0.95, &d));
    cr_expect_not(qb_difference_unpaired(&x, &one, 0.95, &d));
    cr_expect_not(qb_difference_unpaired(&n, &x, 0.95, &d));
    cr_expect(isnan(d.value) && isnan(d.p));
}

/* Variances 1 of 3 and 4 of 3: se^2 = 5/3, df = (5/3)^2 / (1/18 + 16/18) = 50/17. */
Test(difference, unpaired_by_hand)
{
    double a[] = {1, 2, 3}, b[] = {10, 12, 14};
    struct qb_clusters x = of(a, 3), y = of(b, 3);
    struct qb_difference d;
    cr_assert(qb_difference_unpaired(&x, &y, 0.95, &d));
    cr_expect(!d.paired && d.clusters == 6 && d.value == 10);
    cr_expect_float_eq(d.se, sqrt(5.0 / 3), 1e-14);
    cr_expect_float_eq(d.df, 50.0 / 17, 1e-12);
    cr_expect_float_eq((d.lo + d.hi) / 2, 10, 1e-12);
    cr_expect(d.p > 0.001 && d.p < 0.01 && d.lo > 0);
}

Test(difference, unpaired_without_spread)
{
    double a[] = {1, 1}, b[] = {2, 2};
    struct qb_clusters x = of(a, 2), y = of(b, 2);
    struct qb_difference d;
    cr_assert(qb_difference_unpaired(&x, &y, 0.95, &d));
    cr_expect(d.value == 1 && d.se == 0 && isnan(d.lo) && isnan(d.p));
    cr_assert(qb_difference_unpaired(&x, &x, 0.95, &d));
    cr_expect(d.value == 0 && isnan(d.p) && isnan(qb_p_below(&d, 1)), "other draws may differ");
}

Test(difference, one_sided_tests_complement)
{
    double a[] = {1, 2, 3, 4}, b[] = {2, 1, 5, 4.5};
    struct qb_clusters x = of(a, 4), y = of(b, 4);
    struct qb_difference d;
    cr_assert(qb_difference_paired(&x, &y, 0.95, &d));
    for (double bound = -2; bound <= 2; bound += 0.25)
        cr_expect_float_eq(qb_p_above(&d, bound) + qb_p_below(&d, bound), 1, 1e-14);
    cr_expect_float_eq(2 * qb_p_above(&d, 0), d.p, 1e-14);
    cr_expect_float_eq(qb_p_above(&d, d.value), 0.5, 1e-14);
    cr_expect_lt(qb_p_above(&d, -1), qb_p_above(&d, 1));
}

Test(difference, detectable_is_over_the_bound)
{
    struct qb_difference d = {.value = 0, .se = 0.5, .df = INFINITY};
    /* normal quantiles 1.6448536269514722 and 0.8416212335729143 */
    cr_expect_float_eq(qb_minimum_detectable(&d, 0.1, 0.05, 0.8), 0.1 + 0.5 * 2.4864748605243863, 1e-12);
    d.se = 0;
    cr_expect_eq(qb_minimum_detectable(&d, 0.1, 0.05, 0.8), 0.1);
    cr_expect(isnan(qb_minimum_detectable(&d, 0.1, 0, 0.8)) && isnan(qb_minimum_detectable(&d, 0.1, 0.05, NAN)));
}

Test(difference, mcnemar_by_hand)
{
    cr_expect_eq(qb_mcnemar(0, 0), 1);
    cr_expect_eq(qb_mcnemar(4, 4), 1);
    cr_expect_float_eq(qb_mcnemar(0, 5), 2.0 / 32, 1e-15);
    cr_expect_float_eq(qb_mcnemar(6, 1), 2 * 8.0 / 128, 1e-15);
    cr_expect_eq(qb_mcnemar(6, 1), qb_mcnemar(1, 6));
}

/* Holm: 0.01 * 3, then max(0.03, 0.02 * 2), then max(0.04, 0.5). Benjamini and Hochberg: 0.5, 0.02 * 3/2, 0.01 * 3. */
Test(family, leaves_nan_out)
{
    double p[] = {0.5, NAN, 0.01, 0.02}, adjusted[4];
    cr_assert(qb_holm(p, 4, adjusted));
    cr_expect(isnan(adjusted[1]) && adjusted[0] == 0.5);
    cr_expect_float_eq(adjusted[2], 0.03, 1e-15);
    cr_expect_float_eq(adjusted[3], 0.04, 1e-15);
    cr_assert(qb_benjamini_hochberg(p, 4, p));
    cr_expect(isnan(p[1]) && p[0] == 0.5);
    cr_expect_float_eq(p[2], 0.03, 1e-15);
    cr_expect_float_eq(p[3], 0.03, 1e-15);
}

Test(family, empty_and_all_nan)
{
    double p[] = {NAN, NAN};
    cr_expect(qb_holm(p, 0, p) && qb_benjamini_hochberg(p, 0, p));
    cr_expect(qb_holm(p, 2, p) && qb_benjamini_hochberg(p, 2, p) && isnan(p[0]) && isnan(p[1]));
}

Test(family, memory_running_out_is_told)
{
    double p[] = {0.1, 0.2};
    qb_mem_fail_at(1);
    cr_expect_not(qb_holm(p, 2, p));
    qb_mem_fail_at(1);
    cr_expect_not(qb_benjamini_hochberg(p, 2, p));
    qb_mem_fail_at(0);
}
