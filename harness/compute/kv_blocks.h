/* Keys and values in blocks: what kv.c leaves to kv_blocks.c. The functions do what those of kv.h say. */
#ifndef QB_KV_BLOCKS_H
#define QB_KV_BLOCKS_H

#include "compute/kv.h"

enum qb_status kv_blocks_create(struct qb_kv *kv, const struct qb_kv_shape *shape, struct qb_error *err);
void kv_blocks_free(struct qb_kv_blocks *blocks);
enum qb_status kv_blocks_need(const struct qb_kv *kv, const struct qb_kv_shape *shape, size_t *bytes,
                              struct qb_error *err); /* of a kv without blocks */
size_t kv_blocks_held_bytes(const struct qb_kv *kv);
size_t kv_blocks_working_need(const struct qb_kv *kv, size_t length); /* likewise */
void kv_blocks_repeat(struct qb_kv *kv, size_t length);
size_t kv_blocks_bytes(const struct qb_kv *kv);
size_t kv_blocks_working_bytes(const struct qb_kv *kv);
double kv_blocks_position_bytes(const struct qb_kv *kv);
enum qb_status kv_blocks_append(struct qb_kv *kv, size_t layer, size_t n, const struct qb_heads from[2],
                                struct qb_error *err);
void kv_blocks_advance(struct qb_kv *kv);
/* How many of the first `length` positions can be kept. */
size_t kv_blocks_kept(const struct qb_kv *kv, size_t length);
void kv_blocks_view(const struct qb_kv *kv, struct qb_kv_view *view);

#endif
