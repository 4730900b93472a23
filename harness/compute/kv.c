#include "compute/kv.h"

#include <string.h>
#include "base/mem.h"
#include "compute/kv_blocks.h"

static bool rings(const struct qb_kv_shape *shape)
{
    for (size_t i = 0; shape->windows && shape->step && i < shape->layers; i++)
        if (shape->windows[i] > 0 && shape->windows[i] + shape->step < shape->capacity)
            return true;
    return false;
}

enum qb_status qb_kv_create(const struct qb_kv_shape *shape, const struct qb_kv_options *options, struct qb_kv **kv,
                            struct qb_error *err)
{
    struct qb_kv *new = qb_alloc(1, sizeof *new, "KV cache", err);
    if (!new)
        return err->status;
    *new = (struct qb_kv){.layers = shape->layers,
                          .batch = shape->batch,
                          .capacity = shape->capacity,
                          .heads = shape->heads,
                          .head_dim = shape->head_dim,
                          .options = options ? *options : (struct qb_kv_options){.block = 1}};
    if (options || rings(shape)) {
        kv_blocks_create(new, shape, err);
    } else {
        new->data = qb_alloc(shape->layers * 2 * shape->batch * shape->heads * shape->head_dim,
                             shape->capacity * sizeof *new->data, "KV cache", err);
    }
    if (err->status) {
        qb_kv_free(new);
        return err->status;
    }
    *kv = new;
    return QB_OK;
}

void qb_kv_free(struct qb_kv *kv)
{
    if (!kv)
        return;
    kv_blocks_free(kv->blocks);
    qb_free(kv->data);
    qb_free(kv);
}

size_t qb_kv_bytes(const struct qb_kv *kv)
{
    return kv->blocks ? kv_blocks_bytes(kv) : qb_size_of(kv->data);
}

size_t qb_kv_working_bytes(const struct qb_kv *kv)
{
    return kv->blocks ? kv_blocks_working_bytes(kv) : 0;
}

double qb_kv_position_bytes(const struct qb_kv *kv)
{
    return kv->blocks ? kv_blocks_position_bytes(kv)
                      : (double)(kv->layers * 2 * kv->heads * kv->head_dim * sizeof *kv->data);
}

static float *side_of(const struct qb_kv *kv, size_t layer, size_t side)
{
    return kv->data + (2 * layer + side) * kv->batch * kv->capacity * kv->heads * kv->head_dim;
}

enum qb_status qb_kv_append(struct qb_kv *kv, size_t layer, size_t n, struct qb_heads k, struct qb_heads v,
                            struct qb_error *err)
{
    if (layer >= kv->layers || n > kv->capacity - kv->length)
        return qb_fail(err, QB_ERR_INTERNAL, "%zu positions of layer %zu: the KV cache has %zu layers and room for %zu",
                       n, layer, kv->layers, kv->capacity - kv->length);
    const struct qb_heads from[2] = {k, v};
    const size_t width = kv->heads * kv->head_dim;
    if (kv->blocks)
        return kv_blocks_append(kv, layer, n, from, err);
    for (size_t side = 0; side < 2; side++)
        for (size_t s = 0; s < kv->batch; s++)
            for (size_t i = 0; i < n; i++)
                memcpy(side_of(kv, layer, side) + (s * kv->capacity + kv->length + i) * width,
                       from[side].data + s * from[side].batch_stride + i * from[side].stride, width * sizeof *kv->data);
    return QB_OK;
}

void qb_kv_advance(struct qb_kv *kv, size_t n)
{
    kv->length += n;
    if (kv->blocks)
        kv_blocks_advance(kv);
}

void qb_kv_rewind(struct qb_kv *kv, size_t *length)
{
    *length = *length < kv->length ? *length : kv->length;
    if (kv->blocks)
        *length = kv_blocks_kept(kv, *length);
    kv->length = *length;
}

void qb_kv_view(const struct qb_kv *kv, size_t layer, struct qb_kv_view *view)
{
    const size_t width = kv->heads * kv->head_dim;
    *view = (struct qb_kv_view){.kv = kv, .layer = layer};
    if (kv->blocks) {
        kv_blocks_view(kv, view);
        return;
    }
    view->k = (struct qb_heads){side_of(kv, layer, QB_KV_KEYS), width, kv->capacity * width};
    view->v = (struct qb_heads){side_of(kv, layer, QB_KV_VALUES), width, kv->capacity * width};
}
