/* Tokens without a probability: exp(logit - largest) is exactly 0 in float64 (it underflows 745.13 nat under the
 * largest), so whatever stands there - a mask of -1e4, -1e30 or -FLT_MAX on a few tokens - the distribution is the same
 * without them. Statistics of logits leave them out. The logits of an unmasked model lie within some tens of nats. */
#ifndef QB_PROBABILITY_H
#define QB_PROBABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* exp(-x) is 0 in float64 for every x above, in nat: half the least positive number, 2^-1075. */
#define QB_NO_PROBABILITY 745.1332191019412

/* Has a token with this logit no probability in a row whose largest logit is `largest`? Both finite. */
static inline bool qb_improbable(float logit, float largest)
{
    return (double)largest - (double)logit > QB_NO_PROBABILITY;
}

/* The same of a token whose -log p is recorded; false for NaN. */
static inline bool qb_impossible(double nll)
{
    return nll > QB_NO_PROBABILITY;
}

/* mask[i]: 1 where x[i] of a row x[n] of finite logits has no probability; returns how many there are. */
static inline size_t qb_mask_improbable(const float *x, size_t n, uint8_t *mask)
{
    float largest = n > 0 ? x[0] : 0;
    size_t count = 0;
    for (size_t i = 1; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (size_t i = 0; i < n; i++) {
        mask[i] = qb_improbable(x[i], largest);
        count += mask[i];
    }
    return count;
}

#endif
