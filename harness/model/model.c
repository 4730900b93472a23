#include "model/model.h"

#include <string.h>
#include "base/mem.h"

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
                              .block_rows = {tensor->block_rows[0], tensor->block_rows[1], tensor->block_rows[2]},
                              .format = tensor->format,
                              .bytes = tensor->bytes,
                              .size = tensor->size,
                              .mapped = tensor->mapped};
}

enum qb_status qb_tensor_rows(const struct qb_tensor *tensor, size_t row, size_t count, float *out,
                              struct qb_error *err)
{
    const struct qb_matrix matrix = qb_tensor_matrix(tensor);
    return qb_matrix_rows(&matrix, row, count, out, err);
}

void qb_model_free(struct qb_model *model)
{
    if (!model)
        return;
    qb_weights_free(model->weights);
    qb_free(model->vectors);
    for (size_t i = 0; i < model->copy_count; i++)
        qb_free(model->copies[i]);
    qb_free(model->copies);
    qb_free(model->tensors);
    qb_free(model->name);
    qb_free(model->origin);
    qb_free(model->tokenizer);
    qb_free(model);
}
