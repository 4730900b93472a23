/* The orders of arms: each arm at each place, and behind each other arm, equally often. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/turns.h"

enum { MOST = 11 };

static size_t place[MOST][MOST], behind[MOST][MOST];

static void count(size_t arms, size_t repeats)
{
    size_t order[MOST];
    memset(place, 0, sizeof place);
    memset(behind, 0, sizeof behind);
    for (size_t r = 0; r < repeats; r++) {
        qb_turns_order(arms, r, order);
        for (size_t i = 0; i < arms; i++) {
            cr_assert_lt(order[i], arms);
            place[order[i]][i]++;
            if (i > 0)
                behind[order[i - 1]][order[i]]++;
        }
    }
}

Test(turns, every_arm_stands_everywhere_equally_often)
{
    for (size_t arms = 1; arms <= MOST; arms++) {
        const size_t period = qb_turns_period(arms);
        count(arms, 3 * period);
        for (size_t a = 0; a < arms; a++)
            for (size_t b = 0; b < arms; b++) {
                cr_expect_eq(place[a][b], 3 * period / arms, "%zu arms: %zu at place %zu", arms, a, b);
                cr_expect_eq(behind[a][b], a == b ? 0 : 3 * period / arms, "%zu arms: %zu before %zu", arms, a, b);
            }
    }
}

/* No fewer repeats would do: of an odd number of arms the rows of half the period favour neighbours. */
Test(turns, half_a_period_is_not_balanced)
{
    count(5, 5);
    bool equal = true;
    for (size_t a = 0; a < 5; a++)
        for (size_t b = 0; b < 5; b++)
            equal = equal && (a == b || behind[a][b] == behind[0][1]);
    cr_expect_not(equal);
}

/* What experiment `speed` has always done with FP32, the variant and FP32 again. */
Test(turns, three_arms)
{
    static const size_t orders[6][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {0, 2, 1}, {2, 0, 1}, {1, 0, 2}};
    size_t order[3];
    cr_expect_eq(qb_turns_period(3), 6);
    for (size_t r = 0; r < 12; r++) {
        qb_turns_order(3, r, order);
        cr_expect_arr_eq(order, orders[r % 6], sizeof order, "repeat %zu", r);
    }
}
