#include <string.h>
#include <criterion/criterion.h>
#include "base/layout.h"
#include "run/progress_line.h"

static const char *line(struct qb_progress_state state, size_t width)
{
    static struct qb_text text;
    qb_text_free(&text);
    qb_progress_line(&state, width, &text);
    cr_assert_not(text.failed);
    cr_assert_leq(qb_width(text.data), width, "%zu columns of %zu: %s", qb_width(text.data), width, text.data);
    return text.data;
}

/* Behind "0:00  ". */
static const char *left(double least, double most, size_t open)
{
    const struct qb_forecast forecast = {least, most, open};
    return strstr(line((struct qb_progress_state){0, 1, 0, &forecast, ""}, 200), "0:00  ") + 6;
}

static const struct qb_forecast soon = {70, 90, 0};
static const struct qb_progress_state one = {12, 48, 15, &soon, "source-transformer/calibrated-asrun/teacher-forced"};

Test(progress_line, what_is_left)
{
    cr_expect_str_eq(left(70, 90, 0), "about 1:20 left");
    cr_expect_str_eq(left(0, 1, 0), "about 0:01 left");
    cr_expect_str_eq(left(40, 120, 0), "0:40 to 2:00 left");
    cr_expect_str_eq(left(3661, 9000, 0), "1:01:01 to 2:30:00 left");
    cr_expect_str_eq(left(80, 900, 1), "over 1:20 left, 1 cell unknown");
    cr_expect_str_eq(left(80, 900, 8), "over 1:20 left, 8 cells unknown");
    cr_expect_str_eq(left(0.4, 900, 8), "8 cells unknown");
}

Test(progress_line, a_wide_terminal_shows_all)
{
    cr_expect_str_eq(line(one, 120), "[######..................] 12/48  0:15  about 1:20 left  "
                                     "source-transformer/calibrated-asrun/teacher-forced");
    struct qb_progress_state none = one;
    none.left = NULL;
    none.labels = "";
    cr_expect_str_eq(line(none, 120), "[######..................] 12/48  0:15");
}

Test(progress_line, a_narrow_one_shows_how_labels_end)
{
    cr_expect_str_eq(line(one, 86), "[######..................] 12/48  0:15  about 1:20 left  "
                                    "...rated-asrun/teacher-forced");
    struct qb_progress_state two = one;
    two.labels = "source-transformer/calibrated/greedy, source-transformer/pattern-a-packed/depth";
    cr_expect_str_eq(line(two, 60), "12/48  0:15  about 1:20 left  ...ated/greedy, ...acked/depth");
}

Test(progress_line, no_width_is_exceeded)
{
    static const char *const labels[] = {"", "a/b/c", "m/v (net)", "m/v/kl, m/w/kl, m/x/kl, m/y/kl, m/z/kl, m/u/kl"};
    struct qb_progress_state state = one;
    for (size_t width = 19; width <= 200; width++) {
        const char *shown = line(one, width);
        cr_expect(strstr(shown, "12/48"), "%zu: %s", width, shown);
        cr_expect(width < 50 || strstr(shown, "teacher-forced"), "%zu: %s", width, shown);
        for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
            state.labels = labels[i];
            line(state, width);
        }
    }
}
