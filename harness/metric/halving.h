/* Successive halving (Karnin, Koren and Somekh 2013; Jamieson and Talwalkar 2016) with a test in the place of the bare
 * order: which candidates go on to the next rung of a search. */
#ifndef QB_HALVING_H
#define QB_HALVING_H

#include "metric/stats.h"

struct qb_halving {
    struct qb_clusters kl; /* of one candidate, borrowed: the same clusters for each; lower means are better */
    /* Filled: */
    size_t rank;                     /* from 0, by the mean; of equal means the first in the list */
    double mean;                     /* sum of sums / sum of weights */
    struct qb_difference difference; /* paired: this one - the best, with its 95% interval; of the best itself 0 */
    double holm;                     /* p of no difference from the best, two-sided, adjusted by Holm over the others;
                                        NaN: not tested (the best itself; a difference without spread) */
    bool worse;                      /* holm < alpha */
    bool kept;                       /* in the better half by rank (the larger of two uneven ones), or not worse */
};

/* The rule, over candidates[count], count >= 1, of one race. A candidate leaves only when it is both in the lower half
 * and significantly worse than the best one: chance alone drops none. That the true best one leaves at a rung takes a
 * test that errs, which in all tests of the rung together happens in at most about alpha of all searches
 * (tests/unit/test_halving.c simulates it). False: clusters that are not alike or under 2, a number that is not finite,
 * or no memory. */
bool qb_halve(struct qb_halving *candidates, size_t count, double alpha);

#endif
