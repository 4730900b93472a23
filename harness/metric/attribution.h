/* A factorial taken apart: the KL of every combination of a variant's parts (experiment attribute, arrays combination,
 * kl, chunk) into effects, each a linear combination of combinations and therefore a mean over chunks with the interval
 * of one. v(S): the mean KL with the parts S switched on. */
#ifndef QB_ATTRIBUTION_H
#define QB_ATTRIBUTION_H

#include "metric/metric.h"

enum { QB_FACTORS = 5 };
/* The parts that a variant may have: "storage", "domain", "scale", "alpha", "fp16". */
extern const char *const qb_factor_names[QB_FACTORS];

enum qb_effect {
    QB_EFFECT_TOTAL, /* v(all) - v(none) */
    /* Treatment coding, the Moebius transform of v (Rota 1964): m(S) = sum over T in S of (-1)^(|S| - |T|) v(T), so
     * that v(S) - v(none) is the sum of m over all nonempty subsets of S. */
    QB_EFFECT_ALONE,       /* m of one part: it alone minus nothing */
    QB_EFFECT_INTERACTION, /* m of a pair: what both cost beyond their sum, each added to nothing else */
    QB_EFFECT_HIGHER,      /* the sum of m over three and more parts; absent with fewer than three */
    /* The part's mean marginal cost over all orders of switching parts on (Shapley 1953); over all parts they sum to
     * the total. Negative: the part mends. */
    QB_EFFECT_SHAPLEY
};

/* The sample of an effect; a, b are indices of qb_factor_names, unused ones 0. False when the record has no factorial,
 * or the variant lacks a part; a table that is not a full factorial of known parts counts as none. */
bool qb_effect_sample(const struct qb_record *record, enum qb_effect effect, size_t a, size_t b,
                      struct qb_sample *sample);

#endif
