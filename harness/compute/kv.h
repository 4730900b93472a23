/* The keys and values of positions that went through a causal model, FP32: what later positions attend to. */
#ifndef QB_KV_H
#define QB_KV_H

#include <stddef.h>
#include "compute/attention.h"

/* Read it; only the functions below write. */
struct qb_kv {
    size_t layers, batch, capacity, width; /* width: floats of one side (keys, values) of a position in a layer */
    size_t length;                         /* positions of each sequence that every layer holds */
    float *data;                           /* [layers][keys, values][batch][capacity][width] */
};

/* Room for `capacity` positions of `batch` sequences. layers 0: of a model without attention, which needs no more than
 * to know how many positions there were. Free with qb_kv_free. */
enum qb_status qb_kv_create(size_t layers, size_t batch, size_t capacity, size_t width, struct qb_kv **kv,
                            struct qb_error *err);
void qb_kv_free(struct qb_kv *kv);
size_t qb_kv_bytes(const struct qb_kv *kv);

/* Copies keys and values of n new positions of every sequence behind the layer's `length`; `length` itself grows by
 * qb_kv_advance once all layers have them, so that a step that fails half-way leaves nothing behind. */
enum qb_status qb_kv_append(struct qb_kv *kv, size_t layer, size_t n, struct qb_heads k, struct qb_heads v,
                            struct qb_error *err);
void qb_kv_advance(struct qb_kv *kv, size_t n);
/* Forgets all but the first `length` positions; at least as many are held. */
void qb_kv_rewind(struct qb_kv *kv, size_t length);

/* A layer's keys and values from position 0, for attention; valid while kv lives. */
void qb_kv_view(const struct qb_kv *kv, size_t layer, struct qb_heads *k, struct qb_heads *v);

#endif
