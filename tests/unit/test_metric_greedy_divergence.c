/* Where two greedy runs part, against scipy's survival functions (tests/golden/make_metrics.py). */
#include <jansson.h>
#include <stdio.h>
#include "metric_case.h"

/* Prompt p's arms agree for agree[p] steps. */
static struct qb_record parting(const size_t *agree, size_t prompts, size_t steps)
{
    struct qb_record record = {0};
    struct qb_error err = {0};
    int32_t *ours = qb_alloc(prompts * steps, sizeof *ours, "tokens", &err);
    int32_t *theirs = qb_alloc(prompts * steps, sizeof *theirs, "tokens", &err);
    for (size_t i = 0; i < prompts * steps; i++) {
        theirs[i] = (int32_t)((i * 2654435761u) >> 12 & 0xfff);
        ours[i] = theirs[i] + (i % steps == agree[i / steps]); /* the arms meet again at once: only the first counts */
    }
    put(&record, "tokens", QB_I32, prompts, steps, ours);
    put(&record, "reference_tokens", QB_I32, prompts, steps, theirs);
    qb_free(theirs);
    qb_free(ours);
    return record;
}

static double number(const json_t *object, const char *name)
{
    const json_t *at = json_object_get(object, name);
    return json_is_number(at) ? json_number_value(at) : NAN;
}

static void check_median(const struct qb_record *record, const json_t *c, size_t prompts, size_t i)
{
    struct qb_value median = must("greedy", record, "divergence_median");
    double want = number(c, "median"), lo = number(c, "lo"), hi = number(c, "hi"), steps = number(c, "steps");
    cr_expect_eq(median.value, isnan(want) ? steps : want, "case %zu: %g", i, median.value);
    cr_expect_eq(median.n, prompts);
    cr_expect_eq(strstr(median.note, "more than half never diverge") != NULL, isnan(want), "case %zu: %s", i,
                 median.note);
    cr_expect_not(median.flags & QB_FLAG_NONFINITE);
    if (isnan(lo) || isnan(hi))
        cr_expect(median.flags & QB_FLAG_NO_INTERVAL, "case %zu: %g to %g", i, median.lo, median.hi);
    else
        cr_expect(median.lo == lo && median.hi == hi, "case %zu: %g to %g", i, median.lo, median.hi);
}

Test(divergence, survival_of_scipy)
{
    json_error_t error;
    json_t *root = json_load_file("tests/golden/metrics.json", 0, &error), *c;
    size_t i;
    cr_assert_not_null(root, "%s", error.text);
    json_array_foreach(json_object_get(root, "divergence"), i, c)
    {
        static const int at[] = {25, 50, 100};
        size_t agree[64], prompts = json_array_size(json_object_get(c, "agree"));
        for (size_t p = 0; p < prompts; p++)
            agree[p] = (size_t)json_integer_value(json_array_get(json_object_get(c, "agree"), p));
        struct qb_record record = parting(agree, prompts, (size_t)number(c, "steps"));
        check_median(&record, c, prompts, i);
        cr_expect_float_eq(must("greedy", &record, "divergence_mean").value, number(c, "mean"), 1e-12);
        cr_expect_float_eq(must("greedy", &record, "diverged_share").value, number(c, "diverged_share"), 1e-12);
        for (size_t k = 0; k < 3; k++) {
            char name[32], steps[8];
            snprintf(name, sizeof name, "survival_%d", at[k]);
            snprintf(steps, sizeof steps, "%d", at[k]);
            struct qb_value share = must("greedy", &record, name);
            cr_expect_float_eq(share.value, number(json_object_get(c, "survival"), steps), 1e-12, "case %zu: %s", i,
                               name);
            cr_expect(share.lo >= 0 && share.hi <= 100 && share.n == prompts);
        }
        qb_record_free(&record);
    }
    cr_assert_geq(i, 6);
    json_decref(root);
}

Test(divergence, a_short_run_has_no_late_survival)
{
    struct qb_record record = parting((size_t[]){10, 30, 50}, 3, 50);
    cr_assert_float_eq(must("greedy", &record, "survival_25").value, 200.0 / 3, 1e-12);
    cr_assert_float_eq(must("greedy", &record, "survival_50").value, 100.0 / 3, 1e-12, "agreed for all 50");
    cr_assert(absent("greedy", &record, "survival_100"));
    qb_record_free(&record);
}

Test(divergence, arms_that_part_at_once_are_no_proof_of_zero)
{
    struct qb_record record = parting((size_t[]){0, 0, 0}, 3, 60);
    struct qb_value mean = must("greedy", &record, "divergence_mean");
    cr_assert(mean.value == 0 && (mean.flags & QB_FLAG_NO_INTERVAL), "%s", mean.note);
    struct qb_value median = must("greedy", &record, "divergence_median");
    cr_assert(median.value == 0 && median.lo == 0 && median.hi == 0, "%s", median.note);
    cr_assert(must("greedy", &record, "survival_25").hi > 50);
    cr_assert(must("greedy", &record, "diverged_share").value == 100);
    qb_record_free(&record);
}

Test(divergence, one_prompt_has_values_without_intervals)
{
    static const char *const names[] = {"divergence_median", "divergence_mean", "survival_25", "diverged_share"};
    struct qb_record record = parting((size_t[]){30}, 1, 60);
    for (size_t i = 0; i < 4; i++)
        cr_expect(must("greedy", &record, names[i]).flags & QB_FLAG_NO_INTERVAL, "%s", names[i]);
    cr_assert_eq(must("greedy", &record, "divergence_median").value, 30);
    cr_assert_eq(must("greedy", &record, "divergence_mean").value, 30);
    qb_record_free(&record);
    cr_assert(absent("greedy", &record, "divergence_median") && absent("greedy", &record, "survival_25"), "no tokens");
}
