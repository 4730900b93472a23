/* Generated models: a family at a size, its weights drawn. */
#include <stdio.h>
#include "base/mem.h"
#include "model/model_parts.h"

#define MAX_VOCAB ((size_t)1 << 20)
#define MAX_HIDDEN ((size_t)1 << 14)
#define MAX_LAYERS ((size_t)1024)
#define MAX_BYTES ((double)((uint64_t)1 << 33))

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

static enum qb_status draw(const struct qb_family *family, const struct qb_arch *arch, const size_t *inner,
                           struct qb_rng *rng, struct qb_weights **weights, struct qb_error *err)
{
    struct qb_arch_tensor *tensors = NULL;
    struct qb_drawn *drawn = NULL;
    size_t count = 0;
    if (qb_arch_tensors(arch, inner, &tensors, &count, err) ||
        !(drawn = qb_alloc(count, sizeof *drawn, "tensors to draw", err)))
        goto out;
    for (size_t i = 0; i < count; i++)
        drawn[i] = (struct qb_drawn){tensors[i].name, tensors[i].roles, tensors[i].rows, tensors[i].cols};
    qb_weights_draw(drawn, count, family->zero_biases, rng, weights, err);
out:
    qb_free(drawn);
    qb_free(tensors);
    return err->status;
}

void qb_generator_print(const char *generator, const struct qb_generator_options *o, char out[160])
{
    snprintf(out, 160, "generator %s vocab=%zu hidden=%zu layers=%zu seed=%u", generator, o->vocab, o->hidden,
             o->layers, o->seed);
}

static enum qb_status make(const struct qb_family *family, const struct qb_generator_options *o,
                           struct qb_model **model, struct qb_error *err)
{
    char origin[160];
    struct qb_weights *weights = NULL;
    struct qb_rng rng;
    struct qb_arch arch = family->options;
    arch.vocab = o->vocab;
    arch.hidden = o->hidden;
    arch.layers = o->layers + family->generated_extra;
    qb_generator_print(family->name, o, origin);
    size_t *inner = qb_alloc(arch.layers, sizeof *inner, "layer widths", err);
    if (!inner)
        return err->status;
    for (size_t i = 0; i < arch.layers; i++)
        inner[i] = family->generated_inner * o->hidden;
    if (!arch.mlp_down)
        inner[arch.layers - 1] = o->hidden;
    qb_rng_seed(&rng, o->seed);
    if (!draw(family, &arch, inner, &rng, &weights, err) &&
        !qb_model_make(family->name, origin, &arch, inner, weights, model, err)) {
        (*model)->generated = true;
        (*model)->rng = rng;
    }
    qb_free(inner);
    return err->status;
}

enum qb_status qb_model_generate(const char *generator, const struct qb_generator_options *options,
                                 struct qb_model **model, struct qb_error *err)
{
    const struct qb_family *family = qb_family_find(generator);
    if (!family || !family->generated_inner) {
        struct qb_text names = {0};
        qb_family_names(true, &names);
        qb_fail(err, QB_ERR_INPUT, "no generator '%s', expected %s", generator, names.data ? names.data : "another");
        qb_text_free(&names);
        return err->status;
    }
    if (check(generator, options, err))
        return err->status;
    return make(family, options, model, err) ? qb_wrap(err, "generator %s", generator) : QB_OK;
}
