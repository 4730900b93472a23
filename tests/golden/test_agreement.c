/* Agreement of rows with equal and masked logits against an enumeration of every order (agreement.json, by
 * make_agreement.py). */
#include <float.h>
#include <math.h>
#include <string.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include "metric/metric.h"
#include "metric/ranking.h"

enum { ROOM = 64 };

static size_t row(const json_t *list, float *x)
{
    size_t n = json_array_size(list);
    cr_assert_leq(n, ROOM);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)json_number_value(json_array_get(list, i));
    return n;
}

Test(agreement, every_order_of_equals)
{
    json_error_t error;
    json_t *golden = json_load_file("tests/golden/agreement.json", JSON_REJECT_DUPLICATES, &error), *one;
    cr_assert_not_null(golden, "%s", error.text);
    size_t at;
    json_array_foreach(json_object_get(golden, "cases"), at, one)
    {
        float p[ROOM], q[ROOM];
        struct qb_ranking rp, rq;
        size_t n = row(json_object_get(one, "p"), p);
        const char *name = json_string_value(json_object_get(one, "name"));
        cr_assert_eq(row(json_object_get(one, "q"), q), n);
        qb_rank(p, n, &rp);
        qb_rank(q, n, &rq);
        struct qb_agreement found = qb_agree(&rp, q, n, &rq, false);
        cr_expect_eq(rp.probable, (uint32_t)json_integer_value(json_object_get(one, "k")), "%s", name);
        cr_expect_float_eq(found.first, json_number_value(json_object_get(one, "first")), 1e-12, "%s: %g", name,
                           found.first);
        cr_expect_float_eq(found.top, json_number_value(json_object_get(one, "top")), 1e-12, "%s: %g", name, found.top);
        found = qb_agree(&rp, q, n, &rq, true);
        cr_expect(found.first == 1 && found.top == 1, "the same row");
    }
    json_decref(golden);
}

/* A reference whose tenth rank is shared beyond its list: what is not listed earns nothing, so no more than on average.
 */
Test(agreement, equals_that_the_list_does_not_hold)
{
    float p[14], q[14];
    struct qb_ranking rp, rq;
    for (int i = 0; i < 14; i++) {
        p[i] = i < 8 ? (float)(20 - i) : 3; /* two of six, each a chance of 1/3 */
        q[i] = (float)(20 - i);
    }
    qb_rank(p, 14, &rp);
    qb_rank(q, 14, &rq);
    cr_expect(rp.above == 8 && rp.equals == 6 && rp.first == 1);
    cr_expect_float_eq(qb_agree(&rp, q, 14, &rq, false).top, (8 + 2 * (1.0 / 3)) / 10, 1e-15);
    memcpy(q, p, sizeof q);
    q[0] = 21; /* both tied: the two listed of the six by 1/3 each twice */
    qb_rank(q, 14, &rq);
    cr_expect_float_eq(qb_agree(&rp, q, 14, &rq, false).top, (8 + 2 * (1.0 / 3) * (1.0 / 3)) / 10, 1e-15);
}

static double spread_of(const float *x, size_t n)
{
    return qb_logit_spread(x, n, qb_logsumexp(x, n));
}

/* Spread and std of the row without its masked tokens, by hand: {1, 2, 4} have mean 7/3 and variance 7/3. */
Test(agreement, masks_of_any_depth_leave_statistics_alone)
{
    static const float depth[] = {-1e4F, -1e30F, -FLT_MAX};
    for (size_t d = 0; d < 3; d++) {
        float x[5] = {1, depth[d], 2, 4, depth[d]};
        const uint8_t mask[5] = {0, 1, 0, 0, 1};
        cr_expect_float_eq(spread_of(x, 5), sqrt(7.0 / 3), 1e-14, "%g", (double)depth[d]);
        cr_expect_float_eq(qb_std_unmasked(x, mask, 5), sqrt(7.0 / 3), 1e-14);
        float flat[4] = {0.25F, 0.25F, depth[d], 0.25F};
        cr_expect_eq(spread_of(flat, 4), 0, "three equal tokens and a mask are uniform");
        float sure[3] = {0, depth[d], depth[d]};
        cr_expect_geq(spread_of(sure, 3), 1e4 - 1, "a single token is no uniform choice");
        cr_expect_eq(qb_std_unmasked(sure, (const uint8_t[]){0, 1, 1}, 3), 0, "and it alone does not spread");
        cr_expect(isnan(qb_std_unmasked(sure, (const uint8_t[]){1, 1, 1}, 3)));
    }
    float peaked[4] = {40, 0, 0.5F, -0.5F};
    cr_expect_gt(spread_of(peaked, 4), 1, "all but certain is not uniform");
    float one[1] = {3};
    cr_expect_eq(spread_of(one, 1), 0);
}
