/* Rank correlation, its interval and least squares against SciPy 1.x and NumPy 2.x on ten pairs with ties:
 * scipy.stats.spearmanr; percentiles of it over 1999 samples whose indices are RandomState(0)'s raw 32-bit outputs
 * modulo 10; numpy.polyfit, on all pairs and with each left out. */
#include <criterion/criterion.h>
#include <math.h>
#include "metric/correlation.h"

enum { N = 10 };
static const double x[N] = {3.5, 1.25, 1.25, 7, 2, 9.5, 4, 4, 4, -1},
                    y[N] = {2, 0.5, 0.75, 6, 6, 3.25, -2, 1, 1, 0.125};

static double rank_of(const double *a, const double *b, size_t n)
{
    struct qb_error err = {0};
    double rho;
    cr_assert_eq(qb_spearman(a, b, n, &rho, &err), QB_OK, "%s", err.message);
    return rho;
}

Test(correlation, as_scipy)
{
    struct qb_error err = {0};
    double lo, hi, other[N];
    cr_expect_float_eq(rank_of(x, y, N), 0.48918518706034403, 1e-14);
    cr_assert_eq(qb_spearman_interval(x, y, N, &lo, &hi, &err), QB_OK, "%s", err.message);
    cr_expect_float_eq(lo, -0.24361655985240918, 1e-13, "%.17g", lo);
    cr_expect_float_eq(hi, 0.9524241471993242, 1e-13, "%.17g", hi);
    for (size_t i = 0; i < N; i++) /* ranks alone count */
        other[i] = exp(x[i]);
    cr_expect_float_eq(rank_of(other, y, N), 0.48918518706034403, 1e-14);
}

Test(correlation, line_as_numpy)
{
    struct qb_line line = qb_least_squares(x, y, N);
    cr_expect_float_eq(line.a, 0.6794385723039219, 1e-13);
    cr_expect_float_eq(line.b, 0.3332567401960785, 1e-13);
    cr_expect_float_eq(line.left_out, 2.6318571093273495, 1e-13);
}

Test(correlation, nothing_is_told_of_nothing)
{
    static const double same[N] = {2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, one_apart[3] = {1, 1, 5};
    struct qb_error err = {0};
    double lo, hi;
    cr_expect(isnan(rank_of(x, y, 1)) && isnan(rank_of(x, y, 0)) && isnan(rank_of(same, y, N)));
    cr_expect_eq(rank_of(x, x, N), 1);
    cr_assert_eq(qb_spearman_interval(same, y, N, &lo, &hi, &err), QB_OK);
    cr_expect(isnan(lo) && isnan(hi));
    cr_expect(isnan(qb_least_squares(x, y, 2).b) && isnan(qb_least_squares(same, y, N).b));
    const struct qb_line line = qb_least_squares(one_apart, y, 3);
    cr_expect(isfinite(line.b) && isnan(line.left_out), "without the third pair x is constant");
}
