/* Working memory of a net: what there is, and what a step of given shape needs of it, computed by the sizes that step.c
 * and layer.c ask for (tests/unit/test_working.c holds the two together). */
#include "base/mem.h"
#include "model/net_parts.h"

enum { SCRATCHES = 14 };

static void list_scratch(struct qb_net *net, struct qb_scratch *list[SCRATCHES])
{
    struct qb_scratch *all[SCRATCHES] = {&net->linear_scratch, &net->scores, &net->state, &net->other,  &net->position,
                                         &net->normed,         &net->kept,   &net->query, &net->qkv,    &net->mixed,
                                         &net->inner,          &net->back,   &net->gated, &net->at_rest};
    for (size_t i = 0; i < SCRATCHES; i++)
        list[i] = all[i];
}

size_t qb_net_working_bytes(const struct qb_net *net, const struct qb_kv *kv)
{
    struct qb_scratch *list[SCRATCHES];
    size_t bytes = qb_size_of(net->angles[0].values) + qb_size_of(net->angles[1].values);
    list_scratch((struct qb_net *)(uintptr_t)net, list);
    for (size_t i = 0; i < SCRATCHES; i++)
        bytes += qb_size_of(list[i]->data);
    if (net->passing)
        bytes += qb_kv_bytes(net->passing) + qb_kv_working_bytes(net->passing);
    return bytes + (kv ? qb_kv_working_bytes(kv) : 0);
}

void qb_net_drop_working(struct qb_net *net)
{
    struct qb_scratch *list[SCRATCHES];
    list_scratch(net, list);
    for (size_t i = 0; i < SCRATCHES; i++)
        qb_scratch_free(list[i]);
    qb_kv_free(net->passing);
    net->passing = NULL;
    qb_angle_table_free(&net->angles[0]);
    qb_angle_table_free(&net->angles[1]);
}

/* ---- what a step needs ---- */

/* The room of each, in floats, as the step's requests make it one after the other. */
struct needs {
    size_t linear, scores, state, other, position, normed, qkv, mixed, inner, back, gated, at_rest;
};

static void ask(size_t *room, size_t floats)
{
    if (floats > *room || *room == 0)
        *room = qb_scratch_room(floats);
}

/* The products of parts[count] on `rows` inputs; *outputs gets their numbers of output channels. */
static enum qb_status need_products(const struct qb_net *net, const struct part *parts, size_t count, size_t rows,
                                    struct needs *needs, size_t *outputs, struct qb_error *err)
{
    const unsigned threads = qb_pool_threads(net->pool);
    *outputs = 0;
    for (size_t i = 0; i < count;) {
        struct part product;
        size_t floats = 0;
        i += net_product(parts + i, count - i, &product);
        *outputs += product.rows;
        if (qb_linear_scratch(net->linears[product.linear].linear, threads, rows, product.row, product.rows, &floats,
                              err))
            return err->status;
        ask(&needs->linear, floats);
    }
    return QB_OK;
}

static enum qb_status need_attention(const struct qb_net *net, const struct layer *layer, size_t rows, size_t keys,
                                     bool tiled, struct needs *needs, struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    const struct qb_tiles tiles = {.block = 1};
    const struct qb_attention attention = {.tiles = tiled ? &tiles : NULL,
                                           .batch = rows,
                                           .queries = 1,
                                           .keys = keys,
                                           .heads = arch->heads,
                                           .head_dim = qb_arch_head_dim(arch),
                                           .kv_heads = qb_arch_kv_heads(arch),
                                           .causal = true};
    size_t outputs, back;
    if (need_products(net, layer->attention, SIDES, rows, needs, &outputs, err) ||
        need_products(net, &layer->out, 1, rows, needs, &back, err))
        return err->status;
    ask(&needs->qkv, rows * outputs);
    ask(&needs->mixed, rows * layer->attention[QUERY].rows);
    ask(&needs->back, rows * layer->in);
    ask(&needs->scores, qb_attention_scratch(&attention, qb_pool_threads(net->pool)));
    return QB_OK;
}

static enum qb_status need_mlp(const struct qb_net *net, const struct layer *layer, size_t rows, struct needs *needs,
                               struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    size_t outputs, back;
    if (need_products(net, layer->mlp + (arch->gated ? GATE : UP), arch->gated ? MLP_SIDES : 1, rows, needs, &outputs,
                      err))
        return err->status;
    if (arch->gated)
        ask(&needs->gated, rows * outputs);
    if (!arch->mlp_down)
        return QB_OK;
    ask(&needs->inner, rows * layer->mlp[UP].rows);
    ask(&needs->back, rows * layer->in);
    return need_products(net, &layer->down, 1, rows, needs, &back, err);
}

/* Bytes of the tables of angles that reach so many positions at once. */
static size_t need_angles(const struct qb_net *net, size_t positions)
{
    const struct qb_arch *arch = &net->model->arch;
    size_t bytes = 0;
    for (size_t r = 0; arch->attention && r < 2; r++) {
        bool used = false;
        for (size_t i = 0; i < arch->layers; i++)
            used = used || net->layers[i].rope == r;
        if (used)
            bytes += 2 * (arch->rope[r].dims / 2) * positions * sizeof(float);
    }
    return bytes;
}

enum qb_status qb_net_working_need(const struct qb_net *net, size_t batch, size_t past, size_t *bytes,
                                   struct qb_error *err)
{
    const struct qb_arch *arch = &net->model->arch;
    const struct qb_kv_options *options = qb_net_kv_options(net);
    struct qb_kv_shape shape;
    size_t windows[QB_LAYERS_MAX], outputs;
    struct needs needs = {0};
    ask(&needs.state, batch * net->width);
    if (!arch->mlp_down)
        ask(&needs.other, batch * net->width);
    net_kv_shape(net, batch, past + 1, 1, &shape, windows);
    if (net->positions)
        ask(&needs.position, arch->hidden);
    if (net->act && arch->layers > 1)
        ask(&needs.at_rest, (batch * net->act_bytes + sizeof(float) - 1) / sizeof(float));
    for (size_t i = 0; i < arch->layers; i++) {
        const struct layer *layer = &net->layers[i];
        if ((arch->attention && layer->norms[QB_NORM_BEFORE_ATTENTION].weight) ||
            layer->norms[QB_NORM_BEFORE_MLP].weight)
            ask(&needs.normed, batch * layer->in);
        if ((arch->attention &&
             need_attention(net, layer, batch, past + 1, qb_kv_tiled(&shape, options), &needs, err)) ||
            need_mlp(net, layer, batch, &needs, err))
            return err->status;
    }
    if (need_products(net, &net->head, 1, batch, &needs, &outputs, err))
        return err->status;
    const size_t each[] = {needs.linear, needs.scores, needs.state, needs.other, needs.position, needs.normed,
                           needs.qkv,    needs.mixed,  needs.inner, needs.back,  needs.gated,    needs.at_rest};
    *bytes = need_angles(net, past + 1);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++)
        *bytes += each[i] * sizeof(float);
    if (arch->attention)
        *bytes += qb_kv_working_need(&shape, options, past + 1);
    return QB_OK;
}

enum qb_status qb_net_kv_need(const struct qb_net *net, size_t batch, size_t capacity, size_t step, size_t *bytes,
                              struct qb_error *err)
{
    size_t windows[QB_LAYERS_MAX];
    struct qb_kv_shape shape;
    net_kv_shape(net, batch, capacity, step, &shape, windows);
    return qb_kv_need(&shape, qb_net_kv_options(net), bytes, err);
}
