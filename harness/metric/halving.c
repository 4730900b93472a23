#include "metric/halving.h"

#include <math.h>

#include "base/mem.h"

static double mean_of(const struct qb_clusters *x)
{
    double sum = 0, weight = 0;
    for (size_t g = 0; g < x->count; g++) {
        sum += x->sum[g];
        weight += x->weight[g];
    }
    return sum / weight;
}

/* Ranks by the mean; the index of the first. */
static size_t rank(struct qb_halving *candidates, size_t count)
{
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        candidates[i].rank = 0;
        for (size_t k = 0; k < count; k++)
            candidates[i].rank +=
                candidates[k].mean < candidates[i].mean || (candidates[k].mean == candidates[i].mean && k < i);
        best = candidates[i].rank == 0 ? i : best;
    }
    return best;
}

bool qb_halve(struct qb_halving *candidates, size_t count, double alpha)
{
    struct qb_error err = {0};
    for (size_t i = 0; i < count; i++)
        if (!isfinite(candidates[i].mean = mean_of(&candidates[i].kl)))
            return false;
    const size_t best = rank(candidates, count);
    double *p = qb_alloc(count, sizeof *p, "p values", &err);
    bool ok = p;
    for (size_t i = 0; ok && i < count; i++) {
        ok = qb_difference_paired(&candidates[best].kl, &candidates[i].kl, 0.95, &candidates[i].difference);
        p[i] = i == best ? NAN : candidates[i].difference.p; /* the best is in no family */
    }
    ok = ok && qb_holm(p, count, p);
    for (size_t i = 0; ok && i < count; i++) {
        candidates[i].holm = p[i];
        candidates[i].worse = p[i] < alpha;
        candidates[i].kept = candidates[i].rank < (count + 1) / 2 || !candidates[i].worse;
    }
    qb_free(p);
    return ok;
}
