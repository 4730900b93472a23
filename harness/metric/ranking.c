#include "metric/ranking.h"

#include "base/probability.h"
#include "metric/metric.h"

static uint32_t count_equal(const float *x, size_t n, float value)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += x[i] == value;
    return count;
}

void qb_rank(const float *x, size_t n, struct qb_ranking *r)
{
    *r = (struct qb_ranking){.listed = n < QB_TOP ? (uint32_t)n : QB_TOP};
    for (size_t i = r->listed; i < QB_TOP; i++)
        r->top[i] = -1;
    qb_topk(x, n, r->listed, r->top);
    const float largest = x[r->top[0]], last = x[r->top[r->listed - 1]];
    for (size_t i = 0; i < r->listed; i++) {
        float logit = x[r->top[i]];
        r->probable += !qb_improbable(logit, largest);
        r->first += logit == largest;
        r->above += logit > last;
    }
    r->equals = count_equal(x, n, last);
    if (r->first == r->listed)
        r->first = r->equals;
}

/* The chance that an entry of the reference's list is among its k first. */
static double listed_chance(const struct qb_ranking *r, size_t i)
{
    if (i < r->above || r->probable < r->listed) /* a list that ends with the probable tokens has them all */
        return 1;
    return (double)(r->listed - r->above) / r->equals;
}

struct qb_agreement qb_agree(const struct qb_ranking *reference, const float *x, size_t n,
                             const struct qb_ranking *ours, bool same)
{
    const uint32_t k = reference->probable;
    const float largest = x[ours->top[0]], last = x[ours->top[k - 1]];
    struct qb_agreement agreement = {0, 0};
    uint32_t above = 0;
    if (same)
        return (struct qb_agreement){1, 1};
    while (above < k && x[ours->top[above]] > last)
        above++;
    const double at_last = (double)(k - above) / count_equal(x, n, last);
    for (size_t i = 0; i < k; i++) {
        float logit = x[reference->top[i]];
        double chance = logit > last ? 1 : logit == last ? at_last : 0;
        agreement.top += listed_chance(reference, i) * chance;
        if (i < reference->first && logit == largest)
            agreement.first += 1;
    }
    agreement.top /= k;
    agreement.first /= (double)reference->first * ours->first;
    return agreement;
}
