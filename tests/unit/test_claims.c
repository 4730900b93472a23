/* The ledger: reading, verdicts, controls, printing; with planted faults that turn each check red. */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include "planted_result.h"
#include "reports/claims.h"
#include "base/layout.h"
#include "scratch.h"

TestSuite(claims, .init = scratch_begin, .fini = scratch_end);

static const char ledger_text[] =
    "document: paper.md\n"
    "title: A paper\n"
    "protocol:\n"
    "  chain: {vocab: 5000, seed: 42, prompt: {random: 20, seed: 123}}\n"
    "conclusions:\n"
    "  domain-fails:\n"
    "    says: the domain is the cause\n"
    "    controls:\n"
    "      int8: {cell: chain/int8/greedy/match_rate, format: \"%.2f%%\", op: \">=\", value: 50}\n"
    "      std: {cell: chain/int8/greedy/logit_std, format: \"%.1e\"}\n"
    "    no: INT8 loses it too, {int8} (std {std}).\n"
    "    yes: INT8 keeps {int8}.\n"
    "claims:\n"
    "  - {id: match, place: Results, lines: [8, 36], what: match, quote: \"6.4%\", says: it matches, published: 6.4%,\n"
    "     cell: chain/qins/greedy/match_rate, format: \"%.2f%%\", expect: \"6.40%\", n: 500, reproduces: yes,\n"
    "     conclusion: domain-fails}\n"
    "  - {id: kl, place: Results, lines: 9, what: kl, quote: \"<1e-9\", says: small, published: <1e-9,\n"
    "     cell: chain/qins/teacher-forced/kl_mean, format: \"%.1e\", expect: {below: 1.0e-9}, reproduces: no,\n"
    "     reason: it is larger}\n"
    "  - {id: bytes, place: Table, lines: 10, what: ratio, quote: \"33.99x\", says: ratio, published: 33.99x,\n"
    "     cell: chain/fp32/memory/weight_bytes, over: chain/qins/memory/published_formula_bytes,\n"
    "     format: \"%.2fx\", expect: \"33.99x\", any_seed: true, reproduces: yes}\n"
    "  - {id: speed, place: Table, lines: 11, what: speed, quote: \"1.18x\", says: fast, published: 1.18x,\n"
    "     reproduces: not-measurable, reason: another machine}\n";

static const char *write_ledger(const char *text)
{
    const char *folder = scratch_path("ledger");
    mkdir(folder, 0777);
    scratch_write("ledger/paper.yaml", text, strlen(text));
    return folder;
}

/* What a run states of the chain; its origin is for reading and states nothing. */
static void planted_generator(struct planted *p, const char *vocab, const char *seed)
{
    planted_fact(p, "model.chain.origin", "as it was told: vocab=1 seed=1");
    planted_fact(p, "model.chain.generator", "chain");
    planted_fact(p, "model.chain.vocab", vocab);
    planted_fact(p, "model.chain.hidden", "256");
    planted_fact(p, "model.chain.layers", "3");
    planted_fact(p, "model.chain.seed", seed);
}

/* A result under which everything comes out. */
static void plant(struct planted *p)
{
    planted_value(p, "chain/qins/greedy/match_rate", 6.4, 500);
    planted_value(p, "chain/int8/greedy/match_rate", 5.4, 500);
    planted_value(p, "chain/int8/greedy/logit_std", 1.19e-5, 500);
    planted_value(p, "chain/qins/teacher-forced/kl_mean", 3.7e-6, 50);
    planted_value(p, "chain/fp32/memory/weight_bytes", 14584832, 1);
    planted_value(p, "chain/qins/memory/published_formula_bytes", 429056, 1);
    planted_generator(p, "5000", "42");
    planted_fact(p, "suite", "{models: {chain: {generator: chain, prompt: {random: 20, seed: 123}}}}");
}

struct judged {
    struct qb_ledger *ledger;
    struct qb_result *result;
};

static struct judged judge(struct planted *p, const char *folder)
{
    struct judged j = {0};
    struct qb_error err = {0};
    const char *path = scratch_path("r.h5");
    planted_write(p, path);
    cr_assert_eq(qb_result_open(path, &j.result, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_ledger_load(folder, &j.ledger, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_ledger_evaluate(j.ledger, (const struct qb_result *const *)&j.result, 1, &err), QB_OK, "%s",
                 err.message);
    return j;
}

static void done(struct judged *j, struct planted *p)
{
    qb_ledger_free(j->ledger);
    qb_result_close(j->result);
    planted_free(p);
}

static struct qb_claim *claim(const struct judged *j, const char *id)
{
    for (size_t d = 0; d < j->ledger->document_count; d++)
        for (size_t i = 0; i < j->ledger->documents[d].count; i++)
            if (!strcmp(j->ledger->documents[d].claims[i].id, id))
                return &j->ledger->documents[d].claims[i];
    cr_assert_fail("no claim %s", id);
    return NULL;
}

Test(claims, verdicts_and_control)
{
    struct planted p = {0};
    plant(&p);
    struct judged j = judge(&p, write_ledger(ledger_text));
    cr_expect_eq(claim(&j, "match")->verdict, QB_REPRODUCED);
    cr_expect_str_eq(claim(&j, "match")->measured.text, "6.40%");
    cr_expect_str_eq(claim(&j, "match")->lines, "8, 36");
    cr_expect_eq(claim(&j, "kl")->verdict, QB_DIFFERS);
    cr_expect_str_eq(claim(&j, "kl")->measured.text, "3.7e-6");
    cr_expect_eq(claim(&j, "bytes")->verdict, QB_REPRODUCED);
    cr_expect_str_eq(claim(&j, "bytes")->measured.text, "33.99x");
    cr_expect_eq(claim(&j, "speed")->verdict, QB_VERDICT_NOT_MEASURABLE);
    cr_expect_eq(claim(&j, "match")->conclusion->carries, QB_CARRIES_NO);
    cr_expect_str_eq(claim(&j, "match")->conclusion->sentence.data, "INT8 loses it too, 5.40% (std 1.2e-5).");
    cr_expect_eq(qb_ledger_count(j.ledger, false).short_of, 0);
    done(&j, &p);
}

Test(claims, wrong_number_falls_short)
{
    struct planted p = {0};
    plant(&p);
    planted_value(&p, "chain/qins/greedy/match_rate", 6.2, 500);
    struct judged j = judge(&p, write_ledger(ledger_text));
    cr_expect_eq(claim(&j, "match")->verdict, QB_DIFFERS);
    cr_expect(qb_claim_falls_short(claim(&j, "match"), false));
    cr_expect(qb_claim_falls_short(claim(&j, "match"), true), "a wrong number falls short whatever may be missing");
    cr_expect_eq(qb_ledger_count(j.ledger, true).short_of, 1);
    done(&j, &p);
}

/* The ledger with a number that another suite's model measures, and what the conclusion says without it. */
static const char *elsewhere_ledger(void)
{
    struct qb_text text = {0};
    const char *at = strstr(ledger_text, "  - {id: kl");
    qb_text_add(&text, "%.*s", (int)(at - ledger_text), ledger_text);
    qb_text_add(
        &text, "%s",
        "  - {id: real, place: Next, lines: 12, what: real, quote: \">=99%\", says: it holds, published: \">=99%\",\n"
        "     cell: big/qins/greedy/match_rate, format: \"%.1f%%\", expect: {at_least: 99}, reproduces: no,\n"
        "     reason: it is lower, elsewhere: run suite real, conclusion: holds}\n");
    char *conclusions = strstr(text.data, "claims:\n");
    struct qb_text all = {0};
    qb_text_add(&all, "%.*s%s%s", (int)(conclusions - text.data), text.data,
                "  holds:\n"
                "    says: it holds\n"
                "    controls:\n"
                "      big: {cell: big/qins/greedy/match_rate, format: \"%.1f%%\", op: \">=\", value: 99}\n"
                "      small: {cell: chain/qins/greedy/match_rate, format: \"%.1f%%\"}\n"
                "    no: It is {big}.\n    yes: It is {big} indeed.\n    open: Not run; the chain has {small}.\n",
                conclusions);
    const char *folder = write_ledger(all.data);
    qb_text_free(&text);
    qb_text_free(&all);
    return folder;
}

Test(claims, a_model_that_is_no_part_of_the_run)
{
    struct planted p = {0};
    plant(&p);
    struct judged j = judge(&p, elsewhere_ledger());
    cr_expect_eq(claim(&j, "real")->verdict, QB_VERDICT_NOT_MEASURABLE);
    cr_expect_str_eq(claim(&j, "real")->note, "big/qins/greedy is no part of this run: run suite real");
    cr_expect_eq(claim(&j, "real")->conclusion->carries, QB_CARRIES_OPEN);
    cr_expect_str_eq(claim(&j, "real")->conclusion->sentence.data, "Not run; the chain has 6.4%.");
    cr_expect_eq(qb_ledger_count(j.ledger, false).short_of, 0);
    done(&j, &p);
}

/* Two results are one run: each number comes from the first that has its cell. */
Test(claims, several_results_are_one_run)
{
    struct planted p = {0}, q = {0};
    struct qb_error err = {0};
    plant(&p);
    planted_value(&q, "big/qins/greedy/match_rate", 41, 8000);
    planted_value(&q, "chain/qins/greedy/match_rate", 1, 500);
    struct judged j = judge(&p, elsewhere_ledger());
    struct qb_result *second = NULL;
    planted_write(&q, scratch_path("second.h5"));
    cr_assert_eq(qb_result_open(scratch_path("second.h5"), &second, &err), QB_OK, "%s", err.message);
    const struct qb_result *const both[] = {j.result, second};
    cr_assert_eq(qb_ledger_evaluate(j.ledger, both, 2, &err), QB_OK, "%s", err.message);
    cr_expect_eq(claim(&j, "real")->verdict, QB_DIFFERS);
    cr_expect_str_eq(claim(&j, "real")->measured.text, "41.0%");
    cr_expect_str_eq(claim(&j, "match")->measured.text, "6.40%", "the chain is the first file's");
    cr_expect_eq(claim(&j, "real")->conclusion->carries, QB_CARRIES_NO);
    cr_expect_str_eq(claim(&j, "real")->conclusion->sentence.data, "It is 41.0%.");
    cr_expect_eq(qb_ledger_count(j.ledger, false).short_of, 0, "it is not expected to reproduce");
    qb_result_close(second);
    planted_free(&q);
    done(&j, &p);
}

/* The first result has the model, but not the cell: the second one's is taken, and without it the number is elsewhere.
 */
Test(claims, a_cell_of_a_model_that_the_first_result_has_too)
{
    struct planted p = {0}, q = {0};
    struct qb_error err = {0};
    plant(&p);
    planted_value(&p, "big/qins/memory/weight_bytes", 7, 1);
    planted_value(&q, "big/qins/greedy/match_rate", 99.5, 8000);
    struct judged j = judge(&p, elsewhere_ledger());
    cr_expect_eq(claim(&j, "real")->verdict, QB_VERDICT_NOT_MEASURABLE);
    cr_expect_str_eq(claim(&j, "real")->note, "big/qins/greedy is no part of this run: run suite real");
    cr_expect_eq(claim(&j, "real")->conclusion->carries, QB_CARRIES_OPEN);
    struct qb_result *second = NULL;
    planted_write(&q, scratch_path("second.h5"));
    cr_assert_eq(qb_result_open(scratch_path("second.h5"), &second, &err), QB_OK, "%s", err.message);
    const struct qb_result *const both[] = {j.result, second};
    cr_assert_eq(qb_ledger_evaluate(j.ledger, both, 2, &err), QB_OK, "%s", err.message);
    cr_expect_eq(claim(&j, "real")->verdict, QB_REPRODUCED);
    cr_expect_str_eq(claim(&j, "real")->measured.text, "99.5%");
    cr_expect_eq(claim(&j, "real")->conclusion->carries, QB_CARRIES_YES);
    qb_result_close(second);
    planted_free(&q);
    done(&j, &p);
}

/* (100 + 2 * 50) / (80 - 0.5 * 60) = 4, its cells in two results, which must be of one model. */
static void sum_over_two_results(const char *sha256, enum qb_claim_verdict verdict, const char *due)
{
    static const char text[] =
        "{document: d, title: t, claims: [{id: sum, place: p, lines: 1, what: w, quote: q, says: s, published: 4x,\n"
        "  cell: m/a/memory/weight_bytes, plus: {cell: m/k/kv/kv_bytes_per_token, scale: 2},\n"
        "  over: {cell: m/b/memory/weight_bytes, plus: {cell: m/f/kv/kv_bytes_per_token, scale: -0.5}},\n"
        "  format: \"%.2fx\", expect: \"4.00x\", reproduces: yes, elsewhere: run suite kv}]}\n";
    struct planted p = {0}, q = {0};
    struct qb_error err = {0};
    planted_fact(&p, "model.m.sha256", "aa");
    planted_value(&p, "m/a/memory/weight_bytes", 100, 1);
    planted_value(&p, "m/b/memory/weight_bytes", 80, 1);
    planted_fact(&q, "model.m.sha256", sha256);
    planted_value(&q, "m/k/kv/kv_bytes_per_token", 50, 1);
    planted_value(&q, "m/f/kv/kv_bytes_per_token", 60, 1);
    struct judged j = judge(&p, write_ledger(text));
    cr_expect_eq(claim(&j, "sum")->verdict, QB_VERDICT_NOT_MEASURABLE);
    cr_expect_str_eq(claim(&j, "sum")->note, "m/k/kv is no part of this run: run suite kv");
    struct qb_result *second = NULL;
    planted_write(&q, scratch_path("second.h5"));
    cr_assert_eq(qb_result_open(scratch_path("second.h5"), &second, &err), QB_OK, "%s", err.message);
    const struct qb_result *const both[] = {j.result, second};
    cr_assert_eq(qb_ledger_evaluate(j.ledger, both, 2, &err), QB_OK, "%s", err.message);
    cr_expect_eq(claim(&j, "sum")->verdict, verdict);
    cr_expect_str_eq(verdict == QB_REPRODUCED ? claim(&j, "sum")->measured.text : claim(&j, "sum")->measured.why, due);
    qb_result_close(second);
    planted_free(&q);
    done(&j, &p);
}

Test(claims, a_sum_of_cells_of_two_results)
{
    sum_over_two_results("aa", QB_REPRODUCED, "4.00x");
}

Test(claims, two_models_of_one_name_are_not_added)
{
    sum_over_two_results("bb", QB_NOT_RUN, "m/a/memory/weight_bytes and m/k/kv/kv_bytes_per_token are of two models");
}

Test(claims, nan_never_reproduces)
{
    struct planted p = {0};
    plant(&p);
    planted_value(&p, "chain/qins/greedy/match_rate", NAN, 500);
    planted_value(&p, "chain/qins/teacher-forced/kl_mean", NAN, 50);
    planted_value(&p, "chain/int8/greedy/match_rate", NAN, 500);
    struct judged j = judge(&p, write_ledger(ledger_text));
    cr_expect_eq(claim(&j, "match")->verdict, QB_DIFFERS);
    cr_expect_eq(claim(&j, "kl")->verdict, QB_DIFFERS);
    cr_expect_eq(claim(&j, "match")->conclusion->carries, QB_CARRIES_NOT_TESTED);
    done(&j, &p);
}

Test(claims, flipped_control_flips_the_conclusion)
{
    struct planted p = {0};
    plant(&p);
    planted_value(&p, "chain/int8/greedy/match_rate", 98, 500);
    struct judged j = judge(&p, write_ledger(ledger_text));
    cr_expect_eq(claim(&j, "match")->conclusion->carries, QB_CARRIES_YES);
    cr_expect_str_eq(claim(&j, "match")->conclusion->sentence.data, "INT8 keeps 98.00%.");
    cr_expect_eq(claim(&j, "match")->verdict, QB_REPRODUCED, "the number itself stands");
    done(&j, &p);
}

Test(claims, missing_cell_falls_short_unless_allowed)
{
    struct planted p = {0};
    plant(&p);
    planted_cell(&p, "chain", "qins", "greedy")->state = QB_CELL_FAILED;
    struct judged j = judge(&p, write_ledger(ledger_text));
    cr_expect_eq(claim(&j, "match")->verdict, QB_NOT_RUN);
    cr_expect_eq(qb_ledger_count(j.ledger, false).short_of, 1);
    cr_expect_eq(qb_ledger_count(j.ledger, true).short_of, 0);
    done(&j, &p);
}

Test(claims, missing_control_is_not_tested)
{
    struct planted p = {0};
    planted_value(&p, "chain/qins/greedy/match_rate", 6.4, 500);
    struct judged j = judge(&p, write_ledger(ledger_text));
    cr_expect_eq(claim(&j, "match")->conclusion->carries, QB_CARRIES_NOT_TESTED);
    cr_expect_not_null(strstr(claim(&j, "match")->conclusion->sentence.data, "chain/int8/greedy/match_rate"));
    done(&j, &p);
}

/* A number of a conclusion that nothing here can measure, beside a second conclusion in parts, a difference of two
 * metrics, the observations behind a value, and a document of recovered values. */
static const char judged_text[] =
    "document: paper.md\n"
    "title: A paper\n"
    "conclusions:\n"
    "  out-of-reach:\n"
    "    says: it costs nothing\n"
    "    controls:\n"
    "      here: {cell: m/q/speed/decode_overhead, format: \"%.1fx\", op: \"<=\", value: 1.1}\n"
    "    no: It takes {here} here.\n"
    "    yes: It takes only {here} here.\n"
    "  lossless:\n"
    "    says: nothing is lost\n"
    "    controls:\n"
    "      accuracy: {cell: m/q/teacher-forced/accuracy, format: \"%.1f\", op: \">=\",\n"
    "                 than: {cell: m/q/teacher-forced/reference_accuracy}}\n"
    "      kl: {cell: m/q/teacher-forced/kl_mean, format: \"%.0e\", op: \"<\", value: 1.0e-9}\n"
    "    part: Accuracy stays at {accuracy} ({accuracy.than}), KL is {kl}.\n"
    "    no: Accuracy falls to {accuracy}.\n"
    "    yes: Nothing is lost.\n"
    "claims:\n"
    "  - {id: speed, place: A, lines: 1, what: speed, quote: q, says: s, published: 1.0x, reproduces: not-measurable,\n"
    "     reason: another machine, conclusion: out-of-reach}\n"
    "  - {id: loss, place: A, lines: 2, what: loss, quote: q, says: s, published: \"0\",\n"
    "     cell: m/q/teacher-forced/reference_accuracy, minus: m/q/teacher-forced/accuracy, format: \"%.1f points\",\n"
    "     expect: \"0.0 points\", reproduces: yes, conclusion: lossless}\n"
    "  - {id: steps, place: A, lines: 3, what: steps, quote: q, says: s, published: 500 steps,\n"
    "     cell: m/q/greedy/match_rate, bound: count, format: \"%.0f steps\", expect: 500 steps, reproduces: yes}\n";
static const char recovered_text[] =
    "document: protocol.md\n"
    "title: A protocol\n"
    "recovered: true\n"
    "claims:\n"
    "  - {id: golden, place: B, lines: 1, what: match, quote: q, says: s, published: 6.4%,\n"
    "     cell: m/q/greedy/match_rate, format: \"%.1f%%\", expect: 6.4%, reproduces: yes}\n";

static const char *write_judged(void)
{
    const char *folder = scratch_path("judged");
    mkdir(folder, 0777);
    scratch_write("judged/a.yaml", judged_text, strlen(judged_text));
    scratch_write("judged/b.yaml", recovered_text, strlen(recovered_text));
    return folder;
}

static void plant_judged(struct planted *p, uint64_t steps, double accuracy)
{
    planted_value(p, "m/q/speed/decode_overhead", 1.5, 8);
    planted_value(p, "m/q/teacher-forced/accuracy", accuracy, 100);
    planted_value(p, "m/q/teacher-forced/reference_accuracy", 38, 100);
    planted_value(p, "m/q/teacher-forced/kl_mean", 1e-6, 100);
    planted_value(p, "m/q/greedy/match_rate", 6.4, steps);
}

Test(claims, what_cannot_be_measured_here_is_open_and_mixed_evidence_is_in_part)
{
    struct planted p = {0};
    plant_judged(&p, 500, 38);
    struct judged j = judge(&p, write_judged());
    cr_expect_eq(claim(&j, "speed")->conclusion->carries, QB_CARRIES_OPEN, "1.5x here says nothing about there");
    cr_expect_str_eq(claim(&j, "speed")->conclusion->sentence.data, "It takes 1.5x here.");
    cr_expect_eq(claim(&j, "loss")->verdict, QB_REPRODUCED);
    cr_expect_str_eq(claim(&j, "loss")->measured.text, "0.0 points");
    cr_expect_eq(claim(&j, "loss")->conclusion->carries, QB_CARRIES_PART);
    cr_expect_str_eq(claim(&j, "loss")->conclusion->sentence.data, "Accuracy stays at 38.0 (38.0), KL is 1e-6.");
    struct qb_ledger_count n = qb_ledger_count(j.ledger, false);
    cr_expect_eq(n.published.claims, 3, "recovered values are no published numbers");
    cr_expect_eq(n.published.reproduced, 2);
    cr_expect_eq(n.recovered.claims, 1);
    cr_expect_eq(n.recovered.reproduced, 1);
    cr_expect_eq(n.open, 1);
    cr_expect_eq(n.in_part, 1);
    cr_expect_eq(n.not_carried, 0);
    struct qb_text out = {0};
    qb_ledger_print(j.ledger, QB_LEDGER_CONSOLE, &out);
    cr_expect_not_null(strstr(out.data, "3 published numbers: 2 reproduced, 0 differ, 1 not measurable here"));
    cr_expect_not_null(strstr(out.data, "1 recovered value"));
    cr_expect_not_null(strstr(out.data, "line  what                       recovered"));
    qb_text_free(&out);
    done(&j, &p);
}

/* The same published number measured twice is one number. */
Test(claims, another_reading_is_shown_and_not_counted)
{
    static const char second[] =
        "  - {id: again, place: A, lines: 3, what: steps again, quote: q, says: s, published: 500 steps,\n"
        "     reading_of: steps, cell: m/q/greedy/match_rate, format: \"%.1f\", expect: \"7.0\", reproduces: no, "
        "reason: r}\n";
    char text[sizeof judged_text + sizeof second];
    struct planted p = {0};
    plant_judged(&p, 500, 38);
    snprintf(text, sizeof text, "%s%s", judged_text, second);
    struct judged j = judge(&p, write_ledger(text));
    cr_expect_eq(claim(&j, "again")->verdict, QB_DIFFERS);
    cr_expect_eq(qb_ledger_count(j.ledger, false).published.claims, 3);
    cr_expect_eq(qb_ledger_count(j.ledger, false).published.differ, 0);
    done(&j, &p);
}

Test(claims, a_lost_point_and_a_shorter_run_are_seen)
{
    struct planted p = {0};
    plant_judged(&p, 100, 36);
    struct judged j = judge(&p, write_judged());
    cr_expect_eq(claim(&j, "loss")->verdict, QB_DIFFERS);
    cr_expect_str_eq(claim(&j, "loss")->measured.text, "2.0 points");
    cr_expect_eq(claim(&j, "loss")->conclusion->carries, QB_CARRIES_NO, "no control holds any more");
    cr_expect_eq(claim(&j, "steps")->verdict, QB_DIFFERS);
    cr_expect_str_eq(claim(&j, "steps")->measured.text, "100 steps");
    done(&j, &p);
}

Test(claims, published_texts_are_numbers_only_where_they_are_one)
{
    static const struct {
        const char *text;
        double number; /* NaN: none */
    } cases[] = {{"6.4%", 6.4},
                 {"0.41 MB", 0.41},
                 {"33.99x", 33.99},
                 {"0", 0},
                 {"100.00% (500/500)", 100},
                 {"<1e-9", NAN},
                 {"~5%", NAN},
                 {"0-6%", NAN},
                 {"not linear", NAN},
                 {"5000, 256, 3", NAN}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1200];
        struct qb_ledger *ledger = NULL;
        struct qb_error err = {0};
        snprintf(text, sizeof text,
                 "{document: d, title: t, claims: [{id: a, place: p, lines: 1, what: w, quote: q, says: s, "
                 "published: \"%s\", reproduces: not-measurable, reason: r}]}\n",
                 cases[i].text);
        cr_assert_eq(qb_ledger_load(write_ledger(text), &ledger, &err), QB_OK, "%s", err.message);
        double found = ledger->documents[0].claims[0].published_number;
        cr_expect(isnan(cases[i].number) ? isnan(found) : found == cases[i].number, "'%s' read as %g", cases[i].text,
                  found);
        qb_ledger_free(ledger);
    }
}

/* The same wrong number, under another seed, prompt or length, is set aside and still shown. */
static void set_aside(const char *seed, const char *suite, uint64_t n, const char *why)
{
    struct planted p = {0};
    plant(&p);
    qb_provenance_free(&p.provenance);
    p.provenance = (struct qb_provenance){0};
    planted_generator(&p, "5000", seed);
    planted_fact(&p, "suite", suite);
    planted_value(&p, "chain/qins/greedy/match_rate", 4.8, n);
    planted_value(&p, "chain/fp32/memory/weight_bytes", 1, 1);
    struct judged j = judge(&p, write_ledger(ledger_text));
    cr_expect_eq(claim(&j, "match")->verdict, QB_VERDICT_NOT_MEASURABLE);
    cr_expect_str_eq(claim(&j, "match")->measured.text, "4.80%");
    cr_expect_not_null(strstr(claim(&j, "match")->note, why), "'%s'", claim(&j, "match")->note);
    cr_expect_eq(claim(&j, "bytes")->verdict, QB_DIFFERS, "any_seed: compared under any seed");
    cr_expect_eq(claim(&j, "match")->conclusion->carries, QB_CARRIES_NO, "controls do not need the seed");
    done(&j, &p);
}

static const char suite_123[] = "{models: {chain: {prompt: {random: 20, seed: 123}}}}";

Test(claims, another_seed_is_not_measurable)
{
    set_aside("7", suite_123, 500, "another seed");
}

Test(claims, seed_421_is_not_seed_42)
{
    set_aside("421", suite_123, 500, "another seed");
}

Test(claims, another_prompt_is_not_measurable)
{
    set_aside("42", "{models: {chain: {prompt: {random: 20, seed: 5}}}}", 500, "another prompt");
}

Test(claims, another_length_is_not_measurable)
{
    set_aside("42", suite_123, 100, "another length");
}

Test(claims, another_size_is_set_aside_for_any_seed_too)
{
    struct planted p = {0};
    plant(&p);
    qb_provenance_free(&p.provenance);
    p.provenance = (struct qb_provenance){0};
    planted_generator(&p, "900", "42");
    planted_value(&p, "chain/fp32/memory/weight_bytes", 1, 1);
    struct judged j = judge(&p, write_ledger(ledger_text));
    cr_expect_eq(claim(&j, "bytes")->verdict, QB_VERDICT_NOT_MEASURABLE);
    done(&j, &p);
}

Test(claims, unstated_origin_excuses_nothing)
{
    struct planted p = {0};
    planted_fact(&p, "model.chain.origin", "generator chain vocab=5000 hidden=256 layers=3 seed=7"); /* an older run */
    planted_value(&p, "chain/qins/greedy/match_rate", 6.2, 500);
    struct judged j = judge(&p, write_ledger(ledger_text));
    cr_expect_eq(claim(&j, "match")->verdict, QB_DIFFERS);
    done(&j, &p);
}

Test(claims, prints_in_100_columns_and_as_data)
{
    struct planted p = {0};
    plant(&p);
    struct judged j = judge(&p, write_ledger(ledger_text));
    for (int style = 0; style < 4; style++) {
        struct qb_text out = {0};
        qb_ledger_print(j.ledger, (enum qb_ledger_style)style, &out);
        cr_assert_not(out.failed);
        cr_expect_not_null(strstr(out.data, "6.40%"));
        cr_expect_not_null(strstr(out.data, "INT8 loses it too, 5.40%"));
        char *copy = out.data, *line;
        while (style == QB_LEDGER_CONSOLE && (line = strsep(&copy, "\n")))
            cr_expect_leq(qb_width(line), 100, "%s", line);
        qb_text_free(&out);
    }
    done(&j, &p);
}

static void refused(const char *from, const char *to, const char *message)
{
    char text[sizeof ledger_text + 200];
    struct qb_ledger *ledger = NULL;
    struct qb_error err = {0};
    const char *at = strstr(ledger_text, from);
    cr_assert_not_null(at, "%s", from);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - ledger_text), ledger_text, to, at + strlen(from));
    cr_expect_neq(qb_ledger_load(write_ledger(text), &ledger, &err), QB_OK, "%s was accepted", to);
    cr_expect_not_null(strstr(err.message, message), "'%s' lacks '%s'", err.message, message);
    cr_expect_null(ledger);
}

Test(claims, refuses_what_is_wrong)
{
    refused("what: match,", "waht: match,", "paper.yaml:14");
    refused("chain/qins/greedy/match_rate", "chain/qins/match_rate", "model/variant/experiment/metric");
    refused("chain/qins/greedy/match_rate", "chain/qins/greedy/match_rat", "no metric 'match_rat'");
    refused("\"%.2f%%\", expect", "\"%s%n\", expect", "number pattern");
    refused("\"%.2f%%\", expect", "\"%.2f %.2f\", expect", "number pattern");
    refused("op: \">=\"", "op: \"=>\"", "expected <, <=");
    refused("conclusion: domain-fails", "conclusion: domain-fail", "no file declares");
    refused("id: kl", "id: match", "declared twice");
    refused("reason: it is larger", "reason: \"\"", "needs a 'reason'");
    refused("reproduces: yes,\n     conclusion", "reproduces: maybe,\n     conclusion", "yes, no or not-measurable");
    refused("expect: {below: 1.0e-9}", "expect: {}", "at_least or above");
    refused("lines: 9", "lines: nine", "paper.yaml:17");
    refused("op: \">=\", value: 50", "op: \">=\"", "'value' or 'than'");
    refused(", op: \">=\", value: 50", "", "nothing could decide");
    refused("n: 500, reproduces", "scale: 0, offset: 500, reproduces", "a constant is no measurement");
    refused("over: chain/qins/memory/published_formula_bytes", "over: chain/fp32/memory/weight_bytes",
            "this is the cell itself");
    refused("over: chain/qins/memory/published_formula_bytes", "minus: chain/fp32/memory/weight_bytes",
            "this is the cell itself");
    refused("over: chain/qins/memory/published_formula_bytes", "over: {cell: chain/fp32/memory/weight_bytes}",
            "this is the cell itself");
    refused("over: chain/qins/memory/published_formula_bytes",
            "plus: {cell: chain/qins/memory/published_formula_bytes, scale: 0}", "a constant is no measurement");
    refused("over: chain/qins/memory/published_formula_bytes", "over: {scale: 2}", "'cell' is missing");
    refused("over: chain/qins/memory/published_formula_bytes", "over: {cell: a/b/kv/kv_bits, times: 2}", "times");
    refused("over: chain/qins/memory/published_formula_bytes",
            "over: {cell: a/b/kv/kv_bits, plus: {cell: a/c/kv/kv_bits, plus: {cell: a/d/kv/kv_bits, plus: {cell: "
            "a/e/kv/kv_bits, plus: a/f/kv/kv_bits}}}}",
            "at most 4 cells");
    refused("any_seed: true,", "bound: counts,", "value, lo, hi or count");
    refused("document: paper.md\n", "document: paper.md\nrecovered: perhaps\n", "paper.yaml:2");
    refused("reproduces: not-measurable, reason", "elsewhere: there, reproduces: not-measurable, reason",
            "a run can measure");
    refused("n: 500, reproduces", "reading_of: elsewhere, n: 500, reproduces", "names no number of its own");
}

Test(claims, empty_or_missing_folder)
{
    struct qb_ledger *ledger;
    struct qb_error err = {0};
    cr_expect_neq(qb_ledger_load(scratch_path("nowhere"), &ledger, &err), QB_OK);
    mkdir(scratch_path("empty"), 0777);
    err = (struct qb_error){0};
    cr_expect_neq(qb_ledger_load(scratch_path("empty"), &ledger, &err), QB_OK);
    cr_expect_not_null(strstr(err.message, "no .yaml file"));
}

/* The shipped ledger reads, and its golden prints are those of source_protocols.json. */
Test(claims, shipped_ledger_reads)
{
    struct qb_ledger *ledger = NULL;
    struct qb_error err = {0};
    cr_assert_eq(qb_ledger_load("data/claims", &ledger, &err), QB_OK, "%s", err.message);
    cr_expect_eq(ledger->document_count, 3);
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++)
            cr_expect_leq(strlen(ledger->documents[d].claims[i].what), 25, "%s is cut in the table",
                          ledger->documents[d].claims[i].what);
    qb_ledger_free(ledger);
}
