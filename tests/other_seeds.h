/* The published experiments on other seeds and sizes (source_other_seeds.json): what holds on seed 42 must not be a fit
 * to it. Free-running match, top-10, divergence, tokens, alpha and S.
 * Shared by golden/test_small_seeds.c and long/test_other_seeds.c. */
#ifndef QB_TEST_OTHER_SEEDS_H
#define QB_TEST_OTHER_SEEDS_H

#include "net_support.h"

#include <jansson.h>

#define STEPS 500

static struct qb_registry *registry;
static struct qb_pool *pool;
static json_t *golden;

static void begin(void)
{
    registry = support_registry();
    pool = support_pool(1);
    golden = json_load_file("tests/golden/source_other_seeds.json", JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(golden);
}

static void end(void)
{
    json_decref(golden);
    qb_pool_free(pool);
    qb_registry_free(registry);
}

TestSuite(other_seeds, .init = begin, .fini = end);

static const char *const arms[][2] = {{"int8-tensor", "int8_tensor"},
                                      {"int8-channel", "int8_channel"},
                                      {"pattern-a", "pattern_a_4_linears"},
                                      {"calibrated-range-kept", "calibrated_range_kept"},
                                      {"calibrated-asrun", "calibrated_range_lost"},
                                      {"legacy-asrun", "qins"}};
#define ARMS (sizeof arms / sizeof *arms)

static size_t size_of(const json_t *object, const char *key)
{
    cr_assert(json_is_integer(json_object_get(object, key)), "%s", key);
    return (size_t)json_integer_value(json_object_get(object, key));
}

static double number(const json_t *object, const char *key)
{
    cr_assert(json_is_number(json_object_get(object, key)), "%s", key);
    return json_number_value(json_object_get(object, key));
}

static void same_tokens(const char *what, const int32_t *tokens, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        cr_expect_eq(tokens[i], json_integer_value(json_array_get(list, i)), "%s: token %zu is %d", what, i,
                     (int)tokens[i]);
}

static void calibration(const char *what, const struct qb_net *net, const json_t *expected)
{
    const struct qb_net_calibration *found = qb_net_calibration(net);
    if (!json_object_get(expected, "alpha_raw"))
        return;
    cr_expect_float_eq(found->alpha_raw, number(expected, "alpha_raw"), 2e-5, "%s: alpha %g", what, found->alpha_raw);
    cr_expect_float_eq(found->alpha, number(expected, "alpha"), 2e-5, "%s", what);
    const json_t *ranges = json_object_get(expected, "scale_ranges");
    cr_expect_eq(found->linears, json_array_size(ranges), "%s", what);
    for (size_t i = 0; i < json_array_size(ranges); i++) {
        const json_t *range = json_array_get(ranges, i);
        cr_expect_float_eq(found->scale_min[i], json_number_value(json_array_get(range, 0)), 5e-6, "%s: S", what);
        cr_expect_float_eq(found->scale_max[i], json_number_value(json_array_get(range, 1)), 5e-6, "%s: S", what);
    }
}

struct inputs {
    struct qb_model *model;
    int32_t prompt[64], contexts[1000];
    size_t length;
};

static void compare(const char *what, const struct inputs *in, struct qb_net *net, const int32_t *tokens,
                    const float *logits, const json_t *expected)
{
    struct qb_error err = {0};
    size_t vocab = in->model->arch.vocab, match = 0, shared = 0;
    long first = -1;
    int32_t other[STEPS];
    float *mine = qb_alloc(STEPS * vocab, sizeof *mine, "logits", &err);
    support_greedy(net, in->prompt, in->length, STEPS, other, mine);
    for (size_t i = 0; i < STEPS; i++) {
        match += tokens[i] == other[i];
        first = first < 0 && tokens[i] != other[i] ? (long)i : first;
        shared += support_overlap10(logits + i * vocab, mine + i * vocab, vocab);
    }
    const json_t *divergence = json_object_get(expected, "first_div");
    cr_expect_eq(first, json_is_null(divergence) ? -1 : json_integer_value(divergence), "%s: diverges at %ld", what,
                 first);
    cr_expect_float_eq((double)match / 5.0, number(expected, "match"), 1e-9, "%s: match %g, expected %g", what,
                       (double)match / 5.0, number(expected, "match"));
    cr_expect_float_eq((double)shared / 50.0, number(expected, "top10"), 1e-9, "%s: top-10 %g, expected %g", what,
                       (double)shared / 50.0, number(expected, "top10"));
    same_tokens(what, other, json_object_get(expected, "tokens_head"));
    qb_free(mine);
}

static void one_case(const json_t *expected)
{
    struct qb_error err = {0};
    struct inputs in = {0};
    const char *generator = json_string_value(json_object_get(expected, "model"));
    bool chain = strcmp(generator, "chain") == 0;
    size_t vocab = size_of(expected, "vocab"), hidden = size_of(expected, "hidden");
    size_t layers = json_object_get(expected, "layers") ? size_of(expected, "layers") : 3;
    in.model = support_model(generator, vocab, hidden, layers, (uint32_t)size_of(expected, "seed"));
    struct qb_rng rng = in.model->rng;
    for (size_t i = 0; chain && i < 1000; i++)
        in.contexts[i] = (int32_t)qb_rng_randint(&rng, (uint32_t)vocab);
    if (chain)
        qb_rng_seed(&rng, (uint32_t)size_of(expected, "prompt_seed"));
    in.length = json_array_size(json_object_get(expected, "prompt"));
    cr_assert_leq(in.length, 64);
    for (size_t i = 0; i < in.length; i++)
        in.prompt[i] = (int32_t)qb_rng_randint(&rng, (uint32_t)vocab);
    same_tokens("prompt", in.prompt, json_object_get(expected, "prompt"));
    struct qb_net *net = support_net(in.model, NULL, NULL, pool);
    int32_t tokens[STEPS];
    float *logits = qb_alloc(STEPS * vocab, sizeof *logits, "logits", &err);
    support_greedy(net, in.prompt, in.length, STEPS, tokens, logits);
    same_tokens("reference", tokens, json_object_get(expected, "ref_tokens_head"));
    qb_net_free(net);
    for (size_t a = 0; a < ARMS; a++) {
        const json_t *part = json_object_get(expected, arms[a][1]);
        char what[128];
        if (!part)
            continue;
        snprintf(what, sizeof what, "%s %zux%zu seed %zu %s", generator, vocab, hidden, size_of(expected, "seed"),
                 arms[a][0]);
        struct qb_variant *variant = support_variant(registry, !chain && a + 1 == ARMS ? "pattern-a" : arms[a][0]);
        net = support_net(in.model, variant, &(struct qb_calibration_data){in.contexts, 50, 20}, pool);
        calibration(what, net, part);
        compare(what, &in, net, tokens, logits, part);
        qb_net_free(net);
        qb_variant_free(variant);
    }
    qb_free(logits);
    qb_model_free(in.model);
}

static void all_of(const char *generator, bool large)
{
    size_t index, count = 0;
    const json_t *one;
    json_array_foreach(json_object_get(golden, "cases"), index, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "model")), generator) != 0 ||
            (size_of(one, "vocab") >= 5000) != large)
            continue;
        one_case(one);
        count++;
    }
    cr_expect_gt(count, 0);
}

#endif
