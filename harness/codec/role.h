/* Roles: what a tensor is for. */
#ifndef QB_ROLE_H
#define QB_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/text.h"

/* What a tensor is for. A fused tensor carries several bits (qkv: q, k and v; each a block of its rows). */
enum qb_role {
    QB_ROLE_ATTN_Q = 1u << 0,
    QB_ROLE_ATTN_K = 1u << 1,
    QB_ROLE_ATTN_V = 1u << 2,
    QB_ROLE_ATTN_O = 1u << 3,
    QB_ROLE_MLP_GATE = 1u << 4,
    QB_ROLE_MLP_UP = 1u << 5,
    QB_ROLE_MLP_DOWN = 1u << 6,
    QB_ROLE_EMBED = 1u << 7,
    QB_ROLE_HEAD = 1u << 8,
    QB_ROLE_KV_K = 1u << 9,  /* no weight: a variant's key kv */
    QB_ROLE_KV_V = 1u << 10, /* likewise */
    QB_ROLE_ACT = 1u << 11,  /* no weight: a variant's key act */
    QB_ROLE_NORM = 1u << 12, /* norm weights and biases: never encoded */
    QB_ROLE_BIAS = 1u << 13, /* never encoded */
    QB_ROLE_POSITION = 1u << 14
};

/* The roles a placement may name: matrices that a linear operator or an embedding lookup reads. */
#define QB_ROLE_WEIGHTS                                                                                                \
    ((uint32_t)(QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V | QB_ROLE_ATTN_O | QB_ROLE_MLP_GATE |                 \
                QB_ROLE_MLP_UP | QB_ROLE_MLP_DOWN | QB_ROLE_EMBED | QB_ROLE_HEAD))
/* Of these the roles that share a fused tensor, each with a block of its rows, in the order of their bits. */
#define QB_ROLE_BLOCKS                                                                                                 \
    ((uint32_t)(QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V | QB_ROLE_MLP_GATE | QB_ROLE_MLP_UP))

/* The row blocks of a tensor of these roles: as many as share it, or 1; the number of `role`'s block, 0 where it shares
 * with none; the roles of block i, all where there is one. */
size_t qb_role_blocks(uint32_t roles);
size_t qb_role_block(uint32_t roles, uint32_t role);
uint32_t qb_role_of_block(uint32_t roles, size_t i);
/* Of a tensor of `rows` rows: how many block i has, and *first, the first of them. block_rows says how many each has;
 * where all are 0 they are equal. */
size_t qb_role_rows(uint32_t roles, size_t rows, const size_t block_rows[3], size_t i, size_t *first);

/* "attn.q" ... ; "" for an unknown bit. qb_role_parse takes a name or a glob ("attn.*") and ors the bits; false when
 * nothing matches. A mask prints as "attn.q+attn.k+attn.v". */
const char *qb_role_name(uint32_t role);
bool qb_role_parse(const char *pattern, uint32_t *mask);
void qb_role_print(uint32_t mask, struct qb_text *out);
/* Does `mask` cover all of a tensor's (or row block's) roles? The one rule for "is it encoded": a matrix that is
 * embedding and tied head at once is covered only when both are named. roles without a weight role (norm, bias,
 * position, kv, act) are never covered. For a fused tensor ask for each of its roles. */
bool qb_role_covered(uint32_t mask, uint32_t roles);

#endif
