#include "kv_layers.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "compute/hadamard.h"

#define POSITIONS 512

/* What goes into a net's output projections. */
struct seen {
    struct qb_net *net;
    float *x; /* [n, width] of the last one, */
    size_t n; /* which has as many rows */
    size_t width;
};

static enum qb_status see(void *context, size_t index, const float *x, size_t n, struct qb_error *err)
{
    struct seen *seen = context;
    const struct qb_tensor *tensor = NULL;
    (void)err;
    qb_net_linear(seen->net, index, &tensor);
    if (tensor && tensor->roles & QB_ROLE_ATTN_O && n <= seen->n)
        memcpy(seen->x, x, n * seen->width * sizeof *x);
    return QB_OK;
}

/* |a - b| / |b|; 0 where they are the same. */
static double error_of(const float *a, const float *b, size_t n)
{
    double d = 0, r = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)a[i] - (double)b[i];
        d += x * x;
        r += (double)b[i] * (double)b[i];
    }
    return d == 0 ? 0 : sqrt(d / r);
}

struct work {
    const struct qb_cell_env *env;
    struct qb_net *fp32;
    size_t n;              /* positions */
    struct qb_kv *raw;     /* FP32 in one piece: keys and values of every layer */
    struct qb_kv *kept;    /* those of the layer at work, as the variant keeps them; NULL: FP32 */
    float *head, *rotated; /* [n, head_dim] of one head, read back and as it was */
    double *errors[3];
};

/* One side of a layer: what is read back against what went in, over whole blocks. */
static enum qb_status side_error(struct work *w, const struct qb_kv_view *raw, const struct qb_kv_view *kept,
                                 size_t side, double *error, struct qb_error *err)
{
    const size_t dim = w->raw->head_dim, n = w->n / w->kept->options.block * w->kept->options.block;
    const struct qb_heads *from = side ? &raw->v : &raw->k;
    double d = 0, r = 0;
    for (size_t head = 0; head < w->raw->heads && n > 0; head++) {
        for (size_t i = 0; i < n; i++)
            memcpy(w->rotated + i * dim, from->data + i * from->stride + head * dim, dim * sizeof *w->rotated);
        if (w->kept->options.rotate)
            qb_hadamard(w->rotated, n, dim);
        if (kept->tiles.read(kept->tiles.context, 0, side, head, 0, n, w->head, err))
            return err->status;
        for (size_t i = 0; i < n * dim; i++) {
            const double x = (double)w->head[i] - (double)w->rotated[i];
            d += x * x;
            r += (double)w->rotated[i] * (double)w->rotated[i];
        }
    }
    *error = d == 0 ? 0 : sqrt(d / r);
    return QB_OK;
}

static enum qb_status sides_of_layer(struct work *w, size_t layer, struct qb_error *err)
{
    struct qb_kv_view raw, kept;
    if (!w->kept)
        return QB_OK;
    qb_kv_view(w->raw, layer, &raw);
    if (qb_kv_append(w->kept, 0, w->n, raw.k, raw.v, err))
        return qb_wrap(err, "layer %zu", layer);
    qb_kv_view(w->kept, 0, &kept);
    for (size_t side = 0; side < 2; side++)
        if (side_error(w, &raw, &kept, side, &w->errors[side][layer], err))
            return err->status;
    return QB_OK;
}

/* A layer of either net on FP32's input x; x becomes FP32's output. */
static enum qb_status attention_of_layer(struct work *w, size_t layer, struct seen seen[2], float *x, float *y,
                                         struct qb_error *err)
{
    struct qb_net *nets[2] = {w->fp32, w->env->prepared->net};
    for (size_t i = 2; i-- > 0;)
        if (qb_net_block(nets[i], layer, x, 1, w->n, y, err))
            return qb_wrap(err, "layer %zu", layer);
    w->errors[2][layer] = error_of(seen[1].x, seen[0].x, w->n * seen[0].width);
    memcpy(x, y, w->n * qb_net_layer_width(w->fp32, layer, 1) * sizeof *x);
    return QB_OK;
}

static enum qb_status fill(struct work *w, const int32_t *tokens, struct qb_error *err)
{
    const struct qb_arch *arch = &w->env->model->arch;
    const size_t width = qb_net_width(w->fp32), heads = arch->heads * qb_arch_head_dim(arch);
    struct qb_net *nets[2] = {w->fp32, w->env->prepared->net};
    struct seen seen[2] = {{.net = nets[0], .n = w->n, .width = heads}, {.net = nets[1], .n = w->n, .width = heads}};
    float *x = qb_alloc(2 * w->n * width, sizeof *x, "states", err);
    float *mixed = qb_alloc(2 * w->n * heads, sizeof *mixed, "attention", err);
    if (!x || !mixed)
        goto out;
    for (size_t i = 0; i < 2; i++) {
        seen[i].x = mixed + i * w->n * heads;
        qb_net_observe(nets[i], see, &seen[i]);
    }
    qb_net_embed(w->fp32, tokens, 1, w->n, x, err);
    for (size_t layer = 0; layer < arch->layers && !err->status; layer++)
        if (!sides_of_layer(w, layer, err))
            attention_of_layer(w, layer, seen, x, x + w->n * width, err);
    for (size_t i = 0; i < 2; i++)
        qb_net_observe(nets[i], NULL, NULL);
out:
    qb_free(mixed);
    qb_free(x);
    return err->status;
}

/* FP32's keys and values of the tokens, and room for a layer of them as the variant keeps them. */
static enum qb_status open(struct work *w, const int32_t *tokens, struct qb_error *err)
{
    const struct qb_arch *arch = &w->env->model->arch;
    const struct qb_kv_options *options = qb_net_kv_options(w->env->prepared->net);
    const struct qb_step step = {.tokens = tokens, .batch = 1, .n = w->n, .kept = 1};
    const struct qb_kv_shape shape = {
        .layers = 1, .batch = 1, .capacity = w->n, .heads = qb_arch_kv_heads(arch), .head_dim = qb_arch_head_dim(arch)};
    float *hidden = qb_alloc(arch->hidden, sizeof *hidden, "hidden state", err);
    w->head = hidden ? qb_alloc(2 * w->n * shape.head_dim, sizeof *w->head, "a head", err) : NULL;
    if (w->head && !qb_net_kv(w->fp32, 1, w->n, 0, &w->raw, err) && !qb_net_step(w->fp32, w->raw, &step, hidden, err) &&
        options)
        qb_kv_create(&shape, options, &w->kept, err);
    w->rotated = w->head ? w->head + w->n * shape.head_dim : NULL;
    qb_free(hidden);
    return err->status;
}

enum qb_status qb_record_kv_layers(const struct qb_cell_env *env, struct qb_net *fp32, const int32_t *tokens,
                                   size_t context, struct qb_record *out, struct qb_error *err)
{
    static const struct {
        const char *name, *description;
    } arrays[] = {{"key_error", "relative error of the keys as kept, by layer"},
                  {"value_error", "relative error of the values as kept, by layer"},
                  {"attention_error", "relative error of attention's output on FP32's input, by layer"}};
    const size_t layers = env->model->arch.layers;
    struct work w = {.env = env, .fp32 = fp32, .n = context < POSITIONS ? context : POSITIONS};
    for (size_t i = 0; i < 3; i++)
        if (!(w.errors[i] = qb_record_add(out, arrays[i].name, QB_F64, 1, &layers, "1", arrays[i].description, err)))
            return err->status;
    if (!open(&w, tokens, err))
        fill(&w, tokens, err);
    qb_free(w.head);
    qb_kv_free(w.kept);
    qb_kv_free(w.raw);
    return err->status;
}
