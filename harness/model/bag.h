/* Sequences that grow under a model whose positions all see one another. A new token changes the states of all older
 * ones, so each step goes through all positions anew.
 *
 * Without position vectors, rotary positions and a window such a model sees a bag of tokens: equal tokens have equal
 * states in every layer. Each distinct token is then computed once, as one key that counts as often as the token
 * occurs; what the plain pass over all positions (qb_net_forward) gives differs by rounding. With about ten distinct
 * tokens there is nothing left to gain from keeping anything of older positions. */
#ifndef QB_BAG_H
#define QB_BAG_H

#include "model/net.h"

struct qb_bag;
/* `batch` sequences of at most `capacity` tokens. Borrows net. */
enum qb_status qb_bag_create(struct qb_net *net, size_t batch, size_t capacity, struct qb_bag **bag,
                             struct qb_error *err);
void qb_bag_free(struct qb_bag *bag);

/* Appends tokens[batch, count], count >= 1; hidden[batch, H] of the last position of each sequence. More than the
 * capacity is QB_ERR_INTERNAL. */
enum qb_status qb_bag_feed(struct qb_bag *bag, const int32_t *tokens, size_t count, float *hidden,
                           struct qb_error *err);

#endif
