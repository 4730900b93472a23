/* What the files of the experiment `memory` share, and kv_memory.c with them. */
#ifndef QB_MEMORY_PARTS_H
#define QB_MEMORY_PARTS_H

#include "common.h"

enum { QB_MEMORY_STEPS, QB_MEMORY_EVERY, QB_MEMORY_BUDGET, QB_MEMORY_BATCH_CONTEXT }; /* its options */

/* The net's stored buffers, *n of them, for qb_free; NULL with err set on failure. */
struct qb_net_buffer *qb_memory_buffers(const struct qb_net *net, size_t *n, struct qb_error *err);

/* Bytes that must be in memory for the net's weights: the sum of what it says of its buffers. */
enum qb_status qb_memory_held(const struct qb_net *net, size_t *bytes, struct qb_error *err);

/* ---- memory_generation.c ---- */

/* Records bytes along a greedy generation of option `steps` tokens (> 0), or why there is none. */
enum qb_status qb_memory_generation(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err);

/* ---- memory_budget.c ---- */

/* Records which context and which batch fit into option `budget` (> 0), and runs them. */
enum qb_status qb_memory_budget(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err);

#endif
