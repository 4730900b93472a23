#include <criterion/criterion.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"
#include "tokenizer/normalize.h"
#include "tokenizer/tokenizer.h"
#include "scratch.h"

static struct qb_error err;

static void begin(void)
{
    err = (struct qb_error){0};
    scratch_begin();
}

TestSuite(bpe, .init = begin, .fini = scratch_end);

/* A tokenizer.json of the 256 byte tokens and the given merges (each "left right"); `head` goes before the model. */
static const char *json_of(const char *head, const char *const *merges, const char *extra)
{
    struct qb_text t = {0};
    int next = 256;
    qb_text_add(&t, "{%s\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},",
                head);
    qb_text_add(&t, "\"model\":{\"type\":\"BPE\",\"vocab\":{");
    for (int b = 0; b < 256; b++) {
        int printable = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        qb_text_add(&t, "%s\"\\u%04x\":%d", b ? "," : "", printable ? b : next++, b);
    }
    for (int i = 0; merges[i]; i++) {
        const char *space = strchr(merges[i], ' ');
        qb_text_add(&t, ",\"%.*s%s\":%d", (int)(space - merges[i]), merges[i], space + 1, 256 + i);
    }
    qb_text_add(&t, "},\"merges\":[");
    for (int i = 0; merges[i]; i++)
        qb_text_add(&t, "%s\"%s\"", i ? "," : "", merges[i]);
    qb_text_add(&t, "%s]}}", extra);
    const char *path = scratch_path("t.json");
    cr_assert_eq(qb_file_replace(path, t.data, t.size, &err), QB_OK, "%s", err.message);
    qb_text_free(&t);
    return path;
}

Test(bpe, merges_by_rank_then_place)
{
    static const char *const ok[] = {"a b", "ab c", "b c", "a a", "aa aa", NULL};
    struct qb_tokenizer *t;
    int32_t *ids;
    size_t n;
    cr_assert_eq(qb_tokenizer_open(json_of("", ok, ""), &t, &err), QB_OK, "%s", err.message);
    static const struct {
        const char *text;
        size_t count;
        int32_t ids[4];
    } cases[] = {
        {"abc", 1, {257}},          {"bc", 1, {258}},         {"bbc", 2, {'b', 258}}, {"aaa", 2, {259, 'a'}},
        {"aaaa", 1, {260}},         {"aaaaa", 2, {260, 'a'}}, {"aab", 2, {'a', 256}}, {"a'bc", 3, {'a', '\'', 258}},
        {"\xff\x80", 2, {255, 128}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(qb_tokenizer_encode(t, cases[i].text, strlen(cases[i].text), 0, &ids, &n, &err), QB_OK);
        cr_expect_eq(n, cases[i].count, "%s: %zu tokens", cases[i].text, n);
        cr_expect_eq(memcmp(ids, cases[i].ids, n * sizeof *ids), 0, "%s", cases[i].text);
        qb_free(ids);
    }
    qb_tokenizer_free(t);
}

Test(bpe, any_bytes_come_back_and_long_words_take_no_square_time)
{
    static const char *const ok[] = {"a b", "ab c", "b c", "a a", "aa aa", NULL};
    enum { SIZE = 1 << 20 };
    struct qb_tokenizer *t;
    struct qb_rng rng;
    char *text = malloc(SIZE), *back;
    int32_t *ids;
    size_t n, size;
    cr_assert_eq(qb_tokenizer_open(json_of("", ok, ""), &t, &err), QB_OK);
    qb_rng_seed(&rng, 1);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < SIZE; i++)
            text[i] = pass ? 'a' : (char)(unsigned char)qb_rng_randint(&rng, 256);
        cr_assert_eq(qb_tokenizer_encode(t, text, SIZE, 0, &ids, &n, &err), QB_OK);
        cr_assert_eq(qb_tokenizer_decode(t, ids, n, &back, &size, &err), QB_OK);
        cr_expect(size == SIZE && memcmp(back, text, SIZE) == 0);
        cr_expect_eq(n == SIZE / 4, pass == 1);
        qb_free(back);
        qb_free(ids);
    }
    free(text);
    qb_tokenizer_free(t);
}

/* The forms are those of Python's unicodedata.normalize("NFC", ...), Unicode 14. */
Test(bpe, marks_in_canonical_order)
{
    static const char *const cases[][2] = {{"e\u0301\u0323\u0301\u0323", "\u1eb9\u0323\u0301\u0301"},
                                           {"a\u0f71\u0f73\u0301x\u0344\u0323\u05b0\u05bc\u0591",
                                            "\u00e1\u0f71\u0f71\u0f72\u1e8d\u05b0\u05bc\u0323\u0591\u0301"},
                                           {"\u0323\u0301\xff\u0301\u0323", "\u0323\u0301\xff\u0323\u0301"}};
    const struct qb_normal_step step = qb_normal_form_c();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_text made = {0};
        cr_assert_eq(qb_normalize(&step, NULL, cases[i][0], strlen(cases[i][0]), 4096, &made, &err), QB_OK);
        cr_expect(made.size == strlen(cases[i][1]) && memcmp(made.data, cases[i][1], made.size) == 0, "case %zu", i);
        qb_text_free(&made);
    }
}

Test(bpe, many_marks_take_no_square_time, .timeout = 20)
{
    enum { MARKS = 300000 };
    const struct qb_normal_step step = qb_normal_form_c();
    struct qb_text text = {0}, made = {0};
    qb_text_add(&text, "e");
    for (size_t i = 0; i < MARKS; i++)
        qb_text_add(&text, "\u0301\u0323");
    cr_assert_eq(qb_normalize(&step, NULL, text.data, text.size, SIZE_MAX, &made, &err), QB_OK);
    cr_expect_eq(made.size, text.size); /* three bytes of e with dot below, for e and the first dot */
    cr_expect(strncmp(made.data, "\u1eb9\u0323", 5) == 0 && strcmp(made.data + made.size - 4, "\u0301\u0301") == 0);
    qb_text_free(&text);
    qb_text_free(&made);
}

Test(bpe, ids_out_of_range_are_errors)
{
    static const char *const none[] = {NULL};
    struct qb_tokenizer *t;
    char *text;
    size_t size;
    cr_assert_eq(qb_tokenizer_open(json_of("", none, ""), &t, &err), QB_OK, "%s", err.message);
    cr_expect_eq(qb_tokenizer_decode(t, (const int32_t[]){1, 256}, 2, &text, &size, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "256"));
    cr_expect_eq(qb_tokenizer_decode(t, (const int32_t[]){-1}, 1, &text, &size, &err), QB_ERR_INPUT);
    qb_tokenizer_free(t);
}

static void refused(const char *path, const char *say)
{
    struct qb_tokenizer *t = NULL;
    struct qb_error e = {0};
    size_t live = qb_mem_stats().live_bytes;
    cr_expect_eq(qb_tokenizer_open(path, &t, &e), QB_ERR_INPUT, "accepted, expected '%s'", say);
    cr_expect(strstr(e.message, say), "'%s' lacks '%s'", e.message, say);
    cr_expect_eq(qb_mem_stats().live_bytes, live);
}

Test(bpe, other_tokenizers_are_refused)
{
    static const char *const none[] = {NULL}, *const unknown[] = {"a b", "xy z", NULL};
    refused(json_of("", unknown, ""), "'xy' is not in the vocabulary");
    refused(json_of("\"normalizer\":{\"type\":\"Lowercase\"},", none, ""), "normalizer: type 'Lowercase'");
    refused(json_of("\"decoder\":{\"type\":\"CTC\"},", none, ""), "decoder: type 'CTC'");
    refused(json_of("\"post_processor\":{\"type\":\"BertProcessing\"},", none, ""), "post_processor: type 'Bert");
    refused(json_of("\"added_tokens\":[{\"id\":0}],", none, ""), "added_tokens");
    refused(json_of("\"pre_tokenizer\":null,", none, ""), "duplicate");
    refused(json_of("", none, "],\"dropout\":0.1,\"x\":["), "dropout");
    refused(json_of("", none, "\"a\""), "no pair");
    refused(json_of("", none, "[\"a\"]"), "no pair");
    const char *path = scratch_path("x.json");
    cr_assert_eq(qb_file_replace(path, "{\"model\":{\"type\":\"WordPiece\"}}", 30, &err), QB_OK);
    refused(path, "expected BPE");
}

/* What lies beside a tokenizer.json: numbers that no integer holds, BOS by its own word, template and ends. */
Test(bpe, files_beside_say_what_begins_and_ends_a_text)
{
    static const char *const none[] = {NULL};
    static const char config[] =
        "{\"model_max_length\":1000000000000000019884624838656,\"bos_token\":{\"content\":\"<s>\"},"
        "\"eos_token\":\"</s>\",\"add_bos_token\":true,\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"x\"},"
        "{\"name\":\"default\",\"template\":\"<|im_start|>\"}]}";
    static const char generation[] = "{\"eos_token_id\":[257, 65]}";
    struct qb_tokenizer *t;
    int32_t *ids;
    size_t n;
    json_of("\"added_tokens\":[{\"id\":256,\"content\":\"<s>\",\"special\":true},"
            "{\"id\":257,\"content\":\"</s>\",\"special\":true}],",
            none, "");
    cr_assert_eq(qb_file_replace(scratch_path("tokenizer_config.json"), config, strlen(config), &err), QB_OK);
    cr_assert_eq(qb_file_replace(scratch_path("generation_config.json"), generation, strlen(generation), &err), QB_OK);
    cr_assert_eq(qb_tokenizer_open(scratch_path("t.json"), &t, &err), QB_OK, "%s", err.message);
    cr_expect_eq(qb_tokenizer_bos(t), 256);
    cr_expect_eq(qb_tokenizer_eos(t), 257);
    cr_expect(qb_tokenizer_ends(t, 257) && qb_tokenizer_ends(t, 65) && !qb_tokenizer_ends(t, 256));
    cr_expect_str_eq(qb_tokenizer_chat_template(t), "<|im_start|>");
    cr_assert_eq(qb_tokenizer_encode(t, "a", 1, QB_ENCODE_AFFIXES, &ids, &n, &err), QB_OK);
    cr_expect(n == 2 && ids[0] == 256 && ids[1] == 'a');
    qb_free(ids);
    qb_tokenizer_free(t);
    cr_assert_eq(qb_file_replace(scratch_path("chat_template.jinja"), "[INST]", 6, &err), QB_OK);
    cr_assert_eq(qb_tokenizer_open(scratch_path("t.json"), &t, &err), QB_OK, "%s", err.message);
    cr_expect_str_eq(qb_tokenizer_chat_template(t), "[INST]");
    qb_tokenizer_free(t);
}

/* Merges are cut at U+0020 alone: a token may hold another blank in its spelling. */
Test(bpe, a_merge_is_cut_at_one_blank)
{
    static const char json[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"\\u00a0\":1,\"\\u00a0a\":2,\" \":3,\" a\":4},"
        "\"merges\":[\"\\u00a0 a\",[\" \",\"a\"]]}}";
    struct qb_tokenizer *t;
    int32_t *ids;
    size_t n;
    cr_assert_eq(qb_file_replace(scratch_path("t.json"), json, strlen(json), &err), QB_OK);
    cr_assert_eq(qb_tokenizer_open(scratch_path("t.json"), &t, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_tokenizer_encode(t,
                                     "\xc2\xa0"
                                     "a a",
                                     5, 0, &ids, &n, &err),
                 QB_OK);
    cr_expect(n == 2 && ids[0] == 2 && ids[1] == 4, "%zu ids", n);
    qb_free(ids);
    qb_tokenizer_free(t);
}

/* Of equal sums the one found first stays, as in the tokenizers library: the longer token. */
Test(bpe, unigram_keeps_the_first_of_equal_sums)
{
    static const char json[] =
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0],[\"a\",-1],[\"b\",-1],"
        "[\"ab\",-2],[\"abab\",-4.5]]}}";
    struct qb_tokenizer *t;
    int32_t *ids;
    size_t n;
    cr_assert_eq(qb_file_replace(scratch_path("t.json"), json, strlen(json), &err), QB_OK);
    cr_assert_eq(qb_tokenizer_open(scratch_path("t.json"), &t, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_tokenizer_encode(t, "ababxyb", 7, 0, &ids, &n, &err), QB_OK);
    cr_expect(n == 4 && ids[0] == 3 && ids[1] == 3 && ids[2] == 0 && ids[3] == 2, "%zu ids", n);
    qb_free(ids);
    qb_tokenizer_free(t);
}
