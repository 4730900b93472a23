#include "compute/kv.h"

#include <string.h>
#include "base/mem.h"
#include "base/rng.h"
#include "compute/kv_blocks.h"

static size_t all_of(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static bool rings(const struct qb_kv_shape *shape)
{
    for (size_t i = 0; shape->windows && shape->step && i < shape->layers; i++)
        if (shape->windows[i] > 0 && shape->windows[i] + shape->step < shape->capacity)
            return true;
    return false;
}

bool qb_kv_tiled(const struct qb_kv_shape *shape, const struct qb_kv_options *options)
{
    return options || rings(shape);
}

static struct qb_kv outline(const struct qb_kv_shape *shape, const struct qb_kv_options *options)
{
    return (struct qb_kv){.layers = shape->layers,
                          .batch = shape->batch,
                          .capacity = shape->capacity,
                          .heads = shape->heads,
                          .head_dim = shape->head_dim,
                          .options = options ? *options : (struct qb_kv_options){.block = 1}};
}

enum qb_status qb_kv_need(const struct qb_kv_shape *shape, const struct qb_kv_options *options, size_t *bytes,
                          struct qb_error *err)
{
    const struct qb_kv kv = outline(shape, options);
    if (qb_kv_tiled(shape, options))
        return kv_blocks_need(&kv, shape, bytes, err);
    *bytes = all_of(all_of(kv.layers * 2, kv.batch), all_of(kv.heads * kv.head_dim * sizeof(float), kv.capacity));
    return QB_OK;
}

enum qb_status qb_kv_create(const struct qb_kv_shape *shape, const struct qb_kv_options *options, struct qb_kv **kv,
                            struct qb_error *err)
{
    struct qb_kv *new = qb_alloc(1, sizeof *new, "KV cache", err);
    if (!new)
        return err->status;
    *new = outline(shape, options);
    if (qb_kv_tiled(shape, options)) {
        kv_blocks_create(new, shape, err);
    } else {
        new->data = qb_alloc_sparse(shape->layers * 2 * shape->batch * shape->heads * shape->head_dim,
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

size_t qb_kv_held_bytes(const struct qb_kv *kv)
{
    return kv->blocks ? kv_blocks_held_bytes(kv) : qb_size_of(kv->data) / kv->capacity * kv->length;
}

size_t qb_kv_working_bytes(const struct qb_kv *kv)
{
    return kv->blocks ? kv_blocks_working_bytes(kv) : 0;
}

size_t qb_kv_working_need(const struct qb_kv_shape *shape, const struct qb_kv_options *options, size_t length)
{
    const struct qb_kv kv = outline(shape, options);
    return qb_kv_tiled(shape, options) ? kv_blocks_working_need(&kv, length) : 0;
}

size_t qb_kv_pieces(const struct qb_kv *kv)
{
    return kv->layers * 2 * kv->batch;
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

/* Copies the last block, a full one, until there are `length` positions of full blocks. */
static void repeat(struct qb_kv *kv, size_t length)
{
    const size_t width = kv->heads * kv->head_dim;
    for (size_t piece = 0; !kv->blocks && piece < qb_kv_pieces(kv); piece++) {
        float *data = kv->data + piece * kv->capacity * width;
        for (size_t i = kv->length; i < length; i++)
            memcpy(data + i * width, data + (i - 1) * width, width * sizeof *data);
    }
    if (kv->blocks)
        kv_blocks_repeat(kv, length);
    kv->length = length;
}

/* Appends positions of normal numbers, one at a time, until there are `length`. */
static enum qb_status append_normal(struct qb_kv *kv, size_t length, struct qb_rng *rng, float *x, struct qb_error *err)
{
    const size_t width = kv->heads * kv->head_dim;
    const struct qb_heads heads = {x, width, width};
    while (kv->length < length) {
        for (size_t layer = 0; layer < kv->layers; layer++) {
            qb_rng_normal(rng, 0, 1, x, kv->batch * width);
            if (qb_kv_append(kv, layer, 1, heads, heads, err))
                return err->status;
        }
        qb_kv_advance(kv, 1);
    }
    return QB_OK;
}

enum qb_status qb_kv_fill(struct qb_kv *kv, size_t length, struct qb_error *err)
{
    const size_t block = kv->options.block, border = length / block * block;
    struct qb_rng rng;
    if (kv->length > 0 || length > kv->capacity)
        return qb_fail(err, QB_ERR_INTERNAL, "a KV cache of %zu positions filled to %zu of %zu", kv->length, length,
                       kv->capacity);
    float *x = qb_alloc(kv->batch * kv->heads * kv->head_dim, sizeof *x, "keys and values", err);
    qb_rng_seed(&rng, 1);
    if (x && !append_normal(kv, length < block ? length : block, &rng, x, err)) {
        if (border > block)
            repeat(kv, border);
        append_normal(kv, length, &rng, x, err);
    }
    qb_free(x);
    return err->status;
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
