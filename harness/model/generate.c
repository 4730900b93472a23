/* The two random models of the published experiments, draw for draw (source-protocols 2 and 3): every tensor is drawn
 * first as its torch module would initialise itself, then again as the experiment did. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "model/layout.h"

#define MAX_VOCAB ((size_t)1 << 20)
#define MAX_HIDDEN ((size_t)1 << 14)
#define MAX_LAYERS ((size_t)1024)
#define MAX_BYTES ((double)((uint64_t)1 << 33))

static size_t values_of(const struct qb_tensor *tensor)
{
    return tensor->rows * tensor->cols;
}

/* torch.nn.Linear: weight, then bias, uniform in +-1/sqrt(fan_in). */
static void draw_linear(struct qb_rng *rng, struct qb_tensor *weight)
{
    float bound = (float)(1.0 / sqrt((double)weight->cols));
    qb_rng_uniform(rng, -bound, bound, weight->data, values_of(weight));
    struct qb_tensor *bias = weight + 1; /* the layout puts a bias right behind its matrix */
    qb_rng_uniform(rng, -bound, bound, bias->data, values_of(bias));
}

static bool is_linear(const struct qb_tensor *tensor)
{
    return tensor->rows > 1 && !(tensor->roles & (QB_ROLE_EMBED | QB_ROLE_NORM | QB_ROLE_BIAS));
}

static void draw_transformer(struct qb_model *model)
{
    struct qb_rng *rng = &model->rng;
    struct qb_tensor *embed = &model->tensors[0];
    qb_rng_normal(rng, 0.0f, 1.0f, embed->data, values_of(embed));
    for (size_t i = 0; i < model->tensor_count; i++)
        if (is_linear(&model->tensors[i]))
            draw_linear(rng, &model->tensors[i]);
    for (size_t i = 0; i < values_of(embed); i++)
        qb_rng_u32(rng); /* the head's own weights, which tying throws away */
    qb_rng_normal(rng, 0.0f, 0.02f, embed->data, values_of(embed));
    for (size_t i = 0; i < model->tensor_count; i++) {
        struct qb_tensor *tensor = &model->tensors[i];
        if (is_linear(tensor))
            qb_rng_normal(rng, 0.0f, 0.02f, tensor->data, values_of(tensor));
        else if (tensor->roles == QB_ROLE_NORM)
            for (size_t j = 0; j < tensor->cols; j++)
                tensor->data[j] = 1.0f;
    }
}

static void draw_chain(struct qb_model *model)
{
    struct qb_rng *rng = &model->rng;
    struct qb_tensor *embed = &model->tensors[0];
    qb_rng_normal(rng, 0.0f, 1.0f, embed->data, values_of(embed));
    for (size_t i = 0; i < model->tensor_count; i++)
        if (is_linear(&model->tensors[i]))
            draw_linear(rng, &model->tensors[i]);
    qb_rng_normal(rng, 0.0f, 0.02f, embed->data, values_of(embed));
    for (size_t i = 0; i < model->tensor_count; i++) {
        struct qb_tensor *tensor = &model->tensors[i];
        if (!is_linear(tensor))
            continue;
        qb_rng_normal(rng, 0.0f, 0.02f, tensor->data, values_of(tensor));
        memset(tensor[1].data, 0, values_of(&tensor[1]) * sizeof(float));
    }
}

static const struct {
    const char *name;
    size_t extra_layers; /* chain: `layers` counts the steps between the hidden linears' widths */
    size_t inner_factor; /* inner width = this times hidden */
    void (*draw)(struct qb_model *model);
} generators[] = {{"transformer", 0, 4, draw_transformer}, {"chain", 1, 2, draw_chain}};

static enum qb_status check(const char *generator, const struct qb_generator_options *o, struct qb_error *err)
{
    const struct {
        const char *name;
        size_t value, least, most;
    } bounds[] = {
        {"vocab", o->vocab, 2, MAX_VOCAB}, {"hidden", o->hidden, 2, MAX_HIDDEN}, {"layers", o->layers, 1, MAX_LAYERS}};
    for (size_t i = 0; i < 3; i++)
        if (bounds[i].value < bounds[i].least || bounds[i].value > bounds[i].most)
            return qb_fail(err, QB_ERR_INPUT, "generator %s: %s = %zu, expected %zu to %zu", generator, bounds[i].name,
                           bounds[i].value, bounds[i].least, bounds[i].most);
    double h = (double)o->hidden, bytes = 4.0 * (2.0 * (double)o->vocab * h + 12.0 * h * h * (double)o->layers);
    if (bytes > MAX_BYTES)
        return qb_fail(err, QB_ERR_INPUT, "generator %s: about %.1f GiB of weights, expected at most %.0f GiB",
                       generator, bytes / 1073741824.0, MAX_BYTES / 1073741824.0);
    return QB_OK;
}

static enum qb_status make(size_t which, const struct qb_generator_options *o, struct qb_model **model,
                           struct qb_error *err)
{
    char origin[160];
    snprintf(origin, sizeof origin, "generator %s vocab=%zu hidden=%zu layers=%zu seed=%u", generators[which].name,
             o->vocab, o->hidden, o->layers, o->seed);
    struct qb_arch arch = *qb_arch_find(generators[which].name);
    arch.vocab = o->vocab;
    arch.hidden = o->hidden;
    arch.layers = o->layers + generators[which].extra_layers;
    size_t *inner = qb_alloc(arch.layers, sizeof *inner, "layer widths", err);
    if (!inner)
        return err->status;
    for (size_t i = 0; i < arch.layers; i++)
        inner[i] = generators[which].inner_factor * o->hidden;
    if (!arch.mlp_down)
        inner[arch.layers - 1] = o->hidden;
    enum qb_status status = qb_model_make(generators[which].name, origin, &arch, inner, true, model, err);
    qb_free(inner);
    return status;
}

enum qb_status qb_model_generate(const char *generator, const struct qb_generator_options *options,
                                 struct qb_model **model, struct qb_error *err)
{
    size_t which = 0, count = sizeof generators / sizeof *generators;
    while (which < count && strcmp(generators[which].name, generator) != 0)
        which++;
    if (which == count)
        return qb_fail(err, QB_ERR_INPUT, "no generator '%s', expected transformer or chain", generator);
    if (check(generator, options, err) != QB_OK)
        return err->status;
    struct qb_model *new = NULL;
    if (make(which, options, &new, err) != QB_OK)
        return qb_wrap(err, "generator %s", generator);
    new->generated = true;
    qb_rng_seed(&new->rng, options->seed);
    generators[which].draw(new);
    if (qb_model_seal(new, err) != QB_OK) {
        qb_model_free(new);
        return err->status;
    }
    *model = new;
    return QB_OK;
}
