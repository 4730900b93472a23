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
    /* Where positions do not tell, else NULL: */
    uint32_t *counts; /* [vocab], all 0 between uses */
    float *key_bias;  /* [batch][positions of this step], logarithms of counts */
};

/* Does a state depend on where its token stands? */
static bool tells_positions(const struct qb_arch *arch)
{
    return arch->learned_positions || arch->rope[0].dims || arch->rope[1].dims || arch->window;
}

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
    if (!tells_positions(arch) &&
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

/* A sequence's distinct tokens and the logarithms of their counts at the end of tokens[length] and bias[length], the
 * last token last; in front of them keys that nobody sees. Returns how many are distinct. */
static size_t pack(struct qb_bag *bag, const int32_t *history, size_t length, int32_t *tokens, float *bias)
{
    size_t at = length;
    for (size_t i = 0; i < length; i++)
        bag->counts[history[i]]++;
    for (size_t i = length; i-- > 0;) {
        if (bag->counts[history[i]] == 0)
            continue;
        tokens[--at] = history[i];
        bias[at] = logf((float)bag->counts[history[i]]);
        bag->counts[history[i]] = 0;
    }
    for (size_t i = 0; i < at; i++) {
        tokens[i] = history[0];
        bias[i] = NEVER_SEEN;
    }
    return length - at;
}

/* The positions of a step over the first `length` tokens of each sequence: all of them, or as many distinct ones as
 * the sequence with most has. */
static struct qb_step gather(struct qb_bag *bag, size_t length)
{
    size_t n = bag->counts ? 0 : length;
    for (size_t s = 0; s < bag->batch; s++) {
        const int32_t *history = bag->history + s * bag->capacity;
        size_t at = s * length, count = n;
        if (bag->counts)
            count = pack(bag, history, length, bag->tokens + at, bag->key_bias + at);
        else
            memcpy(bag->tokens + at, history, length * sizeof *history);
        n = count > n ? count : n;
    }
    for (size_t s = 0; bag->counts && s < bag->batch; s++) {
        size_t from = (s + 1) * length - n;
        memmove(bag->tokens + s * n, bag->tokens + from, n * sizeof *bag->tokens);
        memmove(bag->key_bias + s * n, bag->key_bias + from, n * sizeof *bag->key_bias);
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
