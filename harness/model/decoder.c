/* Sequences that grow. One function steps every kind of model: with attention over a KV cache when it is causal, over
 * all positions anew when positions see those after them, and over the last token alone without attention. In the last
 * layer only what the last position needs is computed: keys and values of all, the rest of the last.
 *
 * A model that sees all positions and has no position vectors sees a bag of tokens: equal tokens have equal states in
 * every layer. Each distinct token is then computed once, as one key that counts as often as the token occurs; what the
 * plain pass over all positions (qb_net_forward, the reference that tests compare with) gives differs by rounding. With
 * about ten distinct tokens there is nothing left to gain from keeping anything of older positions. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "model/net_parts.h"

struct qb_decoder {
    struct qb_net *net;
    size_t batch, capacity, length;
    float *cache;     /* causal: [layers][2: k, v][batch][capacity][hidden] */
    int32_t *tokens;  /* not causal: [batch][capacity] */
    uint32_t *counts; /* a bag of tokens: [vocab], all 0 between steps */
    float *key_bias;  /* likewise: [batch][distinct tokens of this step], logarithms of counts */
    int32_t *packed;  /* [batch][positions of this step] */
    struct qb_scratch hidden, last, query, other;
};

enum qb_status qb_decoder_create(struct qb_net *net, size_t batch, size_t capacity, struct qb_decoder **decoder,
                                 struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    if (batch == 0 || capacity == 0)
        return qb_fail(err, QB_ERR_INTERNAL, "a decoder of %zu sequences of %zu positions", batch, capacity);
    if (arch->context && capacity > arch->context)
        return qb_fail(err, QB_ERR_INPUT, "model %s: %zu positions, its context is %zu", net->model->name, capacity,
                       arch->context);
    struct qb_decoder *new = qb_alloc(1, sizeof *new, "decoder", err);
    if (!new)
        return err->status;
    new->net = net;
    new->batch = batch;
    new->capacity = capacity;
    if (arch->attention && arch->causal)
        new->cache = qb_alloc(arch->layers * 2 * batch * arch->hidden, capacity * sizeof(float), "KV cache", err);
    else if (arch->attention)
        new->tokens = qb_alloc(batch * capacity, sizeof(int32_t), "token history", err);
    if (err->status == QB_OK && new->tokens && !arch->learned_positions) {
        new->counts = qb_alloc(arch->vocab, sizeof *new->counts, "token counts", err);
        new->key_bias = new->counts ? qb_alloc(batch * capacity, sizeof *new->key_bias, "token counts", err) : NULL;
    }
    if (err->status == QB_OK)
        new->packed = qb_alloc(batch * capacity, sizeof(int32_t), "tokens of a step", err);
    if (err->status != QB_OK) {
        qb_decoder_free(new);
        return err->status;
    }
    *decoder = new;
    return QB_OK;
}

void qb_decoder_free(struct qb_decoder *decoder)
{
    if (!decoder)
        return;
    qb_free(decoder->cache);
    qb_free(decoder->tokens);
    qb_free(decoder->counts);
    qb_free(decoder->key_bias);
    qb_free(decoder->packed);
    struct qb_scratch *scratch[] = {&decoder->hidden, &decoder->last, &decoder->query, &decoder->other};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        qb_scratch_free(scratch[i]);
    qb_free(decoder);
}

size_t qb_decoder_kv_bytes(const struct qb_decoder *decoder)
{
    return qb_size_of(decoder->cache);
}

/* Positions [past, past + count) of every sequence go through the layers in this step. */
struct step {
    size_t past, count;
};

/* Rows [n * count] of width -> the last row of each sequence. */
static void take_last(const struct qb_decoder *decoder, const struct step *step, const float *x, size_t width,
                      float *out)
{
    for (size_t s = 0; s < decoder->batch; s++)
        memcpy(out + s * width, x + (s * step->count + step->count - 1) * width, width * sizeof *out);
}

static float *cache_of(const struct qb_decoder *decoder, size_t layer, size_t which)
{
    return decoder->cache + (2 * layer + which) * decoder->batch * decoder->capacity * decoder->net->model->arch.hidden;
}

/* Where attention finds keys and values: computed rows[batch * count] that start with k, v at offset `at`; with a cache
 * they are put behind the older ones first. */
static void keys_and_values(const struct qb_decoder *decoder, const struct step *step, size_t layer, const float *rows,
                            size_t stride, size_t at, struct qb_attention *attention)
{
    size_t width = decoder->net->model->arch.hidden;
    struct qb_heads *side[2] = {&attention->k, &attention->v};
    for (size_t which = 0; which < 2; which++) {
        const float *from = rows + at + which * width;
        *side[which] = (struct qb_heads){from, stride, step->count * stride};
        if (!decoder->cache)
            continue;
        float *cache = cache_of(decoder, layer, which);
        for (size_t s = 0; s < decoder->batch; s++)
            for (size_t i = 0; i < step->count; i++)
                memcpy(cache + (s * decoder->capacity + step->past + i) * width, from + (s * step->count + i) * stride,
                       width * sizeof *cache);
        *side[which] = (struct qb_heads){cache, width, decoder->capacity * width};
    }
}

/* Attention of a layer into mixed[batch * queries, width], queries being count or, in the last layer, 1. */
static enum qb_status attend(struct qb_decoder *decoder, const struct step *step, size_t index, size_t queries,
                             const float *x, float *mixed, struct qb_error *err)
{
    struct qb_net *net = decoder->net;
    const struct qb_arch *arch = &net->model->arch;
    const struct layer *layer = &net->layers[index];
    size_t width = layer->in, n = decoder->batch * step->count;
    struct qb_attention attention = {.out = mixed,
                                     .out_stride = width,
                                     .out_batch_stride = queries * width,
                                     .batch = decoder->batch,
                                     .queries = queries,
                                     .keys = step->past + step->count,
                                     .heads = arch->heads,
                                     .head_dim = width / arch->heads,
                                     .key_bias = decoder->key_bias,
                                     .causal = arch->causal};
    float *qkv = qb_scratch_get(&net->qkv, n * 3 * width, err);
    if (!qkv)
        return err->status;
    if (queries == step->count) {
        if (net_apply(net, layer->qkv, x, n, 0, 3 * width, qkv, err) != QB_OK)
            return err->status;
        attention.q = (struct qb_heads){qkv, 3 * width, step->count * 3 * width};
        keys_and_values(decoder, step, index, qkv, 3 * width, width, &attention);
    } else {
        float *last = qb_scratch_get(&decoder->other, decoder->batch * width, err);
        float *query = last ? qb_scratch_get(&decoder->query, decoder->batch * width, err) : NULL;
        if (!query)
            return err->status;
        take_last(decoder, step, x, width, last);
        if (net_apply(net, layer->qkv, last, decoder->batch, 0, width, query, err) != QB_OK ||
            net_apply(net, layer->qkv, x, n, width, 2 * width, qkv, err) != QB_OK)
            return err->status;
        attention.q = (struct qb_heads){query, width, width};
        keys_and_values(decoder, step, index, qkv, 2 * width, 0, &attention);
    }
    return qb_attention(net->pool, &attention, &net->scores, err);
}

static enum qb_status attention_layers(struct qb_decoder *decoder, const struct step *step, float *h, float *hidden,
                                       struct qb_error *err)
{
    struct qb_net *net = decoder->net;
    size_t layers = net->model->arch.layers, width = net->model->arch.hidden;
    for (size_t i = 0; i < layers; i++) {
        size_t queries = i + 1 == layers ? 1 : step->count, n = decoder->batch * queries;
        const struct layer *layer = &net->layers[i];
        const float *x = net_norm1(net, layer, h, decoder->batch * step->count, err);
        float *mixed = x ? qb_scratch_get(&net->mixed, n * width, err) : NULL;
        if (!mixed || attend(decoder, step, i, queries, x, mixed, err) != QB_OK)
            return err->status;
        if (i + 1 == layers) {
            take_last(decoder, step, h, width, hidden);
            h = hidden;
        }
        if (net_after_attention(net, layer, mixed, h, n, h, err) != QB_OK)
            return err->status;
    }
    return QB_OK;
}

/* Without attention: the last token of each sequence, layer by layer between two buffers. */
static enum qb_status plain_layers(struct qb_decoder *decoder, float *h, float *hidden, struct qb_error *err)
{
    struct qb_net *net = decoder->net;
    float *other = qb_scratch_get(&decoder->other, decoder->batch * net->width, err);
    if (!other)
        return err->status;
    for (size_t i = 0; i < net->model->arch.layers; i++) {
        if (net_layer(net, &net->layers[i], h, decoder->batch, 1, other, err) != QB_OK)
            return err->status;
        float *swap = h;
        h = other;
        other = swap;
    }
    memcpy(hidden, h, decoder->batch * net->model->arch.hidden * sizeof *hidden);
    return QB_OK;
}

#define NEVER_SEEN (-1e4f) /* a key bias whose weight is 0 */

/* The distinct tokens of each sequence, the last one at the end, and their counts; shorter lists are filled up at the
 * front with keys that nobody sees. */
static struct step gather_bag(struct qb_decoder *decoder, size_t length)
{
    struct step step = {0, 0};
    for (size_t s = 0; s < decoder->batch; s++) { /* how long is the longest list? */
        const int32_t *history = decoder->tokens + s * decoder->capacity;
        size_t distinct = 0;
        for (size_t i = 0; i < length; i++)
            distinct += decoder->counts[history[i]]++ == 0;
        for (size_t i = 0; i < length; i++)
            decoder->counts[history[i]] = 0;
        step.count = distinct > step.count ? distinct : step.count;
    }
    for (size_t s = 0; s < decoder->batch; s++) {
        const int32_t *history = decoder->tokens + s * decoder->capacity;
        int32_t *packed = decoder->packed + s * step.count;
        float *bias = decoder->key_bias + s * step.count;
        size_t at = step.count;
        for (size_t i = 0; i < length; i++)
            decoder->counts[history[i]]++;
        for (size_t i = length; i-- > 0;) {
            if (decoder->counts[history[i]] == 0)
                continue;
            packed[--at] = history[i];
            bias[at] = logf((float)decoder->counts[history[i]]);
            decoder->counts[history[i]] = 0;
        }
        while (at-- > 0) {
            packed[at] = history[0];
            bias[at] = NEVER_SEEN;
        }
    }
    return step;
}

/* The tokens that go through the layers in this step, as [batch, step->count]. */
static struct step gather(struct qb_decoder *decoder, const int32_t *tokens, size_t count)
{
    const struct qb_arch *arch = &decoder->net->model->arch;
    struct step step = {decoder->length, count};
    if (!arch->attention)
        step = (struct step){decoder->length + count - 1, 1};
    else if (!arch->causal)
        step = (struct step){0, decoder->length + count};
    for (size_t s = 0; s < decoder->batch; s++) {
        const int32_t *from = tokens + s * count + (arch->attention ? 0 : count - 1);
        if (decoder->tokens) {
            int32_t *history = decoder->tokens + s * decoder->capacity;
            memcpy(history + decoder->length, from, count * sizeof *history);
            from = history;
        }
        if (!decoder->counts)
            memcpy(decoder->packed + s * step.count, from, step.count * sizeof *from);
    }
    return decoder->counts ? gather_bag(decoder, step.count) : step;
}

static enum qb_status check_tokens(const struct qb_decoder *decoder, const int32_t *tokens, size_t count,
                                   struct qb_error *err)
{
    size_t vocab = decoder->net->model->arch.vocab;
    for (size_t i = 0; i < decoder->batch * count; i++)
        if (tokens[i] < 0 || (size_t)tokens[i] >= vocab)
            return qb_fail(err, QB_ERR_INPUT, "token %d at %zu is outside the vocabulary of %zu", (int)tokens[i], i,
                           vocab);
    return QB_OK;
}

enum qb_status qb_decoder_feed(struct qb_decoder *decoder, const int32_t *tokens, size_t count, float *hidden,
                               struct qb_error *err)
{
    struct qb_net *net = decoder->net;
    if (count == 0 || count > decoder->capacity - decoder->length)
        return qb_fail(err, QB_ERR_INTERNAL, "%zu tokens for a decoder with room for %zu more", count,
                       decoder->capacity - decoder->length);
    if (check_tokens(decoder, tokens, count, err) != QB_OK)
        return err->status;
    struct step step = gather(decoder, tokens, count);
    float *h = qb_scratch_get(&decoder->hidden, decoder->batch * step.count * net->width, err);
    if (!h || net_embed_at(net, decoder->packed, decoder->batch, step.count, step.past, h, err) != QB_OK)
        return err->status;
    enum qb_status status = net->model->arch.attention ? attention_layers(decoder, &step, h, hidden, err)
                                                       : plain_layers(decoder, h, hidden, err);
    if (status != QB_OK || net_finish(net, hidden, decoder->batch, err) != QB_OK)
        return err->status;
    decoder->length += count;
    return QB_OK;
}
