/* One layer of the forward pass: attention and mlp, as the options of the architecture say. */
#include <string.h>
#include "compute/hadamard.h"
#include "compute/kernels.h"
#include "compute/rope.h"
#include "compute/rowwise.h"
#include "model/net_parts.h"

enum qb_status net_apply_each(struct qb_net *net, struct part part, const float *x, size_t n, size_t each, bool again,
                              float *y, size_t ld, struct qb_error *err)
{
    const struct op *op = &net->linears[part.linear];
    if (net->observe && net->observe(net->observer, part.linear, x, n, err))
        return err->status;
    if (qb_linear_apply_each(op->linear, net->pool, x, n, each, again, part.row, part.rows, y, ld, true, err))
        return qb_wrap(err, "tensor %s", op->tensor->name);
    return QB_OK;
}

/* y[batch * n, part.rows] of x[batch * n, cols], where n positions of each sequence of the step are wanted; again as
 * qb_linear_apply_each has it. */
static enum qb_status apply(struct qb_net *net, struct part part, const struct qb_step *step, size_t n, bool again,
                            const float *x, float *y, size_t ld, struct qb_error *err)
{
    return net_apply_each(net, part, x, step->batch * n, step->apart ? n : 0, again, y, ld, err);
}

/* The kept positions' rows of x[batch * n, width] -> out[batch * kept, width], which may be x. */
static void keep_last(const struct qb_step *step, const float *x, size_t width, float *out)
{
    for (size_t s = 0; s < step->batch; s++)
        memmove(out + s * step->kept * width, x + ((s + 1) * step->n - step->kept) * width,
                step->kept * width * sizeof *out);
}

void net_norm(struct qb_net *net, const struct norm *norm, enum qb_norm kind, const float *x, size_t n, size_t width,
              float *out)
{
    const struct qb_arch *arch = &net->model->arch;
    if (kind == QB_NORM_RMS)
        qb_rmsnorm(net->pool, x, n, width, 1, width, norm->weight, arch->norm_plus_one ? 1.0f : 0.0f, arch->norm_eps,
                   out);
    else
        qb_layernorm(net->pool, x, n, width, norm->weight, norm->bias, arch->norm_eps, out);
}

/* norm(x), or x itself where there is none; NULL on failure. */
static const float *normed(struct qb_net *net, const struct norm *norm, const float *x, size_t n, size_t width,
                           struct qb_error *err)
{
    if (!norm->weight)
        return x;
    float *out = qb_scratch_get(&net->normed, n * width, err);
    if (out)
        net_norm(net, norm, net->model->arch.block_norm, x, n, width, out);
    return out;
}

/* What a half of a layer gives, back[n, in], through the norm behind it and into h[n, in]. */
static void add_back(struct qb_net *net, const struct norm *norm, float *back, size_t n, size_t in, float *h)
{
    if (norm->weight)
        net_norm(net, norm, net->model->arch.block_norm, back, n, in, back);
    if (net->model->arch.residual)
        qb_add(net->pool, h, back, n, in);
    else
        memcpy(h, back, n * in * sizeof *h);
}

size_t net_product(const struct part *parts, size_t count, struct part *product)
{
    size_t i = 0;
    *product = (struct part){parts[0].linear, parts[0].row, 0};
    while (i < count && parts[i].linear == product->linear && parts[i].row == product->row + product->rows)
        product->rows += parts[i++].rows;
    return i;
}

/* The outputs of `count` parts on x[batch * n, cols], side by side in scratch; heads[i] says where part i's are.
 * Neighbouring row blocks of one operator are one product. */
static enum qb_status project(struct qb_net *net, const struct part *parts, size_t count, const struct qb_step *step,
                              size_t n, const float *x, struct qb_scratch *scratch, struct qb_heads *heads,
                              struct qb_error *err)
{
    const size_t batch = step->batch;
    size_t width = 0;
    for (size_t i = 0; i < count; i++)
        width += parts[i].rows;
    float *y = qb_scratch_get(scratch, batch * n * width, err);
    if (!y)
        return err->status;
    for (size_t i = 0; i < count;) {
        struct part product;
        float *to = y;
        const bool again = i > 0;
        const size_t end = i + net_product(parts + i, count - i, &product);
        for (; i < end; i++) {
            heads[i] = (struct qb_heads){y, width, n * width};
            y += parts[i].rows;
        }
        if (apply(net, product, step, n, again, x, to, width, err))
            return err->status;
    }
    return QB_OK;
}

/* Queries of the kept positions, keys and values of all. */
static enum qb_status project_sides(struct qb_net *net, const struct layer *layer, const struct qb_step *step,
                                    const float *x, struct qb_heads side[SIDES], struct qb_error *err)
{
    const struct part *parts = layer->attention;
    if (step->kept == step->n)
        return project(net, parts, SIDES, step, step->n, x, &net->qkv, side, err);
    float *kept = qb_scratch_get(&net->kept, step->batch * step->kept * layer->in, err);
    if (!kept)
        return err->status;
    keep_last(step, x, layer->in, kept);
    if (project(net, parts, 1, step, step->kept, kept, &net->query, side, err) ||
        project(net, parts + KEY, 2, step, step->n, x, &net->qkv, side + KEY, err))
        return err->status;
    return QB_OK;
}

/* Norms and turns, in scratch, the heads of one side of n positions of each sequence, the first at position `first`.
 * angles NULL: of no rotary positions. */
static void prepare_heads(struct qb_net *net, const struct norm *norm, const struct qb_angles *angles,
                          struct qb_heads side, size_t batch, size_t n, size_t heads)
{
    const struct qb_arch *arch = &net->model->arch;
    float *x = (float *)(uintptr_t)side.data;
    if (norm->weight)
        qb_rmsnorm(net->pool, x, batch * n, side.stride, heads, qb_arch_head_dim(arch), norm->weight,
                   arch->norm_plus_one ? 1.0f : 0.0f, arch->norm_eps, x);
    if (angles)
        qb_rotate(net->pool, angles, x, batch, n, side.stride, heads, qb_arch_head_dim(arch));
}

/* Queries and keys as their scores take them. */
static enum qb_status prepare_sides(struct qb_net *net, const struct layer *layer, const struct qb_kv *kv,
                                    const struct qb_step *step, struct qb_heads side[SIDES], struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    const struct qb_rope *rope = &arch->rope[layer->rope];
    struct qb_angle_table *table = &net->angles[layer->rope];
    const size_t past = kv ? kv->length : 0;
    struct qb_angles angles[2];
    bool turned = rope->dims > 0;
    if (turned) {
        size_t longest = kv ? kv->capacity : step->n;
        bool beyond = rope->scaling == QB_ROPE_LONGROPE && longest > rope->original_context;
        if (qb_angle_table_reach(table, rope, beyond, past + step->n, err))
            return err->status;
        angles[QUERY] = qb_angle_table_from(table, rope, past + step->n - step->kept);
        angles[KEY] = qb_angle_table_from(table, rope, past);
    }
    prepare_heads(net, &layer->norms[QB_NORM_OF_QUERY], turned ? &angles[QUERY] : NULL, side[QUERY], step->batch,
                  step->kept, arch->heads);
    prepare_heads(net, &layer->norms[QB_NORM_OF_KEY], turned ? &angles[KEY] : NULL, side[KEY], step->batch, step->n,
                  qb_arch_kv_heads(arch));
    return QB_OK;
}

/* Rotates the heads of n rows of queries, or of what attention gives for them, in place. */
static void rotate_heads(struct qb_net *net, struct qb_heads side, size_t n)
{
    const struct qb_arch *arch = &net->model->arch;
    for (size_t i = 0; i < n; i++)
        qb_hadamard((float *)(uintptr_t)side.data + i * side.stride, arch->heads, qb_arch_head_dim(arch));
}

/* A kv for the layer at work of a step that keeps none; NULL on failure. */
static struct qb_kv *passing_kv(struct qb_net *net, const struct qb_step *step, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    const struct qb_kv_shape shape = {.layers = 1,
                                      .batch = step->batch,
                                      .capacity = step->n,
                                      .heads = qb_arch_kv_heads(arch),
                                      .head_dim = qb_arch_head_dim(arch)};
    if (net->passing && net->passing->batch == shape.batch && net->passing->capacity == shape.capacity)
        return net->passing;
    qb_kv_free(net->passing);
    net->passing = NULL;
    (void)qb_kv_create(&shape, &net->kv, &net->passing, err);
    return net->passing;
}

/* What attention reads of the layer, the step's own keys and values among it. *rotated: these are. */
static enum qb_status keep_sides(struct qb_net *net, struct qb_kv *kv, size_t index, const struct qb_step *step,
                                 const struct qb_heads side[SIDES], struct qb_kv_view *view, bool *rotated,
                                 struct qb_error *err)
{
    const bool passing = !kv && net->kv.block > 0;
    *view = (struct qb_kv_view){.k = side[KEY], .v = side[VALUE]};
    *rotated = false;
    if (!kv && !passing)
        return QB_OK;
    if (passing && !(kv = passing_kv(net, step, err)))
        return err->status;
    if (qb_kv_append(kv, passing ? 0 : index, step->n, side[KEY], side[VALUE], err))
        return qb_wrap(err, "layer %zu", index);
    qb_kv_view(kv, passing ? 0 : index, view);
    *rotated = kv->options.rotate;
    return QB_OK;
}

/* Queries of the kept positions, keys and values of all, and what attention makes of them: mixed[batch * kept, ...]. */
static enum qb_status attend(struct qb_net *net, struct qb_kv *kv, size_t index, const struct qb_step *step,
                             const float *x, float *mixed, struct qb_error *err)
{
    const struct layer *layer = &net->layers[index];
    const struct qb_arch *arch = &net->model->arch;
    const size_t width = layer->attention[QUERY].rows;
    struct qb_heads side[SIDES];
    struct qb_kv_view view;
    bool rotate;
    if (project_sides(net, layer, step, x, side, err) || prepare_sides(net, layer, kv, step, side, err) ||
        keep_sides(net, kv, index, step, side, &view, &rotate, err))
        return err->status;
    if (rotate)
        rotate_heads(net, side[QUERY], step->batch * step->kept);
    struct qb_attention attention = {.q = side[QUERY],
                                     .k = view.k,
                                     .v = view.v,
                                     .tiles = view.tiled ? &view.tiles : NULL,
                                     .fresh = view.fresh,
                                     .out = mixed,
                                     .out_stride = width,
                                     .out_batch_stride = step->kept * width,
                                     .batch = step->batch,
                                     .queries = step->kept,
                                     .keys = (kv ? kv->length : 0) + step->n,
                                     .heads = arch->heads,
                                     .head_dim = qb_arch_head_dim(arch),
                                     .kv_heads = qb_arch_kv_heads(arch),
                                     .scale = arch->attention_scale,
                                     .softcap = arch->attention_softcap,
                                     .window = layer->window,
                                     .key_bias = step->key_bias,
                                     .causal = arch->causal};
    if (qb_attention(net->pool, &attention, &net->scores, err))
        return qb_wrap(err, "layer %zu", index);
    if (rotate)
        rotate_heads(net, (struct qb_heads){mixed, width, 0}, step->batch * step->kept);
    return QB_OK;
}

/* Norm, attention, output projection and its residual: h[batch * n, in] -> h[batch * kept, in]. */
static enum qb_status attention_half(struct qb_net *net, struct qb_kv *kv, size_t index, const struct qb_step *step,
                                     float *h, struct qb_error *err)
{
    const struct layer *layer = &net->layers[index];
    size_t kept = step->batch * step->kept, in = layer->in;
    const float *x = normed(net, &layer->norms[QB_NORM_BEFORE_ATTENTION], h, step->batch * step->n, in, err);
    float *mixed = x ? qb_scratch_get(&net->mixed, kept * layer->attention[QUERY].rows, err) : NULL;
    float *back = mixed ? qb_scratch_get(&net->back, kept * in, err) : NULL;
    if (!back || attend(net, kv, index, step, x, mixed, err) ||
        apply(net, layer->out, step, step->kept, false, mixed, back, in, err))
        return err->status;
    keep_last(step, h, in, h);
    add_back(net, &layer->norms[QB_NORM_AFTER_ATTENTION], back, kept, in, h);
    return QB_OK;
}

static qb_activation_row *activation_of(const struct qb_arch *arch)
{
    const struct qb_kernels *kernels = qb_kernels();
    switch (arch->activation) {
    case QB_ACT_RELU:
        return kernels->relu;
    case QB_ACT_GELU:
        return kernels->gelu;
    case QB_ACT_GELU_TANH:
        return kernels->gelu_tanh;
    default:
        return kernels->silu;
    }
}

/* What the mlp makes of the kept positions, x[batch * kept, in], before it leads back: inner[batch * kept, width]. */
static enum qb_status mlp_inner(struct qb_net *net, const struct layer *layer, const struct qb_step *step,
                                const float *x, float *inner, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    const size_t width = layer->mlp[UP].rows, n = step->batch * step->kept;
    struct qb_heads side[MLP_SIDES];
    if (!arch->gated) {
        if (!apply(net, layer->mlp[UP], step, step->kept, false, x, inner, width, err))
            qb_activate(net->pool, activation_of(arch), inner, n, width);
    } else if (!project(net, layer->mlp, MLP_SIDES, step, step->kept, x, &net->gated, side, err)) {
        qb_gated(net->pool, activation_of(arch), side[GATE].data, side[UP].data, n, width, side[UP].stride, inner);
    }
    return err->status;
}

/* Norm, mlp and its residual: h[batch * kept, in] -> out[batch * kept, width_out]. */
static enum qb_status mlp_half(struct qb_net *net, const struct layer *layer, const struct qb_step *step, float *h,
                               float *out, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    size_t in = layer->in, n = step->batch * step->kept;
    const float *x = normed(net, &layer->norms[QB_NORM_BEFORE_MLP], h, n, in, err);
    float *inner = x && arch->mlp_down ? qb_scratch_get(&net->inner, n * layer->mlp[UP].rows, err) : out;
    if (!x || !inner || mlp_inner(net, layer, step, x, inner, err))
        return err->status;
    if (!arch->mlp_down)
        return QB_OK;
    float *back = qb_scratch_get(&net->back, n * in, err);
    if (!back || apply(net, layer->down, step, step->kept, false, inner, back, in, err))
        return err->status;
    add_back(net, &layer->norms[QB_NORM_AFTER_MLP], back, n, in, h);
    if (out != h)
        memcpy(out, h, n * in * sizeof *out);
    return QB_OK;
}

enum qb_status net_layer(struct qb_net *net, struct qb_kv *kv, size_t index, const struct qb_step *step, float *h,
                         float *out, struct qb_error *err)
{
    if (net->model->arch.attention && attention_half(net, kv, index, step, h, err))
        return err->status;
    return mlp_half(net, &net->layers[index], step, h, out, err);
}
