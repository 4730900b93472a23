/* The tokens of a tokenizer: their bytes and what they are; lookup by bytes, and search for all that a text begins
 * with. */
#ifndef QB_VOCAB_H
#define QB_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

#define QB_VOCAB_MAX ((size_t)1 << 22)       /* ids */
#define QB_TOKEN_BYTES_MAX ((size_t)1 << 14) /* of one token */

enum qb_token_kind {
    QB_TOKEN_NONE,    /* an id without a token */
    QB_TOKEN_TEXT,    /* bytes of a text */
    QB_TOKEN_BYTE,    /* <0xNN>: one byte, used where no token of text fits */
    QB_TOKEN_ADDED,   /* found in a text before the model sees it */
    QB_TOKEN_CONTROL, /* likewise, and only where the caller lets text spell it; no part of the text */
    QB_TOKEN_UNKNOWN  /* stands for what has no token */
};

struct qb_token {
    size_t at; /* of its bytes in qb_vocab's */
    uint32_t size;
    uint8_t kind;  /* enum qb_token_kind */
    bool in_model; /* merging, Viterbi's search and lookup by bytes may give it */
};

/* Zero-initialise; qb_vocab_free releases. */
struct qb_vocab {
    size_t count; /* ids are 0 .. count - 1 */
    struct qb_token *tokens;
    char *bytes;
    size_t used;
    int32_t *slots; /* a hash table with open addressing; -1: empty */
    size_t slot_count;
};
void qb_vocab_free(struct qb_vocab *vocab);
/* Puts a token at an id, in place of the one that may be there. Errors: id or size over the limits above. */
enum qb_status qb_vocab_put(struct qb_vocab *vocab, size_t id, const char *bytes, size_t size, enum qb_token_kind kind,
                            bool in_model, struct qb_error *err);
/* Makes lookup ready, once all tokens are there. Of several with the same bytes the least id is found. */
enum qb_status qb_vocab_index(struct qb_vocab *vocab, struct qb_error *err);
/* The id of the token in the model with these bytes, or -1. */
int32_t qb_vocab_find(const struct qb_vocab *vocab, const char *bytes, size_t size);
static inline const char *qb_vocab_bytes(const struct qb_vocab *vocab, size_t id)
{
    return vocab->bytes + vocab->tokens[id].at;
}

/* Words with an id each, in the order of their bytes: all that a text begins with are found by narrowing that order
 * byte by byte. */
struct qb_word {
    const char *bytes; /* borrowed */
    uint32_t size;
    int32_t id;
};
struct qb_words_sorted {
    struct qb_word *words; /* owned: for qb_free */
    size_t count;
    bool first[256]; /* bytes that a word begins with */
};
/* Sorts words that are in place; empty ones are forbidden. */
void qb_words_sort(struct qb_words_sorted *sorted);
struct qb_walk { /* zero-initialise at each place */
    size_t low, high, depth;
    bool begun;
};
/* The next longer word that text[size] begins with, or NULL. */
const struct qb_word *qb_words_next(const struct qb_words_sorted *sorted, struct qb_walk *walk, const char *text,
                                    size_t size);

#endif
