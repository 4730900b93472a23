#include "metric_case.h"

enum { STEPS = 40 };

/* Tokens without a pattern: no cycle, many distinct. */
static int32_t wild(size_t prompt, size_t step)
{
    uint32_t x = (uint32_t)(prompt * 7919 + step * 104729 + 17);
    x = (x ^ (x >> 7)) * 2654435761u;
    return (int32_t)(x >> 20);
}

/* Each prompt p diverges at step at[p] (STEPS: never). */
static struct qb_record diverging(const size_t *at, size_t prompts)
{
    struct qb_record record = {0};
    int32_t ours[8][STEPS], theirs[8][STEPS];
    float std[8][STEPS], margin[8][STEPS];
    uint8_t overlap[8][STEPS];
    for (size_t p = 0; p < prompts; p++)
        for (size_t s = 0; s < STEPS; s++) {
            theirs[p][s] = wild(p, s);
            ours[p][s] = s < at[p] ? theirs[p][s] : theirs[p][s] + 1;
            std[p][s] = 2;
            margin[p][s] = (float)s;
            overlap[p][s] = s < at[p] ? 10 : 5;
        }
    put(&record, "tokens", QB_I32, prompts, STEPS, ours);
    put(&record, "reference_tokens", QB_I32, prompts, STEPS, theirs);
    put(&record, "overlap10", QB_U8, prompts, STEPS, overlap);
    put(&record, "logit_std", QB_F32, prompts, STEPS, std);
    put(&record, "reference_logit_std", QB_F32, prompts, STEPS, std);
    put(&record, "margin", QB_F32, prompts, STEPS, margin);
    return record;
}

Test(greedy, one_prompt_has_a_value_and_a_reason)
{
    struct qb_record record = diverging((size_t[]){32}, 1);
    struct qb_value rate = must("greedy", &record, "match_rate");
    cr_assert_float_eq(rate.value, 80, 1e-12);
    cr_assert_eq(rate.n, STEPS);
    cr_assert_eq(rate.flags, QB_FLAG_NO_INTERVAL, "%s", rate.note);
    cr_assert_eq(must("greedy", &record, "match_rate_10").value, 100);
    cr_assert(absent("greedy", &record, "match_rate_500"));
    cr_assert_float_eq(must("greedy", &record, "top10_overlap").value, 90, 1e-12);
    cr_assert_eq(must("greedy", &record, "first_divergence").value, 32, "tokens 0..31 are equal");
    cr_assert_eq(must("greedy", &record, "first_divergence_min").value, 32);
    cr_assert_eq(must("greedy", &record, "margin_median").value, 19.5);
    cr_assert(absent("greedy", &record, "reference_margin_median"));
    qb_record_free(&record);
}

/* Two prompts of two tokens, four steps: the first repeats its last token three times, the second never its own. */
Test(greedy, a_reference_that_repeats_its_prompt_is_counted)
{
    struct qb_record record = {0};
    int32_t prompt[2][2] = {{5, 7}, {7, 8}}, tokens[2][4] = {{7, 7, 7, 5}, {7, 7, 1, 2}};
    put(&record, "tokens", QB_I32, 2, 4, tokens);
    put(&record, "reference_tokens", QB_I32, 2, 4, tokens);
    cr_assert(absent("greedy", &record, "reference_prompt_echo"), "no prompt");
    put(&record, "prompt", QB_I32, 2, 2, prompt);
    cr_assert_eq(must("greedy", &record, "reference_prompt_echo").value, 37.5);
    qb_record_free(&record);
}

Test(greedy, interval_is_over_prompts)
{
    struct qb_record record = diverging((size_t[]){20, 40, 20, 40}, 4);
    struct qb_value rate = must("greedy", &record, "match_rate");
    struct qb_clusters totals = {(double[]){20, 40, 20, 40}, (double[]){40, 40, 40, 40}, 4};
    struct qb_interval interval;
    cr_assert(qb_mean_interval(&totals, QB_KIND_SHARE, qb_interval_method_for(QB_KIND_SHARE, 4), 0.95, 1, &interval));
    cr_assert_float_eq(rate.value, 75, 1e-12);
    cr_assert_float_eq(rate.lo, 100 * interval.lo, 1e-9);
    cr_assert_float_eq(rate.hi, fmin(100 * interval.hi, 100), 1e-9);
    cr_assert(rate.lo < 60 && rate.hi > 90, "160 independent steps would give 67.8 to 81.1: %g to %g", rate.lo,
              rate.hi);
    cr_assert_eq(rate.flags, 0);
    cr_assert_not_null(strstr(rate.note, "over 4 prompts"), "%s", rate.note);
    rate = must("greedy", &record, "margin_median");
    cr_assert(rate.value == 19.5 && rate.n == 4 * STEPS && strstr(rate.note, "over 4 prompts"), "%s", rate.note);
    cr_assert_eq(must("greedy", &record, "first_divergence").value, 30);
    cr_assert_eq(must("greedy", &record, "first_divergence_min").value, 20);
    cr_assert_eq(must("greedy", &record, "diverged_share").value, 50);
    qb_record_free(&record);
}

Test(greedy, no_divergence_reports_the_steps)
{
    struct qb_record record = diverging((size_t[]){40, 40}, 2);
    struct qb_value first = must("greedy", &record, "first_divergence"), rate = must("greedy", &record, "match_rate");
    cr_assert_eq(first.value, STEPS);
    cr_assert_not_null(strstr(first.note, "no divergence in 40 steps"));
    cr_assert_eq(must("greedy", &record, "diverged_share").value, 0);
    cr_assert_eq(rate.value, 100);
    cr_assert(rate.lo < 50 && rate.hi == 100, "two equal prompts prove little: %g", rate.lo);
    cr_assert_not_null(strstr(rate.note, "no spread: a prompt counts once"), "%s", rate.note);
    qb_record_free(&record);
}

/* One prompt whose reference tokens are token(step); the variant's are the same. */
static struct qb_record same(int32_t (*token)(size_t step), size_t steps, float logit_std)
{
    struct qb_record record = {0};
    int32_t tokens[STEPS];
    float std[STEPS];
    for (size_t s = 0; s < steps; s++) {
        tokens[s] = token(s);
        std[s] = logit_std;
    }
    put(&record, "tokens", QB_I32, 1, steps, tokens);
    put(&record, "reference_tokens", QB_I32, 1, steps, tokens);
    put(&record, "reference_logit_std", QB_F32, 1, steps, std);
    return record;
}

static int32_t constant(size_t step)
{
    return 1167 + 0 * (int32_t)step;
}
static int32_t varied(size_t step)
{
    return wild(0, step);
}
static int32_t late_loop(size_t step)
{
    return step < 20 ? wild(0, step) : 9000 + (int32_t)(step % 5);
}
static int32_t short_tail(size_t step)
{
    return step < 37 ? wild(0, step) : 9000;
}

Test(greedy, degenerate_runs_are_flagged)
{
    struct qb_record record = same(constant, STEPS, 2);
    struct qb_value rate = must("greedy", &record, "match_rate");
    cr_assert(rate.flags & QB_FLAG_DEGENERATE);
    cr_assert_not_null(strstr(rate.note, "reference: few distinct tokens"), "%s", rate.note);
    cr_assert(must("greedy", &record, "first_divergence").flags & QB_FLAG_DEGENERATE);
    cr_assert_eq(must("greedy", &record, "reference_unique_tokens").value, 1);
    cr_assert_eq(must("greedy", &record, "cycle_length").value, 1);
    qb_record_free(&record);

    record = same(varied, STEPS, 1.2e-5f);
    rate = must("greedy", &record, "match_rate");
    cr_assert(rate.flags & QB_FLAG_DEGENERATE);
    cr_assert_not_null(strstr(rate.note, "nearly uniform"), "%s", rate.note);
    qb_record_free(&record);

    record = same(late_loop, STEPS, 2);
    rate = must("greedy", &record, "match_rate");
    cr_assert(rate.flags & QB_FLAG_DEGENERATE);
    cr_assert_not_null(strstr(rate.note, "loops"), "%s", rate.note);
    cr_assert_eq(must("greedy", &record, "reference_cycle_length").value, 5);
    qb_record_free(&record);
}

Test(greedy, sound_runs_are_not_flagged)
{
    struct qb_record record = same(varied, STEPS, 2);
    cr_assert_not(must("greedy", &record, "match_rate").flags & QB_FLAG_DEGENERATE);
    cr_assert_eq(must("greedy", &record, "cycle_length").value, 0);
    qb_record_free(&record);
    record = same(short_tail, STEPS, 2); /* three equal tokens at the end: a cycle, but no looping run */
    cr_assert_eq(must("greedy", &record, "cycle_length").value, 1);
    cr_assert_not(must("greedy", &record, "match_rate").flags & QB_FLAG_DEGENERATE);
    qb_record_free(&record);
}

static int32_t two_kinds(size_t step)
{
    return wild(0, step) % 2;
}
static int32_t three_kinds(size_t step)
{
    return wild(0, step) % 3;
}

Test(greedy, few_distinct_tokens_are_counted)
{
    struct qb_record record = same(two_kinds, STEPS, 2);
    cr_assert_eq(must("greedy", &record, "unique_tokens").value, 2);
    struct qb_value rate = must("greedy", &record, "match_rate");
    cr_assert_not_null(strstr(rate.note, "few distinct tokens"), "2 are few: %s", rate.note);
    qb_record_free(&record);
    record = same(three_kinds, STEPS, 2);
    cr_assert_eq(must("greedy", &record, "unique_tokens").value, 3);
    cr_assert_not(must("greedy", &record, "match_rate").flags & QB_FLAG_DEGENERATE, "3 are over 5%% of 40, which is 2");
    qb_record_free(&record);
    record = same(two_kinds, 9, 2);
    cr_assert_not(must("greedy", &record, "match_rate").flags & QB_FLAG_DEGENERATE, "9 steps are too few to say");
    qb_record_free(&record);
}

Test(greedy, a_variant_that_collapses_is_named)
{
    struct qb_record record = {0};
    int32_t ours[STEPS], theirs[STEPS];
    for (size_t s = 0; s < STEPS; s++) {
        ours[s] = 7;
        theirs[s] = wild(0, s);
    }
    put(&record, "tokens", QB_I32, 1, STEPS, ours);
    put(&record, "reference_tokens", QB_I32, 1, STEPS, theirs);
    struct qb_value rate = must("greedy", &record, "match_rate");
    cr_assert(rate.flags & QB_FLAG_DEGENERATE);
    cr_assert_not_null(strstr(rate.note, "variant: few"), "%s", rate.note);
    qb_record_free(&record);
}

Test(greedy, malformed_records_give_no_value)
{
    struct qb_record record = {0};
    int32_t tokens[6] = {0};
    cr_assert(absent("greedy", &record, "match_rate"));
    put(&record, "tokens", QB_I32, 2, 3, tokens);
    cr_assert(absent("greedy", &record, "match_rate"));
    put(&record, "reference_tokens", QB_I32, 3, 2, tokens);
    cr_assert(absent("greedy", &record, "match_rate"), "another shape");
    qb_record_free(&record);
    put(&record, "tokens", QB_I32, 1, 1, tokens);
    put(&record, "reference_tokens", QB_I32, 1, 1, tokens);
    cr_assert_eq(must("greedy", &record, "match_rate").value, 100, "one step");
    put_scalar(&record, "alpha", 0.8);
    cr_assert_eq(must("greedy", &record, "alpha").value, 0.8);
    cr_assert(absent("greedy", &record, "alpha_raw"));
    qb_record_free(&record);
}
