#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "base/text.h"

Test(text, appends_grow)
{
    struct qb_text text = {0};
    qb_text_add(&text, "%s", "");
    cr_assert_str_eq(text.data, "");
    char expected[4001] = "";
    for (int i = 0; i < 1000; i++) {
        qb_text_add(&text, "%04d", i);
        snprintf(expected + 4 * i, 5, "%04d", i);
    }
    cr_assert_str_eq(text.data, expected);
    cr_assert_eq(text.size, 4000);
    cr_assert_not(text.failed);
    qb_text_free(&text);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
    cr_assert_null(text.data);
}

Test(text, bytes_may_hold_nul)
{
    struct qb_text text = {0};
    qb_text_bytes(&text, "a\0b", 3);
    qb_text_bytes(&text, NULL, 0);
    cr_assert_eq(text.size, 3);
    cr_assert_eq(memcmp(text.data, "a\0b", 4), 0);
    qb_text_free(&text);
}

Test(text, every_size_near_the_room)
{
    static char source[300];
    memset(source, 'x', sizeof source);
    for (size_t size = 0; size < sizeof source; size++) {
        struct qb_text text = {0};
        qb_text_bytes(&text, source, size);
        cr_assert_eq(text.size, size);
        cr_assert_eq(strlen(text.data), size);
        qb_text_free(&text);
    }
}

Test(text, short_memory_is_remembered)
{
    struct qb_text text = {0};
    qb_mem_fail_at(1);
    qb_text_add(&text, "lost");
    cr_assert(text.failed);
    cr_assert_str_eq(text.data, "");
    qb_text_add(&text, "also lost");
    cr_assert_str_eq(text.data, "");
    qb_text_free(&text);

    qb_text_add(&text, "kept");
    qb_mem_fail_at(1);
    for (int i = 0; i < 100; i++)
        qb_text_add(&text, "more");
    cr_assert(text.failed);
    cr_assert_eq(strncmp(text.data, "keptmore", 8), 0);
    qb_text_free(&text);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(text, glob)
{
    cr_expect(qb_glob("*", "anything"));
    cr_expect(qb_glob("legacy-*", "legacy-asrun"));
    cr_expect(qb_glob("int?", "int8"));
    cr_expect(qb_glob("[pq]attern", "pattern"));
    cr_expect_not(qb_glob("legacy", "legacy-asrun"));
    cr_expect_not(qb_glob("Legacy", "legacy"));
    cr_expect_not(qb_glob("", "x"));
    cr_expect(qb_glob("", ""));
}

Test(text, nearest)
{
    static const char *const names[] = {"vocab", "hidden", "layers", "seed", "heads", NULL};
    static const char *const none[] = {NULL};
    cr_expect_str_eq(qb_nearest("hiden", names), "hidden");
    cr_expect_str_eq(qb_nearest("sead", names), "seed");
    cr_expect_str_eq(qb_nearest("layer", names), "layers");
    cr_expect_str_eq(qb_nearest("seed", names), "seed");
    cr_expect_null(qb_nearest("temperature", names));
    cr_expect_null(qb_nearest("", names));
    cr_expect_str_eq(qb_nearest("sede", names), "seed");
    cr_expect_null(qb_nearest("xy", names));
    cr_expect_null(qb_nearest("veal", names)); /* 3 of "vocab": another word */
    cr_expect_null(qb_nearest("seed", none));
    char word[200];
    memset(word, 's', sizeof word);
    word[sizeof word - 1] = '\0';
    cr_expect_null(qb_nearest(word, names));
    const char *const long_name[] = {word, "sss", NULL};
    cr_expect_str_eq(qb_nearest("ssss", long_name), "sss");
}

Test(text, nearest_counts_insert_delete_and_replace)
{
    static const char *const kitten[] = {"sitting", NULL}; /* distance 3, the textbook's pair */
    static const char *const far[] = {"sittings", NULL};
    cr_expect_str_eq(qb_nearest("kitten", kitten), "sitting");
    cr_expect_null(qb_nearest("kitten", far));
}
