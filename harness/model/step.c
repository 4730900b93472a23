/* The forward pass. Every model, variant and use takes the same way through this file and layer.c; what differs between
 * variants is inside qb_linear_apply_rows. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "compute/rowwise.h"
#include "model/net_parts.h"

/* ---- tokens ---- */

enum qb_status qb_net_check(const struct qb_net *net, const int32_t *tokens, size_t batch, size_t n, size_t past,
                            struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    if (arch->context && past + n > arch->context)
        return qb_fail(err, QB_ERR_INPUT, "model %s: %zu positions, its context is %zu", net->model->name, past + n,
                       arch->context);
    for (size_t i = 0; i < batch * n; i++)
        if (tokens[i] < 0 || (size_t)tokens[i] >= arch->vocab)
            return qb_fail(err, QB_ERR_INPUT, "model %s: token id %d at position %zu, expected 0 to %zu",
                           net->model->name, (int)tokens[i], past + i % n, arch->vocab - 1);
    return QB_OK;
}

/* row[H] += the position's vector. */
static enum qb_status add_position(struct qb_net *net, size_t position, float *row, struct qb_error *err)
{
    size_t width = net->model->arch.hidden;
    float *vector = qb_scratch_get(&net->position, width, err);
    if (!vector || qb_linear_rows(net->positions, position, 1, vector, err))
        return err->status;
    for (size_t i = 0; i < width; i++)
        row[i] += vector[i];
    return QB_OK;
}

static void scale_row(const struct qb_arch *arch, float *row)
{
    for (size_t i = 0; arch->embed_scale != 0 && i < arch->hidden; i++)
        row[i] *= arch->embed_scale;
}

/* Embeddings of the positions from `first` on of each sequence of the step, the step's first being position `past`. */
static enum qb_status embed(struct qb_net *net, const struct qb_step *step, size_t first, size_t past, float *x,
                            struct qb_error *err)
{
    const struct op *op = &net->linears[net->embed.linear];
    for (size_t s = 0; s < step->batch; s++)
        for (size_t i = first; i < step->n; i++, x += net->model->arch.hidden) {
            if (qb_linear_rows(op->linear, (size_t)step->tokens[s * step->n + i], 1, x, err))
                return qb_wrap(err, "tensor %s", op->tensor->name);
            scale_row(&net->model->arch, x);
            if (net->positions && add_position(net, past + i, x, err))
                return err->status;
        }
    return QB_OK;
}

/* ---- between layers ---- */

/* x[batch * n, width] that `layer` made of positions `first` and on of each sequence, as the next layer reads it: kept
 * in the variant's act meanwhile. Each position is encoded by itself, so that it comes out the same whatever the step
 * has besides it. */
static enum qb_status hand_on(struct qb_net *net, size_t layer, size_t batch, size_t n, size_t first, float *x,
                              struct qb_error *err)
{
    const size_t width = net->layers[layer].width_out, rows = batch * n;
    size_t size;
    if (!net->act || layer + 1 == net->model->arch.layers)
        return QB_OK;
    if (qb_encoded_size(net->act, 1, width, &size, err))
        return err->status;
    /* all rows before the first is read back, as at rest; in whole floats */
    unsigned char *bytes = (unsigned char *)qb_scratch_get(&net->at_rest, (rows * size + 3) / sizeof(float), err);
    for (size_t i = 0; bytes && i < rows; i++)
        if (qb_encode(net->act, 1, width, x + i * width, bytes + i * size, size, err)) {
            err->status = err->status == QB_ERR_INPUT ? QB_ERR_NUMERIC : err->status;
            return qb_wrap(err, "behind layer %zu, position %zu", layer, first + i % n);
        }
    for (size_t i = 0; bytes && i < rows; i++)
        if (qb_decode(net->act, 1, width, bytes + i * size, size, 0, 1, x + i * width, err))
            return qb_wrap(err, "behind layer %zu, position %zu", layer, first + i % n);
    return err->status;
}

/* ---- the step ---- */

static enum qb_status check_step(const struct qb_net *net, const struct qb_kv *kv, const struct qb_step *step,
                                 struct qb_error *err)
{
    if (step->batch == 0 || step->kept == 0 || step->kept > step->n || (kv && step->key_bias))
        return qb_fail(err, QB_ERR_INTERNAL, "a step of %zu sequences of %zu positions, of which it keeps %zu",
                       step->batch, step->n, step->kept);
    if (kv && (kv->batch != step->batch || step->n > kv->capacity - kv->length))
        return qb_fail(err, QB_ERR_INTERNAL, "%zu positions of %zu sequences; the KV cache has room for %zu of %zu",
                       step->n, step->batch, kv->capacity - kv->length, kv->batch);
    return qb_net_check(net, step->tokens, step->batch, step->n, kv ? kv->length : 0, err);
}

void net_kv_shape(const struct qb_net *net, size_t batch, size_t capacity, size_t step, struct qb_kv_shape *shape,
                  size_t windows[QB_LAYERS_MAX])
{
    const struct qb_arch *arch = &net->model->arch;
    *shape = (struct qb_kv_shape){.batch = batch, .capacity = capacity, .step = step, .windows = windows};
    if (!arch->attention)
        return;
    shape->layers = arch->layers;
    shape->heads = qb_arch_kv_heads(arch);
    shape->head_dim = qb_arch_head_dim(arch);
    for (size_t i = 0; i < arch->layers; i++)
        windows[i] = net->layers[i].window;
}

enum qb_status qb_net_kv(const struct qb_net *net, size_t batch, size_t capacity, size_t step, struct qb_kv **kv,
                         struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    size_t windows[QB_LAYERS_MAX];
    struct qb_kv_shape shape;
    if (arch->attention && !arch->causal)
        return qb_fail(err, QB_ERR_INTERNAL, "model %s: its positions see later ones", net->model->name);
    net_kv_shape(net, batch, capacity, step, &shape, windows);
    return qb_kv_create(&shape, arch->attention ? qb_net_kv_options(net) : NULL, kv, err);
}

const struct qb_kv_options *qb_net_kv_options(const struct qb_net *net)
{
    return net->kv.block ? &net->kv : NULL;
}

struct qb_kv_tally qb_net_kv_tally(const struct qb_net *net)
{
    return net->kv_tally;
}

enum qb_status qb_net_step(struct qb_net *net, struct qb_kv *kv, const struct qb_step *step, float *hidden,
                           struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    if (check_step(net, kv, step, err))
        return err->status;
    size_t n = arch->attention ? step->n : step->kept, rows = step->batch * n; /* that go through the layers */
    const size_t past = kv ? kv->length : 0;
    float *h = qb_scratch_get(&net->state, rows * net->width, err);
    float *out = !h || arch->mlp_down ? h : qb_scratch_get(&net->other, rows * net->width, err);
    if (!out || embed(net, step, step->n - n, past, h, err))
        return err->status;
    struct qb_step layer_step = {
        .batch = step->batch, .n = n, .kept = n, .key_bias = step->key_bias, .apart = step->apart};
    for (size_t i = 0; i < arch->layers; i++) {
        layer_step.kept = i + 1 == arch->layers ? step->kept : n;
        if (net_layer(net, kv, i, &layer_step, h, out, err) ||
            hand_on(net, i, step->batch, layer_step.kept, past + step->n - n, out, err))
            return err->status;
        float *swap = h;
        h = out;
        out = swap;
    }
    rows = step->batch * step->kept;
    memcpy(hidden, h, rows * arch->hidden * sizeof *hidden);
    if (qb_net_finish(net, hidden, rows, err))
        return err->status;
    if (kv)
        qb_kv_advance(kv, step->n);
    return QB_OK;
}

enum qb_status qb_net_forward(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, float *hidden,
                              struct qb_error *err)
{
    const struct qb_step step = {.tokens = tokens, .batch = batch, .n = length, .kept = length};
    return batch > 0 && length > 0 ? qb_net_step(net, NULL, &step, hidden, err) : QB_OK;
}

/* ---- layer by layer ---- */

enum qb_status qb_net_embed(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, float *x,
                            struct qb_error *err)
{
    const struct qb_step step = {.tokens = tokens, .batch = batch, .n = length};
    return qb_net_check(net, tokens, batch, length, 0, err) || embed(net, &step, 0, 0, x, err) ? err->status : QB_OK;
}

enum qb_status qb_net_block(struct qb_net *net, size_t layer, const float *in, size_t batch, size_t length, float *out,
                            struct qb_error *err)
{
    if (layer >= net->model->arch.layers)
        return qb_fail(err, QB_ERR_INTERNAL, "layer %zu of %zu", layer, net->model->arch.layers);
    if (batch * length == 0)
        return QB_OK;
    size_t size = batch * length * net->layers[layer].in;
    float *h = qb_scratch_get(&net->state, size, err);
    if (!h)
        return err->status;
    memcpy(h, in, size * sizeof *h);
    const struct qb_step step = {.batch = batch, .n = length, .kept = length};
    return net_layer(net, NULL, layer, &step, h, out, err) ? err->status
                                                           : hand_on(net, layer, batch, length, 0, out, err);
}

enum qb_status qb_net_finish(struct qb_net *net, float *hidden, size_t n, struct qb_error *err)
{
    size_t width = net->model->arch.hidden;
    if (net->norm.weight)
        net_norm(net, &net->norm, net->model->arch.final_norm, hidden, n, width, hidden);
    for (size_t i = 0; i < n * width; i++)
        if (!isfinite(hidden[i]))
            return qb_fail(err, QB_ERR_NUMERIC, "model %s: the final hidden state of position %zu is %s",
                           net->model->name, i / width, isnan(hidden[i]) ? "NaN" : "infinite");
    return QB_OK;
}

/* ---- logits ---- */

static enum qb_status raw_logits(struct qb_net *net, const float *hidden, size_t n, size_t each, float *logits,
                                 struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    if (n == 0 || net_apply_each(net, net->head, hidden, n, each, false, logits, arch->vocab, err))
        return err->status;
    if (arch->logit_softcap > 0)
        qb_softcap(net->pool, logits, n, arch->vocab, arch->logit_softcap);
    return QB_OK;
}

enum qb_status qb_net_raw_logits(struct qb_net *net, const float *hidden, size_t n, float *logits, struct qb_error *err)
{
    return raw_logits(net, hidden, n, 0, logits, err);
}

void qb_net_scale_logits(const struct qb_net *net, size_t n, float *logits)
{
    float alpha = (float)net->calibration.alpha;
    for (size_t i = 0; alpha != 1.0f && i < n * net->model->arch.vocab; i++) {
        float scaled = logits[i] * alpha;
        bool mask = isinf(scaled) && scaled < 0 && isfinite(logits[i]); /* of -FLT_MAX: it stays the least there is */
        logits[i] = mask ? -FLT_MAX : scaled;
    }
}

enum qb_status qb_net_logits_each(struct qb_net *net, const float *hidden, size_t n, size_t each, float *logits,
                                  struct qb_error *err)
{
    if (raw_logits(net, hidden, n, each, logits, err))
        return err->status;
    qb_net_scale_logits(net, n, logits);
    return QB_OK;
}

enum qb_status qb_net_logits(struct qb_net *net, const float *hidden, size_t n, float *logits, struct qb_error *err)
{
    return qb_net_logits_each(net, hidden, n, 0, logits, err);
}
