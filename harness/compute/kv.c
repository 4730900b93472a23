#include "compute/kv.h"

#include <string.h>
#include "base/mem.h"

enum qb_status qb_kv_create(size_t layers, size_t batch, size_t capacity, size_t width, struct qb_kv **kv,
                            struct qb_error *err)
{
    struct qb_kv *new = qb_alloc(1, sizeof *new, "KV cache", err);
    if (!new)
        return err->status;
    *new = (struct qb_kv){.layers = layers, .batch = batch, .capacity = capacity, .width = width};
    new->data = qb_alloc(layers * 2 * batch * width, capacity * sizeof *new->data, "KV cache", err);
    if (!new->data) {
        qb_kv_free(new);
        return err->status;
    }
    *kv = new;
    return QB_OK;
}

void qb_kv_free(struct qb_kv *kv)
{
    if (kv)
        qb_free(kv->data);
    qb_free(kv);
}

size_t qb_kv_bytes(const struct qb_kv *kv)
{
    return qb_size_of(kv->data);
}

static float *side_of(const struct qb_kv *kv, size_t layer, size_t side)
{
    return kv->data + (2 * layer + side) * kv->batch * kv->capacity * kv->width;
}

enum qb_status qb_kv_append(struct qb_kv *kv, size_t layer, size_t n, struct qb_heads k, struct qb_heads v,
                            struct qb_error *err)
{
    if (layer >= kv->layers || n > kv->capacity - kv->length)
        return qb_fail(err, QB_ERR_INTERNAL, "%zu positions of layer %zu: the KV cache has %zu layers and room for %zu",
                       n, layer, kv->layers, kv->capacity - kv->length);
    const struct qb_heads from[2] = {k, v};
    for (size_t side = 0; side < 2; side++)
        for (size_t s = 0; s < kv->batch; s++)
            for (size_t i = 0; i < n; i++)
                memcpy(side_of(kv, layer, side) + (s * kv->capacity + kv->length + i) * kv->width,
                       from[side].data + s * from[side].batch_stride + i * from[side].stride,
                       kv->width * sizeof *kv->data);
    return QB_OK;
}

void qb_kv_advance(struct qb_kv *kv, size_t n)
{
    kv->length += n;
}

void qb_kv_rewind(struct qb_kv *kv, size_t length)
{
    kv->length = length < kv->length ? length : kv->length;
}

void qb_kv_view(const struct qb_kv *kv, size_t layer, struct qb_heads *k, struct qb_heads *v)
{
    *k = (struct qb_heads){side_of(kv, layer, 0), kv->width, kv->capacity * kv->width};
    *v = (struct qb_heads){side_of(kv, layer, 1), kv->width, kv->capacity * kv->width};
}
