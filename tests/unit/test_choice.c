/* What a filter that chooses nothing says. */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/only.h"

static void expect_miss(const struct qb_choice *choice, const char *glob, const char *due)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_choice_check(choice, "--metric", "metric", glob, &err), QB_ERR_INPUT, "%s", glob);
    cr_expect_str_eq(err.message, due);
}

Test(choice, the_nearest_and_what_there_is)
{
    struct qb_choice choice = {0};
    struct qb_error err = {0};
    expect_miss(&choice, "x", "--metric: no metric matches 'x'; there is none");
    qb_choice_add(&choice, "kl_mean");
    expect_miss(&choice, "speed", "--metric: no metric matches 'speed'; there is kl_mean");
    qb_choice_add(&choice, "kl_max");
    qb_choice_add(&choice, "kl_mean");
    cr_expect_eq(choice.count, 2);
    expect_miss(&choice, "kl_men*",
                "--metric: no metric matches 'kl_men*', did you mean 'kl_mean'? there are kl_mean, kl_max");
    expect_miss(&choice, "", "--metric: no metric matches ''; there are kl_mean, kl_max");
    cr_expect_eq(qb_choice_check(&choice, "--metric", "metric", "kl_m[ae]*", &err), QB_OK);
    qb_choice_free(&choice);
}

/* Many names: the message stays a message, and says how many are left out. */
Test(choice, a_long_list_is_cut)
{
    struct qb_choice choice = {0};
    struct qb_error err = {0};
    char names[200][16];
    unsigned listed = 0, more = 0;
    for (unsigned i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "name-%03u", i);
        qb_choice_add(&choice, names[i]);
    }
    cr_assert_eq(qb_choice_check(&choice, "--only", "model", "name-2x0x0", &err), QB_ERR_INPUT);
    for (const char *at = strstr(err.message, "there are"); (at = strstr(at, "name-")); at++)
        listed++;
    cr_assert_eq(sscanf(strstr(err.message, " and "), " and %u more", &more), 1, "%s", err.message);
    cr_expect_eq(listed + more, 200, "%s", err.message);
    cr_expect_lt(strlen(err.message), sizeof err.message - 1);
    qb_choice_free(&choice);
}

static const char *check(const char *text, struct qb_error *err)
{
    struct qb_only only = {0};
    struct qb_only_cells cells = {0};
    *err = (struct qb_error){0};
    cr_assert_eq(qb_only_add(&only, text, err), QB_OK);
    qb_only_see(&cells, &only, "tiny", "fp32", "greedy");
    qb_only_see(&cells, &only, "tiny", "int8", "memory");
    qb_only_check(&only, &cells, err);
    qb_only_cells_free(&cells);
    return err->message;
}

Test(choice, each_part_that_matches_nothing_is_named)
{
    struct qb_error err;
    cr_expect_str_eq(check("t*/fp32", &err), "");
    cr_expect_str_eq(check("tinny/*/gredy", &err),
                     "--only: no model matches 'tinny', did you mean 'tiny'? there is tiny; no experiment matches "
                     "'gredy', did you mean 'greedy'? there are greedy, memory");
    cr_expect_str_eq(check("tiny/fp32/memory", &err),
                     "--only: each part matches something, but no cell is of model 'tiny', variant 'fp32' and "
                     "experiment 'memory' together");
}

Test(choice, any_of_several_globs)
{
    struct qb_globs globs = {0};
    struct qb_choice choice = {0};
    struct qb_error err = {0};
    cr_expect(qb_globs_match(&globs, "anything"));
    qb_choice_add(&choice, "kl_mean");
    qb_choice_add(&choice, "perplexity");
    cr_assert(!qb_globs_add(&globs, "--metric", "kl_*", &err) && !qb_globs_add(&globs, "--metric", "perp*", &err));
    cr_expect(qb_globs_match(&globs, "kl_mean") && qb_globs_match(&globs, "perplexity"));
    cr_expect_not(qb_globs_match(&globs, "alpha"));
    cr_expect_eq(qb_globs_check(&globs, &choice, "--metric", "metric", &err), QB_OK);
    cr_assert_eq(qb_globs_add(&globs, "--metric", "alhpa", &err), QB_OK);
    cr_expect_eq(qb_globs_check(&globs, &choice, "--metric", "metric", &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "no metric matches 'alhpa'"), "%s", err.message);
    for (err = (struct qb_error){0}; globs.count < QB_GLOBS_MAX;)
        cr_assert_eq(qb_globs_add(&globs, "--metric", "x", &err), QB_OK);
    cr_expect_eq(qb_globs_add(&globs, "--metric", "x", &err), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "--metric: at most 16 of them");
    qb_choice_free(&choice);
}
