/* Suites: what is read, what is refused and with which words. */
#include "unit/suite_fixture.h"

TestSuite(suite, .init = fixture_begin, .fini = fixture_end);

Test(suite, reads_all_parts)
{
    size_t live = qb_mem_stats().live_bytes;
    struct qb_suite *s =
        fixture_suite(SUITE_MODELS SUITE_REST "limits: {seconds: 1.5, memory: 2GiB, cells: 99}\n", NULL);
    cr_expect_str_eq(s->name, "s");
    cr_expect_eq(s->seed, 5);
    cr_assert_eq(s->model_count, 2);
    cr_expect_str_eq(s->models[0].name, "a");
    cr_expect_str_eq(s->models[0].generator, "chain");
    cr_expect_eq(s->models[0].generated.hidden, 16);
    cr_expect_eq(s->models[1].generated.seed, 42);
    cr_assert_eq(s->variant_count, 3);
    cr_expect_str_eq(s->variants[1]->name, "pattern-a");
    cr_assert_eq(s->experiment_count, 3);
    cr_expect_str_eq(s->experiments[0].experiment->name, "greedy");
    cr_expect_eq(s->experiments[0].values[0].i, 4);
    cr_expect_str_eq(s->experiments[0].canonical, "steps=4");
    cr_expect_str_eq(s->experiments[1].canonical, "positions=0 sequences=8");
    cr_expect_float_eq(s->limits.seconds, 1.5, 0);
    cr_expect_eq(s->limits.memory, (uint64_t)2 << 30);
    cr_expect_eq(s->limits.cells, 99);
    qb_suite_free(s);
    cr_expect_eq(qb_mem_stats().live_bytes, live, "the suite gives its memory back");
}

Test(suite, restrictions)
{
    struct qb_suite *s = fixture_suite(SUITE_MODELS SUITE_REST, NULL);
    cr_expect(qb_suite_allows(&s->models[0], s->variants[0], &s->experiments[0]));
    cr_expect_not(qb_suite_allows(&s->models[1], NULL, &s->experiments[0]), "greedy is not in b's experiments");
    cr_expect(qb_suite_allows(&s->models[1], NULL, &s->experiments[1]));
    cr_expect_not(qb_suite_allows(&s->models[1], s->variants[0], &s->experiments[1]), "fp32 is not int8-*");
    cr_expect(qb_suite_allows(&s->models[1], s->variants[2], &s->experiments[1]));
    qb_suite_free(s);
}

Test(suite, an_experiments_own_variants)
{
    struct qb_suite *s = fixture_suite(SUITE_MODELS "variants: [fp32, pattern-a]\nexperiments:\n"
                                                    "  depth: {variants: [pattern-*]}\n  memory:\n",
                                       (const char *const[]){"models.b.variants=[fp32]", NULL});
    cr_expect_not(qb_suite_allows(&s->models[0], s->variants[0], &s->experiments[0]));
    cr_expect(qb_suite_allows(&s->models[0], s->variants[1], &s->experiments[0]));
    cr_expect(qb_suite_allows(&s->models[0], s->variants[0], &s->experiments[1]));
    cr_expect(qb_suite_allows(&s->models[0], NULL, &s->experiments[0]), "the reference is no variant");
    qb_suite_free(s);
}

Test(suite, a_models_own_options_win)
{
    struct qb_suite *s =
        fixture_suite(SUITE_MODELS "  c: {generator: chain, options: {greedy: {steps: 9}}}\n" SUITE_REST, NULL);
    cr_expect_eq(qb_suite_experiment_of(s, 0, 0)->values[0].i, 4);
    cr_expect_eq(qb_suite_experiment_of(s, 2, 0)->values[0].i, 9);
    cr_expect_str_eq(qb_suite_experiment_of(s, 2, 0)->canonical, "steps=9", "the content key follows");
    cr_expect_str_eq(qb_suite_experiment_of(s, 2, 1)->canonical, "positions=0 sequences=8");
    qb_suite_free(s);
}

Test(suite, set_changes_the_tree)
{
    const char *set[] = {"models.a.seed=7", "models.a.prompt.seed=9", "experiments.greedy.steps=50", NULL};
    struct qb_suite *s = fixture_suite(SUITE_MODELS SUITE_REST, set);
    cr_expect_eq(s->models[0].generated.seed, 7);
    cr_expect_eq(s->models[1].generated.seed, 42);
    cr_expect_eq(s->experiments[0].values[0].i, 50);
    cr_expect_not_null(strstr(s->text.data, "steps: 50"), "the stored text is that after --set");
    qb_suite_free(s);
    s = fixture_suite(SUITE_MODELS SUITE_REST, (const char *const[]){"models.*.seed=11", NULL});
    cr_expect_eq(s->models[0].generated.seed, 11);
    cr_expect_eq(s->models[1].generated.seed, 11);
    qb_suite_free(s);
}

Test(suite, star_reaches_generated_models_alone)
{
    scratch_write("m.safetensors", "x", 1);
    const char *text = "name: s\nmodels: {f: {file: m.safetensors}, g: {generator: chain}}\nvariants: [fp32]\n"
                       "experiments: {memory: {}}\n";
    struct qb_suite *s = fixture_suite(text, (const char *const[]){"models.*.seed=11", NULL});
    cr_expect_eq(s->models[1].generated.seed, 11);
    cr_expect_not_null(strstr(s->models[0].file, "m.safetensors"));
    qb_suite_free(s);
    struct qb_error err = {0};
    s = NULL;
    cr_expect_eq(fixture_load(text, (const char *const[]){"models.f.seed=11", NULL}, &s, &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "belongs to generated models"), "%s", err.message);
    cr_expect_null(s);
}

static void refused(const char *text, const char *line, const char *part)
{
    struct qb_suite *s = NULL;
    struct qb_error err = {0};
    size_t live = qb_mem_stats().live_bytes;
    cr_expect_eq(fixture_load(text, NULL, &s, &err), QB_ERR_INPUT, "%s", text);
    cr_expect_null(s);
    cr_expect_not_null(strstr(err.message, line), "'%s' lacks '%s'", err.message, line);
    cr_expect_not_null(strstr(err.message, part), "'%s' lacks '%s'", err.message, part);
    cr_expect_eq(qb_mem_stats().live_bytes, live, "%s", text);
}

#define LISTED(value)                                                                                                  \
    "variants: [fp32, {name: int8-x, codec: qins8, placement: ['mlp.*'], options: {scope: " value "}}]\n"
#define SUITE_LAST "experiments: {greedy: {steps: 4}, depth: {}, memory: {}}\n"
#define LISTS                                                                                                          \
    "variants:\n"                                                                                                      \
    "  - {name: q, codec: qins8, placement: ['mlp.*'], options: {scope: [row, 'group:64'], layout: [source, "          \
    "packed]}}\n"                                                                                                      \
    "  - fp32\n"                                                                                                       \
    "experiments: {memory: {}}\n"

/* A list as an option's value is a variant each, the same by definition as one written out. */
Test(suite, lists_of_options_make_variants)
{
    static const char *const names[] = {"q-row-source", "q-row-packed", "q-group64-source", "q-group64-packed", "fp32"};
    struct qb_suite *s = fixture_suite(
        "name: s\nmodels:\n  a: {generator: chain, vocab: 60, hidden: 16, layers: 1, variants: ['q-*-packed']}\n" LISTS,
        NULL);
    cr_assert_eq(s->variant_count, 5);
    for (size_t i = 0; i < 5; i++)
        cr_expect_str_eq(s->variants[i]->name, names[i]);
    struct qb_suite *plain =
        fixture_suite("name: s\nmodels:\n  a: {generator: chain, vocab: 60, hidden: 16, layers: 1}\n"
                      "variants: [{name: q-group64-packed, codec: qins8, placement: ['mlp.*'], "
                      "options: {scope: 'group:64', layout: packed}}]\nexperiments: {memory: {}}\n",
                      NULL);
    cr_expect_str_eq(s->variants[3]->canonical, plain->variants[0]->canonical);
    cr_expect(qb_suite_allows(&s->models[0], s->variants[1], NULL) &&
              !qb_suite_allows(&s->models[0], s->variants[0], NULL));
    qb_suite_free(plain);
    qb_suite_free(s);
}

#define PRODUCT(entry)                                                                                                 \
    "name: s\nmodels:\n  a: {generator: transformer, vocab: 60, hidden: 32, layers: 1}\nvariants:\n  - " entry "\n"    \
    "experiments: {memory: {}}\n"

/* Lists as base and kv are weights x caches; without a name they are named as the shipped ones are, which they are. */
Test(suite, lists_of_bases_and_caches_make_their_product)
{
    static const char *const names[] = {"q8_0-kv-q8_0", "q8_0-kv-int8", "q4_k-kv-q8_0", "q4_k-kv-int8"};
    struct qb_suite *s = fixture_suite(PRODUCT("{base: [q8_0, q4_k], kv: [kv-q8_0, kv-int8]}"), NULL);
    struct qb_suite *shipped = fixture_suite(PRODUCT("q4_k-kv-q8_0"), NULL);
    struct qb_suite *named = fixture_suite(PRODUCT("{name: x, base: q8_0, kv: [kv-q8_0, kv-int8]}"), NULL);
    struct qb_suite *scopes = fixture_suite(
        PRODUCT("{name: x, base: [pattern-a, pattern-a-packed], kv: kv-int8, options: {scope: [row, tensor]}}"), NULL);
    cr_assert_eq(s->variant_count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_expect_str_eq(s->variants[i]->name, names[i]);
    cr_expect_str_eq(s->variants[2]->canonical, shipped->variants[0]->canonical);
    cr_assert_eq(named->variant_count, 2);
    cr_expect_str_eq(named->variants[1]->name, "x-kv-int8");
    cr_assert_eq(scopes->variant_count, 4);
    cr_expect_str_eq(scopes->variants[2]->name, "x-pattern-a-packed-row");
    qb_suite_free(s);
    qb_suite_free(shipped);
    qb_suite_free(named);
    qb_suite_free(scopes);
    refused(PRODUCT("{base: [], kv: [kv-q8_0]}"), ":5:", "an empty list makes no variant");
    refused(PRODUCT("{base: [q8_0], kv: [[kv-q8_0]]}"), ":5:", "expected");
    refused(PRODUCT("{base: q8_0, kv: [kv-q8_0]}"), ":5:", "expected the key 'name'");
    refused(PRODUCT("{base: [q8_0], kv: [kv-q8]}"), ":5:", "did you mean 'kv-q8_0'");
    refused(PRODUCT("{base: [q8_0, q8_0], kv: [kv-q8_0]}"), ":5:", "'q8_0-kv-q8_0' is in the list twice");
    refused(PRODUCT("{base: [q8_0], kv: kv-int8}"), ":5:", "the name 'q8_0' is taken");
}

Test(suite, refusals_name_line_and_key)
{
    refused(SUITE_MODELS "  c: {generator: rnn}\n" SUITE_REST, ":6:", "key 'generator': expected transformer");
    refused(SUITE_MODELS "  c: {}\n" SUITE_REST, ":6:", "key 'c': expected either");
    refused(SUITE_MODELS "  c: {generator: chain, layers: 0}\n" SUITE_REST, ":6:", "key 'layers'");
    refused(SUITE_MODELS "  c: {generator: chain, prompt: {random: 4, seed: 1.5}}\n" SUITE_REST, ":6:", "'seed'");
    refused(SUITE_MODELS "  c: {generator: chain, prompt: {random: 4, seeds: 1}}\n" SUITE_REST, ":6:", "'seed'");
    refused(SUITE_MODELS "  c: {generator: chain, corpus: {greedy: 0}}\n" SUITE_REST, ":6:", "'greedy'");
    refused(SUITE_MODELS "  c: {generator: chain, corpus: {greedy: 4, offset: 1}}\n" SUITE_REST, ":6:", "'offset'");
    refused(SUITE_MODELS "  c: {generator: chain, prompt: {random: 4, seed: 1, offset: 2}}\n" SUITE_REST,
            ":6:", "'offset'");
    refused(SUITE_MODELS "variants: [fp32]\nexperiments: {teacher-forced: {offset: -1}}\n", ":7:", "key 'offset'");
    refused(SUITE_MODELS "variants: [fp32]\nexperiments: {greedy: {offsets: 1}}\n", ":7:", "'offset'");
    refused(SUITE_MODELS "  c: {generator: chain, calibration: {random: 4}}\n" SUITE_REST, ":6:", "'length'");
    refused(SUITE_MODELS "  c: {generator: chain, experiments: [speed]}\n" SUITE_REST,
            ":6:", "the suite's experiments");
    refused(SUITE_MODELS "variants: [fp32, fp32]\nexperiments: {memory: {}}\n", ":6:", "twice");
    refused(SUITE_MODELS "variants: [{name: fp32, arithmetic: reversed}]\nexperiments: {memory: {}}\n",
            ":6:", "'fp32' is taken");
    refused(SUITE_MODELS "  B: {generator: chain}\n" SUITE_REST, ":6:", "differs from the model 'b' in case alone");
    refused(SUITE_MODELS "variants: [fp31]\nexperiments: {memory: {}}\n", ":6:", "fp32");
    refused(SUITE_MODELS LISTED("[]") "experiments: {memory: {}}\n", ":6:", "an empty list makes no variant");
    refused(SUITE_MODELS LISTED("[[row]]") "experiments: {memory: {}}\n", ":6:", "expected");
    refused(SUITE_MODELS LISTED("[row, row]") "experiments: {memory: {}}\n",
            ":6:", "'int8-x-row' is in the list twice");
    refused(SUITE_MODELS LISTED("[row, rwo]") "experiments: {memory: {}}\n", ":6:", "found 'rwo'");
    refused(SUITE_MODELS "variants: []\nexperiments: {memory: {}}\n", ":6:", "1 to 1024 entries");
    refused(SUITE_MODELS "variants: [fp32]\nexperiments: {memry: {}}\n", ":7:", "did you mean 'memory'");
    refused(SUITE_MODELS "variants: [fp32]\nexperiments: {greedy: {steps: many}}\n", ":7:", "key 'steps'");
    refused(SUITE_MODELS SUITE_REST "limits: {memory: 1 GB}\n", ":11:", "2GiB");
    refused(SUITE_MODELS SUITE_REST "limits: {memory: 99999999999999TiB}\n", ":11:", "2GiB");
    refused(SUITE_MODELS SUITE_REST "limits: {seconds: 0}\n", ":11:", "key 'seconds'");
}

Test(suite, every_allocation_failure_is_an_error)
{
    struct qb_error err = {0};
    struct qb_suite *whole = NULL;
    cr_assert_eq(fixture_load(SUITE_MODELS LISTED("[row, 'group:64']") SUITE_LAST, NULL, &whole, &err), QB_OK, "%s",
                 err.message);
    qb_suite_free(whole); /* it loads where nothing fails: the loop below ends */
    size_t live = qb_mem_stats().live_bytes, n = 1;
    for (;; n++) {
        struct qb_suite *s = NULL;
        err = (struct qb_error){0};
        qb_mem_fail_at(n);
        enum qb_status status = fixture_load(SUITE_MODELS LISTED("[row, 'group:64']") SUITE_LAST, NULL, &s, &err);
        qb_mem_fail_at(0);
        if (!status) {
            qb_suite_free(s);
            break;
        }
        cr_assert_null(s);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "allocation %zu: memory is lost", n);
    }
    cr_expect_gt(n, 50);
}
