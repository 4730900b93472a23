/* Metrics of `choice`: accuracies by hand, planted faults (a swapped key, an answer in the prompt, items that flip),
 * and the minimum detectable change against simulation. */
#include "metric_case.h"
#include "base/rng.h"

enum { ITEMS = 1000, K = 4, SUBJECTS = 20 };

static double sum[ITEMS * K], reference[ITEMS * K];
static int32_t item[ITEMS * K], length[3][ITEMS * K], seen[ITEMS * K], answer[ITEMS], subject[ITEMS], task[ITEMS];

/* Of four choices the right one leads in 600 of 1000 items, about as often in each subject. */
static void begin(void)
{
    for (int i = 0; i < ITEMS; i++) {
        answer[i] = i % K;
        subject[i] = i / (ITEMS / SUBJECTS);
        task[i] = i >= 200;
        const int taken = (i % 5 < 3 && i != 500) || i == 999 ? answer[i] : (answer[i] + 1) % K;
        for (int c = 0; c < K; c++) {
            item[i * K + c] = i;
            for (int l = 0; l < 3; l++)
                length[l][i * K + c] = 5;
            seen[i * K + c] = 0;
            reference[i * K + c] = c == taken ? -10 : -20 - c;
            sum[i * K + c] = reference[i * K + c];
        }
    }
}

TestSuite(metric_choice, .init = begin);

static struct qb_record record(void)
{
    struct qb_record r = {0};
    put(&r, "sum", QB_F64, ITEMS * K, 0, sum);
    put(&r, "reference_sum", QB_F64, ITEMS * K, 0, reference);
    put(&r, "choice_item", QB_I32, ITEMS * K, 0, item);
    put(&r, "choice_characters", QB_I32, ITEMS * K, 0, length[0]);
    put(&r, "choice_bytes", QB_I32, ITEMS * K, 0, length[1]);
    put(&r, "choice_tokens", QB_I32, ITEMS * K, 0, length[2]);
    put(&r, "choice_occurrences", QB_I32, ITEMS * K, 0, seen);
    put(&r, "item_answer", QB_I32, ITEMS, 0, answer);
    put(&r, "item_subject", QB_I32, ITEMS, 0, subject);
    put(&r, "item_task", QB_I32, ITEMS, 0, task);
    return r;
}

static struct qb_value of(const char *metric)
{
    struct qb_record r = record();
    struct qb_value value = must("choice", &r, metric);
    qb_record_free(&r);
    return value;
}

/* The variant takes another choice of item i. */
static void flip(int i)
{
    double *x = sum + i * K;
    const int old = x[answer[i]] == -10 ? answer[i] : (answer[i] + 1) % K,
              other = old == answer[i] ? (old + 1) % K : answer[i];
    x[old] = -20;
    x[other] = -10;
}

Test(metric_choice, of_identical_arms)
{
    const struct qb_value acc = of("acc"), wilson = of("acc_wilson");
    cr_expect_float_eq(acc.value, 60, 1e-12);
    cr_expect_eq(acc.flags, 0);
    cr_expect_not_null(strstr(acc.note, "a change of 0.79 points would be found"), "%s", acc.note);
    cr_expect(acc.lo < 60 && acc.hi > 60);
    cr_expect_float_eq(wilson.lo, 56.930, 1e-3, "%g",
                       wilson.lo); /* statsmodels.proportion_confint(600, 1000, method="wilson") */
    cr_expect_float_eq(wilson.hi, 62.993, 1e-3, "%g", wilson.hi);
    cr_expect_eq(of("flips").value, 0);
    cr_expect_eq(of("mcnemar_p").value, 1);
    cr_expect_eq(of("acc_change").value, 0);
    cr_expect_eq(of("max_sum_diff").value, 0);
    cr_expect_eq(of("chance").value, 25);
    cr_expect_eq(of("items").value, ITEMS);
    cr_expect_float_eq(of("acc_tasks").value, 60, 1e-12);
}

/* acc_norm divides by characters, acc_bytes by bytes, acc_token by tokens: each alone changes with its length. */
Test(metric_choice, each_accuracy_has_its_own_length)
{
    static const char *const names[] = {"acc_norm", "acc_bytes", "acc_token"};
    for (int l = 0; l < 3; l++) {
        for (int i = 0; i < 100; i++)
            length[l][i * K + (answer[i] + 2) % K] = 60; /* -22 / 60 is above -10 / 5 */
        for (int m = 0; m < 3; m++)
            cr_expect_float_eq(of(names[m]).value, m == l ? 54 : 60, 1e-12, "%s by length %d", names[m], l);
        cr_expect_float_eq(of("acc").value, 60, 1e-12);
        for (int i = 0; i < 100; i++)
            length[l][i * K + (answer[i] + 2) % K] = 5;
    }
}

/* Every item of the first task right: 200 of 200 and 480 of 800. */
Test(metric_choice, tasks_pool_by_items_and_by_tasks)
{
    for (int i = 0; i < 200; i++)
        if (i % 5 >= 3)
            flip(i);
    cr_expect_float_eq(of("acc").value, 68, 1e-12);
    cr_expect_float_eq(of("acc_tasks").value, 80, 1e-12);
}

/* Of equal choices the first is taken, as numpy.argmax does. */
Test(metric_choice, the_first_of_equal_choices)
{
    for (int i = 0; i < ITEMS * K; i++)
        sum[i] = -3;
    for (int i = 0; i < ITEMS; i++)
        answer[i] = i < 700 ? 0 : K - 1;
    cr_expect_float_eq(of("acc").value, 70, 1e-12);
}

Test(metric_choice, planted_a_swapped_key_is_worse_than_guessing)
{
    for (int i = 0; i < ITEMS; i++)
        answer[i] = (answer[i] + 3) % K;
    const struct qb_value acc = of("acc");
    cr_expect(acc.flags & QB_FLAG_DEGENERATE, "%g: %s", acc.value, acc.note);
    cr_expect_not_null(strstr(acc.note, "worse than guessing (25.0%)"));
}

/* Planted: the answer stands in the prompt. */
Test(metric_choice, planted_a_leaked_answer_is_seen)
{
    cr_expect_eq(of("answer_in_prompt").flags, QB_FLAG_NO_INTERVAL & of("answer_in_prompt").flags);
    for (int i = 0; i < ITEMS * K; i++)
        seen[i] = 1; /* all of them do, as where choices are listed */
    cr_expect_eq(of("answer_in_prompt").value, 0);
    for (int i = 0; i < 40; i++)
        seen[i * K + i % 3] = 2; /* some by chance: 10 right ones */
    cr_expect_float_eq(of("answer_in_prompt").value, 1, 0.3);
    cr_expect_not(of("answer_in_prompt").flags & QB_FLAG_CONTAMINATED);
    for (int i = 0; i < ITEMS; i++)
        for (int c = 0; c < K; c++)
            seen[i * K + c] = 1 + (c == answer[i]);
    cr_expect_eq(of("answer_in_prompt").value, 100);
    cr_expect(of("answer_in_prompt").flags & QB_FLAG_CONTAMINATED);
}

/* Planted: 1% of the items go from right to wrong. Whether as many go back is what McNemar's test is about. */
Test(metric_choice, planted_one_percent_of_items_flip)
{
    for (int i = 0; i < 50; i += 5)
        flip(i);
    cr_expect_float_eq(of("flips_to_wrong").value, 1, 1e-12);
    cr_expect_eq(of("flips_to_right").value, 0);
    cr_expect_float_eq(of("mcnemar_p").value, 2.0 / 1024, 1e-12, "10 of 10 one way");
    cr_expect_float_eq(of("acc_change").value, -1, 1e-12);
    cr_expect_float_eq(of("answers_changed").value, 1, 1e-12);
    for (int i = 3; i < 53; i += 5)
        flip(i);
    cr_expect_float_eq(of("flips").value, 2, 1e-12);
    cr_expect_eq(of("mcnemar_p").value, 1, "ten each way");
    cr_expect_float_eq(of("acc_change").value, 0, 1e-12);
}

/* Planted: records that do not fit have no metric, and nothing is read beyond them. */
Test(metric_choice, records_that_do_not_fit)
{
    bool found;
    struct qb_record r = record();
    int32_t *answers = qb_record_find(&r, "item_answer")->data, *items = qb_record_find(&r, "choice_item")->data,
            *characters = qb_record_find(&r, "choice_characters")->data;
    answers[7] = K;
    ask("choice", &r, "acc", &found);
    cr_expect_not(found, "an answer that is no choice");
    answers[7] = -1;
    ask("choice", &r, "acc", &found);
    cr_expect_not(found);
    answers[7] = 0;
    items[ITEMS * K - 1] = 5;
    ask("choice", &r, "acc", &found);
    cr_expect_not(found, "items out of order");
    items[ITEMS * K - 1] = ITEMS - 1;
    characters[3] = 0;
    ask("choice", &r, "acc_norm", &found);
    cr_expect_not(found, "nothing is divided by 0");
    ask("choice", &r, "acc", &found);
    cr_expect(found);
    qb_record_free(&r);
}

/* The share of 20000 simulated comparisons of n items that McNemar's test finds at 5%. */
static double simulated(uint64_t n, double flips, double change, struct qb_rng *rng)
{
    enum { REPEATS = 20000 };
    const double share = fmax(flips, change), to_right = (share + change) / 2;
    int found = 0;
    for (int r = 0; r < REPEATS; r++) {
        uint64_t b = 0, c = 0;
        for (uint64_t i = 0; i < n; i++) {
            const double u = qb_rng_randint(rng, 1u << 30) / (double)(1u << 30);
            b += u < to_right;
            c += u >= to_right && u < share;
        }
        found += qb_mcnemar(b, c) <= 0.05;
    }
    return found / (double)REPEATS;
}

Test(metric_choice, the_detectable_change_is_found_as_often_as_said)
{
    static const struct {
        uint64_t n;
        double flips, power;
    } cases[] = {{100, 0.2, 0.8}, {300, 0.05, 0.8}, {300, 0, 0.8}, {200, 0.5, 0.9}, {40, 0.1, 0.5}};
    struct qb_rng rng;
    qb_rng_seed(&rng, 12);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double change = qb_mcnemar_detectable(cases[i].n, cases[i].flips, 0.05, cases[i].power);
        const double found = simulated(cases[i].n, cases[i].flips, change, &rng);
        cr_expect_float_eq(found, cases[i].power, 0.012, "%llu items, %g flips: %g is found in %g",
                           (unsigned long long)cases[i].n, cases[i].flips, change, found);
        cr_expect_lt(simulated(cases[i].n, cases[i].flips, 0.8 * change, &rng), cases[i].power - 0.05);
    }
}

Test(metric_choice, what_cannot_be_detected)
{
    cr_expect(isnan(qb_mcnemar_detectable(5, 0.1, 0.05, 0.8)), "five all one way have a p of 0.0625");
    cr_expect_not(isnan(qb_mcnemar_detectable(6, 0.1, 0.05, 0.8)));
    cr_expect(isnan(qb_mcnemar_detectable(0, 0, 0.05, 0.8)) && isnan(qb_mcnemar_detectable(9, NAN, 0.05, 0.8)) &&
              isnan(qb_mcnemar_detectable(9, 2, 0.05, 0.8)) && isnan(qb_mcnemar_detectable(9, 0, 0, 0.8)));
    cr_expect_lt(qb_mcnemar_detectable(4000, 0.05, 0.05, 0.8), qb_mcnemar_detectable(1000, 0.05, 0.05, 0.8));
}
