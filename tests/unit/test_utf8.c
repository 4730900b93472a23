/* The border for foreign text. The table follows the classes of Markus Kuhn's "UTF-8 decoder capability and stress
 * test" and Unicode 15, table 3-7; expected texts are written by hand. The property test reads what comes out with a
 * decoder of its own: the state machine of table 3-7, byte ranges alone, no arithmetic on code points. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "base/text.h"
#include "printable.h"

static struct qb_text clean(const char *bytes, size_t size, enum qb_clean kind)
{
    struct qb_text out = {0};
    qb_text_bytes(&out, "", 0);
    qb_clean_bytes(&out, bytes, size, kind);
    return out;
}

Test(utf8, each_class)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"plain \\ text", "plain \\ text"},
        {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"},
        {"\xc2\xa0", "\xc2\xa0"},                                 /* U+00A0, the first that shows behind C1 */
        {"\xdf\xbf \xe0\xa0\x80", "\xdf\xbf \xe0\xa0\x80"},       /* last of two bytes, first of three */
        {"\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"}, /* around the surrogates */
        {"\xf0\x90\x80\x80", "\xf0\x90\x80\x80"},
        {"\xef\xbf\xbd", "\xef\xbf\xbd"},                         /* U+FFFD itself */
        {"\xe2\x9d\xa4\xef\xb8\x8f", "\xe2\x9d\xa4\xef\xb8\x8f"}, /* a heart and its variation selector */
        /* no UTF-8 */
        {"\x80", "\\x80"},
        {"\xbf\x80", "\\xbf\\x80"},
        {"\xc3 ", "\\xc3 "},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xf0\x9f\x98", "\\xf0\\x9f\\x98"},
        {"\xe2\x82"
         "A",
         "\\xe2\\x82"
         "A"},
        {"\xfe\xff", "\\xfe\\xff"},
        {"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80"},
        {"\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf", "\\xc0\\xaf \\xe0\\x80\\xaf \\xf0\\x80\\x80\\xaf"}, /* overlong */
        {"\xc1\xbf \xe0\x9f\xbf \xf0\x8f\xbf\xbf", "\\xc1\\xbf \\xe0\\x9f\\xbf \\xf0\\x8f\\xbf\\xbf"},
        {"\xed\xa0\x80 \xed\xbf\xbf", "\\xed\\xa0\\x80 \\xed\\xbf\\xbf"}, /* surrogates */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},                     /* U+110000 */
        /* control characters */
        {"\x1b[2J\x07\x7f", "\\x1b[2J\\x07\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b"
         "31m"}, /* C1: CSI */
        /* what does not show */
        {"\xe2\x80\xae"
         "abc",
         "\\xe2\\x80\\xae"
         "abc"}, /* right-to-left override */
        {"\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9"},
        {"\xe2\x80\x8b\xe2\x80\x8f", "\\xe2\\x80\\x8b\\xe2\\x80\\x8f"},
        {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"}, /* line separator */
        {"\xef\xbb\xbf"
         "x",
         "\\xef\\xbb\\xbf"
         "x"},                                        /* byte order mark */
        {"\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"}, /* a tag */
        {"\xc2\xad", "\\xc2\\xad"},
        /* noncharacters */
        {"\xef\xbf\xbe\xef\xbf\xbf", "\\xef\\xbf\\xbe\\xef\\xbf\\xbf"},
        {"\xef\xb7\x90", "\\xef\\xb7\\x90"},
        {"\xf4\x8f\xbf\xbf", "\\xf4\\x8f\\xbf\\xbf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int kind = QB_CLEAN_LINE; kind <= QB_CLEAN_LINES; kind++) {
            struct qb_text out = clean(cases[i].in, strlen(cases[i].in), (enum qb_clean)kind);
            cr_expect_str_eq(out.data, cases[i].out, "case %zu: %s", i, out.data);
            qb_text_free(&out);
        }
}

Test(utf8, lines)
{
    static const char text[] = "a\tb\nc\r\nd\re\0f";
    struct qb_text line = clean(text, sizeof text - 1, QB_CLEAN_LINE),
                   lines = clean(text, sizeof text - 1, QB_CLEAN_LINES);
    cr_expect_str_eq(line.data, "a b c  d e\\x00f");
    cr_expect_str_eq(lines.data, "a\tb\nc\r\nd\\x0de\\x00f");
    qb_text_free(&line);
    qb_text_free(&lines);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Lengths around sequences, bytes half from those that begin or continue one. */
static size_t random_bytes(uint64_t *state, char *out, size_t most)
{
    size_t size = next_random(state) % (most + 1);
    for (size_t i = 0; i < size; i++) {
        uint32_t r = next_random(state);
        out[i] = (char)(r & 1 ? r >> 8 : r & 2 ? 0x80 | (r >> 8 & 0x3F) : 0xC0 | (r >> 8 & 0x3F));
    }
    return size;
}

Test(utf8, any_bytes_become_printable_and_stay)
{
    uint64_t seed = (uint64_t)time(NULL), state = seed;
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 20000; round++) {
        char bytes[24], fixed[24];
        size_t size = random_bytes(&state, bytes, sizeof bytes);
        struct qb_text once = clean(bytes, size, QB_CLEAN_LINE), twice = clean(once.data, once.size, QB_CLEAN_LINE);
        cr_assert_eq(first_unprintable(once.data, once.size, false), once.size, "seed %llu", (unsigned long long)seed);
        cr_assert_str_eq(once.data, twice.data);
        cr_assert_leq(once.size, 4 * size);
        size_t room = 1 + next_random(&state) % sizeof fixed;
        qb_clean_into(fixed, room, bytes, size);
        cr_assert_lt(strlen(fixed), room);
        cr_assert_eq(first_unprintable(fixed, strlen(fixed), false), strlen(fixed));
        cr_assert_eq(strncmp(fixed, once.data, strlen(fixed)), 0);
        qb_text_free(&once);
        qb_text_free(&twice);
    }
}

/* Every code point by hand-made bytes: what shows is kept, what does not is all that is changed. */
Test(utf8, every_code_point)
{
    for (uint32_t c = 1; c <= 0x10FFFF; c++) {
        char bytes[5] = "";
        if (c < 0x80)
            bytes[0] = (char)c;
        else if (c < 0x800)
            snprintf(bytes, sizeof bytes, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 63)));
        else if (c < 0x10000)
            snprintf(bytes, sizeof bytes, "%c%c%c", (int)(0xE0 | c >> 12), (int)(0x80 | (c >> 6 & 63)),
                     (int)(0x80 | (c & 63)));
        else
            snprintf(bytes, sizeof bytes, "%c%c%c%c", (int)(0xF0 | c >> 18), (int)(0x80 | (c >> 12 & 63)),
                     (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
        uint32_t point;
        size_t n = qb_utf8_sequence(bytes, strlen(bytes), &point);
        bool surrogate = c >= 0xD800 && c < 0xE000;
        cr_assert_eq(n, surrogate ? 0 : strlen(bytes), "U+%04X", c);
        cr_assert(surrogate || point == c, "U+%04X", c);
        cr_assert_eq(qb_utf8_sequence(bytes, strlen(bytes) - 1, &point), 0, "U+%04X cut", c);
    }
}

Test(utf8, cuts_lie_between_characters)
{
    char out[8];
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* a, 2, 3 and 4 bytes, z */
    static const size_t upto[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t most = 0; most < sizeof upto / sizeof *upto; most++)
        cr_expect_eq(qb_utf8_upto(text, most), upto[most], "%zu", most);
    cr_expect_not(qb_utf8_print(out, 6, "%s", text));
    cr_expect_str_eq(out, "a\xc3\xa9");
    cr_expect(qb_utf8_print(out, 8, "a\xc3\xa9\xe2\x82\xac"));
    cr_expect_str_eq(out, "a\xc3\xa9\xe2\x82\xac");
    qb_clean_into(out, sizeof out, "ab\x1b\x1b", 4); /* \x1b fits once */
    cr_expect_str_eq(out, "ab\\x1b");
    char unended[4] = {'\xff', 'b', 'c', 'd'};
    qb_clean_into(out, sizeof out, unended, sizeof unended);
    cr_expect_str_eq(out, "\\xffbcd");
}
