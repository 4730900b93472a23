/* The keys and values of positions that went through a causal model: what later positions attend to. Either FP32 in one
 * piece, or in blocks of positions, each side in a format of its own. */
#ifndef QB_KV_H
#define QB_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/registry.h"
#include "compute/attention.h"

enum qb_kv_side { QB_KV_KEYS, QB_KV_VALUES };

struct qb_kv_shape {
    size_t layers, batch, capacity; /* capacity: positions of each sequence */
    size_t heads, head_dim;         /* of keys and values */
    const size_t *windows; /* [layers]: how many positions a query sees, its own among them; 0: all. NULL: all 0 */
    size_t step;           /* the most positions of a step; 0: capacity. With it and a window a layer's memory is
                              a ring of blocks that holds what a step can see */
};

/* What caches that share it were given: positions, counted once for each layer, side and sequence, and how many of them
 * were encoded. */
struct qb_kv_tally {
    uint64_t kept, encoded;
};

/* How positions are kept. A block of each sequence is encoded once it is full, as a matrix of heads * block rows (head
 * by head, positions in order) and head_dim columns; until then, and for queries that came before, it is FP32. */
struct qb_kv_options {
    const struct qb_format *format[2]; /* of keys, values; NULL: FP32. Borrowed */
    size_t block;                      /* positions; 1: each is encoded before anything sees it */
    bool rotate;                       /* keys and values are kept rotated (hadamard.h); the caller rotates queries and
                                          what attention gives */
    struct qb_kv_tally *tally;         /* grows with every append; NULL: nobody counts. Borrowed */
};

/* Read it; only the functions below write. */
struct qb_kv {
    size_t layers, batch, capacity, heads, head_dim;
    size_t length; /* positions of each sequence that every layer holds */
    float *data;   /* in one piece: [layers][keys, values][batch][capacity][heads * head_dim], or NULL: */
    struct qb_kv_options options; /* in blocks, */
    struct qb_kv_blocks *blocks;  /* which are here */
};

/* layers 0: of a model without attention, which needs no more than to know how many positions there were. options NULL:
 * FP32 in one piece, as long as no layer's ring is smaller. A format that does not take rows of head_dim is an error
 * that names it. Free with qb_kv_free. */
enum qb_status qb_kv_create(const struct qb_kv_shape *shape, const struct qb_kv_options *options, struct qb_kv **kv,
                            struct qb_error *err);
void qb_kv_free(struct qb_kv *kv);
/* What qb_kv_bytes of such a cache is, without making it; SIZE_MAX where no size_t holds it. */
enum qb_status qb_kv_need(const struct qb_kv_shape *shape, const struct qb_kv_options *options, size_t *bytes,
                          struct qb_error *err);
/* Bytes of the room for all keys and values: encoded with their side data, and the block that is not full. Those of
 * positions that are not there yet take no memory where the room is large (qb_alloc_sparse): */
size_t qb_kv_bytes(const struct qb_kv *kv);
/* bytes of the positions that are there, with all of the room for the block that is not full; what a ring wrote over
 * is not there. */
size_t qb_kv_held_bytes(const struct qb_kv *kv);
/* Working memory that appends keep between calls; and what it is, of a new cache, once `length` positions were appended
 * one at a time. */
size_t qb_kv_working_bytes(const struct qb_kv *kv);
size_t qb_kv_working_need(const struct qb_kv_shape *shape, const struct qb_kv_options *options, size_t length);
/* Pieces of memory that each fill from their start: a layer's side of a sequence. */
size_t qb_kv_pieces(const struct qb_kv *kv);
/* Does attention read tiles of such a cache, rather than keys and values in one piece? */
bool qb_kv_tiled(const struct qb_kv_shape *shape, const struct qb_kv_options *options);
/* Bytes that a position of one sequence takes once it is encoded, side data included: all layers, both sides. */
double qb_kv_position_bytes(const struct qb_kv *kv);

/* Keeps keys and values of n new positions of every sequence behind the layer's `length`; `length` itself grows by
 * qb_kv_advance once all layers have them, so that a step that fails half-way leaves nothing behind. A value that is
 * not finite, or that the format refuses, is QB_ERR_NUMERIC. */
enum qb_status qb_kv_append(struct qb_kv *kv, size_t layer, size_t n, struct qb_heads k, struct qb_heads v,
                            struct qb_error *err);
void qb_kv_advance(struct qb_kv *kv, size_t n);
/* Fills an empty cache with `length` positions that no model made, for measuring at a depth without the steps to it:
 * keys and values are standard normal numbers, of which one block is kept as any other, and copied as it is for all
 * blocks behind it. */
enum qb_status qb_kv_fill(struct qb_kv *kv, size_t length, struct qb_error *err);
/* Forgets all but the first `length` positions, or more: *length says how many are left. A block once encoded is
 * forgotten as a whole, and where a ring has lost what its first queries would see, all is. */
void qb_kv_rewind(struct qb_kv *kv, size_t *length);

/* What attention reads of a layer: everything before `length`, and what was appended to this layer last. Valid until
 * the next append; tiles.context points into it. */
struct qb_kv_view {
    struct qb_heads k, v;
    size_t fresh; /* the position that k and v start at */
    bool tiled;   /* older ones come from here: */
    struct qb_tiles tiles;
    const struct qb_kv *kv;
    size_t layer;
};
void qb_kv_view(const struct qb_kv *kv, size_t layer, struct qb_kv_view *view);

#endif
