/* The forward pass. Every model, variant and use takes the same way through this file; what differs between variants
 * is inside qb_linear_apply_rows. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "compute/rowwise.h"
#include "model/net_parts.h"

/* y[n, part.rows], rows ld apart, of x[n, cols], with bias. */
static enum qb_status apply(struct qb_net *net, struct part part, const float *x, size_t n, float *y, size_t ld,
                            struct qb_error *err)
{
    const struct op *op = &net->linears[part.linear];
    if (net->observe && net->observe(net->observer, part.linear, x, n, err))
        return err->status;
    if (qb_linear_apply_rows(op->linear, net->pool, x, n, part.row, part.rows, y, ld, true, err))
        return qb_wrap(err, "tensor %s", op->tensor->name);
    return QB_OK;
}

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

/* Embeddings of the positions from `first` on of each sequence of the step, the step's first being position `past`. */
static enum qb_status embed(struct qb_net *net, const struct qb_step *step, size_t first, size_t past, float *x,
                            struct qb_error *err)
{
    const struct op *op = &net->linears[net->embed.linear];
    for (size_t s = 0; s < step->batch; s++)
        for (size_t i = first; i < step->n; i++, x += net->model->arch.hidden) {
            if (qb_linear_rows(op->linear, (size_t)step->tokens[s * step->n + i], 1, x, err))
                return qb_wrap(err, "tensor %s", op->tensor->name);
            if (net->positions && add_position(net, past + i, x, err))
                return err->status;
        }
    return QB_OK;
}

/* ---- a layer ---- */

/* The kept positions' rows of x[batch * n, width] -> out[batch * kept, width], which may be x. */
static void keep_last(const struct qb_step *step, const float *x, size_t width, float *out)
{
    for (size_t s = 0; s < step->batch; s++)
        memmove(out + s * step->kept * width, x + ((s + 1) * step->n - step->kept) * width,
                step->kept * width * sizeof *out);
}

/* norm(x), or x itself where there is none; NULL on failure. */
static const float *normed(struct qb_net *net, const struct norm *norm, const float *x, size_t n, size_t width,
                           struct qb_error *err)
{
    if (!norm->weight)
        return x;
    float *out = qb_scratch_get(&net->normed, n * width, err);
    if (out)
        qb_layernorm(net->pool, x, n, width, norm->weight, norm->bias, net->model->arch.norm_eps, out);
    return out;
}

/* The outputs of `count` parts on x[batch * n, cols], side by side in scratch; heads[i] says where part i's are.
 * Neighbouring row blocks of one operator are one product. */
static enum qb_status project(struct qb_net *net, const struct part *parts, size_t count, const float *x, size_t batch,
                              size_t n, struct qb_scratch *scratch, struct qb_heads *heads, struct qb_error *err)
{
    size_t width = 0;
    for (size_t i = 0; i < count; i++)
        width += parts[i].rows;
    float *y = qb_scratch_get(scratch, batch * n * width, err);
    if (!y)
        return err->status;
    for (size_t i = 0; i < count;) {
        struct part product = {parts[i].linear, parts[i].row, 0};
        float *to = y;
        for (; i < count && parts[i].linear == product.linear && parts[i].row == product.row + product.rows; i++) {
            heads[i] = (struct qb_heads){y, width, n * width};
            product.rows += parts[i].rows;
            y += parts[i].rows;
        }
        if (apply(net, product, x, batch * n, to, width, err))
            return err->status;
    }
    return QB_OK;
}

/* Queries of the kept positions, keys and values of all, and what attention makes of them: mixed[batch * kept, ...]. */
static enum qb_status attend(struct qb_net *net, struct qb_kv *kv, size_t index, const struct qb_step *step,
                             const float *x, float *mixed, struct qb_error *err)
{
    const struct layer *layer = &net->layers[index];
    const struct part *parts = layer->attention;
    const size_t width = parts[QUERY].rows, heads = net->model->arch.heads;
    struct qb_heads side[SIDES];
    if (step->kept == step->n) {
        if (project(net, parts, SIDES, x, step->batch, step->n, &net->qkv, side, err))
            return err->status;
    } else {
        float *kept = qb_scratch_get(&net->kept, step->batch * step->kept * layer->in, err);
        if (!kept)
            return err->status;
        keep_last(step, x, layer->in, kept);
        if (project(net, parts, 1, kept, step->batch, step->kept, &net->query, side, err) ||
            project(net, parts + KEY, 2, x, step->batch, step->n, &net->qkv, side + KEY, err))
            return err->status;
    }
    if (kv && qb_kv_append(kv, index, step->n, side[KEY], side[VALUE], err))
        return err->status;
    if (kv)
        qb_kv_view(kv, index, &side[KEY], &side[VALUE]);
    struct qb_attention attention = {.q = side[QUERY],
                                     .k = side[KEY],
                                     .v = side[VALUE],
                                     .out = mixed,
                                     .out_stride = width,
                                     .out_batch_stride = step->kept * width,
                                     .batch = step->batch,
                                     .queries = step->kept,
                                     .keys = (kv ? kv->length : 0) + step->n,
                                     .heads = heads,
                                     .head_dim = width / heads,
                                     .key_bias = step->key_bias,
                                     .causal = net->model->arch.causal};
    return qb_attention(net->pool, &attention, &net->scores, err);
}

/* Norm, attention, output projection and its residual: h[batch * n, in] -> h[batch * kept, in]. */
static enum qb_status attention_half(struct qb_net *net, struct qb_kv *kv, size_t index, const struct qb_step *step,
                                     float *h, struct qb_error *err)
{
    const struct layer *layer = &net->layers[index];
    size_t kept = step->batch * step->kept, in = layer->in;
    const float *x = normed(net, &layer->attention_norm, h, step->batch * step->n, in, err);
    float *mixed = x ? qb_scratch_get(&net->mixed, kept * layer->attention[QUERY].rows, err) : NULL;
    float *back = mixed ? qb_scratch_get(&net->back, kept * in, err) : NULL;
    if (!back || attend(net, kv, index, step, x, mixed, err) || apply(net, layer->out, mixed, kept, back, in, err))
        return err->status;
    keep_last(step, h, in, h);
    if (net->model->arch.residual)
        qb_add(net->pool, h, back, kept, in);
    else
        memcpy(h, back, kept * in * sizeof *h);
    return QB_OK;
}

static void activate(struct qb_net *net, float *x, size_t n, size_t width)
{
    if (net->model->arch.activation == QB_ACT_GELU)
        qb_gelu(net->pool, x, n, width);
    else
        qb_relu(net->pool, x, n, width);
}

/* Norm, mlp and its residual: h[n, in] -> out[n, width_out]. */
static enum qb_status mlp_half(struct qb_net *net, const struct layer *layer, float *h, size_t n, float *out,
                               struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    size_t in = layer->in, inner_width = layer->up.rows;
    const float *x = normed(net, &layer->mlp_norm, h, n, in, err);
    float *inner = x && arch->mlp_down ? qb_scratch_get(&net->inner, n * inner_width, err) : out;
    if (!x || !inner || apply(net, layer->up, x, n, inner, inner_width, err))
        return err->status;
    activate(net, inner, n, inner_width);
    if (!arch->mlp_down)
        return QB_OK;
    float *back = qb_scratch_get(&net->back, n * in, err);
    if (!back || apply(net, layer->down, inner, n, back, in, err))
        return err->status;
    if (arch->residual)
        qb_add(net->pool, h, back, n, in);
    const float *result = arch->residual ? h : back;
    if (out != result)
        memcpy(out, result, n * in * sizeof *out);
    return QB_OK;
}

/* One layer over h[batch * n, in], which it spoils -> out[batch * kept, width_out]. out may be h where the mlp leads
 * back to the layer's width (arch.mlp_down). */
static enum qb_status run_layer(struct qb_net *net, struct qb_kv *kv, size_t index, const struct qb_step *step,
                                float *h, float *out, struct qb_error *err)
{
    if (net->model->arch.attention && attention_half(net, kv, index, step, h, err))
        return err->status;
    return mlp_half(net, &net->layers[index], h, step->batch * step->kept, out, err);
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

enum qb_status qb_net_kv(const struct qb_net *net, size_t batch, size_t capacity, struct qb_kv **kv,
                         struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    if (!arch->attention)
        return qb_kv_create(0, batch, capacity, 0, kv, err);
    if (!arch->causal)
        return qb_fail(err, QB_ERR_INTERNAL, "model %s: its positions see later ones", net->model->name);
    return qb_kv_create(arch->layers, batch, capacity, net->layers[0].attention[KEY].rows, kv, err);
}

enum qb_status qb_net_step(struct qb_net *net, struct qb_kv *kv, const struct qb_step *step, float *hidden,
                           struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    if (check_step(net, kv, step, err))
        return err->status;
    size_t n = arch->attention ? step->n : step->kept, rows = step->batch * n; /* that go through the layers */
    float *h = qb_scratch_get(&net->state, rows * net->width, err);
    float *out = !h || arch->mlp_down ? h : qb_scratch_get(&net->other, rows * net->width, err);
    if (!out || embed(net, step, step->n - n, kv ? kv->length : 0, h, err))
        return err->status;
    struct qb_step layer_step = {.batch = step->batch, .n = n, .kept = n, .key_bias = step->key_bias};
    for (size_t i = 0; i < arch->layers; i++) {
        layer_step.kept = i + 1 == arch->layers ? step->kept : n;
        if (run_layer(net, kv, i, &layer_step, h, out, err))
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
    return run_layer(net, NULL, layer, &(struct qb_step){.batch = batch, .n = length, .kept = length}, h, out, err);
}

enum qb_status qb_net_finish(struct qb_net *net, float *hidden, size_t n, struct qb_error *err)
{
    size_t width = net->model->arch.hidden;
    if (net->norm.weight)
        qb_layernorm(net->pool, hidden, n, width, net->norm.weight, net->norm.bias, net->model->arch.norm_eps, hidden);
    for (size_t i = 0; i < n * width; i++)
        if (!isfinite(hidden[i]))
            return qb_fail(err, QB_ERR_NUMERIC, "model %s: the final hidden state of position %zu is %s",
                           net->model->name, i / width, isnan(hidden[i]) ? "NaN" : "infinite");
    return QB_OK;
}

/* ---- logits ---- */

enum qb_status qb_net_raw_logits(struct qb_net *net, const float *hidden, size_t n, float *logits, struct qb_error *err)
{
    return n == 0 ? QB_OK : apply(net, net->head, hidden, n, logits, net->model->arch.vocab, err);
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
    if (qb_net_raw_logits(net, hidden, n, logits, err))
        return err->status;
    qb_net_scale_logits(net, n, logits);
    return QB_OK;
}
