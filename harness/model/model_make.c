/* A model from an architecture and a source, and the one pass over its values. */
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "codec/calls.h"
#include "model/model_parts.h"

static bool is_vector(const struct qb_tensor *tensor)
{
    return tensor->roles & (QB_ROLE_NORM | QB_ROLE_BIAS);
}

/* The values of rows [row, row + count), in buffer or where they lie; NULL with err set when one is not finite. */
static const float *finite_rows(const struct qb_tensor *tensor, size_t row, size_t count, float *buffer,
                                struct qb_error *err)
{
    size_t n = count * tensor->cols;
    const float *x = tensor->format ? buffer : (const float *)tensor->bytes + row * tensor->cols;
    struct qb_error cause = {0}; /* a codec says which byte: the values are counted */
    if (tensor->format)
        qb_decode(tensor->format, tensor->rows, tensor->cols, tensor->bytes, tensor->size, row, count, buffer, &cause);
    if (cause.status || qb_first_nonfinite(x, n) < n)
        model_refuse_values(tensor, err);
    return err->status ? NULL : x;
}

static void count_zeros(struct qb_tensor *tensor, const float *x, size_t rows)
{
    for (size_t row = 0; row < rows; row++, x += tensor->cols) {
        size_t zeros = 0;
        for (size_t i = 0; i < tensor->cols; i++)
            zeros += x[i] == 0;
        tensor->zeros += zeros;
        tensor->zero_rows += zeros == tensor->cols;
    }
}

/* One pass over a tensor. A vector's values go to `vector`, and the tensor is those from here on. */
static enum qb_status read_tensor(struct qb_tensor *tensor, float *buffer, float *vector, struct qb_hash *hash,
                                  struct qb_error *err)
{
    const uint64_t shape[] = {tensor->rows, tensor->cols};
    size_t panel = qb_panel_rows(tensor->rows, tensor->cols), row_size = tensor->size / tensor->rows;
    qb_hash_text(hash, tensor->name);
    qb_hash_bytes(hash, shape, sizeof shape);
    for (size_t row = 0; row < tensor->rows; row += panel) {
        size_t count = panel < tensor->rows - row ? panel : tensor->rows - row;
        const float *x = finite_rows(tensor, row, count, buffer, err);
        if (!x)
            return err->status;
        qb_hash_bytes(hash, x, count * tensor->cols * sizeof *x);
        tensor->beyond_f16 += model_beyond_f16(x, count * tensor->cols);
        count_zeros(tensor, x, count);
        if (is_vector(tensor))
            memcpy(vector, x, tensor->cols * sizeof *x);
        if (tensor->mapped)
            qb_map_drop_read(tensor->bytes, row * row_size, (row + count) * row_size);
    }
    if (is_vector(tensor)) {
        tensor->format = NULL;
        tensor->bytes = vector;
        tensor->size = tensor->cols * sizeof *vector;
        tensor->mapped = false;
    }
    return QB_OK;
}

static enum qb_status read_all(struct qb_model *model, struct qb_error *err)
{
    size_t largest = 0, vectors = 0, at = 0;
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct qb_tensor *tensor = &model->tensors[i];
        size_t panel = qb_panel_rows(tensor->rows, tensor->cols) * tensor->cols;
        largest = panel > largest ? panel : largest;
        vectors += is_vector(tensor) ? tensor->cols : 0;
    }
    float *buffer = qb_alloc(largest, sizeof *buffer, "a panel of weights", err);
    model->vectors = qb_alloc(vectors, sizeof *model->vectors, "norms and biases", err);
    struct qb_hash *hash = qb_hash_new();
    if (!hash)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a hash");
    if (err->status)
        goto out;
    qb_arch_hash(&model->arch, hash);
    for (size_t i = 0; i < model->tensor_count; i++) {
        struct qb_tensor *tensor = &model->tensors[i];
        if (read_tensor(tensor, buffer, model->vectors + at, hash, err))
            goto out;
        at += is_vector(tensor) ? tensor->cols : 0;
    }
    qb_weights_drop(model->weights);
    qb_hash_hex(hash, model->sha256);
    hash = NULL;
    if (!model->sha256[0])
        qb_fail(err, QB_ERR_MEMORY, "no memory to hash the model");
out:
    qb_hash_drop(hash);
    qb_free(buffer);
    return err->status;
}

enum qb_status qb_model_make(const char *name, const char *origin, const struct qb_arch *arch, const size_t *inner,
                             struct qb_weights *weights, struct qb_model **model, struct qb_error *err)
{
    struct qb_arch_tensor *due = NULL;
    size_t count = 0;
    struct qb_model *new = qb_alloc(1, sizeof *new, "model", err);
    if (!new) {
        qb_weights_free(weights);
        return err->status;
    }
    new->weights = weights;
    new->arch = *arch;
    new->file_bytes = qb_weights_bytes(weights);
    if (!(new->name = qb_strdup(name, err)) || !(new->origin = qb_strdup(origin, err)) ||
        qb_arch_tensors(arch, inner, &due, &count, err) || qb_model_take(due, count, new, err) || read_all(new, err)) {
        qb_model_free(new);
        new = NULL;
    }
    qb_free(due);
    *model = new;
    return err->status;
}
