/* Metrics of `attribute` on tables whose effects are known by construction. */
#include "metric_case.h"

#define A "attribute"

/* v(S) = 0.5 storage + 2 domain - 0.25 scale (only with domain) + 0.125 storage domain scale, in two chunks of two
 * positions whose values are v - d, v + d and v - 3d, v + 3d of their mean, so that means are v and spreads are not 0.
 */
static const char *const names[] = {"none",  "storage",       "domain",       "storage+domain",
                                    "scale", "storage+scale", "domain+scale", "storage+domain+scale"};
static const double v[] = {0, 0.5, 2, 2.5, 0, 0.5, 1.75, 2.375};

static struct qb_record table(size_t rows)
{
    struct qb_record record = {0};
    double kl[8 * 4];
    static const int32_t chunk[] = {0, 0, 1, 1};
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < 4; i++)
            kl[r * 4 + i] = v[r] * (i == 0 ? 0.75 : i == 1 ? 1 : 1.125);
    put_texts(&record, "combination", names, rows);
    put(&record, "kl", QB_F64, rows, 4, kl);
    put(&record, "chunk", QB_I32, 4, 0, chunk);
    return record;
}

Test(metric_attribute, known_effects)
{
    struct qb_record record = table(8);
    static const struct {
        const char *name;
        double value;
    } expected[] = {{"total_kl", 2.375},
                    {"alone_storage", 0.5},
                    {"alone_domain", 2},
                    {"alone_scale", 0},
                    {"interaction_storage_domain", 0},
                    {"interaction_storage_scale", 0},
                    {"interaction_domain_scale", -0.25},
                    {"interactions_higher", 0.125},
                    {"shapley_storage", 0.5 + 0.125 / 3},
                    {"shapley_domain", 2 - 0.25 / 2 + 0.125 / 3},
                    {"shapley_scale", -0.25 / 2 + 0.125 / 3}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct qb_value value = must(A, &record, expected[i].name);
        cr_expect_float_eq(value.value, expected[i].value, 1e-15, "%s: %g", expected[i].name, value.value);
        cr_expect_eq(value.n, 4);
    }
    struct qb_value domain = must(A, &record, "alone_domain"), mends = must(A, &record, "shapley_scale");
    cr_expect(domain.lo < 2 && domain.hi > 2 && domain.lo >= 0, "a KL of one part cannot be below 0: %g", domain.lo);
    cr_expect(mends.lo < mends.value && mends.value < mends.hi && mends.lo < -0.125, "a share can: %g", mends.lo);
    struct qb_value nothing = must(A, &record, "alone_scale");
    cr_expect(nothing.lo == 0 && nothing.hi == 0 && strstr(nothing.note, "exactly 0"), "%s", nothing.note);
    cr_expect(absent(A, &record, "alone_alpha") && absent(A, &record, "interaction_scale_fp16"));
    cr_expect(absent(A, &record, "shapley_fp16") && absent(A, &record, "tensor_additivity_ratio"));
    qb_record_free(&record);
}

Test(metric_attribute, fewer_parts)
{
    struct qb_record two = table(4), one = table(2);
    cr_expect(absent(A, &two, "interactions_higher"));
    cr_expect_eq(must(A, &two, "interaction_storage_domain").value, 0);
    cr_expect_eq(must(A, &two, "shapley_domain").value, 2);
    cr_expect_eq(must(A, &one, "total_kl").value, 0.5);
    cr_expect_eq(must(A, &one, "alone_storage").value, 0.5);
    cr_expect_eq(must(A, &one, "shapley_storage").value, 0.5);
    cr_expect(absent(A, &one, "alone_domain"));
    qb_record_free(&one);
    qb_record_free(&two);
}

/* A part that changes no KL has no effect, not one of 1e-17 that an interval then calls certain. */
Test(metric_attribute, a_part_without_effect_has_none)
{
    struct qb_record record = {0};
    double kl[8 * 6];
    static const int32_t chunk[] = {0, 0, 1, 1, 2, 2};
    for (size_t r = 0; r < 8; r++)
        for (size_t i = 0; i < 6; i++)
            kl[r * 6 + i] = v[r % 4] / 3 * (1 + (double)i / 7) + (double)(r % 4) * 0.1;
    put_texts(&record, "combination", names, 8);
    put(&record, "kl", QB_F64, 8, 6, kl);
    put(&record, "chunk", QB_I32, 6, 0, chunk);
    static const char *const nothing[] = {"alone_scale", "interaction_storage_scale", "interaction_domain_scale",
                                          "shapley_scale"};
    for (size_t i = 0; i < 4; i++) {
        struct qb_value value = must(A, &record, nothing[i]);
        cr_expect(value.value == 0 && value.lo == 0 && value.hi == 0, "%s: %g [%g, %g]", nothing[i], value.value,
                  value.lo, value.hi);
    }
    cr_expect_gt(must(A, &record, "shapley_domain").value, 0.1);
    qb_record_free(&record);
}

/* What is no full factorial of known parts has no effects. */
Test(metric_attribute, tables_that_are_none)
{
    for (size_t rows = 1; rows <= 7; rows++) {
        struct qb_record record = table(rows);
        cr_expect_eq(absent(A, &record, "total_kl"), rows != 2 && rows != 4, "%zu combinations", rows);
        qb_record_free(&record);
    }
    static const char *const wrong[] = {"domain+domain", "storage+domian", "", "storage", "+domain", "domain+"};
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++) {
        struct qb_record record = {0};
        const char *const list[] = {"none", "storage", "domain", wrong[w]};
        static const double kl[16];
        static const int32_t chunk[4];
        put_texts(&record, "combination", list, 4);
        put(&record, "kl", QB_F64, 4, 4, kl);
        put(&record, "chunk", QB_I32, 4, 0, chunk);
        cr_expect(absent(A, &record, "total_kl"), "'%s'", wrong[w]);
        qb_record_free(&record);
    }
    struct qb_record empty = {0}, hole = table(8);
    ((double *)qb_record_find(&hole, "kl")->data)[13] = NAN;
    cr_expect(absent(A, &empty, "total_kl") && absent(A, &empty, "largest_tensor_share"));
    struct qb_value value = must(A, &hole, "shapley_storage");
    cr_expect(isnan(value.value) && (value.flags & QB_FLAG_NONFINITE));
    qb_record_free(&hole);
}

static struct qb_record swaps(const double *kl, const double *all)
{
    static const char *const tensors[] = {"layers.0.attn.qkv.weight", "layers.0.mlp.up.weight", "head.weight"};
    static const int32_t chunk[] = {7, 7, 8, 8, 9};
    struct qb_record record = {0};
    put_texts(&record, "swap_tensor", tensors, 3);
    put(&record, "swap_kl", QB_F64, 3, 5, kl);
    put(&record, "all_kl", QB_F64, 5, 0, all);
    put(&record, "chunk", QB_I32, 5, 0, chunk);
    return record;
}

Test(metric_attribute, tensors)
{
    static const double kl[] = {1, 1, 2, 2, 0, 4, 2, 6, 4, 4, 0, 0, 1, 2, 1}, all[] = {4, 4, 10, 10, 12};
    struct qb_record record = swaps(kl, all);
    struct qb_value ratio = must(A, &record, "tensor_additivity_ratio"),
                    share = must(A, &record, "largest_tensor_share");
    cr_expect_float_eq(ratio.value, 30.0 / 40, 1e-15);
    cr_expect_float_eq(share.value, 100 * 20.0 / 30, 1e-12);
    cr_expect(strstr(share.note, "layers.0.mlp.up.weight of 3 tensors"), "%s", share.note);
    cr_expect(ratio.lo < ratio.value && ratio.value < ratio.hi && strstr(ratio.note, "3 chunks"), "%s", ratio.note);
    qb_record_free(&record);
}

/* Chunk totals of the costliest tensor 18, 18, 9 of 18 each: R = 5/6, residuals 3, 3, -6, se = sqrt(3/2 * 54) / 54 =
 * 1/6, t(0.975, 2 df) = 0.95 sqrt(2 / (1 - 0.95^2)) = 4.302652729749462. The upper bound, 155%, is more than all. */
Test(metric_attribute, no_share_above_the_whole)
{
    static const double kl[] = {0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 0, 0, 0, 0, 9}, all[] = {9, 9, 9, 9, 18};
    struct qb_record record = swaps(kl, all);
    struct qb_value share = must(A, &record, "largest_tensor_share");
    cr_expect_float_eq(share.value, 100 * 5.0 / 6, 1e-12);
    cr_expect_float_eq(share.lo, 100 * (5 - 4.302652729749462) / 6, 1e-9);
    cr_expect_float_eq(share.hi, 100, 0);
    qb_record_free(&record);
}

/* A lossless format costs nothing: there is no ratio, not a NaN. */
Test(metric_attribute, tensors_that_cost_nothing)
{
    static const double zero[15], late[] = {0, 0, 0, 0, 3, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}, all[] = {0, 0, 0, 0, 8};
    struct qb_record none = swaps(zero, zero), some = swaps(late, all);
    cr_expect(absent(A, &none, "tensor_additivity_ratio") && absent(A, &none, "largest_tensor_share"));
    cr_expect_float_eq(must(A, &some, "tensor_additivity_ratio").value, 0.5, 1e-15, "chunks without any cost drop out");
    cr_expect_float_eq(must(A, &some, "largest_tensor_share").value, 75, 1e-12);
    cr_expect(must(A, &some, "tensor_additivity_ratio").flags & QB_FLAG_NO_INTERVAL, "one chunk is left");
    qb_record_free(&none);
    qb_record_free(&some);
}

Test(metric_attribute, no_allocation_failure_leaks_or_invents)
{
    struct qb_record record = table(8);
    size_t live = qb_mem_stats().live_bytes;
    for (size_t n = 1; n < 60; n++) {
        struct qb_error err = {0};
        struct qb_value *values = NULL;
        size_t count = 0;
        qb_mem_fail_at(n);
        enum qb_status status = qb_metrics_compute(A, &record, &values, &count, &err);
        qb_mem_fail_at(0);
        for (size_t i = 0; !status && i < count; i++)
            if (strcmp(values[i].metric, "total_kl") == 0)
                cr_expect(values[i].value == 2.375 || isnan(values[i].value), "%zu", n);
        qb_free(status ? NULL : values);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "allocation %zu", n);
    }
    qb_record_free(&record);
}
