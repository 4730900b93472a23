/* depth: the error of the hidden state after each layer, once with every layer fed the reference's input (local) and
 * once with the variant's own (accumulated). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "common.h"

enum { OPTION_POSITIONS };
static const struct qb_codec_option options[] = {
    {"positions", QB_OPTION_INT, "64", 1, 4096, NULL, "positions read: the text's first, or of the first prompt"}, {0}};

/* The tokens: the start of the text, else of prompt 0. */
static enum qb_status tokens_of(const struct qb_cell_env *env, const int32_t **tokens, size_t *n, struct qb_error *err)
{
    const struct qb_inputs *in = env->inputs;
    bool text = in->text && in->context > 0;
    *tokens = text ? in->text : in->prompts;
    *n = text ? in->context : in->prompt_length;
    if (!*tokens)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has neither text nor prompt", env->model->name);
    size_t most = (size_t)env->options[OPTION_POSITIONS].i;
    if (*n > most)
        *n = most;
    return QB_OK;
}

static void state_name(char name[32], size_t layer)
{
    snprintf(name, 32, "state_%04zu", layer);
}

static enum qb_status reference(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const int32_t *tokens;
    size_t n;
    struct qb_net *net = NULL;
    enum qb_status s = tokens_of(env, &tokens, &n, err);
    if (!s)
        s = qb_cell_net(env, true, &net, err);
    float *x = NULL;
    for (size_t l = 0; !s && l <= qb_net_layers(net); l++) {
        char name[32];
        state_name(name, l);
        size_t dims[2] = {n, l ? qb_net_layer_width(net, l - 1, 1) : qb_net_layer_width(net, 0, 0)};
        float *y = qb_record_add(
            out, name, QB_F32, 2, dims, "1",
            l ? "hidden state after this many layers [position, width]" : "embedded tokens [position, width]", err);
        if (!y)
            s = err->status;
        else
            s = l ? qb_net_block(net, l - 1, x, 1, n, y, err) : qb_net_embed(net, tokens, 1, n, y, err);
        x = y;
    }
    qb_net_free(net);
    return s;
}

/* |y - ref| / |ref| of each row. */
static enum qb_status row_errors(const float *y, const float *ref, size_t n, size_t width, float *out,
                                 struct qb_error *err)
{
    for (size_t i = 0; i < n; i++) {
        double d = 0, r = 0;
        for (size_t j = 0; j < width; j++) {
            double a = y[i * width + j], b = ref[i * width + j];
            d += (a - b) * (a - b);
            r += b * b;
        }
        out[i] = d == 0 ? 0 : (float)sqrt(d / r);
        if (!isfinite(out[i]))
            return qb_fail(err, QB_ERR_NUMERIC, "position %zu: the error is not finite (|reference| %g)", i, sqrt(r));
    }
    return QB_OK;
}

struct depth {
    struct qb_net *net;
    size_t n;
    float *own, *next; /* the variant's state before and after a layer */
    float *local, *accumulated;
};

static enum qb_status one_layer(const struct qb_cell_env *env, struct depth *d, size_t l, struct qb_error *err)
{
    char before_name[32], after_name[32];
    state_name(before_name, l);
    state_name(after_name, l + 1);
    const struct qb_array *before = qb_record_get(env->reference, before_name, QB_F32, 2);
    const struct qb_array *after = qb_record_get(env->reference, after_name, QB_F32, 2);
    if (!before || !after || before->dims[0] != d->n)
        return qb_fail(err, QB_ERR_INTERNAL, "the reference lacks layer %zu", l);
    size_t width = after->dims[1];
    enum qb_status s = qb_net_block(d->net, l, before->data, 1, d->n, d->next, err);
    if (!s)
        s = row_errors(d->next, after->data, d->n, width, d->local + l * d->n, err);
    if (!s)
        s = qb_net_block(d->net, l, d->own, 1, d->n, d->next, err);
    if (!s)
        s = row_errors(d->next, after->data, d->n, width, d->accumulated + l * d->n, err);
    float *swap = d->own;
    d->own = d->next;
    d->next = swap;
    return s ? qb_wrap(err, "layer %zu", l) : QB_OK;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct depth d = {0};
    const int32_t *tokens;
    enum qb_status s = tokens_of(env, &tokens, &d.n, err);
    if (s || (s = qb_cell_net(env, false, &d.net, err)))
        return s;
    size_t dims[2] = {qb_net_layers(d.net), d.n};
    d.local = qb_record_add(out, "local_error", QB_F32, 2, dims, "1",
                            "|h - h_fp32| / |h_fp32| with the reference's input [layer, position]", err);
    d.accumulated = qb_record_add(out, "accumulated_error", QB_F32, 2, dims, "1",
                                  "|h - h_fp32| / |h_fp32| with the variant's own input [layer, position]", err);
    d.own = qb_alloc(d.n * qb_net_width(d.net), sizeof(float), "hidden state", err);
    d.next = qb_alloc(d.n * qb_net_width(d.net), sizeof(float), "hidden state", err);
    if (!d.local || !d.accumulated || !d.own || !d.next)
        s = err->status;
    if (!s)
        s = qb_net_embed(d.net, tokens, 1, d.n, d.own, err);
    /* record_add may move nothing: data pointers stay valid while the record lives */
    for (size_t l = 0; l < dims[0] && !s; l++)
        s = one_layer(env, &d, l, err);
    qb_free(d.own);
    qb_free(d.next);
    qb_net_free(d.net);
    return s;
}

const struct qb_experiment qb_experiment_depth = {
    .name = "depth",
    .summary = "error of the hidden state after each layer: local and accumulated",
    .options = options,
    .reference = reference,
    .run = run,
};
