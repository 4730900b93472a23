/* tokenizer_cases.json: the same tokenizer.json run by the tokenizers library. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "tokenizer/tokenizer.h"

static struct qb_tokenizer *tokenizer;
static json_t *golden;
static struct qb_error err;

static void begin(void)
{
    err = (struct qb_error){0};
    cr_assert_eq(qb_tokenizer_open("data/models/kjv.tokenizer.json", &tokenizer, &err), QB_OK, "%s", err.message);
    golden = json_load_file("tests/golden/tokenizer_cases.json", JSON_ALLOW_NUL, NULL);
    cr_assert_not_null(golden);
}

static void end(void)
{
    qb_tokenizer_free(tokenizer);
    json_decref(golden);
}

TestSuite(tokenizer, .init = begin, .fini = end);

static void same(const int32_t *tokens, size_t count, const json_t *ids, const char *what)
{
    cr_expect_eq(count, json_array_size(ids), "%s: %zu tokens, expected %zu", what, count, json_array_size(ids));
    for (size_t i = 0; i < count && i < json_array_size(ids); i++)
        cr_expect_eq(tokens[i], json_integer_value(json_array_get(ids, i)), "%s: token %zu is %d", what, i,
                     (int)tokens[i]);
}

Test(tokenizer, cases)
{
    const json_t *cases = json_object_get(golden, "cases");
    cr_assert_gt(json_array_size(cases), 20);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *text = json_object_get(json_array_get(cases, i), "text");
        int32_t *tokens;
        size_t count, size;
        char *back;
        cr_assert_eq(
            qb_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), 0, &tokens, &count, &err),
            QB_OK, "%s", err.message);
        same(tokens, count, json_object_get(json_array_get(cases, i), "ids"), json_string_value(text));
        cr_assert_eq(qb_tokenizer_decode(tokenizer, tokens, count, &back, &size, &err), QB_OK);
        cr_expect(size == json_string_length(text) && memcmp(back, json_string_value(text), size) == 0);
        qb_free(back);
        qb_free(tokens);
    }
}

Test(tokenizer, held_out_text)
{
    const json_t *heldout = json_object_get(golden, "heldout"), *last = json_object_get(heldout, "last");
    char *text;
    size_t size, count;
    int32_t *tokens;
    cr_assert_eq(qb_file_read("data/corpus/kjv.heldout", 1 << 20, &text, &size, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_tokenizer_encode(tokenizer, text, size, 0, &tokens, &count, &err), QB_OK);
    cr_assert_eq((json_int_t)count, json_integer_value(json_object_get(heldout, "tokens")));
    same(tokens, json_array_size(json_object_get(heldout, "first")), json_object_get(heldout, "first"), "first");
    same(tokens + count - json_array_size(last), json_array_size(last), last, "last");
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (uint64_t)(uint32_t)tokens[i] * (i + 1);
    const json_t *expected = json_object_get(heldout, "sum_of_id_times_position_mod_2^32");
    cr_expect_eq((json_int_t)(sum % (1ull << 32)), json_integer_value(expected));
    qb_free(text);
    qb_free(tokens);
}
