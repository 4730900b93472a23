/* Rules: the first that fits, strict reading, and the shipped file. */
#include "gate_case.h"

#include "base/file.h"

static enum qb_status parse(const char *text, struct qb_gate_rules **rules, struct qb_error *err)
{
    *err = (struct qb_error){0};
    return qb_gate_rules_parse(text, strlen(text), "r.yaml", rules, err);
}

Test(gate_rules, the_first_that_fits)
{
    struct qb_error err;
    struct qb_gate_rules *rules;
    cr_assert_eq(parse("name: n\nrules:\n"
                       "  - {variant: ['legacy*', x], metric: kl_mean, test: ignore}\n"
                       "  - {experiment: teacher-forced, metric: [kl_mean, 'top*'], test: non-inferiority, margin: "
                       "{relative: 0.05, absolute: 1e-9}, better: lower}\n"
                       "  - {metric: '*', test: ratio, margin: {relative: 0.04}, spread: 0.02}\n",
                       &rules, &err),
                 QB_OK, "%s", err.message);
    cr_assert_str_eq(rules->name, "n");
    cr_assert_eq(qb_gate_rule_for(rules, "legacy-both", "teacher-forced", "kl_mean")->test, QB_TEST_IGNORE);
    const struct qb_gate_rule *rule = qb_gate_rule_for(rules, "pattern-a", "teacher-forced", "top1_agreement");
    cr_assert(rule->test == QB_TEST_NON_INFERIORITY && rule->relative == 0.05 && rule->absolute == 1e-9 &&
              rule->has_direction && rule->direction == QB_LOWER_IS_BETTER);
    rule = qb_gate_rule_for(rules, "pattern-a", "speed", "decode_overhead");
    cr_assert(rule->test == QB_TEST_RATIO && rule->spread == 0.02 && !rule->has_direction);
    cr_assert_eq(qb_gate_rule_for(rules, "x", "teacher-forced", "kl_mean")->test, QB_TEST_IGNORE);
    qb_gate_rules_free(rules);
    cr_assert_eq(parse("rules: []\n", &rules, &err), QB_OK, "%s", err.message);
    cr_assert_null(qb_gate_rule_for(rules, "v", "e", "m"));
    qb_gate_rules_free(rules);
}

Test(gate_rules, errors_have_a_place)
{
    static const char *const cases[][2] = {
        {"rules:\n  - {metric: x}\n", "r.yaml:2: expected the key 'test'"},
        {"rules:\n  - {test: exact}\n", "expected the key 'metric'"},
        {"rules:\n  - {metric: [], test: exact}\n", "expected 1 to 31 globs, found 0"},
        {"rules:\n  - {metric: x, test: exactly}\n",
         "expected non-inferiority, exact, identical, ratio, ceiling or ignore, found 'exactly'"},
        {"rules:\n  - {metric: x, test: non-inferiority}\n", "expected the key 'margin' with this test"},
        {"rules:\n  - {metric: x, test: identical, margin: {absolute: 1}}\n", "this test takes no margin"},
        {"rules:\n  - {metric: x, test: ratio, margin: {absolute: 1}}\n", "expected {relative: x}: a ratio"},
        {"rules:\n  - {metric: x, test: exact, margin: {}}\n", "expected {relative: x}, {absolute: x} or both"},
        {"rules:\n  - {metric: x, test: exact, margin: {absolute: -1}}\n", "'absolute'"},
        {"rules:\n  - {metric: x, test: exact, margin: {absolute: nan}}\n", "'absolute'"},
        {"rules:\n  - {metric: x, test: exact, better: more}\n", "expected higher or lower, found 'more'"},
        {"rules:\n  - {metric: x, test: exact, spread: 0.1}\n", "only the test 'ratio' takes a spread"},
        {"rules:\n  - {metric: x, test: exact, marg: 1}\n", "did you mean 'margin'"},
        {"rules:\n  - {experiment: greedy, metric: match_rat, test: exact}\n",
         "r.yaml:2: key 'metric': no metric of greedy matches 'match_rat', did you mean 'match_rate'?"},
        {"rules:\n  - {metric: [kl_mean, 'kl_men*'], test: exact}\n", "did you mean 'kl_mean'?"},
        {"rules:\n  - {experiment: greedy, metric: kl_mean, test: exact}\n", "no metric of greedy matches 'kl_mean'"},
        {"rules:\n  - {experiment: memory, metric: encoded_sha256, test: identical}\n", "no metric of memory matches"},
        {"rules:\n  - {experiment: greddy, metric: match_rate, test: exact}\n",
         "r.yaml:2: key 'experiment': no experiment matches 'greddy', did you mean 'greedy'?"},
        {"rules: {}\n", "key 'rules'"},
        {"name: x\n", "expected the key 'rules'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_error err;
        struct qb_gate_rules *rules;
        cr_assert_eq(parse(cases[i][0], &rules, &err), QB_ERR_INPUT, "case %zu is accepted", i);
        cr_assert_null(rules);
        cr_assert_not_null(strstr(err.message, cases[i][1]), "case %zu: %s", i, err.message);
    }
}

/* Every shipped rule names a metric that there is, and every rule of the table of docs/gate.md is in force. */
Test(gate_rules, shipped)
{
    struct qb_error err = {0};
    struct qb_gate_rules *rules;
    cr_assert_eq(qb_gate_rules_load("data/gate/default.yaml", &rules, &err), QB_OK, "%s", err.message);
    for (size_t i = 0; i < rules->count; i++)
        for (const char *const *glob = rules->rules[i].metrics; *glob; glob++) {
            bool found = strcmp(*glob, "encoded_sha256") == 0;
            for (const struct qb_metric *const *m = qb_metrics(); *m && !found; m++)
                found = qb_glob(rules->rules[i].experiment, (*m)->experiment) && qb_glob(*glob, (*m)->name);
            cr_assert(found, "rule %zu: no metric '%s'", i, *glob);
        }
    const struct qb_gate_rule *rule = qb_gate_rule_for(rules, "pattern-a", "teacher-forced", "kl_mean");
    cr_assert(rule->test == QB_TEST_NON_INFERIORITY && rule->relative == 0.05);
    rule = qb_gate_rule_for(rules, "legacy", "teacher-forced", "kl_mean");
    cr_assert(rule->relative == 0.25);
    rule = qb_gate_rule_for(rules, "legacy-asrun", "teacher-forced", "kl_mean"); /* decodes: as exact as pattern-a */
    cr_assert(rule->relative == 0.05);
    rule = qb_gate_rule_for(rules, "pattern-a", "memory", "weight_bytes");
    cr_assert_eq(rule->test, QB_TEST_IDENTICAL);
    rule = qb_gate_rule_for(rules, "pattern-a", "speed", "weight_decode_lookup_fraction");
    cr_assert(rule->test == QB_TEST_RATIO && rule->relative == 0.04);
    cr_assert_null(qb_gate_rule_for(rules, "pattern-a", "speed", "decode_tok_s"));
    cr_assert_null(qb_gate_rule_for(rules, "pattern-a", "memory", "peak_rss_bytes"));
    qb_gate_rules_free(rules);
}
