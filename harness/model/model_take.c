/* Which tensors of a source a model takes: found by the source's names, in the architecture's shapes, and no others. */
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "model/model_parts.h"

static const char *const factor_names[] = {"rope_freqs.weight", "rope_factors_long.weight",
                                           "rope_factors_short.weight"};

const struct qb_source_tensor *qb_model_find(const struct qb_weights *weights, const struct qb_tensor_rule *rule,
                                             int layer, const char *suffix, char name[64])
{
    const enum qb_source source = qb_weights_source(weights);
    const struct qb_source_tensor *found;
    char other[64];
    qb_rule_name(rule, source, layer, suffix, name);
    found = qb_weights_find(weights, name);
    for (size_t i = 0; !found && *name && source == QB_SOURCE_HUGGINGFACE && qb_hf_name(name, i, other); i++)
        found = qb_weights_find(weights, other);
    return found;
}

/* rows x cols of a tensor whose bytes are cols x rows: tiles keep both sides in the cache. */
static void transpose(const uint8_t *bytes, size_t rows, size_t cols, size_t size, uint8_t *out)
{
    enum { TILE = 32 };
    for (size_t i = 0; i < rows; i += TILE)
        for (size_t j = 0; j < cols; j += TILE)
            for (size_t r = i; r < rows && r < i + TILE; r++)
                for (size_t c = j; c < cols && c < j + TILE; c++)
                    memcpy(out + (r * cols + c) * size, bytes + (c * rows + r) * size, size);
}

/* The tensor becomes a copy of its own, in the same type, with rows of inputs. */
static enum qb_status turn(struct qb_model *model, const struct qb_source_tensor *found, struct qb_tensor *tensor,
                           struct qb_error *err)
{
    const size_t count = tensor->rows * tensor->cols, size = found->size / count;
    if (found->size != count * size || size == 0 || size > 4)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: %s values lie transposed, and are no single numbers", found->name,
                       found->type);
    uint8_t *copy = qb_alloc(count, size, "a transposed copy of a tensor", err);
    if (!copy)
        return err->status;
    transpose(found->bytes, tensor->rows, tensor->cols, size, copy);
    qb_map_drop_read(found->bytes, 0, found->size);
    model->copies[model->copy_count++] = copy;
    tensor->bytes = copy;
    tensor->mapped = false;
    return QB_OK;
}

static enum qb_status check_shape(const struct qb_source_tensor *found, size_t rows, size_t cols, struct qb_error *err)
{
    if ((found->rank == 2 || (found->rank == 1 && rows == 1)) && found->rows == rows && found->cols == cols)
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT, "tensor %s: expected the shape (%zu, %zu), found rank %zu, (%zu, %zu)",
                   found->name, rows, cols, found->rank, found->dims[0], found->dims[1]);
}

static enum qb_status take(const struct qb_arch_tensor *due, struct qb_model *model, bool *taken, struct qb_error *err)
{
    char name[64];
    const bool bias = due->roles & QB_ROLE_BIAS;
    const struct qb_source_tensor *found =
        qb_model_find(model->weights, due->rule, due->layer, bias ? "bias" : "weight", name);
    const bool turned = !bias && due->rule->transposed && qb_weights_source(model->weights) == QB_SOURCE_HUGGINGFACE;
    if (!found)
        return due->optional ? QB_OK : qb_fail(err, QB_ERR_INPUT, "tensor %s is missing", *name ? name : due->name);
    if (check_shape(found, turned ? due->cols : due->rows, turned ? due->rows : due->cols, err))
        return err->status;
    if (!found->bytes)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: its type is %s, which nothing here reads", found->name,
                       found->type);
    struct qb_tensor *tensor = &model->tensors[model->tensor_count++];
    *tensor = (struct qb_tensor){.source = found->name,
                                 .roles = due->roles,
                                 .layer = due->layer,
                                 .rows = due->rows,
                                 .cols = due->cols,
                                 .norm = due->norm,
                                 .format = found->format,
                                 .bytes = found->bytes,
                                 .size = found->size,
                                 .mapped = true};
    memcpy(tensor->name, due->name, sizeof tensor->name);
    memcpy(tensor->block_rows, due->block_rows, sizeof tensor->block_rows);
    taken[found - qb_weights_at(model->weights, 0)] = true;
    return turned ? turn(model, found, tensor, err) : QB_OK;
}

static bool is_factors(const struct qb_model *model, const char *name)
{
    for (size_t i = 0; i < 3; i++)
        if (strcmp(factor_names[i], name) == 0)
            return qb_weights_source(model->weights) == QB_SOURCE_GGUF && model->arch.rope[0].dims;
    return false;
}

enum qb_status qb_model_take(const struct qb_arch_tensor *due, size_t count, struct qb_model *model,
                             struct qb_error *err)
{
    const size_t there = qb_weights_count(model->weights);
    bool *taken = qb_alloc(there, sizeof *taken, "tensor list", err);
    model->tensors = qb_alloc(count, sizeof *model->tensors, "tensor list", err);
    model->copies = qb_alloc(count, sizeof *model->copies, "tensor list", err);
    for (size_t i = 0; !err->status && i < count; i++)
        take(&due[i], model, taken, err);
    for (size_t i = 0; !err->status && i < there; i++) {
        const char *name = qb_weights_at(model->weights, i)->name;
        if (!taken[i] && !is_factors(model, name) && !qb_not_a_weight(name))
            qb_fail(err, QB_ERR_INPUT, "tensor %s: the architecture '%s' has none of that name", name,
                    model->arch.name);
    }
    qb_free(taken);
    return err->status;
}

static enum qb_status read_factors(const struct qb_source_tensor *found, const struct qb_rope *rope, float *factors,
                                   struct qb_error *err)
{
    const size_t due = rope->dims / 2;
    if (check_shape(found, 1, due, err))
        return err->status;
    const struct qb_tensor tensor = {
        .rows = 1, .cols = due, .format = found->format, .bytes = found->bytes, .size = found->size};
    if (qb_tensor_rows(&tensor, 0, 1, factors, err))
        return qb_wrap(err, "tensor %s", found->name);
    for (size_t i = 0; i < due; i++)
        if (!(factors[i] >= 1e-6f && factors[i] <= 1e30f))
            return qb_fail(err, QB_ERR_INPUT, "tensor %s: factor %zu is %g, expected a number over 0", found->name, i,
                           (double)factors[i]);
    return QB_OK;
}

enum qb_status qb_model_rope_factors(const struct qb_weights *weights, struct qb_arch *arch, struct qb_error *err)
{
    struct qb_rope *rope = &arch->rope[0];
    const struct qb_source_tensor *found[3];
    for (size_t i = 0; i < 3; i++)
        found[i] = rope->dims ? qb_weights_find(weights, factor_names[i]) : NULL;
    const struct qb_source_tensor *longer = found[1] ? found[1] : found[0], *shorter = found[2] ? found[2] : found[0];
    if (!longer && !shorter) { /* then only yarn looks at the context that positions were stretched from */
        for (size_t i = 0; i < 2; i++)
            arch->rope[i].original_context *= arch->rope[i].scaling == QB_ROPE_YARN;
        return QB_OK;
    }
    if (!longer || !shorter || (found[0] && found[1]))
        return qb_fail(err, QB_ERR_INPUT, "expected the tensor %s alone, or %s and %s", factor_names[0],
                       factor_names[1], factor_names[2]);
    if (read_factors(longer, rope, rope->long_factor, err) || read_factors(shorter, rope, rope->short_factor, err))
        return err->status;
    rope->factors_long = rope->factors_short = true;
    rope->scaling = found[1] ? QB_ROPE_LONGROPE : rope->scaling;
    if (!qb_family_find(arch->name)->local_rope)
        arch->rope[1] = *rope;
    return QB_OK;
}
