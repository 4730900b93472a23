/* The tensors of a variant as it stores them, a row block in a format of its own apart. */
#include "base/mem.h"
#include "speed_parts.h"

struct stored_tensor {
    const struct qb_format *format;
    void *bytes; /* own */
    size_t size, rows, cols;
};

struct qb_stored {
    struct stored_tensor *tensors;
    size_t count, bytes, decoded;
    float *out; /* room for the largest */
};

static enum qb_status add_block(struct qb_stored *st, const struct qb_tensor *t, const struct qb_stored_block *block,
                                struct qb_error *err)
{
    struct stored_tensor *to = &st->tensors[st->count];
    *to = (struct stored_tensor){.format = block->format, .rows = block->rows, .cols = t->cols};
    if (qb_encoded_size(to->format, to->rows, to->cols, &to->size, err) ||
        !(to->bytes = qb_alloc(to->size, 1, t->name, err)))
        return err->status;
    st->count++;
    st->bytes += to->size;
    st->decoded += sizeof(float) * to->rows * to->cols;
    float *x = qb_alloc(to->rows * to->cols, sizeof *x, t->name, err);
    if (x && !qb_tensor_rows(t, block->row, block->rows, x, err))
        qb_encode(to->format, to->rows, to->cols, x, to->bytes, to->size, err);
    qb_free(x);
    return err->status;
}

enum qb_status qb_stored_create(const struct qb_cell_env *env, struct qb_stored **stored, struct qb_error *err)
{
    const struct qb_model *m = env->model;
    struct qb_stored_block blocks[QB_CUT_MAX];
    size_t largest = 1;
    struct qb_stored *st = *stored = qb_alloc(1, sizeof *st, "stored tensors", err);
    if (!st || !(st->tensors = qb_alloc(m->tensor_count * QB_CUT_MAX, sizeof *st->tensors, "stored tensors", err)))
        return err->status;
    for (size_t i = 0; !qb_cell_stores_nothing(env) && i < m->tensor_count; i++) {
        const struct qb_tensor *t = &m->tensors[i];
        size_t count = qb_cell_stored(env->variant, t, blocks);
        for (size_t k = 0; k < count; k++) {
            if (add_block(st, t, &blocks[k], err))
                return err->status;
            largest = blocks[k].rows * t->cols > largest ? blocks[k].rows * t->cols : largest;
        }
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
        t->format->plugin->codec->decode(&t->format->config, t->rows, t->cols, t->bytes, t->size, 0, t->rows, st->out,
                                         &error);
    }
}
