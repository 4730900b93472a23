/* Inside of tokenizer.h, shared by tokenizer.c (using one) and tokenizer_file.c (reading one). */
#ifndef QB_TOKENIZER_PARTS_H
#define QB_TOKENIZER_PARTS_H

#include <stdbool.h>
#include "tokenizer/tokenizer.h"

struct merge { /* left + right -> id */
    int32_t left, right, id;
    uint32_t rank;
};

struct qb_tokenizer {
    size_t vocab;
    char *bytes;   /* of all tokens, one behind the other */
    size_t *start; /* [vocab + 1] into bytes */
    int32_t byte_token[256];
    struct merge *merges; /* a hash table with open addressing; left -1: empty */
    size_t slots;         /* a power of two */
};

/* The slot of a pair: where it is, or the empty one where it would be. */
static inline struct merge *merge_slot(const struct qb_tokenizer *tokenizer, int32_t left, int32_t right)
{
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    for (size_t i = (size_t)(hash >> 32) & (tokenizer->slots - 1);; i = (i + 1) & (tokenizer->slots - 1)) {
        struct merge *slot = &tokenizer->merges[i];
        if (slot->left < 0 || (slot->left == left && slot->right == right))
            return slot;
    }
}

/* NULL: the pair is never merged. */
static inline const struct merge *merge_find(const struct qb_tokenizer *tokenizer, int32_t left, int32_t right)
{
    const struct merge *slot = merge_slot(tokenizer, left, right);
    return slot->left < 0 ? NULL : slot;
}

#endif
