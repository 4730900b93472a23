/* The two random models of the published experiments, draw for draw (source-protocols 2 and 3): every tensor is drawn
 * first as its torch module would initialise itself, then again as the experiment did. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "codec/role.h"
#include "weights/weights_parts.h"

struct draw {
    const struct qb_drawn *tensors;
    size_t count;
    float *const *values; /* [count] */
    struct qb_rng *rng;
};

static size_t values_of(const struct qb_drawn *tensor)
{
    return tensor->rows * tensor->cols;
}

static bool is_linear(const struct qb_drawn *tensor)
{
    return !(tensor->roles & (QB_ROLE_EMBED | QB_ROLE_NORM | QB_ROLE_BIAS));
}

static void draw_normal(const struct draw *d, uint32_t embedding, float std)
{
    for (size_t i = 0; i < d->count; i++)
        if (embedding ? (d->tensors[i].roles & embedding) != 0 : is_linear(&d->tensors[i]))
            qb_rng_normal(d->rng, 0.0f, std, d->values[i], values_of(&d->tensors[i]));
}

/* torch.nn.Linear: weight, then bias, uniform in +-1/sqrt(fan_in). */
static void draw_linears(const struct draw *d)
{
    for (size_t i = 0; i + 1 < d->count; i++) {
        if (!is_linear(&d->tensors[i]))
            continue;
        float bound = (float)(1.0 / sqrt((double)d->tensors[i].cols));
        for (size_t k = i; k < i + 2; k++)
            qb_rng_uniform(d->rng, -bound, bound, d->values[k], values_of(&d->tensors[k]));
    }
}

/* The own weights of a head, which tying it to the embedding throws away. */
static void draw_tied_head(const struct draw *d)
{
    for (size_t i = 0; i < d->count; i++)
        for (size_t n = d->tensors[i].roles == (QB_ROLE_EMBED | QB_ROLE_HEAD) ? values_of(&d->tensors[i]) : 0; n; n--)
            qb_rng_u32(d->rng);
}

static void draw(const struct draw *d, bool zero_biases)
{
    draw_normal(d, QB_ROLE_EMBED, 1.0f);
    draw_linears(d);
    draw_tied_head(d);
    draw_normal(d, QB_ROLE_EMBED, 0.02f);
    draw_normal(d, 0, 0.02f);
    for (size_t i = 0; i < d->count; i++) {
        const struct qb_drawn *tensor = &d->tensors[i];
        for (size_t k = 0; tensor->roles == QB_ROLE_NORM && k < tensor->cols; k++)
            d->values[i][k] = 1.0f;
        if (zero_biases && tensor->roles & QB_ROLE_BIAS)
            memset(d->values[i], 0, values_of(tensor) * sizeof(float));
    }
}

/* Names and places of the tensors in a map of their own. */
static enum qb_status lay_out(struct qb_weights *weights, const struct qb_drawn *tensors, size_t count, float **values,
                              struct qb_error *err)
{
    size_t size = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        size += values_of(&tensors[i]) * sizeof(float);
    struct qb_weights_file *memory;
    weights->source = QB_SOURCE_GENERATOR;
    weights->names = qb_alloc(count, sizeof *weights->names, "tensor names", err);
    weights->tensors = qb_alloc(count, sizeof *weights->tensors, "tensor list", err);
    if (!weights->names || !weights->tensors || qb_weights_add_file(weights, NULL, size, &memory, err))
        return err->status;
    weights->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct qb_drawn *from = &tensors[i];
        snprintf(weights->names[i], sizeof weights->names[i], "%s", from->name);
        values[i] = (float *)(uintptr_t)(memory->map.data + at);
        weights->tensors[i] = (struct qb_source_tensor){.name = weights->names[i],
                                                        .type = "F32",
                                                        .rank = 2,
                                                        .dims = {from->rows, from->cols},
                                                        .rows = from->rows,
                                                        .cols = from->cols,
                                                        .bytes = values[i],
                                                        .size = values_of(from) * sizeof(float)};
        at += weights->tensors[i].size;
    }
    return qb_weights_sort(weights, err);
}

enum qb_status qb_weights_draw(const struct qb_drawn *tensors, size_t count, bool zero_biases, struct qb_rng *rng,
                               struct qb_weights **weights, struct qb_error *err)
{
    struct qb_weights *new = qb_alloc(1, sizeof *new, "generated weights", err);
    float **values = qb_alloc(count, sizeof *values, "places of tensors", err);
    if (!new || !values || lay_out(new, tensors, count, values, err)) {
        qb_weights_free(new);
    } else {
        draw(&(struct draw){tensors, count, values, rng}, zero_biases);
        *weights = new;
    }
    qb_free(values);
    return err->status;
}
