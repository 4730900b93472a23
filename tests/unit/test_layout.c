/* Widths are a terminal's: Unicode Standard Annex 11 gives CJK two columns, combining marks take none. */
#include <criterion/criterion.h>
#include "base/layout.h"

static const char *made(void (*make)(struct qb_text *, const char *, size_t), const char *text, size_t width)
{
    static struct qb_text out;
    qb_text_free(&out);
    make(&out, text, width);
    return out.data;
}

Test(layout, width_counts_columns)
{
    cr_expect_eq(qb_width(""), 0);
    cr_expect_eq(qb_width("naïve"), 5);
    cr_expect_eq(qb_width("模型"), 4);
    cr_expect_eq(qb_width("e\xcc\x81"), 1); /* e and a combining acute */
    cr_expect_eq(qb_width("a\xff"), 2);     /* a byte that is no UTF-8 */
}

Test(layout, a_column_is_as_wide_as_it_says)
{
    cr_expect_str_eq(made(qb_column, "模型", 6), "模型  ");
    cr_expect_str_eq(made(qb_column, "模型模型", 6), "模... "); /* half of a character does not fit */
    cr_expect_str_eq(made(qb_column, "abcdefg", 6), "abc...");
    cr_expect_str_eq(made(qb_column, "abcdefg", 3), "abc");
}

Test(layout, a_text_cut_from_the_left)
{
    cr_expect_str_eq(made(qb_column_end, "abcdefg", 7), "abcdefg");
    cr_expect_str_eq(made(qb_column_end, "abcdefgh", 7), "...efgh");
    cr_expect_str_eq(made(qb_column_end, "abcdefgh", 3), "fgh");
    cr_expect_str_eq(made(qb_column_end, "模型模型", 6), "...型");
    cr_expect_str_eq(made(qb_column_end, "a", 0), "");
}
