/* depth: the error of the hidden state after each layer, once with every layer fed the reference's input (local) and
 * once with the variant's own (accumulated). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "common.h"

enum { OPTION_POSITIONS, OPTION_SEQUENCES };
static const struct qb_codec_option options[] = {
    {"positions", QB_OPTION_INT, "0", 0, 4096, NULL,
     "first positions read of each sequence; 0: 32 of several sequences, 64 of one"},
    {"sequences", QB_OPTION_INT, "8", 1, 4096, NULL, "chunks of the text read, or prompts where there is none"},
    {0}};

/* What is read: the starts of the first chunks of the text, else of the first prompts. */
struct reading {
    int32_t *tokens; /* [sequences, length], qb_alloc'ed */
    size_t sequences, length, n;
};

static enum qb_status open_reading(const struct qb_cell_env *env, struct reading *r, struct qb_error *err)
{
    const struct qb_inputs *in = env->inputs;
    const bool text = in->text && in->context > 0;
    const int32_t *from = text ? in->text : in->prompts;
    const size_t have = text ? in->chunks : in->prompt_count, whole = text ? in->context : in->prompt_length;
    const size_t sequences = (size_t)env->options[OPTION_SEQUENCES].i;
    size_t most = (size_t)env->options[OPTION_POSITIONS].i;
    if (!from)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has neither text nor prompt", env->model->name);
    r->sequences = have < sequences ? have : sequences;
    if (most == 0)
        most = r->sequences > 1 ? 32 : 64;
    r->length = whole < most ? whole : most;
    r->n = r->sequences * r->length;
    r->tokens = qb_alloc(r->n, sizeof *r->tokens, "tokens", err);
    for (size_t i = 0; r->tokens && i < r->sequences; i++)
        memcpy(r->tokens + i * r->length, from + i * whole, r->length * sizeof *r->tokens);
    return err->status;
}

static void state_name(char name[32], size_t layer)
{
    snprintf(name, 32, "state_%04zu", layer);
}

static enum qb_status reference(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct reading r = {0};
    struct qb_net *net = NULL;
    float *x = NULL;
    if (open_reading(env, &r, err) || qb_cell_fp32(env, &net, err))
        goto out;
    for (size_t l = 0; !err->status && l <= qb_net_layers(net); l++) {
        char name[32];
        state_name(name, l);
        size_t dims[2] = {r.n, l ? qb_net_layer_width(net, l - 1, 1) : qb_net_layer_width(net, 0, 0)};
        float *y = qb_record_add(
            out, name, QB_F32, 2, dims, "1",
            l ? "hidden state after this many layers [position, width]" : "embedded tokens [position, width]", err);
        if (y && l)
            qb_net_block(net, l - 1, x, r.sequences, r.length, y, err);
        else if (y)
            qb_net_embed(net, r.tokens, r.sequences, r.length, y, err);
        x = y;
    }
out:
    qb_net_free(net);
    qb_free(r.tokens);
    return err->status;
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
    struct reading reading;
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
    const size_t n = d->reading.n, sequences = d->reading.sequences, length = d->reading.length;
    const size_t width = qb_net_layer_width(d->net, l, 1);
    if (!before || !after || before->dims[0] != n || before->dims[1] != qb_net_layer_width(d->net, l, 0) ||
        after->dims[0] != n || after->dims[1] != width)
        return qb_fail(err, QB_ERR_INTERNAL, "the reference lacks layer %zu, or has another shape of it", l);
    if (qb_net_block(d->net, l, before->data, sequences, length, d->next, err) ||
        row_errors(d->next, after->data, n, width, d->local + l * n, err) ||
        qb_net_block(d->net, l, d->own, sequences, length, d->next, err) ||
        row_errors(d->next, after->data, n, width, d->accumulated + l * n, err))
        return qb_wrap(err, "layer %zu", l);
    float *swap = d->own;
    d->own = d->next;
    d->next = swap;
    return QB_OK;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct depth d = {.net = env->prepared->net};
    struct reading *r = &d.reading;
    if (open_reading(env, r, err))
        return err->status;
    size_t dims[2] = {qb_net_layers(d.net), r->n};
    d.local = qb_record_add(out, "local_error", QB_F32, 2, dims, "1",
                            "|h - h_fp32| / |h_fp32| with the reference's input [layer, position]", err);
    d.accumulated = qb_record_add(out, "accumulated_error", QB_F32, 2, dims, "1",
                                  "|h - h_fp32| / |h_fp32| with the variant's own input [layer, position]", err);
    int32_t *sequence =
        qb_record_add(out, "sequence", QB_I32, 1, &r->n, "1", "chunk or prompt that the position is in", err);
    d.own = qb_alloc(r->n * qb_net_width(d.net), sizeof(float), "hidden state", err);
    d.next = qb_alloc(r->n * qb_net_width(d.net), sizeof(float), "hidden state", err);
    for (size_t i = 0; i < r->n && !err->status; i++)
        sequence[i] = (int32_t)(i / r->length);
    if (!err->status)
        qb_net_embed(d.net, r->tokens, r->sequences, r->length, d.own, err);
    for (size_t l = 0; l < dims[0] && !err->status; l++)
        one_layer(env, &d, l, err);
    qb_free(d.own);
    qb_free(d.next);
    qb_free(r->tokens);
    return err->status;
}

const struct qb_experiment qb_experiment_depth = {
    .name = "depth",
    .summary = "error of the hidden state after each layer: local and accumulated",
    .reads = QB_READS_PROMPT | QB_READS_TEXT,
    .options = options,
    .net = true,
    .reference = reference,
    .run = run,
};
