#include "model/bag.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

#define NEVER_SEEN (-1e4f) /* a key bias whose weight is 0 */

struct qb_bag {
    struct qb_net *net;
    size_t batch, capacity, length;
    int32_t *history; /* [batch][capacity] */
    int32_t *tokens;  /* [batch][positions of this step] */
    /* Without position vectors, else NULL: */
    uint32_t *counts; /* [vocab], all 0 between uses */
    float *key_bias;  /* [batch][positions of this step], logarithms of counts */
};

enum qb_status qb_bag_create(struct qb_net *net, size_t batch, size_t capacity, struct qb_bag **bag,
                             struct qb_error *err)
{
    const struct qb_arch *arch = &qb_net_model(net)->arch;
    struct qb_bag *new = qb_alloc(1, sizeof *new, "bag of tokens", err);
    if (!new)
        return err->status;
    new->net = net;
    new->batch = batch;
    new->capacity = capacity;
    if (!(new->history = qb_alloc(batch * capacity, sizeof *new->history, "token history", err)) ||
        !(new->tokens = qb_alloc(batch * capacity, sizeof *new->tokens, "tokens of a step", err)))
        goto out;
    if (!arch->learned_positions &&
        (!(new->counts = qb_alloc(arch->vocab, sizeof *new->counts, "token counts", err)) ||
         !(new->key_bias = qb_alloc(batch * capacity, sizeof *new->key_bias, "token counts", err))))
        goto out;
    *bag = new;
    return QB_OK;
out:
    qb_bag_free(new);
    return err->status;
}

void qb_bag_free(struct qb_bag *bag)
{
    if (!bag)
        return;
    qb_free(bag->history);
    qb_free(bag->tokens);
    qb_free(bag->counts);
    qb_free(bag->key_bias);
    qb_free(bag);
}

/* How many of the `length` tokens of a sequence differ. */
static size_t distinct(struct qb_bag *bag, const int32_t *history, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += bag->counts[history[i]]++ == 0;
    for (size_t i = 0; i < length; i++)
        bag->counts[history[i]] = 0;
    return count;
}

/* A sequence's distinct tokens and their counts, the last token at the end; a shorter list than n is filled up at the
 * front with keys that nobody sees. */
static void pack(struct qb_bag *bag, const int32_t *history, size_t length, size_t n, int32_t *tokens, float *bias)
{
    for (size_t i = 0; i < length; i++)
        bag->counts[history[i]]++;
    for (size_t i = length; i-- > 0;) {
        if (bag->counts[history[i]] == 0)
            continue;
        tokens[--n] = history[i];
        bias[n] = logf((float)bag->counts[history[i]]);
        bag->counts[history[i]] = 0;
    }
    while (n-- > 0) {
        tokens[n] = history[0];
        bias[n] = NEVER_SEEN;
    }
}

/* The positions of a step over the first `length` tokens of each sequence. */
static struct qb_step gather(struct qb_bag *bag, size_t length)
{
    size_t n = bag->counts ? 0 : length;
    for (size_t s = 0; bag->counts && s < bag->batch; s++) {
        size_t count = distinct(bag, bag->history + s * bag->capacity, length);
        n = count > n ? count : n;
    }
    for (size_t s = 0; s < bag->batch; s++) {
        const int32_t *history = bag->history + s * bag->capacity;
        if (bag->counts)
            pack(bag, history, length, n, bag->tokens + s * n, bag->key_bias + s * n);
        else
            memcpy(bag->tokens + s * n, history, n * sizeof *history);
    }
    return (struct qb_step){.tokens = bag->tokens, .batch = bag->batch, .n = n, .kept = 1, .key_bias = bag->key_bias};
}

enum qb_status qb_bag_feed(struct qb_bag *bag, const int32_t *tokens, size_t count, float *hidden, struct qb_error *err)
{
    size_t length = bag->length + count;
    if (count == 0 || count > bag->capacity - bag->length)
        return qb_fail(err, QB_ERR_INTERNAL, "%zu tokens for a bag with room for %zu more", count,
                       bag->capacity - bag->length);
    if (qb_net_check(bag->net, tokens, bag->batch, count, bag->length, err))
        return err->status;
    for (size_t s = 0; s < bag->batch; s++)
        memcpy(bag->history + s * bag->capacity + bag->length, tokens + s * count, count * sizeof *tokens);
    const struct qb_step step = gather(bag, length);
    if (qb_net_step(bag->net, NULL, &step, hidden, err))
        return err->status;
    bag->length = length;
    return QB_OK;
}
