/* JSON and CSV text, and --only. Expected texts are written by hand from RFC 8259 and RFC 4180; the shortest decimals
 * are those of Python's repr. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/only.h"
#include "base/text_format.h"

static void same(struct qb_text *out, const char *expected)
{
    cr_expect_str_eq(out->data ? out->data : "", expected);
    qb_text_free(out);
}

Test(text_format, shortest_numbers)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {1e23, "1e+23"},                                  /* 16 digits would read back too: 9.999999999999999e+22 */
        {1.0 / 3, "0.3333333333333333"},                  /* 16 digits */
        {0.1 + 0.2, "0.30000000000000004"},               /* 17 digits */
        {DBL_MAX, "1.7976931348623157e+308"},             /* 17 digits */
        {123456789012345680.0, "1.2345678901234568e+17"}, /* an integer too */
        {42, "42"},
        {-0.0, "-0"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
    };
    struct qb_text out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double back = 0;
        qb_csv_number(&out, cases[i].value, true);
        cr_expect(qb_read_number(out.data, &back));
        cr_expect_eq(memcmp(&back, &cases[i].value, sizeof back), 0, "case %zu", i);
        same(&out, cases[i].text);
    }
}

/* Infinite, not a number, missing: three things in both formats. */
Test(text_format, three_kinds_of_no_decimals)
{
    static const struct {
        double value;
        bool there;
        const char *csv, *json;
    } cases[] = {
        {INFINITY, true, "inf", "\"inf\""}, {-INFINITY, true, "-inf", "\"-inf\""}, {NAN, true, "nan", "\"nan\""},
        {NAN, false, "", "null"},           {INFINITY, false, "", "null"},         {1.5, false, "", "null"},
    };
    struct qb_text out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        qb_csv_number(&out, cases[i].value, cases[i].there);
        same(&out, cases[i].csv);
        qb_json_number(&out, cases[i].value, cases[i].there);
        same(&out, cases[i].json);
    }
    static const char *const none[] = {"", "infinity", "INF", "NaN", "0x10", "1e999", " 1", "1 "};
    double value;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect_not(qb_read_number(none[i], &value), "'%s'", none[i]);
}

Test(text_format, json)
{
    struct qb_text out = {0};
    qb_json_string(&out, "a \"b\" \\ \n\t\x01 / \xc3\xa9");
    same(&out, "\"a \\\"b\\\" \\\\ \\u000a\\u0009\\u0001 / \xc3\xa9\"");
    /* a lone continuation, an overlong slash, a surrogate; DEL, a right-to-left override, a tag beyond the BMP */
    qb_json_string(&out, "\x80 \xc0\xaf \xed\xa0\x80");
    same(&out, "\"\\\\x80 \\\\xc0\\\\xaf \\\\xed\\\\xa0\\\\x80\"");
    qb_json_string(&out, "\x7f \xe2\x80\xae \xf3\xa0\x81\x81");
    same(&out, "\"\\u007f \\u202e \\udb40\\udc41\"");
    qb_json_string(&out, "");
    same(&out, "\"\"");
    qb_json_string(&out, NULL);
    same(&out, "\"\"");
    qb_json_bytes(&out, "a\0\"b", 4);
    same(&out, "\"a\\u0000\\\"b\"");
    qb_json_number(&out, -2.5e-7, true);
    same(&out, "-2.5e-07");
}

Test(text_format, csv)
{
    static const char *const cases[][2] = {{"plain text", "plain text"},
                                           {"", ""},
                                           {"a,b", "\"a,b\""},
                                           {"say \"x\"", "\"say \"\"x\"\"\""},
                                           {"two\nlines", "two lines"},
                                           {"a\rb\tc", "a b c"},
                                           {"\x1b[31m,\xff", "\"\\x1b[31m,\\xff\""},
                                           /* what a spreadsheet would run (OWASP, "CSV injection") */
                                           {"=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""},
                                           {"+1+cmd", "\"'+1+cmd\""},
                                           {"-2+3", "\"'-2+3\""},
                                           {"-", "-"},
                                           {"@SUM(1)", "\"'@SUM(1)\""},
                                           {"\t=1+1", "\"' =1+1\""},
                                           {"\r=\"1\"", "\"' =\"\"1\"\"\""},
                                           {"\xef\xbc\x9d"
                                            "1+1",
                                            "\"'\xef\xbc\x9d"
                                            "1+1\""},
                                           {"-0x1p4", "\"'-0x1p4\""},
                                           {"a=1", "a=1"},
                                           /* numbers stay numbers */
                                           {"-0.5", "-0.5"},
                                           {"+3e-4", "+3e-4"},
                                           {"-0.5%", "-0.5%"},
                                           {"-1%+cmd", "\"'-1%+cmd\""},
                                           {"-inf", "-inf"},
                                           {"-1e+308", "-1e+308"}};
    struct qb_text out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        qb_csv_field(&out, cases[i][0]);
        same(&out, cases[i][1]);
    }
}

/* ---- --only ---- */

static void parses(const char *text, const char *model, const char *variant, const char *experiment)
{
    struct qb_only only = {0};
    struct qb_error err = {0};
    cr_assert_eq(qb_only_add(&only, text, &err), QB_OK, "%s", err.message);
    cr_expect_str_eq(only.any[0].part[0], model);
    cr_expect_str_eq(only.any[0].part[1], variant);
    cr_expect_str_eq(only.any[0].part[2], experiment);
}

Test(only, missing_parts_are_all)
{
    parses("kjv-*", "kjv-*", "*", "*");
    parses("*/int8", "*", "int8", "*");
    parses("a/b/c", "a", "b", "c");
}

Test(only, what_is_no_choice)
{
    char name[257];
    static const char *const bad[] = {"", "/b", "a//c", "a/b/", "a/b/c/d"};
    struct qb_only only = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct qb_error err = {0};
        cr_expect_eq(qb_only_add(&only, bad[i], &err), QB_ERR_INPUT, "'%s'", bad[i]);
        cr_expect_not_null(strstr(err.message, "--only: expected one to three globs"), "%s", err.message);
    }
    for (size_t length = 255; length <= 256; length++) {
        struct qb_error err = {0};
        memset(name, 'a', length);
        name[length] = '\0';
        cr_expect_eq(qb_only_add(&only, name, &err), length < 256 ? QB_OK : QB_ERR_INPUT, "%zu bytes", length);
    }
}

Test(only, each_glob_has_its_name)
{
    struct qb_only only = {0};
    struct qb_error err = {0};
    cr_assert_eq(qb_only_add(&only, "kjv-*/int8/greedy", &err), QB_OK);
    cr_expect(qb_only_matches(&only, "kjv-chain", "int8", "greedy"));
    cr_expect_not(qb_only_matches(&only, "source-chain", "int8", "greedy"));
    cr_expect_not(qb_only_matches(&only, "kjv-chain", "int8-channel", "greedy"));
    cr_expect_not(qb_only_matches(&only, "kjv-chain", "int8", "greedily"));
    cr_assert_eq(qb_only_add(&only, "source-*", &err), QB_OK);
    cr_expect(qb_only_matches(&only, "kjv-chain", "int8", "greedy"), "the first still takes what it took");
    cr_expect(qb_only_matches(&only, "source-chain", "fp32", "memory"));
    cr_expect_not(qb_only_matches(&only, "kjv-chain", "fp32", "memory"));
    cr_expect(qb_only_matches(&(struct qb_only){0}, "any", "of", "them"), "no choice takes all");
}
