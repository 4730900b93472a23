/* Choosing the next token from logits. */
#ifndef QB_SAMPLING_H
#define QB_SAMPLING_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* Filters in this order, each on what the one before left, its probabilities made to sum to 1 again: of the logits
 * divided by temperature the top_k greatest; of these the fewest, most probable first, whose probabilities reach top_p;
 * of these those at least min_p times as probable as the best. */
struct qb_sampling {
    double temperature; /* 0: the greatest logit, the lowest id of equals */
    size_t top_k;       /* 0: all */
    double top_p;       /* 1: all */
    double min_p;       /* 0: all */
};

struct qb_sampler; /* working memory for a vocabulary */
enum qb_status qb_sampler_create(size_t vocab, struct qb_sampler **sampler, struct qb_error *err);
void qb_sampler_free(struct qb_sampler *sampler);

/* The token of logits[vocab] that uniform, in [0, 1), falls on: the candidates' probabilities lie behind one another
 * in [0, 1), the greatest first, of equals the lowest id first. Logits of -inf are no candidates. */
int32_t qb_sample(struct qb_sampler *sampler, const struct qb_sampling *sampling, const float *logits, double uniform);

#endif
