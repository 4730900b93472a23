/* A suite read from text, with the codecs of the build. For tests of harness/run. */
#ifndef QB_TEST_SUITE_FIXTURE_H
#define QB_TEST_SUITE_FIXTURE_H

#include "unit/scratch.h"
#include "base/mem.h"
#include "run/suite.h"

#define SUITE_MODELS                                                                                                   \
    "name: s\n"                                                                                                        \
    "seed: 5\n"                                                                                                        \
    "models:\n"                                                                                                        \
    "  a: {generator: chain, vocab: 60, hidden: 16, layers: 1, seed: 42, prompt: {random: 4, seed: model}}\n"          \
    "  b: {generator: transformer, vocab: 60, hidden: 16, layers: 1, experiments: [depth], variants: ['int8-*']}\n"
#define SUITE_REST                                                                                                     \
    "variants: [fp32, pattern-a, int8-tensor]\n"                                                                       \
    "experiments:\n"                                                                                                   \
    "  greedy: {steps: 4}\n"                                                                                           \
    "  depth: {prompt: {random: 3, seed: 9}}\n"                                                                        \
    "  memory: {}\n"

static struct qb_registry *fixture_registry;

static void fixture_begin(void)
{
    struct qb_error err = {0};
    char folders[2][4096];
    const char *list[3] = {0};
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 0); /* tests run from the repository's root */
    size_t n = qb_registry_folders(folders);
    for (size_t i = 0; i < n && i < 2; i++)
        list[i] = folders[i];
    cr_assert_eq(qb_registry_open(list, NULL, &fixture_registry, &err), QB_OK, "%s", err.message);
}

static void fixture_end(void)
{
    qb_registry_free(fixture_registry);
    scratch_end();
}

static inline enum qb_status fixture_load(const char *text, const char *const *set, struct qb_suite **suite,
                                          struct qb_error *err)
{
    struct qb_suite_options options = {.registry = fixture_registry, .set = set};
    return qb_suite_load(scratch_write("suite.yaml", text, strlen(text)), &options, suite, err);
}

static inline struct qb_suite *fixture_suite(const char *text, const char *const *set)
{
    struct qb_suite *suite = NULL;
    struct qb_error err = {0};
    cr_assert_eq(fixture_load(text, set, &suite, &err), QB_OK, "%s", err.message);
    return suite;
}

#endif
