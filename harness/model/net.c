#include "model/net.h"

#include <string.h>
#include "base/mem.h"
#include "model/effect.h"
#include "model/net_parts.h"

/* A vector as the machine holds it; NULL: the model has none. */
static const float *vector_of(const struct qb_tensor *tensor)
{
    return tensor ? tensor->bytes : NULL;
}

static struct norm norm_of(const struct qb_model *model, enum qb_norm_at at, int layer)
{
    struct norm norm = {NULL, NULL};
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct qb_tensor *tensor = &model->tensors[i];
        if (tensor->norm == at && tensor->layer == layer)
            *(tensor->roles & QB_ROLE_BIAS ? &norm.bias : &norm.weight) = vector_of(tensor);
    }
    return norm;
}

enum qb_status net_operator(struct qb_net *net, const struct qb_tensor *tensor, const struct qb_variant *variant,
                            const struct qb_seen *seen, struct qb_linear **linear, struct qb_error *err)
{
    const struct qb_tensor *bias = qb_model_tensor(net->model, tensor->roles | QB_ROLE_BIAS, tensor->layer);
    const struct qb_matrix matrix = qb_tensor_matrix(tensor);
    if (qb_linear_create_seen(variant, &matrix, vector_of(bias), seen, linear, err))
        return qb_wrap(err, "model %s, tensor %s", net->model->name, tensor->name);
    qb_linear_share_scratch(*linear, &net->linear_scratch);
    return QB_OK;
}

struct making {
    struct qb_net *net;
    struct qb_error *errors; /* one an operator: the first in their order counts, whichever comes first in time */
};

static void make_operator(void *context, size_t i, unsigned worker)
{
    struct making *making = context;
    struct qb_net *net = making->net;
    struct op *op = &net->linears[i];
    (void)worker;
    net_operator(net, op->tensor, net->unencoded ? NULL : net->variant, NULL, &op->linear, &making->errors[i]);
}

/* Of the tensors that are listed, each on one thread: encoding takes most of the time. */
static enum qb_status make_operators(struct qb_net *net, struct qb_error *err)
{
    struct making making = {net, qb_alloc(net->linear_count, sizeof *making.errors, "errors of operators", err)};
    if (!making.errors)
        return err->status;
    qb_pool_run(net->pool, net->linear_count, make_operator, &making);
    for (size_t i = 0; i < net->linear_count && !err->status; i++)
        *err = making.errors[i];
    qb_free(making.errors);
    return err->status;
}

/* The row block of a fused tensor that has this role, or all of a tensor that is no fused one. */
static struct part part_of(const struct qb_tensor *tensor, uint32_t role, size_t linear)
{
    struct part part = {.linear = linear};
    part.rows =
        qb_role_rows(tensor->roles, tensor->rows, tensor->block_rows, qb_role_block(tensor->roles, role), &part.row);
    return part;
}

/* What computes a role: an operator for each tensor, listed when it is first asked for and made later. */
static enum qb_status add_part(struct qb_net *net, uint32_t role, int layer, struct part *part, struct qb_error *err)
{
    const struct qb_tensor *tensor = qb_model_tensor(net->model, role, layer);
    if (!tensor)
        return qb_fail(err, QB_ERR_INTERNAL, "model %s: no tensor %s in layer %d", net->model->name, qb_role_name(role),
                       layer);
    size_t index = 0;
    while (index < net->linear_count && net->linears[index].tensor != tensor)
        index++;
    if (index == net->linear_count)
        net->linears[net->linear_count++].tensor = tensor;
    *part = part_of(tensor, role, index);
    return QB_OK;
}

/* Heads of the options' widths, as many of values as of keys, and no more of a head turned than there is. */
static enum qb_status check_heads(const struct qb_net *net, int index, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    const struct part *parts = net->layers[index].attention;
    const size_t dim = qb_arch_head_dim(arch), kv_heads = qb_arch_kv_heads(arch);
    for (size_t i = 0; i < 2; i++)
        if (arch->rope[i].dims % 2 || arch->rope[i].dims > dim || arch->rope[i].dims > QB_HEAD_DIM_MAX)
            return qb_fail(err, QB_ERR_INPUT, "model %s: rotary positions turn %zu numbers of a head of %zu",
                           net->model->name, arch->rope[i].dims, dim);
    if (arch->heads % kv_heads == 0 && parts[QUERY].rows == arch->heads * dim && parts[KEY].rows == kv_heads * dim &&
        parts[VALUE].rows == kv_heads * dim)
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT,
                   "model %s, layer %d: %zu, %zu and %zu rows of queries, keys and values, expected %zu and %zu heads "
                   "of width %zu",
                   net->model->name, index, parts[QUERY].rows, parts[KEY].rows, parts[VALUE].rows, arch->heads,
                   kv_heads, dim);
}

static enum qb_status add_attention(struct qb_net *net, int index, struct layer *layer, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    bool windowed = index < QB_LAYERS_MAX && arch->windowed[index / 64] >> (index % 64) & 1;
    layer->window = windowed ? arch->window : 0;
    layer->rope = windowed && memcmp(&arch->rope[0], &arch->rope[1], sizeof arch->rope[0]) != 0;
    return add_part(net, QB_ROLE_ATTN_Q, index, &layer->attention[QUERY], err) ||
                   add_part(net, QB_ROLE_ATTN_K, index, &layer->attention[KEY], err) ||
                   add_part(net, QB_ROLE_ATTN_V, index, &layer->attention[VALUE], err) ||
                   add_part(net, QB_ROLE_ATTN_O, index, &layer->out, err)
               ? err->status
               : check_heads(net, index, err);
}

static enum qb_status add_layer(struct qb_net *net, int index, size_t in, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    struct layer *layer = &net->layers[index];
    *layer = (struct layer){.in = in};
    for (int at = QB_NORM_NOWHERE + 1; at < QB_NORM_FINAL; at++)
        layer->norms[at] = norm_of(net->model, (enum qb_norm_at)at, index);
    if ((arch->attention && add_attention(net, index, layer, err)) ||
        (arch->gated && add_part(net, QB_ROLE_MLP_GATE, index, &layer->mlp[GATE], err)) ||
        add_part(net, QB_ROLE_MLP_UP, index, &layer->mlp[UP], err) ||
        (arch->mlp_down && add_part(net, QB_ROLE_MLP_DOWN, index, &layer->down, err)))
        return err->status;
    layer->width_out = arch->mlp_down ? layer->down.rows : layer->mlp[UP].rows;
    net->width = layer->width_out > net->width ? layer->width_out : net->width;
    return QB_OK;
}

static enum qb_status add_positions(struct qb_net *net, struct qb_error *err)
{
    const struct qb_tensor *tensor = qb_model_tensor(net->model, QB_ROLE_POSITION, -1);
    const struct qb_matrix matrix = qb_tensor_matrix(tensor);
    return qb_linear_create(NULL, &matrix, NULL, &net->positions, err);
}

/* Sets how much a position takes between two layers. */
static enum qb_status size_act(struct qb_net *net, struct qb_error *err)
{
    net->act_bytes = 0;
    for (size_t i = 0, size; i + 1 < net->model->arch.layers; i++) {
        size = net->layers[i].width_out * sizeof(float);
        if (net->act && qb_encoded_size(net->act, 1, net->layers[i].width_out, &size, err))
            return qb_wrap(err, "act, layer %zu", i);
        net->act_bytes = size > net->act_bytes ? size : net->act_bytes;
    }
    return QB_OK;
}

static enum qb_status build(struct qb_net *net, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    size_t width = arch->hidden;
    net->width = width;
    net->norm = norm_of(net->model, QB_NORM_FINAL, -1);
    net->linears = qb_alloc(2 + (SIDES + 1 + MLP_SIDES + 1) * arch->layers, sizeof *net->linears, "operators", err);
    net->layers = net->linears ? qb_alloc(arch->layers, sizeof *net->layers, "layers", err) : NULL;
    if (!net->layers || add_part(net, QB_ROLE_EMBED, -1, &net->embed, err))
        return err->status;
    for (size_t i = 0; i < arch->layers; width = net->layers[i++].width_out)
        if (add_layer(net, (int)i, width, err))
            return err->status;
    if (add_part(net, QB_ROLE_HEAD, -1, &net->head, err) || make_operators(net, err) || size_act(net, err))
        return err->status;
    return arch->learned_positions ? add_positions(net, err) : QB_OK;
}

/* A variant that encodes nothing of this model would be FP32 under another name. */
static enum qb_status check_effect(struct qb_net *net, struct qb_error *err)
{
    const struct qb_variant *v = net->variant;
    struct qb_effect effect = {0};
    if (!qb_effect_of(net->model, net->variant, false, &effect, err) && effect.refusal)
        qb_fail(err, QB_ERR_INPUT, "%s", effect.refusal);
    if (effect.kv)
        net->kv =
            (struct qb_kv_options){.format = {v->kv[0].plugin ? &v->kv[0] : NULL, v->kv[1].plugin ? &v->kv[1] : NULL},
                                   .block = v->kv_block,
                                   .rotate = v->kv_rotate,
                                   .tally = &net->kv_tally};
    net->act = effect.act ? &v->act : NULL;
    qb_effect_free(&effect);
    return err->status;
}

enum qb_status qb_net_create(const struct qb_model *model, const struct qb_variant *variant, struct qb_pool *pool,
                             struct qb_net **net, struct qb_error *err)
{
    return net_create(model, variant, false, pool, net, err);
}

enum qb_status net_create(const struct qb_model *model, const struct qb_variant *variant, bool unencoded,
                          struct qb_pool *pool, struct qb_net **net, struct qb_error *err)
{
    struct qb_net *new = qb_alloc(1, sizeof *new, "net", err);
    if (!new)
        return err->status;
    new->model = model;
    new->variant = variant;
    new->unencoded = unencoded;
    new->pool = pool;
    new->calibration.alpha = new->calibration.alpha_raw = 1.0;
    if (check_effect(new, err) || build(new, err)) {
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
    for (size_t i = 0; i < net->linear_count; i++)
        qb_linear_free(net->linears[i].linear);
    qb_linear_free(net->positions);
    qb_net_drop_working(net);
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

void qb_net_set_calibration(struct qb_net *net, const struct qb_net_calibration *calibration)
{
    net->calibration = *calibration;
}

void qb_net_observe(struct qb_net *net, qb_net_observer observe, void *context)
{
    net->observe = observe;
    net->observer = context;
}

size_t qb_net_act_bytes(const struct qb_net *net)
{
    return net->act_bytes;
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

bool qb_net_fused(const struct qb_net *net)
{
    bool fused = false;
    for (size_t i = 0; i < net->linear_count; i++)
        fused = fused || qb_linear_fused(net->linears[i].linear);
    return fused;
}

size_t qb_net_lacks_copies(const struct qb_net *net)
{
    size_t count = 0;
    for (size_t i = 0; i < net->linear_count; i++)
        count += qb_linear_lacks_copies(net->linears[i].linear);
    return count;
}

size_t qb_net_foreign_bytes(const struct qb_net *net)
{
    size_t bytes = 0;
    for (size_t i = 0; i < net->linear_count; i++)
        bytes += qb_linear_foreign_bytes(net->linears[i].linear);
    return bytes;
}

enum qb_status qb_net_hold_fp32(struct qb_net *net, struct qb_error *err)
{
    for (size_t i = 0; i < net->linear_count && !err->status; i++)
        qb_linear_hold_fp32(net->linears[i].linear, net->pool, err);
    return err->status;
}

void qb_net_share_fp32(struct qb_net *net, const struct qb_net *held)
{
    for (size_t i = 0; i < net->linear_count; i++)
        qb_linear_share_fp32(net->linears[i].linear, held->linears[i].linear);
}

bool qb_net_keep_decoded(struct qb_net *net, size_t most)
{
    size_t bytes = 0;
    for (size_t i = 0; i < net->linear_count; i++)
        bytes += qb_linear_decoded_bytes(net->linears[i].linear);
    if (bytes > most || bytes > qb_mem_room() / 2)
        return false;
    for (size_t i = 0; i < net->linear_count; i++)
        qb_linear_keep_decoded(net->linears[i].linear);
    return true;
}

size_t qb_net_head(const struct qb_net *net)
{
    return net->head.linear;
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

static void add_scales(struct rows *rows, const struct qb_tensor *tensor, const char *name, size_t count)
{
    add_row(rows, tensor, name,
            (struct qb_net_buffer){.roles = tensor->roles | QB_ROLE_BIAS,
                                   .store = "fp32",
                                   .bytes = count * sizeof(float),
                                   .held_bytes = count * sizeof(float)});
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
                                           .cache_bytes = info.cache_bytes,
                                           .held_bytes = info.held_bytes});
        }
        double alpha;
        if (qb_linear_scale(op->linear))
            add_scales(&rows, op->tensor, "calibration.scale", op->tensor->rows);
        if (qb_linear_input_scale(op->linear, &alpha))
            add_scales(&rows, op->tensor, "input_scale", op->tensor->cols);
        if (qb_linear_point_bytes(op->linear))
            add_row(&rows, op->tensor, "transport.point",
                    (struct qb_net_buffer){.roles = op->tensor->roles | QB_ROLE_BIAS,
                                           .store = "fp32",
                                           .bytes = qb_linear_point_bytes(op->linear),
                                           .held_bytes = qb_linear_point_bytes(op->linear)});
    }
    const uint32_t vectors = QB_ROLE_BIAS | QB_ROLE_NORM | QB_ROLE_POSITION;
    for (size_t i = 0; i < net->model->tensor_count; i++) {
        const struct qb_tensor *tensor = &net->model->tensors[i];
        size_t values = tensor->rows * tensor->cols;
        if (tensor->roles & vectors)
            add_row(&rows, tensor, tensor->name,
                    (struct qb_net_buffer){.roles = tensor->roles,
                                           .store = "fp32",
                                           .values = values,
                                           .bytes = values * sizeof(float),
                                           .held_bytes = tensor->size});
    }
    return rows.count;
}
