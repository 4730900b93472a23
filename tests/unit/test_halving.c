/* Which candidates a rung keeps: by hand, and how often chance drops the best one, simulated. */
#include <criterion/criterion.h>
#include <math.h>
#include "base/rng.h"
#include "metric/halving.h"

enum { CLUSTERS = 6, MOST = 24 };
static const double weights[CLUSTERS] = {10, 10, 10, 10, 10, 10};

static void from(struct qb_halving *candidates, double (*sums)[CLUSTERS], size_t count)
{
    for (size_t i = 0; i < count; i++)
        candidates[i] = (struct qb_halving){.kl = {sums[i], weights, CLUSTERS}};
}

Test(halving, the_better_half_and_whatever_is_not_worse_stay)
{
    /* Of five: the best; as good but for noise; worse in every cluster, in the better half by rank; two that are worse,
     * one of them with so much spread that it cannot be told. */
    double sums[5][CLUSTERS] = {{20.5, 21.4, 20.6, 21.5, 20.4, 21.6}, /* 2.1: worse, rank 2 */
                                {10.0, 11.0, 10.0, 11.0, 10.0, 11.0}, /* the best */
                                {10.1, 10.9, 10.1, 10.9, 10.1, 11.2}, /* rank 1 */
                                {30.5, 31.4, 30.6, 31.5, 30.4, 31.6}, /* rank 3: worse */
                                {5.0, 90.0, 3.0, 2.0, 99.0, 9.0}};    /* rank 4: no telling */
    static const size_t ranks[] = {2, 0, 1, 3, 4};
    static const bool kept[] = {true, true, true, false, true}, worse[] = {true, false, false, true, false};
    struct qb_halving candidates[5];
    from(candidates, sums, 5);
    cr_assert(qb_halve(candidates, 5, 0.05));
    for (size_t i = 0; i < 5; i++) {
        cr_expect_eq(candidates[i].rank, ranks[i], "%zu: rank %zu", i, candidates[i].rank);
        cr_expect_eq(candidates[i].kept, kept[i], "%zu: holm %g", i, candidates[i].holm);
        cr_expect_eq(candidates[i].worse, worse[i], "%zu: holm %g", i, candidates[i].holm);
    }
    cr_expect(isnan(candidates[1].holm));
    cr_expect_float_eq(candidates[1].mean, 1.05, 1e-15);
    /* Holm over four tests: the least p times 4, the next times 3. */
    const double first = fmin(candidates[0].difference.p, candidates[3].difference.p);
    cr_expect_float_eq(fmin(candidates[0].holm, candidates[3].holm), 4 * first, 1e-12);
}

Test(halving, twins_of_the_best_are_never_dropped_and_the_first_is_the_best)
{
    double sums[4][CLUSTERS];
    struct qb_halving candidates[4];
    for (size_t i = 0; i < 4; i++)
        for (size_t g = 0; g < CLUSTERS; g++)
            sums[i][g] = 1.0 + (double)g;
    from(candidates, sums, 4);
    cr_assert(qb_halve(candidates, 4, 0.05));
    for (size_t i = 0; i < 4; i++)
        cr_expect(candidates[i].kept && candidates[i].rank == i && candidates[i].difference.identical);
}

Test(halving, one_alone_stays_and_what_is_no_number_is_refused)
{
    double sums[2][CLUSTERS] = {{1, 2, 3, 4, 5, 6}, {1, 2, NAN, 4, 5, 6}};
    struct qb_halving candidates[2];
    from(candidates, sums, 2);
    cr_expect(qb_halve(candidates, 1, 0.05) && candidates[0].kept);
    cr_expect_not(qb_halve(candidates, 2, 0.05));
    from(candidates, sums, 1);
    candidates[0].kl.count = 1; /* one cluster has no spread */
    cr_expect_not(qb_halve(candidates, 1, 0.05));
}

/* A search of three rungs over `count` candidates whose true means are `truth`: clusters share an effect, as chunks of
 * text do, and each candidate has noise of its own. Was a candidate of the least true mean still there at the end, and
 * how many others? */
static bool survives(struct qb_rng *rng, const double *truth, size_t count, double alpha, size_t *others)
{
    bool alive[MOST];
    double least = truth[0];
    for (size_t i = 0; i < count; i++) {
        alive[i] = true;
        least = fmin(least, truth[i]);
    }
    for (size_t rung = 0; rung < 3; rung++) {
        struct qb_halving candidates[MOST];
        static double sums[MOST][CLUSTERS];
        size_t which[MOST], n = 0;
        float effect[16];
        qb_rng_normal(rng, 0, 1, effect, 16);
        for (size_t i = 0; i < count; i++) {
            float noise[16];
            qb_rng_normal(rng, 0, 1, noise, 16);
            for (size_t g = 0; g < CLUSTERS; g++)
                sums[n][g] = 10 * (truth[i] + 0.5 * (double)effect[g] + 0.1 * (double)noise[g]);
            if (alive[i])
                which[n++] = i;
        }
        from(candidates, sums, n);
        cr_assert(qb_halve(candidates, n, alpha));
        for (size_t k = 0; k < n; k++)
            alive[which[k]] = candidates[k].kept;
    }
    bool found = false;
    *others = 0;
    for (size_t i = 0; i < count; i++) {
        found = found || (alive[i] && truth[i] == least);
        *others += alive[i] && truth[i] > least;
    }
    return found;
}

enum { SEARCHES = 150 };

/* Of SEARCHES, how many lose the best one, the hardest case being that nearly all are alike. */
static size_t lost_of_equals(double alpha)
{
    double truth[MOST];
    struct qb_rng rng;
    size_t lost = 0, others;
    for (size_t i = 0; i < MOST; i++)
        truth[i] = i == 17 ? 0.999 : 1;
    qb_rng_seed(&rng, 20240501);
    for (size_t k = 0; k < SEARCHES; k++)
        lost += !survives(&rng, truth, MOST, alpha, &others);
    return lost;
}

Test(halving, chance_seldom_drops_the_best)
{
    const size_t lost = lost_of_equals(0.05);
    cr_expect_lt(lost, SEARCHES * 15 / 100, "%zu of %d", lost, SEARCHES); /* three rungs at 0.05 */
}

Test(halving, the_bare_order_drops_it_mostly)
{
    const size_t lost = lost_of_equals(2); /* whatever p is: half leaves at each rung */
    cr_expect_gt(lost, SEARCHES / 2, "%zu of %d", lost, SEARCHES);
}

Test(halving, what_is_clearly_worse_leaves_and_the_best_one_stays)
{
    double truth[MOST];
    struct qb_rng rng;
    size_t lost = 0, left = 0, others;
    for (size_t i = 0; i < MOST; i++)
        truth[i] = 1 + 0.1 * (double)((i * 7 + 3) % MOST);
    qb_rng_seed(&rng, 7);
    for (size_t k = 0; k < SEARCHES; k++) {
        lost += !survives(&rng, truth, MOST, 0.05, &others);
        left += others;
    }
    cr_expect_lt(lost, SEARCHES * 15 / 100, "%zu of %d", lost, SEARCHES);
    cr_expect_lt(left, SEARCHES * 5, "%zu others left of %d", left, SEARCHES * (MOST - 1));
}
