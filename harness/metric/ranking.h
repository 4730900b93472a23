/* The first ranks of a row of logits, and how far those of two rows agree. Equal logits have no order: which of them
 * ranks first is chance, so what they earn is what a random order would, on average. Nothing here allocates; all
 * functions are thread-safe. */
#ifndef QB_RANKING_H
#define QB_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QB_TOP 10

struct qb_ranking {
    int32_t top[QB_TOP]; /* tokens, largest logit first, lowest index first among equals; -1 behind `listed` */
    uint32_t listed;     /* min(QB_TOP, vocabulary) */
    uint32_t probable;   /* the first so many of them have a probability (base/probability.h) */
    uint32_t first;      /* logits of the row that equal the largest; 1: the first rank is no matter of order */
    uint32_t above;      /* of the listed, those above the last listed one */
    uint32_t equals;     /* logits of the row that equal the last listed one, listed or not */
};
/* Of x[n], finite; n >= 1. */
void qb_rank(const float *x, size_t n, struct qb_ranking *ranking);

struct qb_agreement {
    double first; /* chance that both rows rank the same token first */
    double top;   /* share of the reference's k first tokens that are among x's k first, on average */
};
/* Of a reference's ranking with the row x[n], ranked as `ours`. k is the reference's `probable`: a list is no longer
 * than the vocabulary, and tokens that the reference gives no probability belong to none. Each row's equals are ordered
 * at random, independently of the other's; the reference's equals of the last rank that are not listed earn nothing.
 * `same`: the rows are the same bit for bit and agree in full. */
struct qb_agreement qb_agree(const struct qb_ranking *reference, const float *x, size_t n,
                             const struct qb_ranking *ours, bool same);

#endif
