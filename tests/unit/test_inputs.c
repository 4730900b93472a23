/* Inputs: the source's draws (golden/source_protocols.json), corpora, and the check of a record's numbers. */
#include <jansson.h>
#include <math.h>
#include "unit/suite_fixture.h"
#include "run/inputs.h"
#include "run/finite.h"

TestSuite(inputs, .init = fixture_begin, .fini = fixture_end);

#define SOURCE                                                                                                         \
    "name: s\nvariants: [fp32]\nexperiments: {greedy: {}, depth: {}, teacher-forced: {corpus: {greedy: "               \
    "7}}}\nmodels:\n"

static struct qb_model *generate(const struct qb_suite *s, size_t m)
{
    struct qb_model *model = NULL;
    struct qb_error err = {0};
    cr_assert_eq(qb_model_generate(s->models[m].generator, &s->models[m].generated, &model, &err), QB_OK, "%s",
                 err.message);
    return model;
}

static struct qb_inputs make(const struct qb_suite *s, size_t m, size_t e, const struct qb_model *model)
{
    struct qb_inputs in = {0};
    struct qb_token_cache cache = {0};
    struct qb_error err = {0};
    cr_assert_eq(qb_inputs_make(s, &s->models[m], &s->experiments[e], model, &cache, &in, &err), QB_OK, "%s",
                 err.message);
    qb_token_cache_free(&cache);
    return in;
}

static void expect_tokens(const json_t *due, const int32_t *tokens, size_t n)
{
    cr_assert_geq(json_array_size(due), n);
    for (size_t i = 0; i < n; i++)
        cr_expect_eq(tokens[i], json_integer_value(json_array_get(due, i)), "token %zu", i);
}

Test(inputs, the_chains_prompt_is_the_sources)
{
    json_t *golden = json_load_file("tests/golden/source_protocols.json", 0, NULL);
    cr_assert_not_null(golden, "run from the repository's root");
    struct qb_suite *s = fixture_suite(SOURCE "  c: {generator: chain, prompt: {random: 20, seed: 123}}\n", NULL);
    struct qb_model *model = generate(s, 0);
    struct qb_inputs in = make(s, 0, 0, model);
    cr_expect_eq(in.prompt_count, 1);
    cr_expect_eq(in.prompt_length, 20);
    expect_tokens(json_object_get(json_object_get(golden, "chain_42_123"), "prompt"), in.prompts, 20);
    cr_expect_eq(in.calibration_contexts, 50);
    cr_expect_eq(in.calibration_length, 20);
    cr_expect_eq(in.text_greedy, 7, "teacher-forced lends its corpus");
    struct qb_rng rng = model->rng;
    for (size_t i = 0; i < 1000; i++)
        cr_assert_eq(in.calibration[i], (int32_t)qb_rng_randint(&rng, 5000), "contexts follow the model's draws");
    qb_inputs_free(&in);
    qb_model_free(model);
    qb_suite_free(s);
    json_decref(golden);
}

Test(inputs, the_models_prompt_wins_and_greedy_lends_its_own)
{
    struct qb_suite *s = fixture_suite(
        "name: s\nvariants: [fp32]\nexperiments:\n  greedy: {prompt: {random: 6, seed: model}}\n"
        "  depth: {prompt: {random: 3, seed: 9}}\n  speed: {}\n"
        "models:\n  own: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 4, seed: 1}}\n"
        "  none: {generator: chain, vocab: 60, hidden: 16, layers: 1}\n",
        NULL);
    const size_t due[2][3] = {{4, 4, 4}, {6, 3, 6}};
    for (size_t m = 0; m < 2; m++) {
        struct qb_model *model = generate(s, m);
        for (size_t e = 0; e < 3; e++) {
            struct qb_inputs in = make(s, m, e, model);
            cr_expect_eq(in.prompt_length, due[m][e], "model %zu, experiment %zu", m, e);
            cr_expect_null(in.text);
            qb_inputs_free(&in);
        }
        qb_model_free(model);
    }
    qb_suite_free(s);
}

Test(inputs, pieces_of_a_corpus_are_spread_and_never_overlap)
{
    struct qb_error err = {0};
    struct qb_model *model = NULL;
    cr_assert_eq(qb_model_open("data/models/kjv-chain.safetensors", fixture_registry, QB_ISA_PORTABLE, &model, &err),
                 QB_OK, "%s", err.message);
    char text[512];
    snprintf(text, sizeof text,
             "name: s\nvariants: [fp32]\nexperiments: {teacher-forced: {context: 16, chunks: %d}}\n"
             "models: {k: {file: data/models/kjv-chain.safetensors, corpus: data/corpus/kjv.heldout,\n"
             "  prompt: {corpus: data/corpus/kjv.heldout, count: 8, length: 5}}}\n",
             10);
    struct qb_suite *s = fixture_suite(text, NULL);
    struct qb_inputs in = make(s, 0, 0, model), again = make(s, 0, 0, model);
    cr_expect_eq(in.chunks, 10);
    cr_expect_eq(in.context, 16);
    cr_expect_eq(in.prompt_count, 8);
    cr_expect_arr_eq(in.prompts, in.text, 5 * sizeof(int32_t), "both start at the corpus's first token");
    cr_expect_arr_neq(in.text, in.text + 16, 16 * sizeof(int32_t));
    cr_expect_str_eq(in.sha256, again.sha256);
    cr_expect_null(in.calibration, "a file's model has no draws to continue");
    qb_inputs_free(&again);
    qb_inputs_free(&in);
    s->experiments[0].chunks = 100000;
    struct qb_token_cache cache = {0};
    cr_expect_eq(qb_inputs_make(s, &s->models[0], &s->experiments[0], model, &cache, &in, &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "100000 pieces of 16 tokens need 1600000 tokens"), "%s", err.message);
    qb_token_cache_free(&cache);
    qb_model_free(model);
    qb_suite_free(s);
}

#define HELDOUT "data/corpus/kjv.heldout"
#define KJV(words)                                                                                                     \
    "name: s\nvariants: [fp32]\nexperiments: {teacher-forced: {context: 16, chunks: 10" words "}}\n"                   \
    "models: {k: {file: data/models/kjv-chain.safetensors"

/* The whole corpus as tokens, read as one piece. */
static struct qb_inputs whole_corpus(const struct qb_model *model, size_t tokens)
{
    char text[512];
    snprintf(text, sizeof text,
             "name: s\nvariants: [fp32]\nexperiments: {greedy: {}}\nmodels: {k: {file: "
             "data/models/kjv-chain.safetensors, prompt: {corpus: " HELDOUT ", count: 1, length: %zu}}}\n",
             tokens);
    struct qb_suite *s = fixture_suite(text, NULL);
    struct qb_inputs in = make(s, 0, 0, model);
    qb_suite_free(s);
    return in;
}

Test(inputs, an_offset_moves_every_piece_within_its_stretch)
{
    struct qb_error err = {0};
    struct qb_model *model = NULL;
    struct qb_token_cache cache = {0};
    struct qb_inputs in;
    cr_assert_eq(qb_model_open("data/models/kjv-chain.safetensors", fixture_registry, QB_ISA_PORTABLE, &model, &err),
                 QB_OK, "%s", err.message);
    static const char *const texts[] = {
        KJV("") ", corpus: {file: " HELDOUT ", offset: 7}, calibration: {corpus: " HELDOUT
                ", contexts: 10, length: 16, offset: 7}, prompt: {corpus: " HELDOUT
                ", count: 10, length: 16, offset: 7}}}\n",
        KJV(", offset: 7") ", corpus: " HELDOUT ", prompt: {corpus: " HELDOUT ", count: 10, length: 16}}}\n"};
    struct qb_suite *s = fixture_suite(texts[1], NULL);
    struct qb_inputs by_word = make(s, 0, 0, model);
    qb_suite_free(s);
    s = fixture_suite(texts[0], NULL);
    struct qb_inputs by_map = make(s, 0, 0, model);
    qb_suite_free(s);
    struct qb_inputs all = whole_corpus(model, 9 * 1000 + 16);
    cr_expect_arr_eq(by_map.text, all.prompts + 7, 16 * sizeof(int32_t), "tokens 7 to 22 of the corpus");
    cr_expect_arr_eq(by_map.text, by_word.text, 160 * sizeof(int32_t), "the experiment's word serves a file alone");
    cr_expect_arr_eq(by_map.text, by_map.prompts, 160 * sizeof(int32_t));
    cr_expect_arr_eq(by_map.text, by_map.calibration, 160 * sizeof(int32_t));
    cr_expect_arr_eq(by_word.prompts, all.prompts, 16 * sizeof(int32_t), "the text's offset is not the prompt's");
    for (size_t i = 0; i < 9; i++)
        cr_expect_arr_eq(by_map.text + 16 * i, by_word.prompts + 16 * i + 7, 9 * sizeof(int32_t), "piece %zu", i);
    qb_inputs_free(&all);
    qb_inputs_free(&by_map);
    qb_inputs_free(&by_word);
    /* One token further than the stretch of a piece reaches. */
    const char *set[] = {"experiments.teacher-forced.offset=1000000", NULL};
    s = fixture_suite(texts[1], set);
    cr_expect_eq(qb_inputs_make(s, &s->models[0], &s->experiments[0], model, &cache, &in, &err), QB_ERR_INPUT);
    const char *room = strstr(err.message, "leave room for at most ");
    cr_assert_not_null(room, "%s", err.message);
    size_t most = strtoul(room + strlen("leave room for at most "), NULL, 10);
    s->experiments[0].offset = most;
    err = (struct qb_error){0};
    cr_expect_eq(qb_inputs_make(s, &s->models[0], &s->experiments[0], model, &cache, &in, &err), QB_OK);
    qb_inputs_free(&in);
    s->experiments[0].offset = most + 1;
    cr_expect_eq(qb_inputs_make(s, &s->models[0], &s->experiments[0], model, &cache, &in, &err), QB_ERR_INPUT);
    qb_token_cache_free(&cache);
    qb_suite_free(s);
    qb_model_free(model);
}

Test(inputs, nonfinite_numbers_are_found_by_name_and_place)
{
    struct qb_record record = {0};
    struct qb_error err = {0};
    size_t n = 3;
    float *f = qb_record_add(&record, "margin", QB_F32, 1, &n, "1", "a", &err);
    double *nll = qb_record_add(&record, "nll", QB_F64, 1, &n, "nat", "b", &err);
    int32_t *target = qb_record_add(&record, "target", QB_I32, 1, &n, "1", "c", &err);
    cr_assert(f && nll && target);
    cr_expect_eq(qb_record_finite(&record, &err), QB_OK);
    target[1] = -1;
    nll[1] = NAN;
    cr_expect_eq(qb_record_finite(&record, &err), QB_OK, "no target, no number");
    nll[1] = INFINITY;
    cr_expect_eq(qb_record_finite(&record, &err), QB_ERR_NUMERIC, "infinite is never meant");
    nll[1] = 0;
    nll[2] = NAN;
    err = (struct qb_error){0};
    cr_expect_eq(qb_record_finite(&record, &err), QB_ERR_NUMERIC);
    cr_expect_not_null(strstr(err.message, "array 'nll' has NaN at index 2 of 3"), "%s", err.message);
    nll[2] = 0;
    f[0] = -INFINITY;
    err = (struct qb_error){0};
    cr_expect_eq(qb_record_finite(&record, &err), QB_ERR_NUMERIC);
    cr_expect_not_null(strstr(err.message, "array 'margin' has Inf at index 0 of 3"), "%s", err.message);
    qb_record_free(&record);
}
