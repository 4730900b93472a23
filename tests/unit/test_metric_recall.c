/* Metrics of `recall` on planted answers: counts by hand, and the faults that each must see. */
#include "metric_case.h"

enum { CHUNKS = 10, PER_CHUNK = 4, ITEMS = CHUNKS * PER_CHUNK, ANSWER = 3 };

static int32_t ours[ITEMS * ANSWER], theirs[ITEMS * ANSWER], target[ITEMS * ANSWER], chunk[ITEMS], length[ITEMS];

/* Both arms recall all; half of the items are of 512 tokens, half of 2,048. */
static void begin(void)
{
    for (int i = 0; i < ITEMS; i++) {
        chunk[i] = i / PER_CHUNK;
        length[i] = i % PER_CHUNK < 2 ? 512 : 2048;
        for (int k = i * ANSWER; k < (i + 1) * ANSWER; k++)
            ours[k] = theirs[k] = target[k] = 100 + k;
    }
}

TestSuite(metric_recall, .init = begin);

static struct qb_value of(const char *metric)
{
    struct qb_record r = {0};
    put(&r, "tokens", QB_I32, ITEMS, ANSWER, ours);
    put(&r, "reference_tokens", QB_I32, ITEMS, ANSWER, theirs);
    put(&r, "target", QB_I32, ITEMS, ANSWER, target);
    put(&r, "chunk", QB_I32, ITEMS, 0, chunk);
    put(&r, "length", QB_I32, ITEMS, 0, length);
    bool found;
    struct qb_value value = ask("recall", &r, metric, &found);
    qb_record_free(&r);
    cr_assert(found, "no %s", metric);
    return value;
}

static void miss(int32_t *arm, int item)
{
    arm[item * ANSWER + 1] = 7;
}

Test(metric_recall, of_identical_arms)
{
    const struct qb_value recall = of("recall");
    cr_expect_float_eq(recall.value, 100, 0);
    cr_expect_eq(recall.flags, 0);
    cr_expect_not_null(strstr(recall.note, "the reference recalls 40 of 40, the variant 40"), "%s", recall.note);
    cr_expect_float_eq(of("token_match").value, 100, 0);
    cr_expect_float_eq(of("flips_to_wrong").value, 0, 0);
    cr_expect_float_eq(of("mcnemar_p").value, 1, 0);
    cr_expect_float_eq(of("recall_2k").value, 100, 0);
}

/* One wrong token loses its item, at its length, and no other. */
Test(metric_recall, one_token_is_an_item)
{
    for (int c = 0; c < 5; c++)
        miss(ours, c * PER_CHUNK);
    miss(theirs, 39);
    cr_expect_float_eq(of("recall").value, 100 * 35 / 40.0, 1e-12);
    cr_expect_float_eq(of("reference_recall").value, 100 * 39 / 40.0, 1e-12);
    cr_expect_float_eq(of("recall_change").value, -100 * 4 / 40.0, 1e-12);
    cr_expect_float_eq(of("recall_512").value, 100 * 15 / 20.0, 1e-12);
    cr_expect_float_eq(of("recall_2k").value, 100, 0);
    cr_expect_float_eq(of("reference_recall_2k").value, 100 * 19 / 20.0, 1e-12);
    cr_expect_float_eq(of("flips_to_wrong").value, 100 * 5 / 40.0, 1e-12);
    cr_expect_float_eq(of("flips_to_right").value, 100 * 1 / 40.0, 1e-12);
    cr_expect_float_eq(of("token_accuracy").value, 100 * 115 / 120.0, 1e-12);
    cr_expect_float_eq(of("token_match").value, 100 * 114 / 120.0, 1e-12);
    /* scipy.stats.binomtest(1, 6).pvalue */
    cr_expect_float_eq(of("mcnemar_p").value, 0.21875, 1e-12);
    cr_expect_lt(of("recall").lo, 87.5);
    cr_expect_gt(of("recall").hi, 87.5);
}

/* Both arms write the same, and it is wrong: they match, and neither recalls. */
Test(metric_recall, a_reference_that_recalls_nothing_tells_nothing)
{
    for (int i = 0; i < ITEMS; i++) {
        miss(ours, i);
        miss(theirs, i);
    }
    static const char *const metrics[] = {"recall",         "recall_change",  "recall_512", "recall_2k",
                                          "flips_to_wrong", "flips_to_right", "mcnemar_p"};
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        const struct qb_value value = of(metrics[i]);
        cr_expect(value.flags & QB_FLAG_ABSENT, "%s has the value %g", metrics[i], value.value);
        cr_expect_not_null(strstr(value.note, "this tells nothing of a cache"), "%s: %s", metrics[i], value.note);
    }
    cr_expect_float_eq(of("reference_recall").value, 0, 0);
    cr_expect_float_eq(of("token_match").value, 100, 0);
    cr_expect_not_null(strstr(of("items").note, "of 512 tokens: 20, of which the reference recalls 0"));
}

/* At one length alone: the other keeps its numbers. */
Test(metric_recall, each_length_for_itself)
{
    for (int i = 0; i < ITEMS; i++)
        if (length[i] == 2048)
            miss(theirs, i);
    cr_expect(of("recall_2k").flags & QB_FLAG_ABSENT);
    cr_expect_eq(of("recall_512").flags, 0);
    cr_expect_eq(of("recall").flags, 0, "half is not less than half");
    miss(theirs, 0);
    cr_expect(of("recall").flags & QB_FLAG_DEGENERATE);
    cr_expect_not_null(strstr(of("recall").note, "the reference recalls 19 of 40"), "%s", of("recall").note);
}

Test(metric_recall, arrays_that_do_not_fit_are_none)
{
    struct qb_record r = {0};
    put(&r, "tokens", QB_I32, ITEMS, ANSWER, ours);
    put(&r, "reference_tokens", QB_I32, ITEMS, ANSWER - 1, theirs);
    put(&r, "target", QB_I32, ITEMS, ANSWER, target);
    put(&r, "chunk", QB_I32, ITEMS, 0, chunk);
    put(&r, "length", QB_I32, ITEMS, 0, length);
    cr_expect(absent("recall", &r, "recall"));
    cr_expect(absent("recall", &r, "token_match"));
    cr_expect(absent("recall", &r, "mcnemar_p"));
    qb_record_free(&r);
}
