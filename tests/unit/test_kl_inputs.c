/* The text that kl reads: chunks as llama.cpp takes them, token ids, BOS, and a logits base file's. */
#include "metric/logits_base.h"
#include "run/inputs.h"
#include "unit/suite_fixture.h"

static struct qb_model *model;

static void begin(void)
{
    struct qb_error err = {0};
    const struct qb_generator_options options = {.vocab = 60, .hidden = 16, .layers = 1, .seed = 42};
    fixture_begin();
    cr_assert_eq(qb_model_generate("chain", &options, &model, &err), QB_OK, "%s", err.message);
}

static void end(void)
{
    qb_model_free(model);
    fixture_end();
}

TestSuite(kl_inputs, .init = begin, .fini = end);

/* Inputs of the suite's experiment `kl` or `teacher-forced` with these words, of which a message is returned where
 * they cannot be made. */
static const char *make(const char *experiment, const char *words, struct qb_inputs *in)
{
    static struct qb_error err;
    char text[1024];
    struct qb_suite *suite = NULL;
    struct qb_token_cache cache = {0};
    err = (struct qb_error){0};
    snprintf(text, sizeof text,
             "name: s\nvariants: [fp32]\nmodels: {m: {generator: chain, vocab: 60, hidden: 16, layers: 1}}\n"
             "experiments:\n  %s: {%s}\n",
             experiment, words);
    if (!fixture_load(text, NULL, &suite, &err))
        qb_inputs_make(suite, &suite->models[0], &suite->experiments[0], model, &cache, in, &err);
    qb_token_cache_free(&cache);
    qb_suite_free(suite);
    return err.status ? err.message : "";
}

#define MADE(experiment, words, in) cr_assert_str_empty(make(experiment, words, in))
#define REFUSED(experiment, words, says)                                                                               \
    do {                                                                                                               \
        struct qb_inputs none;                                                                                         \
        const char *said = make(experiment, words, &none);                                                             \
        cr_expect_not_null(strstr(said, says), "'%s' lacks '%s'", said, says);                                         \
    } while (0)

/* 40 ids: 0, 1, ... 39. */
static void write_ids(void)
{
    char text[256] = "";
    for (int i = 0; i < 40; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%d%s", i, i % 10 == 9 ? "\n" : " ");
    scratch_write("ids.txt", text, strlen(text));
}

Test(kl_inputs, chunks_follow_one_another_unless_they_are_to_be_spread)
{
    struct qb_inputs in;
    write_ids();
    MADE("kl", "corpus: {tokens: ids.txt}, context: 8, chunks: 3", &in);
    for (int i = 0; i < 24; i++)
        cr_expect_eq(in.text[i], i);
    cr_expect(in.chunks == 3 && in.context == 8 && in.bos == -1 && !in.base);
    qb_inputs_free(&in);
    MADE("kl", "corpus: {tokens: ids.txt, context: 8, chunks: 5, offset: 0}", &in);
    cr_expect_eq(in.text[39], 39, "the text's last token is there");
    qb_inputs_free(&in);
    MADE("kl", "corpus: {tokens: ids.txt}, context: 8, chunks: 3, offset: 16", &in);
    cr_expect(in.text[0] == 16 && in.text[23] == 39);
    qb_inputs_free(&in);
    static const char *const even[][2] = {{"kl", "corpus: {tokens: ids.txt, spread: true}, context: 8, chunks: 3"},
                                          {"kl", "corpus: {tokens: ids.txt}, context: 8, chunks: 3, spread: true"},
                                          {"teacher-forced", "corpus: {tokens: ids.txt}, context: 8, chunks: 3"}};
    for (size_t i = 0; i < 3; i++) {
        MADE(even[i][0], even[i][1], &in);
        cr_expect(in.text[8] == 13 && in.text[16] == 26, "%s, %s", even[i][0], even[i][1]);
        qb_inputs_free(&in);
    }
    MADE("teacher-forced", "corpus: {tokens: ids.txt}, context: 8, chunks: 3, spread: false", &in);
    cr_expect(in.text[8] == 8 && in.text[16] == 16);
    qb_inputs_free(&in);
}

Test(kl_inputs, what_does_not_fit_is_refused)
{
    write_ids();
    REFUSED("kl", "corpus: {tokens: ids.txt}, context: 8, chunks: 6", "6 pieces of 8 tokens need 48 tokens");
    REFUSED("kl", "corpus: {tokens: ids.txt}, context: 8, chunks: 3, offset: 17", "leave room for at most 16");
    REFUSED("kl", "corpus: {tokens: ids.txt, special: true}", "unknown key");
    REFUSED("kl", "corpus: {tokens: ids.txt}, spread: sometimes", "key 'spread'");
    REFUSED("kl", "corpus: ids.txt", "has no tokenizer");
    REFUSED("kl", "corpus: {base: ids.txt}", "begins with '_logits_'");
    REFUSED("kl", "corpus: {base: ids.txt, context: 8}", "unknown key");
    REFUSED("kl", "corpus: {text: ids.txt}", "{base: FILE}");
    REFUSED("kl", "corpus: {tokens: ids.txt, spread: 2}", "key 'spread'");
    static const char *const bad[][2] = {{"1 2 60", "number 3: expected a token id from 0 to 59, found '60'"},
                                         {"1 -2", "number 2: expected a token id from 0 to 59, found '-2'"},
                                         {"1 2x", "found '2x'"},
                                         {"99999999999999999999999", "found '99999999999999999999'"},
                                         {"0x1", "found '0x1'"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        scratch_write("ids.txt", bad[i][0], strlen(bad[i][0]));
        REFUSED("kl", "corpus: {tokens: ids.txt}", bad[i][1]);
    }
    scratch_write("ids.txt", "1 \0 2", 5);
    REFUSED("kl", "corpus: {tokens: ids.txt}", "found a NUL byte");
}

/* Two letters, and "<s>" that the file puts before a text. */
static const char tokenizer[] =
    "{\"added_tokens\": [{\"id\": 5, \"content\": \"<s>\", \"special\": true, \"single_word\": false, \"lstrip\": "
    "false,"
    " \"rstrip\": false, \"normalized\": false}], \"normalizer\": null,"
    " \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true,"
    " \"use_regex\": true}, \"decoder\": {\"type\": \"ByteLevel\"}, \"post_processor\": {\"type\": "
    "\"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": "
    "{\"id\": "
    "\"A\", \"type_id\": 0}}], \"pair\": [], \"special_tokens\": {\"<s>\": {\"id\": \"<s>\", \"ids\": [5], \"tokens\": "
    "[\"<s>\"]}}}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"<\": 2, \"s\": 3, \">\": 4}, "
    "\"merges\": []}}";

Test(kl_inputs, bos_is_what_the_tokenizer_puts_before_a_text)
{
    struct qb_error err = {0};
    struct qb_inputs in, plain;
    cr_assert_null(model->tokenizer);
    model->tokenizer = qb_strdup(scratch_write("tokenizer.json", tokenizer, sizeof tokenizer - 1), &err);
    scratch_write("t.txt", "abbabbab<s>bb", 13);
    MADE("kl", "corpus: t.txt, context: 4, chunks: 3", &in);
    const int32_t due[12] = {5, 0, 1, 1, 0, 1, 1, 0, 1, 2, 3, 4}; /* the text with BOS, from its start */
    cr_expect_arr_eq(in.text, due, sizeof due);
    cr_expect_eq(in.bos, 5);
    MADE("teacher-forced", "corpus: t.txt, context: 4, chunks: 3, spread: false", &plain);
    cr_expect_arr_eq(plain.text, due + 1, 11 * sizeof *due, "others read the text alone");
    cr_expect_eq(plain.bos, -1);
    cr_expect_str_neq(in.sha256, plain.sha256);
    qb_inputs_free(&plain);
    qb_inputs_free(&in);
    MADE("kl", "corpus: {file: t.txt, special: true, context: 4, chunks: 2, offset: 2}", &in);
    const int32_t special[8] = {1, 1, 0, 1, 1, 0, 1, 5};
    cr_expect_arr_eq(in.text, special, sizeof special);
    qb_inputs_free(&in);
    write_ids();
    MADE("kl", "corpus: {tokens: ids.txt}, context: 4, chunks: 2", &in);
    cr_expect(in.text[0] == 0 && in.bos == 5, "ids are as they are; BOS stands in when they are read");
    qb_inputs_free(&in);
}

static enum qb_status flat(void *context, size_t chunk, size_t from, size_t n, float *logits, struct qb_error *err)
{
    (void)context, (void)chunk, (void)from, (void)err;
    for (size_t i = 0; i < n * 60; i++)
        logits[i] = (float)(i % 7);
    return QB_OK;
}

Test(kl_inputs, a_base_file_brings_its_text)
{
    struct qb_error err = {0};
    struct qb_inputs in, other;
    int32_t tokens[16];
    for (int i = 0; i < 16; i++)
        tokens[i] = i;
    struct qb_logits_text text = {8, 60, 2, tokens};
    cr_assert_eq(qb_logits_base_write(scratch_path("a.dat"), &text, flat, NULL, &err), QB_OK, "%s", err.message);
    MADE("kl", "corpus: {base: a.dat}, context: 100, chunks: 7", &in);
    cr_expect(in.chunks == 2 && in.context == 8 && in.base && strstr(in.base, "a.dat"));
    cr_expect_arr_eq(in.text, tokens, sizeof tokens);
    tokens[0] = 9; /* what stands there is read, if only as BOS's place */
    cr_assert_eq(qb_logits_base_write(scratch_path("a.dat"), &text, flat, NULL, &err), QB_OK, "%s", err.message);
    MADE("kl", "corpus: {base: a.dat}", &other);
    cr_expect_str_neq(in.sha256, other.sha256, "another file is another input");
    qb_inputs_free(&in);
    qb_inputs_free(&other);
    text.vocab = 59;
    cr_assert_eq(qb_logits_base_write(scratch_path("a.dat"), &text, flat, NULL, &err), QB_OK, "%s", err.message);
    REFUSED("kl", "corpus: {base: a.dat}", "is of a vocabulary of 59 tokens, model 'chain' has 60");
}
