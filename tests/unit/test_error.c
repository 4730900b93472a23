#include <string.h>
#include <criterion/criterion.h>
#include "base/error.h"

Test(error, fail_sets_and_returns)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_fail(&err, QB_ERR_IO, "%s:%d: bad", "a.yaml", 7), QB_ERR_IO);
    cr_assert_eq(err.status, QB_ERR_IO);
    cr_assert_str_eq(err.message, "a.yaml:7: bad");
}

Test(error, fail_may_quote_its_own_message)
{
    struct qb_error err = {0};
    qb_fail(&err, QB_ERR_INPUT, "inner");
    qb_fail(&err, QB_ERR_CODEC, "outer (%s)", err.message);
    cr_assert_str_eq(err.message, "outer (inner)");
}

Test(error, wrap_puts_places_in_front)
{
    struct qb_error err = {0};
    qb_fail(&err, QB_ERR_NUMERIC, "NaN at %d", 3);
    cr_assert_eq(qb_wrap(&err, "tensor '%s'", "w"), QB_ERR_NUMERIC);
    qb_wrap(&err, "cell");
    cr_assert_str_eq(err.message, "cell: tensor 'w': NaN at 3");
}

Test(error, long_messages_are_cut)
{
    struct qb_error err = {0};
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    qb_fail(&err, QB_ERR_INPUT, "%s", text);
    cr_assert_eq(strlen(err.message), sizeof err.message - 1);
    qb_wrap(&err, "place");
    cr_assert_eq(strlen(err.message), sizeof err.message - 1);
    cr_assert_eq(strncmp(err.message, "place: xxx", 10), 0);
    qb_wrap(&err, "%s", text);
    cr_assert_eq(strlen(err.message), sizeof err.message - 1);
}

Test(error, a_cut_never_splits_a_character)
{
    static const char *const characters[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t c = 0; c < 3; c++)
        for (int lead = 0; lead < 4; lead++) {
            struct qb_error err = {0};
            char text[3000] = "";
            memset(text, 'x', (size_t)lead);
            size_t width = strlen(characters[c]);
            for (size_t i = (size_t)lead; i + width < 2000; i += width)
                memcpy(text + i, characters[c], width);
            qb_fail(&err, QB_ERR_INPUT, "%s", text);
            cr_expect_eq((strlen(err.message) - (size_t)lead) % width, 0);
            cr_expect_gt(strlen(err.message), sizeof err.message - 1 - width);
            qb_wrap(&err, "p");
            cr_expect_eq((strlen(err.message) - 3 - (size_t)lead) % width, 0);
        }
}
