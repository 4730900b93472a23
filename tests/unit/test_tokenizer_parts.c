/* Patterns, splits, normalisation and vocabulary by themselves: what strangers' files may ask for. */
#include <criterion/criterion.h>
#include <string.h>
#include "base/mem.h"
#include "tokenizer/split.h"
#include "tokenizer/vocab.h"

static struct qb_error err;
static struct qb_matcher *matcher;

static void begin(void)
{
    err = (struct qb_error){0};
    matcher = qb_matcher_new(&err);
    cr_assert_not_null(matcher);
}

static void end(void)
{
    qb_matcher_free(matcher);
}

TestSuite(tokenizer_parts, .init = begin, .fini = end);

static enum qb_status join(void *context, const char *text, size_t size, struct qb_error *e)
{
    (void)e;
    qb_text_bytes(context, text, size);
    qb_text_bytes(context, "|", 1);
    return QB_OK;
}

static void splits(const char *regex, enum qb_split_behaviour behaviour, bool invert, const char *text,
                   const char *expected)
{
    struct qb_split_step step = {.kind = QB_SPLIT_PATTERN, .behaviour = behaviour, .invert = invert};
    struct qb_text out = {0};
    cr_assert_eq(qb_pattern_regex(regex, strlen(regex), &step.pattern, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_split(&step, 1, matcher, text, strlen(text), true, join, &out, &err), QB_OK, "%s", err.message);
    cr_expect_str_eq(out.data, expected, "%s on '%s': '%s', expected '%s'", regex, text, out.data, expected);
    qb_text_free(&out);
    qb_pattern_free(step.pattern);
}

/* The cases of the tokenizers library's documentation of SplitDelimiterBehavior, and Unicode's White_Space. */
Test(tokenizer_parts, a_match_goes_where_its_behaviour_says)
{
    splits("-", QB_SPLIT_ISOLATED, false, "the-final--countdown", "the|-|final|-|-|countdown|");
    splits("-", QB_SPLIT_REMOVED, false, "the-final--countdown", "the|final|countdown|");
    splits("-", QB_SPLIT_CONTIGUOUS, false, "the-final--countdown", "the|-|final|--|countdown|");
    splits("-", QB_SPLIT_WITH_PREVIOUS, false, "the-final--countdown", "the-|final-|-|countdown|");
    splits("-", QB_SPLIT_WITH_NEXT, false, "the-final--countdown", "the|-final|-|-countdown|");
    splits("[a-z]+", QB_SPLIT_REMOVED, true, "ab--cd", "ab|cd|");
    splits("\\s", QB_SPLIT_REMOVED, false,
           "a\xc2\x85"
           "b\xe2\x80\x8b"
           "c\xe1\xa0\x8e"
           "d\xe3\x80\x80"
           "e",
           "a|b\xe2\x80\x8b"
           "c\xe1\xa0\x8e"
           "d|e|"); /* neither U+200B nor U+180E */
    splits("\\w+", QB_SPLIT_ISOLATED, false,
           "a_\xcc\x81"
           "1-\xc2\xb2",
           "a_\xcc\x81"
           "1|-\xc2\xb2|");
    splits("x*", QB_SPLIT_ISOLATED, false, "axxb", "a|xx|b|");
    splits("a+", QB_SPLIT_ISOLATED, false,
           "a\xff"
           "aa\xc3",
           "a|\xff|aa|\xc3|"); /* no match over what is no UTF-8 */
}

Test(tokenizer_parts, other_dialects_are_refused)
{
    static const struct {
        const char *regex, *say;
    } cases[] = {{"[a&&b]", "classes within classes"},
                 {"[a[bc]]", "classes within classes"},
                 {"\\h", "\\h is not"},
                 {"[\\W]", "\\W is not supported in a class"},
                 {"(a", "parenthes"},
                 {"\\p{Nonsense}", "pattern"},
                 {"\\C", "\\C"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_pattern *pattern = NULL;
        struct qb_error e = {0};
        cr_expect_eq(qb_pattern_regex(cases[i].regex, strlen(cases[i].regex), &pattern, &e), QB_ERR_INPUT, "%s",
                     cases[i].regex);
        cr_expect(strstr(e.message, cases[i].say), "'%s' lacks '%s'", e.message, cases[i].say);
        cr_expect_null(pattern);
    }
}

Test(tokenizer_parts, a_pattern_that_takes_for_ever_is_stopped)
{
    struct qb_split_step step = {.kind = QB_SPLIT_PATTERN};
    struct qb_text out = {0};
    const char *regex = "(?:a+)+$";
    char text[4096];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '!';
    cr_assert_eq(qb_pattern_regex(regex, strlen(regex), &step.pattern, &err), QB_OK);
    cr_expect_eq(qb_split(&step, 1, matcher, text, sizeof text, true, join, &out, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, regex) && strstr(err.message, "limit"), "%s", err.message);
    qb_text_free(&out);
    qb_pattern_free(step.pattern);
}

Test(tokenizer_parts, all_words_that_a_text_begins_with_are_found)
{
    static const char *const texts[] = {"b", "ab", "abc", "a", "abd", "ab", "\xff"};
    struct qb_words_sorted sorted = {.count = 7};
    struct qb_walk walk = {0};
    struct qb_text found = {0};
    const struct qb_word *word;
    sorted.words = qb_alloc(7, sizeof *sorted.words, "words", &err);
    for (size_t i = 0; i < 7; i++)
        sorted.words[i] = (struct qb_word){texts[i], (uint32_t)strlen(texts[i]), (int32_t)i};
    qb_words_sort(&sorted);
    while ((word = qb_words_next(&sorted, &walk, "abdx", 4)))
        qb_text_add(&found, "%d ", (int)word->id);
    cr_expect_str_eq(found.data, "3 1 4 "); /* a, ab (the first of both), abd */
    walk = (struct qb_walk){0};
    cr_expect_null(qb_words_next(&sorted, &walk, "xyz", 3));
    walk = (struct qb_walk){0};
    cr_expect_null(qb_words_next(&sorted, &walk, "", 0));
    qb_text_free(&found);
    qb_free(sorted.words);
}

Test(tokenizer_parts, a_vocabulary_has_limits)
{
    struct qb_vocab vocab = {0};
    cr_expect_eq(qb_vocab_put(&vocab, QB_VOCAB_MAX, "a", 1, QB_TOKEN_TEXT, true, &err), QB_ERR_INPUT);
    err = (struct qb_error){0};
    cr_assert_eq(qb_vocab_put(&vocab, 5, "ab", 2, QB_TOKEN_TEXT, true, &err), QB_OK);
    cr_assert_eq(qb_vocab_put(&vocab, 2, "ab", 2, QB_TOKEN_TEXT, true, &err), QB_OK);
    cr_assert_eq(qb_vocab_put(&vocab, 3, "cd", 2, QB_TOKEN_CONTROL, false, &err), QB_OK);
    cr_assert_eq(qb_vocab_index(&vocab, &err), QB_OK);
    cr_expect_eq(vocab.count, 6);
    cr_expect_eq(qb_vocab_find(&vocab, "ab", 2), 2);
    cr_expect_eq(qb_vocab_find(&vocab, "cd", 2), -1);
    cr_expect_eq(qb_vocab_find(&vocab, "", 0), -1);
    qb_vocab_free(&vocab);
}
