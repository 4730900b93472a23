/* The placed tensors of a variant as it stores them. */
#include "base/mem.h"
#include "speed_parts.h"

struct stored_tensor {
    void *bytes; /* own */
    size_t size, rows, cols;
};

struct qb_stored {
    const struct qb_format *format;
    struct stored_tensor *tensors;
    size_t count, bytes, decoded;
    float *out; /* room for the largest */
};

static enum qb_status add_tensor(struct qb_stored *st, const struct qb_tensor *t, struct qb_error *err)
{
    struct stored_tensor *to = &st->tensors[st->count];
    *to = (struct stored_tensor){.rows = t->rows, .cols = t->cols};
    if (qb_encoded_size(st->format, t->rows, t->cols, &to->size, err) ||
        !(to->bytes = qb_alloc(to->size, 1, t->name, err)))
        return err->status;
    st->count++;
    st->bytes += to->size;
    st->decoded += sizeof(float) * t->rows * t->cols;
    return qb_encode(st->format, t->rows, t->cols, t->data, to->bytes, to->size, err);
}

enum qb_status qb_stored_create(const struct qb_cell_env *env, struct qb_stored **stored, struct qb_error *err)
{
    const struct qb_model *m = env->model;
    size_t largest = 1;
    struct qb_stored *st = *stored = qb_alloc(1, sizeof *st, "stored tensors", err);
    if (!st || !(st->tensors = qb_alloc(m->tensor_count, sizeof *st->tensors, "stored tensors", err)))
        return err->status;
    st->format = &env->variant->weights;
    for (size_t i = 0; !qb_cell_stores_nothing(env) && i < m->tensor_count; i++) {
        const struct qb_tensor *t = &m->tensors[i];
        if (!qb_cell_places(env->variant, t))
            continue;
        if (add_tensor(st, t, err))
            return err->status;
        largest = t->rows * t->cols > largest ? t->rows * t->cols : largest;
    }
    st->out = qb_alloc(largest, sizeof(float), "decoded tensor", err);
    return st->out ? QB_OK : err->status;
}

void qb_stored_free(struct qb_stored *stored)
{
    for (size_t i = 0; stored && i < stored->count; i++)
        qb_free(stored->tensors[i].bytes);
    if (stored) {
        qb_free(stored->tensors);
        qb_free(stored->out);
    }
    qb_free(stored);
}

size_t qb_stored_count(const struct qb_stored *stored)
{
    return stored->count;
}

size_t qb_stored_values(const struct qb_stored *stored, size_t i)
{
    return stored->tensors[i].rows * stored->tensors[i].cols;
}

size_t qb_stored_bytes(const struct qb_stored *stored)
{
    return stored->bytes;
}

size_t qb_stored_decoded(const struct qb_stored *stored)
{
    return stored->decoded;
}

void qb_stored_decode(void *stored)
{
    const struct qb_stored *st = stored;
    struct qb_codec_error error;
    for (size_t i = 0; i < st->count; i++) {
        const struct stored_tensor *t = &st->tensors[i];
        st->format->plugin->codec->decode(&st->format->config, t->rows, t->cols, t->bytes, t->size, 0, t->rows, st->out,
                                          &error);
    }
}
