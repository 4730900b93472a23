#include "attribute_bench.h"

#include <string.h>

#include "base/mem.h"

/* ---- set-up ---- */

static enum qb_status round_tensor(const struct qb_variant *storage, struct swap *s, struct qb_error *err)
{
    const struct qb_tensor *t = s->tensor;
    const struct qb_matrix matrix = qb_tensor_matrix(t);
    struct qb_linear *linear = NULL;
    s->rounded = qb_alloc(t->rows * t->cols, sizeof *s->rounded, "rounded weights", err);
    if (s->rounded && !qb_linear_create(storage, &matrix, NULL, &linear, err))
        qb_linear_rows(linear, 0, t->rows, s->rounded, err);
    qb_linear_free(linear);
    return err->status ? qb_wrap(err, "tensor %s", t->name) : QB_OK;
}

/* The placed tensors in the order in which the net uses them. */
static enum qb_status find_swaps(struct bench *b, struct qb_error *err)
{
    const struct qb_cell_env *env = b->judge->env;
    const struct qb_variant storage = factors_keep(env->variant, FACTOR_STORAGE);
    const struct qb_tensor *tensor;
    size_t room = 0;
    while (qb_net_linear(b->judge->fp32, room, NULL))
        room++;
    b->swaps = qb_alloc(room, sizeof *b->swaps, "placed tensors", err);
    for (size_t i = 0; b->swaps && i < room; i++) {
        qb_net_linear(b->judge->fp32, i, &tensor);
        uint32_t covered = qb_variant_covers(&storage, qb_variant_roles(&storage), tensor->name, tensor->roles);
        if (!covered)
            continue;
        struct swap *s = &b->swaps[b->count++];
        *s = (struct swap){.tensor = tensor, .index = (size_t)(tensor - env->model->tensors), .covered = covered};
        s->embedding = i == 0;
        s->stage = tensor->layer < 0 ? env->model->arch.layers : (size_t)tensor->layer;
        if (round_tensor(&storage, s, err))
            return err->status;
    }
    return err->status;
}

enum qb_status bench_open(struct judge *j, struct bench *b, struct qb_error *err)
{
    const struct qb_model *model = j->env->model;
    size_t width = qb_net_width(j->fp32), all = j->text.chunks * j->text.length * width;
    *b = (struct bench){.judge = j, .model = *model};
    b->model.tensors = qb_alloc(model->tensor_count, sizeof *model->tensors, "list of tensors", err);
    b->hidden = qb_alloc(j->positions * model->arch.hidden, sizeof *b->hidden, "hidden states", err);
    b->state = qb_alloc(all, sizeof *b->state, "hidden states", err);
    b->next = qb_alloc(all, sizeof *b->next, "hidden states", err);
    b->inside[0] = qb_alloc(j->text.length * width, sizeof **b->inside, "hidden states", err);
    b->inside[1] = qb_alloc(j->text.length * width, sizeof **b->inside, "hidden states", err);
    if (!b->model.tensors || !b->hidden || !b->state || !b->next || !b->inside[0] || !b->inside[1])
        return err->status;
    memcpy(b->model.tensors, model->tensors, model->tensor_count * sizeof *model->tensors);
    return find_swaps(b, err);
}

void bench_close(struct bench *b)
{
    for (size_t i = 0; i < b->count; i++)
        qb_free(b->swaps[i].rounded);
    qb_free(b->swaps);
    qb_free(b->model.tensors);
    qb_free(b->hidden);
    qb_free(b->state);
    qb_free(b->next);
    qb_free(b->inside[0]);
    qb_free(b->inside[1]);
}

/* ---- running ---- */

void bench_put(struct bench *b, const struct swap *s, bool rounded)
{
    struct qb_tensor *tensor = &b->model.tensors[s->index];
    *tensor = *s->tensor;
    if (rounded)
        bench_put_floats(b, s, s->rounded);
}

void bench_put_floats(struct bench *b, const struct swap *s, const float *values)
{
    struct qb_tensor *tensor = &b->model.tensors[s->index];
    tensor->format = NULL;
    tensor->bytes = values;
    tensor->size = tensor->rows * tensor->cols * sizeof *values;
    tensor->mapped = false;
}

static enum qb_status net_of(struct bench *b, struct qb_net **net, struct qb_error *err)
{
    return qb_net_create(&b->model, NULL, b->judge->env->pool, net, err);
}

/* Final hidden states of the compared positions of a chunk from its states before layer `stage`. */
static enum qb_status finish_chunk(struct bench *b, struct qb_net *net, size_t chunk, size_t stage, const float *state,
                                   struct qb_error *err)
{
    const struct qb_forced *text = &b->judge->text;
    size_t layers = qb_net_layers(net), width = b->model.arch.hidden, kept = text->compared * width;
    size_t in = stage < layers ? qb_net_layer_width(net, stage, 0) : width;
    float *x = b->inside[0], *y = b->inside[1];
    memcpy(x, state, text->length * in * sizeof *x);
    for (size_t l = stage; l < layers; l++) {
        if (qb_net_block(net, l, x, 1, text->length, y, err))
            return err->status;
        float *swap = x;
        x = y;
        y = swap;
    }
    if (qb_net_finish(net, x, text->length, err))
        return qb_wrap(err, "chunk %zu", chunk);
    memcpy(b->hidden + chunk * kept, x + text->length * width - kept, kept * sizeof *x);
    return QB_OK;
}

/* KL of the model at hand over the first `chunks` chunks, from b->state, the states before layer `stage`. */
static enum qb_status kl_from(struct bench *b, size_t chunks, size_t stage, double *kl, struct qb_error *err)
{
    struct qb_net *net = NULL;
    size_t length = b->judge->text.length;
    if (net_of(b, &net, err))
        return err->status;
    size_t layers = qb_net_layers(net), in = stage < layers ? qb_net_layer_width(net, stage, 0) : b->model.arch.hidden;
    for (size_t c = 0; c < chunks && !err->status; c++)
        finish_chunk(b, net, c, stage, b->state + c * length * in, err);
    if (!err->status)
        judge_kl(b->judge, net, b->hidden, chunks * b->judge->text.compared, kl, NULL, err);
    qb_net_free(net);
    return err->status;
}

static enum qb_status embed(struct bench *b, size_t chunks, struct qb_error *err)
{
    const struct qb_forced *text = &b->judge->text;
    struct qb_net *net = NULL;
    if (!net_of(b, &net, err))
        qb_net_embed(net, text->tokens, chunks, text->length, b->state, err);
    qb_net_free(net);
    return err->status;
}

/* The states before layer `layer` become those behind it. */
static enum qb_status advance(struct bench *b, struct qb_net *net, size_t chunks, size_t layer, struct qb_error *err)
{
    size_t length = b->judge->text.length;
    size_t in = length * qb_net_layer_width(net, layer, 0), out = length * qb_net_layer_width(net, layer, 1);
    for (size_t c = 0; c < chunks; c++)
        if (qb_net_block(net, layer, b->state + c * in, 1, length, b->next + c * out, err))
            return err->status;
    float *swap = b->state;
    b->state = b->next;
    b->next = swap;
    return QB_OK;
}

enum qb_status bench_kl(struct bench *b, double *kl, struct qb_error *err)
{
    size_t chunks = b->judge->text.chunks;
    return embed(b, chunks, err) ? err->status : kl_from(b, chunks, 0, kl, err);
}

/* Tries the wanted tensors of a stage on top of those already rounded: kl + t * positions is tensor t's. */
static enum qb_status try_stage(struct bench *b, size_t chunks, size_t stage, bool embedding, double *kl,
                                struct qb_error *err)
{
    for (size_t t = 0; t < b->count && !err->status; t++) {
        const struct swap *s = &b->swaps[t];
        if (!b->use[t] || s->embedding != embedding || (!embedding && s->stage != stage))
            continue;
        bench_put(b, s, true);
        if (!embedding || !embed(b, chunks, err))
            kl_from(b, chunks, embedding ? 0 : stage, kl + t * chunks * b->judge->text.compared, err);
        bench_put(b, s, false);
    }
    return err->status;
}

/* The last stage that a wanted tensor belongs to. */
static size_t last_stage(const struct bench *b)
{
    size_t last = 0;
    for (size_t t = 0; t < b->count; t++)
        if (b->use[t] && !b->swaps[t].embedding && b->swaps[t].stage > last)
            last = b->swaps[t].stage;
    return last;
}

enum qb_status bench_try(struct bench *b, size_t chunks, double *kl, struct qb_error *err)
{
    struct qb_net *base = NULL;
    size_t last = last_stage(b);
    for (size_t t = 0; t < b->count; t++)
        bench_put(b, &b->swaps[t], b->taken[t]);
    if (net_of(b, &base, err) || try_stage(b, chunks, 0, true, kl, err) || embed(b, chunks, err))
        goto out;
    for (size_t stage = 0;; stage++) {
        if (try_stage(b, chunks, stage, false, kl, err) || stage == last || advance(b, base, chunks, stage, err))
            break;
    }
out:
    qb_net_free(base);
    return err->status;
}
