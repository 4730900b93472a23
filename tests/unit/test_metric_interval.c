#include <math.h>
#include <criterion/criterion.h>
#include <jansson.h>
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
