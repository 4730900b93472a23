#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include "base/cpu.h"
#include "base/splitmix.h"
#include "metric/metric.h"

static bool close_to(double got, double want, double relative)
{
    return got == want || fabs(got - want) <= relative * fabs(want);
}

static float *floats(const json_t *list, size_t *n)
{
    *n = json_array_size(list);
    float *x = calloc(*n, sizeof *x);
    for (size_t i = 0; i < *n; i++)
        x[i] = (float)json_number_value(json_array_get(list, i));
    return x;
}

/* Values of mpmath at 50 digits; tests/golden/make_metrics.py. */
Test(logits, agree_with_the_golden_cases)
{
    json_error_t error;
    json_t *root = json_load_file("tests/golden/metrics.json", 0, &error), *c;
    cr_assert_not_null(root, "%s", error.text);
    size_t i;
    json_array_foreach(json_object_get(root, "logits"), i, c)
    {
        size_t n, m;
        const char *name = json_string_value(json_object_get(c, "name"));
        float *p = floats(json_object_get(c, "ref"), &n), *q = floats(json_object_get(c, "var"), &m);
        double kl = json_number_value(json_object_get(c, "kl_ref_var"));
        double back = json_number_value(json_object_get(c, "kl_var_ref"));
        json_int_t target = json_integer_value(json_object_get(c, "target"));
        cr_expect(close_to(qb_kl(p, q, n), kl, 1e-12) || fabs(qb_kl(p, q, n) - kl) < 1e-25, "%s: KL %.17g, want %.17g",
                  name, qb_kl(p, q, n), kl);
        cr_expect(close_to(qb_kl(q, p, n), back, 1e-12) || fabs(qb_kl(q, p, n) - back) < 1e-25, "%s: KL back %.17g",
                  name, qb_kl(q, p, n));
        cr_expect(close_to(qb_kl_plain(p, q, n), kl, 1e-9) || fabs(qb_kl_plain(p, q, n) - kl) < 1e-25, "%s: plain KL",
                  name);
        cr_expect(
            close_to(qb_logsumexp(p, n) - (double)p[target], json_number_value(json_object_get(c, "nll_ref")), 1e-12),
            "%s: nll", name);
        cr_expect_eq(qb_argmax(p, n), json_integer_value(json_object_get(c, "top1_ref")), "%s", name);
        cr_expect_eq(qb_argmax(q, n), json_integer_value(json_object_get(c, "top1_var")), "%s", name);
        int32_t a[10], b[10];
        qb_topk(p, n, 10, a);
        qb_topk(q, n, 10, b);
        cr_expect(close_to(10.0 * qb_overlap(a, b, 10), json_number_value(json_object_get(c, "top10_overlap_percent")),
                           1e-12),
                  "%s: overlap", name);
        free(p);
        free(q);
    }
    cr_assert_geq(i, 8);
    json_decref(root);
}

static uint32_t state = 12345;
static float draw(void)
{
    float sum = 0;
    for (int i = 0; i < 6; i++) {
        state = state * 1664525u + 1013904223u;
        sum += (float)(state >> 8) / 16777216.0f - 0.5f;
    }
    return sum;
}

Test(logits, agree_with_the_plain_versions)
{
    static float p[300], q[300];
    for (size_t n = 1; n < 300; n += n < 40 ? 1 : 37) {
        for (size_t i = 0; i < n; i++) {
            p[i] = 9 * draw();
            q[i] = p[i] + 0.3f * draw();
        }
        cr_assert(close_to(qb_logsumexp(p, n), qb_logsumexp_plain(p, n), 1e-14), "n %zu", n);
        cr_assert(close_to(qb_kl(p, q, n), qb_kl_plain(p, q, n), 1e-8), "n %zu: %.17g %.17g", n, qb_kl(p, q, n),
                  qb_kl_plain(p, q, n));
    }
}

Test(logits, kl_by_hand)
{
    /* p = (1/2, 1/2), q = (1/4, 3/4): KL = log(2)/2 + log(2/3)/2 */
    float p[] = {0, 0}, q[] = {0, (float)log(3)};
    cr_assert(close_to(qb_kl(p, q, 2), 0.5 * log(2) + 0.5 * log(2.0 / 3), 1e-7));
    cr_assert_eq(qb_kl(p, p, 2), 0);
    cr_assert_eq(qb_kl(q, q, 2), 0);
    cr_assert_eq(qb_kl(p, q, 1), 0, "one token has one distribution");
    cr_assert(isnan(qb_kl(p, q, 0)));
}

/* Two tokens of logits (0, 0) and (0, e): KL = e^2/8 - O(e^4). */
Test(logits, kl_resolves_tiny_divergences)
{
    for (float e = 1e-3f; e > 1e-12f; e *= 0.01f) {
        float p[] = {0, 0}, q[] = {0, e};
        double want = (double)e * (double)e / 8;
        cr_assert(close_to(qb_kl(p, q, 2), want, 2e-7), "e %g: %g, want %g", (double)e, qb_kl(p, q, 2), want);
    }
}

Test(logits, kl_survives_extreme_logits)
{
    float p[] = {0, -2000, -2000}, q[] = {-2000, 0, -2000};
    cr_assert(close_to(qb_kl(p, q, 3), 2000, 1e-12));
    float a[] = {0, -1000, -1000}, b[] = {0, -3000, -1000}; /* differ where nobody looks */
    cr_assert_eq(qb_kl(a, b, 3), 0);
    float u[] = {0, 0}, v[] = {0, 50};
    cr_assert(close_to(qb_kl(u, v, 2), -log(2) + 25, 1e-12));
}

Test(logits, nan_and_inf_come_out_as_nan)
{
    float nan[] = {1, NAN, 2}, fine[] = {1, 2, 3}, inf[] = {1, INFINITY, 2};
    cr_assert(isnan(qb_kl(nan, fine, 3)) && isnan(qb_kl(fine, nan, 3)) && isnan(qb_kl(inf, fine, 3)) &&
              isnan(qb_kl(fine, inf, 3)));
    cr_assert(isnan(qb_logsumexp(nan, 3)));
    cr_assert_eq(qb_logsumexp(inf, 3), (double)INFINITY);
    cr_assert_eq(qb_logsumexp(fine, 0), (double)-INFINITY);
    cr_assert_eq(qb_argmax(nan, 3), -1);
    cr_assert(isnan(qb_top2_margin(nan, 3)) && isnan(qb_std_f32(nan, 3)));
    float late[40] = {0};
    late[39] = NAN; /* behind the last whole register */
    cr_assert_eq(qb_argmax(late, 40), -1);
    late[39] = 0;
    late[3] = NAN;
    cr_assert_eq(qb_argmax(late, 40), -1);
}

Test(logits, argmax_and_topk_break_ties_by_lowest_index)
{
    float x[] = {1, 5, 5, 2, 5};
    int32_t top[5];
    cr_assert_eq(qb_argmax(x, 5), 1);
    cr_assert_eq(qb_argmax(x, 0), -1);
    qb_topk(x, 5, 4, top);
    cr_assert(top[0] == 1 && top[1] == 2 && top[2] == 4 && top[3] == 3);
    qb_topk(x, 2, 3, top);
    cr_assert(top[0] == 1 && top[1] == 0 && top[2] == -1, "fewer values than asked for");
    float flat[100] = {0};
    qb_topk(flat, 100, 5, top);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(top[i], i);
}

static const float *sorting;
static int falling(const void *a, const void *b)
{
    int32_t i = *(const int32_t *)a, j = *(const int32_t *)b;
    return sorting[i] != sorting[j] ? (sorting[i] < sorting[j]) - (sorting[i] > sorting[j]) : (i > j) - (i < j);
}

Test(logits, topk_equals_a_full_sort)
{
    static float x[1000];
    static int32_t order[1000], top[20];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 1000; i++) {
            x[i] = roundf(20 * draw()); /* many ties */
            order[i] = i;
        }
        sorting = x;
        qsort(order, 1000, sizeof order[0], falling);
        qb_topk(x, 1000, 20, top);
        cr_assert_arr_eq(top, order, sizeof top);
    }
}

/* The float of a spread beside its std is that of the plain loops: also where logits lie far from 0, where few or one
 * of them counts, and where all are equal. */
Test(logits, a_spread_beside_the_std_is_the_plain_one)
{
    enum { MOST = 5000 };
    static const float shifts[] = {0, 3, -40, 1e4f, 1e6f}, scales[] = {1e-6f, 1e-2f, 1, 4, 30, 300};
    static const size_t sizes[] = {1, 2, 3, 15, 16, 17, 256, 1000, MOST};
    static float x[MOST];
    uint64_t draw = 20261128;
    size_t found_out = 0, rows = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t s = 0; s < 5; s++)
            for (size_t c = 0; c < 6; c++)
                for (int equal = 0; equal < 3; equal++) { /* all but one; all */
                    const size_t n = sizes[i];
                    for (size_t k = 0; k < n; k++)
                        x[k] = equal ? shifts[s]
                                     : shifts[s] + scales[c] * ((float)(qb_splitmix_next(&draw) >> 40) * 0x1p-23f - 1);
                    if (equal == 1)
                        x[n / 2] = nextafterf(x[n / 2], INFINITY);
                    const double log_sum = qb_logsumexp(x, n);
                    const float due = (float)qb_logit_spread(x, n, log_sum);
                    float found;
                    const bool known = qb_logit_spread_beside(x, n, log_sum, qb_std_f32(x, n), &found);
                    found_out += known;
                    rows++;
                    cr_expect(!known || memcmp(&due, &found, sizeof due) == 0, "%zu of %g +- %g: %.9g, expected %.9g",
                              n, (double)shifts[s], (double)scales[c], (double)found, (double)due);
                }
    cr_expect(found_out > rows / 4 && found_out < rows, "%zu of %zu", found_out, rows);
}

Test(logits, smallest)
{
    float x[40] = {0};
    cr_expect(isinf(qb_smallest(x, 0)));
    for (size_t n = 1; n <= 40; n++)
        for (size_t at = 0; at < n; at++) {
            for (size_t i = 0; i < n; i++)
                x[i] = i == at ? -7 : (float)i;
            cr_expect_eq(qb_smallest(x, n), -7, "%zu of %zu", at, n);
        }
}

Test(logits, margin_and_spread)
{
    float x[] = {1, 4, 2.5f};
    cr_assert_eq(qb_top2_margin(x, 3), 1.5);
    cr_assert(isnan(qb_top2_margin(x, 1)));
    cr_assert(close_to(qb_std_f32(x, 3), 1.5, 1e-15));
    cr_assert(isnan(qb_std_f32(x, 1)));
    float tied[] = {3, 3, 1};
    cr_assert_eq(qb_top2_margin(tied, 3), 0);
    int32_t a[] = {1, 2, -1}, b[] = {2, 3, -1};
    cr_assert_eq(qb_overlap(a, b, 3), 1, "empty places are no token");
}
