#include "model/net.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "model/effect.h"
#include "model/net_parts.h"

static const float *vector_of(const struct qb_model *model, const char *prefix, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", prefix, suffix);
    const struct qb_tensor *tensor = qb_model_named(model, name);
    return tensor ? tensor->bytes : NULL;
}

static enum qb_status add_linear(struct qb_net *net, uint32_t role, int layer, int *index, struct qb_error *err)
{
    const struct qb_tensor *tensor = qb_model_tensor(net->model, role, layer);
    if (!tensor)
        return qb_fail(err, QB_ERR_INTERNAL, "model %s: no tensor %s in layer %d", net->model->name, qb_role_name(role),
                       layer);
    const struct qb_tensor *bias = qb_model_tensor(net->model, tensor->roles | QB_ROLE_BIAS, layer);
    struct op *op = &net->linears[net->linear_count];
    op->tensor = tensor;
    op->bias = bias ? bias->data : NULL;
    const struct qb_matrix matrix = qb_tensor_matrix(tensor);
    if (qb_linear_create(net->variant, &matrix, op->bias, &op->linear, err) != QB_OK)
        return qb_wrap(err, "model %s, tensor %s", net->model->name, tensor->name);
    qb_linear_share_scratch(op->linear, &net->linear_scratch);
    *index = (int)net->linear_count++;
    return QB_OK;
}

static enum qb_status add_layer(struct qb_net *net, int index, size_t in, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    struct layer *layer = &net->layers[index];
    char prefix[32];
    *layer = (struct layer){.qkv = NO_LINEAR, .out = NO_LINEAR, .up = NO_LINEAR, .down = NO_LINEAR, .in = in};
    if (arch->attention && (add_linear(net, QB_ROLE_ATTN_Q, index, &layer->qkv, err) != QB_OK ||
                            add_linear(net, QB_ROLE_ATTN_O, index, &layer->out, err) != QB_OK))
        return err->status;
    if (add_linear(net, QB_ROLE_MLP_UP, index, &layer->up, err) != QB_OK)
        return err->status;
    if (arch->mlp_down && add_linear(net, QB_ROLE_MLP_DOWN, index, &layer->down, err) != QB_OK)
        return err->status;
    snprintf(prefix, sizeof prefix, "layers.%d.norm1", index);
    layer->norm1_weight = vector_of(net->model, prefix, "weight");
    layer->norm1_bias = vector_of(net->model, prefix, "bias");
    snprintf(prefix, sizeof prefix, "layers.%d.norm2", index);
    layer->norm2_weight = vector_of(net->model, prefix, "weight");
    layer->norm2_bias = vector_of(net->model, prefix, "bias");
    layer->inner = net->linears[layer->up].tensor->rows;
    layer->width_out = arch->mlp_down ? layer->in : layer->inner;
    net->width = layer->width_out > net->width ? layer->width_out : net->width;
    return QB_OK;
}

static enum qb_status build(struct qb_net *net, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    net->linears = qb_alloc(2 + 4 * arch->layers, sizeof *net->linears, "operators", err);
    net->layers = qb_alloc(arch->layers, sizeof *net->layers, "layers", err);
    if (!net->linears || !net->layers)
        return err->status;
    net->width = arch->hidden;
    if (add_linear(net, QB_ROLE_EMBED, -1, &net->head, err) != QB_OK)
        return err->status;
    size_t width = arch->hidden;
    for (size_t i = 0; i < arch->layers; i++) {
        if (add_layer(net, (int)i, width, err) != QB_OK)
            return err->status;
        width = net->layers[i].width_out;
    }
    if (!arch->tied_head && add_linear(net, QB_ROLE_HEAD, -1, &net->head, err) != QB_OK)
        return err->status;
    net->norm_weight = vector_of(net->model, "norm", "weight");
    net->norm_bias = vector_of(net->model, "norm", "bias");
    if (arch->learned_positions)
        net->positions = vector_of(net->model, "pos", "weight");
    return QB_OK;
}

/* A variant that encodes nothing of this model would be FP32 under another name. */
static enum qb_status check_effect(const struct qb_net *net, struct qb_error *err)
{
    struct qb_effect effect = {0};
    if (qb_effect_of(net->model, net->variant, false, &effect, err) == QB_OK && effect.refusal)
        qb_fail(err, QB_ERR_INPUT, "%s", effect.refusal);
    qb_effect_free(&effect);
    return err->status;
}

enum qb_status qb_net_create(const struct qb_model *model, const struct qb_variant *variant,
                             const struct qb_calibration_data *calibration, struct qb_pool *pool, struct qb_net **net,
                             struct qb_error *err)
{
    struct qb_net *new = qb_alloc(1, sizeof *new, "net", err);
    if (!new)
        return err->status;
    new->model = model;
    new->variant = variant;
    new->pool = pool;
    new->calibration.alpha = new->calibration.alpha_raw = 1.0;
    if (check_effect(new, err) == QB_OK && build(new, err) == QB_OK && variant &&
        (variant->calibration.scale || variant->calibration.alpha))
        net_calibrate(new, calibration, err);
    if (err->status != QB_OK) {
        qb_net_free(new);
        return variant ? qb_wrap(err, "variant %s", variant->name) : err->status;
    }
    *net = new;
    return QB_OK;
}

void qb_net_free(struct qb_net *net)
{
    if (!net)
        return;
    for (size_t i = 0; net->linears && i < net->linear_count; i++)
        qb_linear_free(net->linears[i].linear);
    struct qb_scratch *scratch[] = {&net->linear_scratch, &net->scores, &net->normed, &net->qkv,
                                    &net->mixed,          &net->inner,  &net->back,   &net->last};
    for (size_t i = 0; i < sizeof scratch / sizeof *scratch; i++)
        qb_scratch_free(scratch[i]);
    qb_free(net->linears);
    qb_free(net->layers);
    qb_free(net);
}

void qb_net_use_pool(struct qb_net *net, struct qb_pool *pool)
{
    net->pool = pool;
}

const struct qb_model *qb_net_model(const struct qb_net *net)
{
    return net->model;
}

const struct qb_net_calibration *qb_net_calibration(const struct qb_net *net)
{
    return &net->calibration;
}

size_t qb_net_width(const struct qb_net *net)
{
    return net->width;
}

size_t qb_net_layers(const struct qb_net *net)
{
    return net->model->arch.layers;
}

size_t qb_net_layer_width(const struct qb_net *net, size_t layer, int output)
{
    return output ? net->layers[layer].width_out : net->layers[layer].in;
}

struct qb_linear *qb_net_linear(struct qb_net *net, size_t index, const struct qb_tensor **tensor)
{
    if (index >= net->linear_count)
        return NULL;
    if (tensor)
        *tensor = net->linears[index].tensor;
    return net->linears[index].linear;
}

/* ---- accounting ---- */

struct rows {
    struct qb_net_buffer *rows;
    size_t count, room;
};

static void add_row(struct rows *rows, const struct qb_tensor *tensor, const char *name, struct qb_net_buffer row)
{
    row.tensor = name;
    row.layer = tensor->layer;
    if (rows->count < rows->room)
        rows->rows[rows->count] = row;
    rows->count++;
}

size_t qb_net_buffers(const struct qb_net *net, struct qb_net_buffer *buffers, size_t room)
{
    struct rows rows = {buffers, 0, room};
    for (size_t i = 0; i < net->linear_count; i++) {
        const struct op *op = &net->linears[i];
        for (size_t s = 0; s < qb_linear_segments(op->linear); s++) {
            struct qb_segment_info info = qb_linear_segment(op->linear, s);
            add_row(&rows, op->tensor, op->tensor->name,
                    (struct qb_net_buffer){.roles = info.roles,
                                           .store = info.store,
                                           .values = info.rows * op->tensor->cols,
                                           .bytes = info.logical_bytes,
                                           .cache_bytes = info.cache_bytes});
        }
        if (qb_linear_scale(op->linear))
            add_row(&rows, op->tensor, "calibration.scale",
                    (struct qb_net_buffer){.roles = op->tensor->roles | QB_ROLE_BIAS,
                                           .store = "fp32",
                                           .bytes = op->tensor->rows * sizeof(float)});
    }
    const uint32_t vectors = QB_ROLE_BIAS | QB_ROLE_NORM | QB_ROLE_POSITION;
    for (size_t i = 0; i < net->model->tensor_count; i++) {
        const struct qb_tensor *tensor = &net->model->tensors[i];
        size_t values = tensor->rows * tensor->cols;
        if (tensor->roles & vectors)
            add_row(&rows, tensor, tensor->name,
                    (struct qb_net_buffer){
                        .roles = tensor->roles, .store = "fp32", .values = values, .bytes = values * sizeof(float)});
    }
    return rows.count;
}
