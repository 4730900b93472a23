#include <math.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include "metric/interval.h"
#include "metric/metric.h"

static json_t *golden(const char *name)
{
    json_error_t error;
    json_t *root = json_load_file("tests/golden/metrics.json", 0, &error);
    cr_assert_not_null(root, "%s", error.text);
    return json_object_get(root, name);
}

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

Test(interval, wilson_of_scipy)
{
    size_t i;
    json_t *c;
    json_array_foreach(golden("wilson_95"), i, c)
    {
        double lo, hi;
        qb_wilson((uint64_t)number(c, "hits"), (uint64_t)number(c, "n"), &lo, &hi);
        cr_expect_float_eq(lo, number(c, "lo"), 1e-12);
        cr_expect_float_eq(hi, number(c, "hi"), 1e-12);
    }
    cr_assert_geq(i, 9);
    double lo, hi;
    qb_wilson(0, 0, &lo, &hi);
    cr_assert(isnan(lo) && isnan(hi));
    qb_wilson(3, 2, &lo, &hi);
    cr_assert(isnan(lo) && isnan(hi));
}

Test(interval, cluster_t_of_scipy)
{
    size_t i, j, k;
    json_t *c, *cluster, *value;
    json_array_foreach(golden("cluster_t_95"), i, c)
    {
        double x[1000], lo, hi;
        int32_t id[1000];
        size_t n = 0, clusters;
        json_array_foreach(json_object_get(c, "clusters"), j, cluster) json_array_foreach(cluster, k, value)
        {
            id[n] = (int32_t)j;
            x[n++] = json_number_value(value);
        }
        cr_assert(qb_cluster_interval(x, id, n, &lo, &hi, &clusters));
        cr_expect_eq(clusters, j);
        cr_expect_float_eq(qb_mean(x, n), number(c, "mean"), 1e-12);
        cr_expect_float_eq(lo, number(c, "lo"), 1e-10, "case %zu: lo %.15g want %.15g", i, lo, number(c, "lo"));
        cr_expect_float_eq(hi, number(c, "hi"), 1e-10);
    }
    cr_assert_geq(i, 5);
}

Test(interval, one_cluster_has_none)
{
    double x[] = {1, 2}, lo = 0, hi = 0;
    int32_t id[] = {4, 4};
    size_t clusters;
    cr_assert_not(qb_cluster_interval(x, id, 2, &lo, &hi, &clusters));
    cr_assert(isnan(lo) && isnan(hi) && clusters == 1);
    cr_assert_not(qb_cluster_interval(x, id, 0, &lo, &hi, &clusters));
    cr_assert_eq(clusters, 0);
}

/* scipy.stats.t.ppf(0.975, df); 1 and 2 in closed form. */
Test(interval, student_quantiles)
{
    cr_assert(isnan(qb_student_t975(0)));
    cr_assert_float_eq(qb_student_t975(1), tan(0.475 * acos(-1.0)), 1e-11);
    cr_assert_float_eq(qb_student_t975(2), sqrt(2 * 0.95 * 0.95 / (1 - 0.95 * 0.95)), 1e-12);
    cr_assert_float_eq(qb_student_t975(10), 2.2281388519649385, 1e-9);
    cr_assert_float_eq(qb_student_t975(30), 2.0422724563012373, 1e-9);
    cr_assert_float_eq(qb_student_t975(100), 1.9839715184496334, 1e-9);
    cr_assert_float_eq(qb_student_t975(1000000), 1.9599663, 1e-6);
    for (size_t df = 1; df < 600; df++) /* the two methods meet without a step */
        cr_assert_gt(qb_student_t975(df), qb_student_t975(df + 1));
}

Test(interval, quantiles_of_type_7)
{
    double x[] = {1, 2, 4, 8};
    cr_assert_eq(qb_quantile(x, 4, 0), 1);
    cr_assert_eq(qb_quantile(x, 4, 1), 8);
    cr_assert_eq(qb_quantile(x, 4, 0.5), 3);
    cr_assert_float_eq(qb_quantile(x, 4, 0.9), 6.8, 1e-12);
    cr_assert_eq(qb_quantile(x, 1, 0.7), 1);
    cr_assert(isnan(qb_quantile(x, 0, 0.5)) && isnan(qb_quantile(x, 4, NAN)));
}

Test(interval, mean_and_std)
{
    double x[] = {1, 2, 4};
    cr_assert_float_eq(qb_mean(x, 3), 7.0 / 3, 1e-15);
    cr_assert_float_eq(qb_std(x, 3), sqrt(7.0 / 3), 1e-15);
    cr_assert(isnan(qb_mean(x, 0)) && isnan(qb_std(x, 1)));
}

/* Ranks of the 95% interval of the median: the usual table of the sign test (Conover, Table A3). */
Test(interval, median_by_order_statistics)
{
    double x[40], lo, hi;
    for (int i = 0; i < 40; i++)
        x[i] = i + 1;
    cr_assert_not(qb_median_interval(x, 5, &lo, &hi));
    cr_assert(isnan(lo) && isnan(hi));
    cr_assert_not(qb_median_interval(x, 0, &lo, &hi));
    const int table[][3] = {{6, 1, 6}, {9, 2, 8}, {12, 3, 10}, {20, 6, 15}, {40, 14, 27}};
    for (int i = 0; i < 5; i++) {
        cr_assert(qb_median_interval(x, (size_t)table[i][0], &lo, &hi));
        cr_assert(lo == table[i][1] && hi == table[i][2], "n %d: %g to %g", table[i][0], lo, hi);
    }
}
