/* The forward pass. Every variant takes the same way through this file; what differs is inside qb_linear_apply. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "compute/rowwise.h"
#include "model/net_parts.h"

enum qb_status net_apply(struct qb_net *net, int linear, const float *x, size_t n, size_t row, size_t count, float *y,
                         struct qb_error *err)
{
    const struct op *op = &net->linears[linear];
    if (net->observe && net->observe(net->observer, (size_t)linear, x, n, err) != QB_OK)
        return err->status;
    if (qb_linear_apply_rows(op->linear, net->pool, x, n, row, count, y, count, true, err) != QB_OK)
        return qb_wrap(err, "tensor %s", op->tensor->name);
    return QB_OK;
}

enum qb_status net_embed_at(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, size_t past,
                            float *x, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    if (arch->context && past + length > arch->context)
        return qb_fail(err, QB_ERR_INPUT, "model %s: %zu positions, its context is %zu", net->model->name,
                       past + length, arch->context);
    for (size_t i = 0; i < batch * length; i++) {
        if (tokens[i] < 0 || (size_t)tokens[i] >= arch->vocab)
            return qb_fail(err, QB_ERR_INPUT, "model %s: token id %d at position %zu, expected 0 to %zu",
                           net->model->name, (int)tokens[i], past + i % length, arch->vocab - 1);
        float *row = x + i * arch->hidden;
        if (qb_linear_rows(net->linears[0].linear, (size_t)tokens[i], 1, row, err) != QB_OK)
            return qb_wrap(err, "tensor %s", net->linears[0].tensor->name);
        if (net->positions) {
            const float *position = net->positions + (past + i % length) * arch->hidden;
            for (size_t j = 0; j < arch->hidden; j++)
                row[j] += position[j];
        }
    }
    return QB_OK;
}

enum qb_status qb_net_embed(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, float *x,
                            struct qb_error *err)
{
    return net_embed_at(net, tokens, batch, length, 0, x, err);
}

static const float *normed(struct qb_net *net, const float *weight, const float *bias, const float *x, size_t n,
                           size_t width, struct qb_error *err)
{
    if (!weight)
        return x;
    float *out = qb_scratch_get(&net->normed, n * width, err);
    if (out)
        qb_layernorm(net->pool, x, n, width, weight, bias, net->model->arch.norm_eps, out);
    return out;
}

const float *net_norm1(struct qb_net *net, const struct layer *layer, const float *x, size_t n, struct qb_error *err)
{
    return normed(net, layer->norm1_weight, layer->norm1_bias, x, n, layer->in, err);
}

static void activate(struct qb_net *net, float *x, size_t n, size_t width)
{
    if (net->model->arch.activation == QB_ACT_GELU)
        qb_gelu(net->pool, x, n, width);
    else
        qb_relu(net->pool, x, n, width);
}

static enum qb_status mlp(struct qb_net *net, const struct layer *layer, float *h, size_t n, float *out,
                          struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    const float *x = normed(net, layer->norm2_weight, layer->norm2_bias, h, n, layer->in, err);
    if (!x)
        return err->status;
    if (!arch->mlp_down) {
        if (net_apply(net, layer->up, x, n, 0, layer->inner, out, err) != QB_OK)
            return err->status;
        activate(net, out, n, layer->inner);
        return QB_OK;
    }
    float *inner = qb_scratch_get(&net->inner, n * layer->inner, err);
    float *back = inner ? qb_scratch_get(&net->back, n * layer->in, err) : NULL;
    if (!back || net_apply(net, layer->up, x, n, 0, layer->inner, inner, err) != QB_OK)
        return err->status;
    activate(net, inner, n, layer->inner);
    if (net_apply(net, layer->down, inner, n, 0, layer->in, back, err) != QB_OK)
        return err->status;
    if (arch->residual)
        qb_add(net->pool, h, back, n, layer->in);
    const float *result = arch->residual ? h : back;
    if (out != result)
        memcpy(out, result, n * layer->in * sizeof *out);
    return QB_OK;
}

enum qb_status net_after_attention(struct qb_net *net, const struct layer *layer, const float *mixed, float *h,
                                   size_t n, float *out, struct qb_error *err)
{
    if (mixed) {
        float *back = qb_scratch_get(&net->back, n * layer->in, err);
        if (!back || net_apply(net, layer->out, mixed, n, 0, layer->in, back, err) != QB_OK)
            return err->status;
        if (net->model->arch.residual)
            qb_add(net->pool, h, back, n, layer->in);
        else
            memcpy(h, back, n * layer->in * sizeof *h);
    }
    return mlp(net, layer, h, n, out, err);
}

enum qb_status net_layer(struct qb_net *net, const struct layer *layer, float *h, size_t batch, size_t length,
                         float *out, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    size_t n = batch * length, width = layer->in;
    if (!arch->attention)
        return net_after_attention(net, layer, NULL, h, n, out, err);
    const float *x = net_norm1(net, layer, h, n, err);
    float *qkv = x ? qb_scratch_get(&net->qkv, n * 3 * width, err) : NULL;
    float *mixed = qkv ? qb_scratch_get(&net->mixed, n * width, err) : NULL;
    if (!mixed || net_apply(net, layer->qkv, x, n, 0, 3 * width, qkv, err) != QB_OK)
        return err->status;
    struct qb_heads q = {qkv, 3 * width, length * 3 * width}, k = q, v = q;
    k.data += width;
    v.data += 2 * width;
    struct qb_attention attention = {.q = q,
                                     .k = k,
                                     .v = v,
                                     .out = mixed,
                                     .out_stride = width,
                                     .out_batch_stride = length * width,
                                     .batch = batch,
                                     .queries = length,
                                     .keys = length,
                                     .heads = arch->heads,
                                     .head_dim = width / arch->heads,
                                     .causal = arch->causal};
    if (qb_attention(net->pool, &attention, &net->scores, err) != QB_OK)
        return err->status;
    return net_after_attention(net, layer, mixed, h, n, out, err);
}

enum qb_status qb_net_block(struct qb_net *net, size_t layer, const float *in, size_t batch, size_t length, float *out,
                            struct qb_error *err)
{
    const struct layer *l = &net->layers[layer];
    if (layer >= net->model->arch.layers)
        return qb_fail(err, QB_ERR_INTERNAL, "layer %zu of %zu", layer, net->model->arch.layers);
    if (batch * length == 0)
        return QB_OK;
    float *h = qb_scratch_get(&net->last, batch * length * l->in, err);
    if (!h)
        return err->status;
    memcpy(h, in, batch * length * l->in * sizeof *h);
    return net_layer(net, l, h, batch, length, out, err);
}

enum qb_status net_finish(struct qb_net *net, float *hidden, size_t n, struct qb_error *err)
{
    size_t width = net->model->arch.hidden;
    if (net->norm_weight)
        qb_layernorm(net->pool, hidden, n, width, net->norm_weight, net->norm_bias, net->model->arch.norm_eps, hidden);
    for (size_t i = 0; i < n * width; i++)
        if (!isfinite(hidden[i]))
            return qb_fail(err, QB_ERR_NUMERIC, "model %s: the final hidden state of position %zu is %s",
                           net->model->name, i / width, isnan(hidden[i]) ? "NaN" : "infinite");
    return QB_OK;
}

/* The layers by turns between two buffers: a chain's widths change from layer to layer. */
enum qb_status qb_net_forward(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length, float *hidden,
                              struct qb_error *err)
{
    size_t n = batch * length;
    if (n == 0)
        return QB_OK;
    float *x[2] = {qb_alloc(n * net->width, sizeof(float), "hidden states", err), NULL};
    if (!x[0] || !(x[1] = qb_alloc(n * net->width, sizeof(float), "hidden states", err)))
        goto out;
    if (net_embed_at(net, tokens, batch, length, 0, x[0], err) != QB_OK)
        goto out;
    size_t at = 0;
    for (size_t i = 0; i < net->model->arch.layers; i++) {
        const struct layer *layer = &net->layers[i];
        size_t to = net->model->arch.residual ? at : 1 - at;
        if (net_layer(net, layer, x[at], batch, length, x[to], err) != QB_OK)
            goto out;
        at = to;
    }
    memcpy(hidden, x[at], n * net->model->arch.hidden * sizeof *hidden);
    net_finish(net, hidden, n, err);
out:
    qb_free(x[0]);
    qb_free(x[1]);
    return err->status;
}

enum qb_status qb_net_finish(struct qb_net *net, float *hidden, size_t n, struct qb_error *err)
{
    return net_finish(net, hidden, n, err);
}

enum qb_status qb_net_raw_logits(struct qb_net *net, const float *hidden, size_t n, float *logits, struct qb_error *err)
{
    return n == 0 ? QB_OK : net_apply(net, net->head, hidden, n, 0, net->model->arch.vocab, logits, err);
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

enum qb_status qb_net_logits(struct qb_net *net, const float *hidden, size_t n, float *logits, struct qb_error *err)
{
    if (qb_net_raw_logits(net, hidden, n, logits, err) == QB_OK)
        qb_net_scale_logits(net, n, logits);
    return err->status;
}
