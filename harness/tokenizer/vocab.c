#include "tokenizer/vocab.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

void qb_vocab_free(struct qb_vocab *vocab)
{
    qb_free(vocab->tokens);
    qb_free(vocab->bytes);
    qb_free(vocab->slots);
    *vocab = (struct qb_vocab){0};
}

enum qb_status qb_vocab_put(struct qb_vocab *vocab, size_t id, const char *bytes, size_t size, enum qb_token_kind kind,
                            bool in_model, struct qb_error *err)
{
    if (id >= QB_VOCAB_MAX || size > QB_TOKEN_BYTES_MAX)
        return qb_fail(err, QB_ERR_INPUT, "token %zu of %zu bytes, expected ids below %zu and at most %zu bytes", id,
                       size, QB_VOCAB_MAX, QB_TOKEN_BYTES_MAX);
    struct qb_token *tokens = qb_grow(vocab->tokens, id + 1, sizeof *tokens, "token list", err);
    if (!tokens)
        return err->status;
    vocab->tokens = tokens;
    char *all = qb_grow(vocab->bytes, vocab->used + size + 1, 1, "token texts", err);
    if (!all)
        return err->status;
    vocab->bytes = all;
    memcpy(all + vocab->used, bytes, size);
    tokens[id] = (struct qb_token){vocab->used, (uint32_t)size, (uint8_t)kind, in_model};
    vocab->used += size;
    vocab->count = id >= vocab->count ? id + 1 : vocab->count;
    return QB_OK;
}

/* FNV-1a, its high bits mixed into the low ones that choose the slot. */
static size_t hash_of(const char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 32);
}

/* The slot of these bytes: where they are, or the empty one where they would be. */
static int32_t *slot_of(const struct qb_vocab *vocab, const char *bytes, size_t size)
{
    for (size_t i = hash_of(bytes, size) & (vocab->slot_count - 1);; i = (i + 1) & (vocab->slot_count - 1)) {
        int32_t id = vocab->slots[i];
        if (id < 0 || (vocab->tokens[id].size == size && memcmp(qb_vocab_bytes(vocab, (size_t)id), bytes, size) == 0))
            return &vocab->slots[i];
    }
}

enum qb_status qb_vocab_index(struct qb_vocab *vocab, struct qb_error *err)
{
    for (vocab->slot_count = 16; vocab->slot_count < 2 * vocab->count;)
        vocab->slot_count *= 2;
    vocab->slots = qb_alloc(vocab->slot_count, sizeof *vocab->slots, "token table", err);
    if (!vocab->slots)
        return err->status;
    memset(vocab->slots, 0xff, vocab->slot_count * sizeof *vocab->slots);
    for (size_t id = 0; id < vocab->count; id++) {
        const struct qb_token *token = &vocab->tokens[id];
        int32_t *slot = token->in_model ? slot_of(vocab, qb_vocab_bytes(vocab, id), token->size) : NULL;
        if (slot && *slot < 0)
            *slot = (int32_t)id;
    }
    return QB_OK;
}

int32_t qb_vocab_find(const struct qb_vocab *vocab, const char *bytes, size_t size)
{
    return *slot_of(vocab, bytes, size);
}

static int by_bytes(const void *left, const void *right)
{
    const struct qb_word *a = left, *b = right;
    int order = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
    if (order)
        return order;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

void qb_words_sort(struct qb_words_sorted *sorted)
{
    if (sorted->count)
        qsort(sorted->words, sorted->count, sizeof *sorted->words, by_bytes);
    memset(sorted->first, 0, sizeof sorted->first);
    for (size_t i = 0; i < sorted->count; i++)
        sorted->first[(unsigned char)sorted->words[i].bytes[0]] = true;
}

/* The first word of [low, high), which share `depth` bytes and are longer, whose next byte is at least `byte`. */
static size_t lower_bound(const struct qb_words_sorted *sorted, size_t low, size_t high, size_t depth, unsigned byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((unsigned char)sorted->words[middle].bytes[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct qb_word *qb_words_next(const struct qb_words_sorted *sorted, struct qb_walk *walk, const char *text,
                                    size_t size)
{
    if (!walk->begun) {
        *walk = (struct qb_walk){.high = sorted->count, .begun = true};
        if (size == 0 || !sorted->first[(unsigned char)text[0]])
            walk->high = 0;
    }
    while (walk->low < walk->high && walk->depth < size) {
        unsigned byte = (unsigned char)text[walk->depth];
        walk->low = lower_bound(sorted, walk->low, walk->high, walk->depth, byte);
        walk->high = lower_bound(sorted, walk->low, walk->high, walk->depth, byte + 1);
        walk->depth++;
        const struct qb_word *word = walk->low < walk->high ? &sorted->words[walk->low] : NULL;
        if (!word || word->size > walk->depth)
            continue;
        while (walk->low < walk->high && sorted->words[walk->low].size == walk->depth)
            walk->low++; /* itself, and those with the same bytes */
        return word;
    }
    return NULL;
}
