/* Metrics of `teacher-forced`: by hand, and against numpy and scipy (tests/golden/make_metrics.py). */
#include <float.h>
#include <jansson.h>
#include "metric_case.h"

static struct qb_record forced(const double kl[6], const uint8_t top1[6], const double nll[6], float std)
{
    struct qb_record record = {0};
    int32_t chunk[] = {0, 0, 0, 1, 1, 1}, target[] = {5, 5, -1, 5, 5, -1};
    double reference[] = {1, 1, NAN, 1, 1, NAN};
    float logit_std[6], diff[] = {1, 2, 3, 4, 5, 6};
    uint8_t overlap[] = {10, 9, 10, 9, 10, 9};
    for (int i = 0; i < 6; i++)
        logit_std[i] = std;
    put(&record, "chunk", QB_I32, 6, 0, chunk);
    put(&record, "target", QB_I32, 6, 0, target);
    put(&record, "kl", QB_F64, 6, 0, kl);
    put(&record, "top1", QB_U8, 6, 0, top1);
    put(&record, "overlap10", QB_U8, 6, 0, overlap);
    put(&record, "nll", QB_F64, 6, 0, nll);
    put(&record, "reference_nll", QB_F64, 6, 0, reference);
    put(&record, "logit_std", QB_F32, 6, 0, logit_std);
    put(&record, "max_logit_diff", QB_F32, 6, 0, diff);
    return record;
}

static void put_answers(struct qb_record *record, const float *top_p, const int32_t *ours, const int32_t *theirs,
                        size_t n)
{
    put(record, "reference_top_p", QB_F32, n, 0, top_p);
    put(record, "top_token", QB_I32, n, 0, ours);
    put(record, "reference_top_token", QB_I32, n, 0, theirs);
}

#define TF "teacher-forced"

Test(teacher_forced, by_hand)
{
    double kl[] = {1, 2, 3, 4, 5, 6}, nll[] = {1, 2, NAN, 2, 3, NAN};
    uint8_t top1[] = {1, 1, 0, 1, 0, 0};
    struct qb_record record = forced(kl, top1, nll, 2);
    struct qb_value mean = must(TF, &record, "kl_mean"), ratio = must(TF, &record, "perplexity_ratio");
    /* chunk means 2 and 5: standard error 1.5, t(1) = 12.706; two clusters are too few for any other method */
    cr_assert_eq(mean.value, 3.5);
    cr_assert_float_eq(mean.hi, 3.5 + 12.706204736174694 * 1.5, 1e-9);
    cr_assert_eq(mean.lo, 0, "no mean divergence is negative");
    cr_assert_eq(must(TF, &record, "kl_median").value, 3.5);
    cr_assert_float_eq(must(TF, &record, "kl_p99").value, 5.95, 1e-12);
    cr_assert_eq(must(TF, &record, "kl_max").value, 6);
    cr_assert_eq(must(TF, &record, "max_logit_diff").value, 6);
    cr_assert_float_eq(must(TF, &record, "top1_agreement").value, 50, 1e-12);
    cr_assert_float_eq(must(TF, &record, "top10_overlap").value, 95, 1e-12);
    cr_assert_float_eq(must(TF, &record, "perplexity").value, exp(2), 1e-12);
    cr_assert_eq(must(TF, &record, "perplexity").n, 4);
    cr_assert_float_eq(must(TF, &record, "reference_perplexity").value, exp(1), 1e-12);
    cr_assert_float_eq(ratio.value, exp(1), 1e-12);
    cr_assert_float_eq(ratio.lo, exp(1 - 12.706204736174694 * 0.5), 1e-12);
    cr_assert_not(ratio.flags & QB_FLAG_DEGENERATE);
    qb_record_free(&record);
}

Test(teacher_forced, self_comparison_is_zero_with_its_interval)
{
    double kl[6] = {0}, nll[] = {1, 1, NAN, 1, 1, NAN};
    uint8_t top1[] = {1, 1, 1, 1, 1, 1};
    struct qb_record record = forced(kl, top1, nll, 2);
    static const char *const names[] = {"kl_mean", "kl_median", "kl_p99", "kl_max"};
    for (int i = 0; i < 4; i++) {
        struct qb_value v = must(TF, &record, names[i]);
        cr_assert(v.value == 0 && v.lo == 0 && v.hi == 0 && v.flags == 0, "%s", names[i]);
    }
    struct qb_value ratio = must(TF, &record, "perplexity_ratio"), rate = must(TF, &record, "top1_agreement");
    cr_assert(ratio.value == 1 && ratio.lo == 1 && ratio.hi == 1);
    cr_assert(rate.value == 100 && rate.lo < 100 && rate.hi == 100);
    qb_record_free(&record);
}

Test(teacher_forced, positions_of_unknown_chunks_have_no_interval)
{
    struct qb_record record = {0};
    double kl[30];
    for (int i = 0; i < 30; i++)
        kl[i] = i;
    put(&record, "kl", QB_F64, 30, 0, kl);
    struct qb_value median = must(TF, &record, "kl_median");
    cr_assert(median.value == 14.5 && median.flags == QB_FLAG_NO_INTERVAL, "%s", median.note);
    cr_assert(absent(TF, &record, "kl_mean"));
    qb_record_free(&record);
}

Test(teacher_forced, nan_is_flagged_and_uniform_is_degenerate)
{
    double kl[] = {1, NAN, 3, 4, 5, 6}, nll[] = {1, NAN, NAN, 2, 3, NAN};
    uint8_t top1[6] = {1};
    struct qb_record record = forced(kl, top1, nll, 1e-5f);
    static const char *const names[] = {"kl_mean", "kl_median", "kl_p99", "kl_max", "perplexity", "perplexity_ratio"};
    for (int i = 0; i < 6; i++) {
        struct qb_value v = must(TF, &record, names[i]);
        cr_assert(isnan(v.value) && (v.flags & QB_FLAG_NONFINITE), "%s", names[i]);
    }
    cr_assert(must(TF, &record, "top1_agreement").flags & QB_FLAG_DEGENERATE);
    int32_t tokens[6] = {0};
    put_answers(&record, (float[6]){0}, tokens, tokens, 6);
    static const char *const flips[] = {"flips", "flips_to_wrong", "flips_to_right"};
    for (int i = 0; i < 3; i++)
        cr_assert(must(TF, &record, flips[i]).flags & QB_FLAG_DEGENERATE, "%s", flips[i]);
    cr_assert_not(must(TF, &record, "accuracy").flags & QB_FLAG_DEGENERATE, "an arm against the text");
    cr_assert_eq(must(TF, &record, "top1_agreement").flags & QB_FLAG_NONFINITE, 0);
    qb_record_free(&record);
    cr_assert(absent(TF, &record, "kl_mean"));
}

/* 20 positions in two chunks, KL 1..20: the worst 5% is the one at 20, the quantile under it 19. */
Test(teacher_forced, tail_mean_by_hand)
{
    struct qb_record record = {0};
    double kl[20];
    int32_t chunk[20];
    for (int i = 0; i < 20; i++) {
        kl[i] = i + 1;
        chunk[i] = i % 20 / 10;
    }
    put(&record, "kl", QB_F64, 20, 0, kl);
    put(&record, "chunk", QB_I32, 20, 0, chunk);
    struct qb_value tail = must(TF, &record, "kl_cvar95");
    cr_assert_float_eq(tail.value, 20, 1e-12);
    cr_assert(tail.n == 20 && tail.lo >= 0);
    const struct qb_metric *metric = qb_metric_find(TF, "kl_cvar95");
    struct qb_sample sample = {0};
    cr_assert(metric->sample(&record, &sample));
    cr_assert(sample.clusters == 2 && sample.sum[0] == 190, "19 + 0 each in the first chunk");
    cr_assert_float_eq(sample.sum[1], 190 + 20, 1e-12, "19 each and (20 - 19) / 0.05");
    qb_sample_free(&sample);
    ((double *)qb_record_find(&record, "kl")->data)[3] = NAN;
    cr_assert(must(TF, &record, "kl_cvar95").flags & QB_FLAG_NONFINITE);
    qb_record_free(&record);
}

Test(teacher_forced, answers_and_confidence_by_hand)
{
    double kl[] = {1, 2, 3, 4, 5, 6}, nll[] = {1, 2, NAN, 2, 3, NAN};
    uint8_t top1[] = {1, 1, 0, 1, 0, 0};
    struct qb_record record = forced(kl, top1, nll, 2); /* targets 5, 5, -1, 5, 5, -1 */
    float top_p[] = {0.1f, 0.25f, 0.2f, 0.95f, 0.75f, 0.5f};
    int32_t ours[] = {5, 4, 9, 5, 3, -1}, theirs[] = {5, 5, 8, 4, 2, -1};
    cr_assert(absent(TF, &record, "accuracy") && absent(TF, &record, "flips"), "an older record");
    cr_assert(absent(TF, &record, "kl_p_under_25") && absent(TF, &record, "kl_p_over_90"), "an older record");
    put_answers(&record, top_p, ours, theirs, 6);
    /* right, to wrong, -, to right, wrong both, - */
    cr_assert_float_eq(must(TF, &record, "accuracy").value, 50, 1e-12);
    cr_assert_float_eq(must(TF, &record, "reference_accuracy").value, 50, 1e-12);
    cr_assert_float_eq(must(TF, &record, "flips").value, 50, 1e-12);
    cr_assert_float_eq(must(TF, &record, "flips_to_wrong").value, 25, 1e-12);
    cr_assert_float_eq(must(TF, &record, "flips_to_right").value, 25, 1e-12);
    cr_assert_eq(must(TF, &record, "flips").n, 4);
    struct qb_value change = must(TF, &record, "accuracy_change");
    cr_assert(change.value == 0 && !(change.lo == 0 && change.hi == 0), "one right each way: not identical arms");
    struct qb_value flips = must(TF, &record, "flips");
    cr_assert_not_null(strstr(flips.note, "1 to wrong, 1 to right: McNemar's exact p 1,"), "%s", flips.note);
    cr_assert_eq(must(TF, &record, "kl_p_under_25").value, 2, "positions 0 and 2");
    cr_assert_eq(must(TF, &record, "kl_p_under_25").flags, QB_FLAG_NO_INTERVAL, "one chunk has none");
    cr_assert_eq(must(TF, &record, "kl_p_25_50").value, 2, "0.25 is its lower edge");
    cr_assert_eq(must(TF, &record, "kl_p_50_75").value, 6);
    cr_assert_eq(must(TF, &record, "kl_p_75_90").value, 5);
    cr_assert_eq(must(TF, &record, "kl_p_over_90").value, 4);
    ((float *)qb_record_find(&record, "reference_top_p")->data)[1] = NAN;
    cr_assert(must(TF, &record, "kl_p_50_75").flags & QB_FLAG_NONFINITE, "a NaN belongs nowhere, and that is said");
    qb_record_free(&record);
}

Test(teacher_forced, a_confidence_that_no_position_has_is_absent)
{
    double kl[] = {1, 2, 3, 4, 5, 6}, nll[] = {1, 2, NAN, 2, 3, NAN};
    uint8_t top1[6] = {1};
    struct qb_record record = forced(kl, top1, nll, 2);
    float top_p[] = {0.9f, 0.95f, 0.99f, 0.95f, 1, 1};
    int32_t tokens[6] = {0}, *target = (int32_t *)qb_record_find(&record, "target")->data;
    put_answers(&record, top_p, tokens, tokens, 6);
    cr_assert(absent(TF, &record, "kl_p_under_25"));
    cr_assert_eq(must(TF, &record, "kl_p_over_90").n, 5, "0.9f is under 0.9");
    for (int i = 0; i < 6; i++)
        target[i] = -1;
    cr_assert(absent(TF, &record, "accuracy") && absent(TF, &record, "perplexity"), "no targets");
    qb_record_free(&record);
}

static size_t read_array(const json_t *from, const char *name, double *x)
{
    const json_t *array = json_object_get(from, name);
    for (size_t i = 0; i < json_array_size(array); i++)
        x[i] = json_number_value(json_array_get(array, i));
    return json_array_size(array);
}

/* The golden record; `rows` numbers a chunk's positions off by one row when asked for, a fault that must show. */
static struct qb_record golden_record(const json_t *c, size_t shift)
{
    struct qb_record record = {0};
    double x[400];
    float top_p[400];
    int32_t chunk[400], tokens[400];
    size_t n = read_array(c, "kl", x), size = (size_t)json_integer_value(json_object_get(c, "size"));
    static const char *const names[] = {"target", "top_token", "reference_top_token"};
    put(&record, "kl", QB_F64, n, 0, x);
    read_array(c, "reference_top_p", x);
    for (size_t i = 0; i < n; i++) {
        top_p[i] = (float)x[(i + shift) % n];
        chunk[i] = (int32_t)(i / size);
    }
    put(&record, "reference_top_p", QB_F32, n, 0, top_p);
    put(&record, "chunk", QB_I32, n, 0, chunk);
    for (size_t k = 0; k < 3; k++) {
        read_array(c, names[k], x);
        for (size_t i = 0; i < n; i++)
            tokens[i] = (int32_t)x[(i + (k == 1 ? shift : 0)) % n];
        put(&record, names[k], QB_I32, n, 0, tokens);
    }
    return record;
}

static size_t misses(const json_t *c, size_t shift)
{
    struct qb_record record = golden_record(c, shift);
    size_t wrong = 0;
    const char *name;
    json_t *want;
    json_object_foreach(json_object_get(c, "expected"), name, want)
    {
        struct qb_value got = must(TF, &record, name);
        double value = json_number_value(json_array_get(want, 0));
        bool same = fabs(got.value - value) <= 1e-12 * fabs(value) &&
                    got.n == (uint64_t)json_integer_value(json_array_get(want, 1));
        cr_expect(same || shift > 0, "%s: %.17g of %llu, want %.17g", name, got.value, (unsigned long long)got.n,
                  value);
        cr_expect((got.lo <= got.value && got.value <= got.hi) || (got.flags & QB_FLAG_NO_INTERVAL), "%s: %g to %g",
                  name, got.lo, got.hi);
        wrong += !same;
    }
    qb_record_free(&record);
    return wrong;
}

Test(teacher_forced, answers_confidence_and_tail_of_scipy)
{
    json_error_t error;
    json_t *root = json_load_file("tests/golden/metrics.json", 0, &error), *c = json_object_get(root, "teacher_forced");
    cr_assert_eq(json_object_size(json_object_get(c, "expected")), 13, "%s", error.text);
    cr_assert_eq(misses(c, 0), 0);
    cr_assert_eq(misses(c, 1), 9, "planted: answers and confidences of the next position");
    struct qb_record record = golden_record(c, 0);
    struct qb_value flips = must(TF, &record, "flips");
    cr_assert_not_null(strstr(flips.note, "29 to wrong, 4 to right: McNemar's exact p 1.09e-05"), "%s", flips.note);
    qb_record_free(&record);
    json_decref(root);
}

/* A variant whose own logits have collapsed is flagged, however sure the reference is; and a reference that is masked
 * is judged by its spread, not by a std that the mask made large. */
Test(teacher_forced, either_arm_may_be_nearly_uniform)
{
    static const struct {
        float ours, theirs, std;
        const char *arm; /* NULL: neither */
    } cases[] = {{2, 2, 2, NULL}, {0, 2, 2, "variant"}, {2, 1e-5f, 1e29f, "reference"}, {2e-3f, 2e-3f, 2, NULL}};
    static const char *const names[] = {"top1_agreement", "top10_overlap", "kl_mean", "perplexity_ratio"};
    double kl[6] = {1, 1, 1, 1, 1, 1}, nll[] = {1, 2, NAN, 2, 3, NAN};
    uint8_t top1[6] = {1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_record record = forced(kl, top1, nll, cases[i].std);
        float ours[6], theirs[6];
        for (int k = 0; k < 6; k++) {
            ours[k] = k < 4 ? cases[i].ours : 2; /* more than half of the positions */
            theirs[k] = cases[i].theirs;
        }
        put(&record, "spread", QB_F32, 6, 0, ours);
        put(&record, "reference_spread", QB_F32, 6, 0, theirs);
        for (size_t m = 0; m < sizeof names / sizeof *names; m++) {
            struct qb_value v = must(TF, &record, names[m]);
            cr_assert_eq((v.flags & QB_FLAG_DEGENERATE) != 0, cases[i].arm != NULL, "case %zu %s: %s", i, names[m],
                         v.note);
            cr_assert(!cases[i].arm || strstr(v.note, cases[i].arm), "case %zu: %s", i, v.note);
        }
        qb_record_free(&record);
    }
}

/* By hand: the variant's first rank is shared by two tokens at position 0 (the target is one of them: 1/2) and by four
 * at 1; positions 2 and 5 have no target. Right: 1/2, 1/4, -, 1, 0; the reference: 1, 0, -, 1, 1. */
Test(teacher_forced, answers_of_equal_logits_are_chances)
{
    double kl[6] = {1, 1, 1, 1, 1, 1}, nll[] = {1, 2, NAN, 2, 3, NAN};
    uint8_t top1[6] = {0, 0, 0, 1, 0, 0};
    struct qb_record record = forced(kl, top1, nll, 2);
    int32_t ours[] = {5, 5, 0, 5, 0, 0}, theirs[] = {5, 1, 1, 5, 5, 1};
    double hit[] = {0.5, 0.25, 0, 1, 0, 0}, reference[] = {1, 0, 0, 1, 1, 0}, agree[] = {0.5, 0, 0.5, 1, 0, 0};
    put_answers(&record, (float[6]){0}, ours, theirs, 6);
    put(&record, "hit", QB_F64, 6, 0, hit);
    put(&record, "reference_hit", QB_F64, 6, 0, reference);
    put(&record, "top1_share", QB_F64, 6, 0, agree);
    cr_assert_float_eq(must(TF, &record, "top1_agreement").value, 100 * 2.0 / 6, 1e-12);
    cr_assert_float_eq(must(TF, &record, "accuracy").value, 100 * 1.75 / 4, 1e-12);
    cr_assert_float_eq(must(TF, &record, "reference_accuracy").value, 75, 1e-12);
    cr_assert_float_eq(must(TF, &record, "flips_to_wrong").value, 100 * (0.5 + 0 + 0 + 1) / 4, 1e-12);
    cr_assert_float_eq(must(TF, &record, "flips_to_right").value, 100 * 0.25 / 4, 1e-12);
    cr_assert_float_eq(must(TF, &record, "accuracy_change").value, 100 * (0.25 - 1.5) / 4, 1e-12);
    cr_assert_not_null(strstr(must(TF, &record, "flips").note, "1 to wrong, 0 to right"), "chances are no flips");
    qb_record_free(&record);
}

/* Chunks of two positions; the target of position 1 is masked, at whatever depth, and position 5 has none. By hand,
 * over positions 0, 2, 3, 4: the variant's mean nll is (1.5 + 2 + own + 2.5) / 4, the reference's (1 + 2 + 1 + 2) / 4.
 * An own of 800 is a token that the reference gives e^-1 and the variant none: it stays in. */
Test(teacher_forced, targets_that_the_reference_rules_out_are_no_text)
{
    static const double depths[] = {745.2, 1e4, 1e30, FLT_MAX, INFINITY};
    for (size_t d = 0; d < 2 * sizeof depths / sizeof *depths; d++) {
        double depth = depths[d / 2], own = d % 2 ? 800 : 3;
        double reference[] = {1, depth, 2, 1, 2, NAN}, nll[] = {1.5, d % 4 < 2 ? 9 : 1.1 * depth, 2, own, 2.5, NAN};
        int32_t chunk[] = {0, 0, 1, 1, 2, 2}, target[] = {5, 5, 5, 5, 5, -1};
        struct qb_record record = {0};
        put(&record, "chunk", QB_I32, 6, 0, chunk);
        put(&record, "target", QB_I32, 6, 0, target);
        put(&record, "nll", QB_F64, 6, 0, nll);
        put(&record, "reference_nll", QB_F64, 6, 0, reference);
        struct qb_value ours = must(TF, &record, "perplexity"), theirs = must(TF, &record, "reference_perplexity"),
                        ratio = must(TF, &record, "perplexity_ratio");
        cr_assert_float_eq(log(ours.value), (6 + own) / 4, 1e-12, "depth %g: %g", depth, ours.value);
        cr_assert_float_eq(log(theirs.value), 6.0 / 4, 1e-12, "depth %g: %g", depth, theirs.value);
        cr_assert_float_eq(log(ratio.value), own / 4, 1e-12, "depth %g: %g", depth, ratio.value);
        cr_assert(ours.n == 4 && theirs.n == 4 && ratio.n == 4);
        cr_assert_not_null(strstr(ratio.note, "without 1 position whose target the reference gives no probability"),
                           "%s", ratio.note);
        qb_record_free(&record);
    }
}

/* At the edge: exp(-745.13) is the least positive double, exp(-745.14) is 0. NaN is not ruled out but seen. */
Test(teacher_forced, the_least_probability_still_counts)
{
    double reference[] = {745.13, 1, 1, 1}, nll[] = {1, 1, 1, 1};
    int32_t chunk[] = {0, 0, 1, 1}, target[] = {5, 5, 5, 5};
    for (int k = 0; k < 4; k++) {
        struct qb_record record = {0};
        if (k == 3)
            reference[0] = reference[1] = reference[2] = reference[3] = INFINITY;
        else
            reference[0] = k == 0 ? 745.13 : k == 1 ? 745.14 : NAN;
        put(&record, "chunk", QB_I32, 4, 0, chunk);
        put(&record, "target", QB_I32, 4, 0, target);
        put(&record, "nll", QB_F64, 4, 0, nll);
        put(&record, "reference_nll", QB_F64, 4, 0, reference);
        struct qb_value ratio = must(TF, &record, "perplexity_ratio");
        cr_assert_eq(ratio.n, k == 1 ? 3 : k == 3 ? 0 : 4);
        cr_assert_eq(isnan(ratio.value), k >= 2);
        cr_assert_eq(ratio.flags & QB_FLAG_NONFINITE, k == 2 ? QB_FLAG_NONFINITE : 0);
        cr_assert_eq(ratio.flags & QB_FLAG_ABSENT, k == 3 ? QB_FLAG_ABSENT : 0);
        cr_assert(k < 3 || strstr(ratio.note, "none of the 4 targets"), "%s", ratio.note);
        qb_record_free(&record);
    }
}
