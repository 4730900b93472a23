#include "model/model.h"

#include <string.h>
#include "base/mem.h"
#include "model/layout.h"

const struct qb_tensor *qb_model_tensor(const struct qb_model *model, uint32_t roles, int layer)
{
    const uint32_t kinds = QB_ROLE_BIAS | QB_ROLE_NORM | QB_ROLE_POSITION;
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct qb_tensor *tensor = &model->tensors[i];
        if (tensor->layer == layer && (tensor->roles & roles) == roles && ((tensor->roles ^ roles) & kinds) == 0)
            return tensor;
    }
    return NULL;
}

const struct qb_tensor *qb_model_named(const struct qb_model *model, const char *name)
{
    for (size_t i = 0; i < model->tensor_count; i++)
        if (strcmp(model->tensors[i].name, name) == 0)
            return &model->tensors[i];
    return NULL;
}

struct qb_matrix qb_tensor_matrix(const struct qb_tensor *tensor)
{
    return (struct qb_matrix){.name = tensor->name,
                              .roles = tensor->roles,
                              .rows = tensor->rows,
                              .cols = tensor->cols,
                              .format = tensor->format,
                              .bytes = tensor->bytes,
                              .size = tensor->size,
                              .mapped = tensor->mapped};
}

enum qb_status qb_model_make(const char *name, const char *origin, const struct qb_arch *arch, const size_t *inner,
                             bool biased_head, struct qb_model **model, struct qb_error *err)
{
    struct qb_model *new = qb_alloc(1, sizeof *new, "model", err);
    if (!new)
        return err->status;
    new->arch = *arch;
    new->name = qb_strdup(name, err);
    new->origin = qb_strdup(origin, err);
    if (!new->name || !new->origin)
        goto fail;
    if (qb_layout_make(arch, inner, biased_head, &new->tensors, &new->tensor_count, err) != QB_OK)
        goto fail;
    for (size_t i = 0; i < new->tensor_count; i++) {
        struct qb_tensor *tensor = &new->tensors[i];
        size_t values;
        if (__builtin_mul_overflow(tensor->rows, tensor->cols, &values)) {
            qb_fail(err, QB_ERR_MEMORY, "tensor %s: %zu x %zu values are too many", tensor->name, tensor->rows,
                    tensor->cols);
            goto fail;
        }
        tensor->data = qb_alloc(values, sizeof(float), tensor->name, err);
        if (!tensor->data)
            goto fail;
        tensor->bytes = tensor->data;
        tensor->size = values * sizeof(float);
    }
    *model = new;
    return QB_OK;
fail:
    qb_model_free(new);
    return err->status;
}

void qb_model_free(struct qb_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < model->tensor_count; i++)
        qb_free(model->tensors[i].data);
    qb_free(model->tensors);
    qb_free(model->name);
    qb_free(model->origin);
    qb_free(model->tokenizer);
    qb_free(model);
}

static void hash_number(struct qb_hash *hash, uint64_t value)
{
    qb_hash_bytes(hash, &value, sizeof value);
}

enum qb_status qb_model_seal(struct qb_model *model, struct qb_error *err)
{
    const struct qb_arch *arch = &model->arch;
    struct qb_hash *hash = qb_hash_new();
    if (!hash)
        return qb_fail(err, QB_ERR_MEMORY, "model %s: no memory for a hash", model->name);
    qb_hash_text(hash, arch->name);
    const uint64_t numbers[] = {arch->vocab,
                                arch->hidden,
                                arch->layers,
                                arch->heads,
                                arch->context,
                                arch->attention,
                                arch->causal,
                                arch->learned_positions,
                                arch->residual,
                                arch->mlp_down,
                                (uint64_t)arch->block_norm,
                                (uint64_t)arch->final_norm,
                                (uint64_t)arch->activation,
                                arch->tied_head};
    qb_hash_bytes(hash, numbers, sizeof numbers);
    qb_hash_bytes(hash, &arch->norm_eps, sizeof arch->norm_eps);
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct qb_tensor *tensor = &model->tensors[i];
        qb_hash_text(hash, tensor->name);
        hash_number(hash, tensor->rows);
        hash_number(hash, tensor->cols);
        qb_hash_bytes(hash, tensor->bytes, tensor->rows * tensor->cols * sizeof(float));
    }
    qb_hash_hex(hash, model->sha256);
    return QB_OK;
}
