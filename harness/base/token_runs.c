/* Runs of tokens that calibration contexts and a text share, by a rolling hash (Karp and Rabin 1987) whose hits are
 * compared token by token. */
#include "base/token_runs.h"

#include <string.h>

#include "base/mem.h"

#define WINDOW 32
#define SHORTEST 8
#define BASE 0x9e3779b97f4a7c15u /* odd: no factor of 2^64 is lost in its powers */

/* Every window of every context by its hash: an open table with linear probing, half empty at least. */
struct windows {
    const int32_t *contexts;
    size_t length, window;
    struct slot {
        uint64_t hash;
        size_t at; /* 1 + index of the window's first token in contexts; 0: free */
    } * slots;
    size_t mask;
};

static uint64_t slide(uint64_t hash, uint64_t leading, const int32_t *tokens, size_t window)
{
    return (hash - leading * (uint64_t)(uint32_t)tokens[0]) * BASE + (uint32_t)tokens[window];
}

static uint64_t first_hash(const int32_t *tokens, size_t window, uint64_t *leading)
{
    uint64_t hash = 0;
    *leading = 1; /* BASE to the power of window - 1: the weight of the token that leaves */
    for (size_t i = 0; i < window; i++) {
        hash = hash * BASE + (uint32_t)tokens[i];
        *leading *= i ? BASE : 1;
    }
    return hash;
}

/* The low bits of a product with an odd number are poor; the high ones choose the slot. */
static size_t place(const struct windows *w, uint64_t hash)
{
    return (size_t)((hash ^ hash >> 32) * BASE >> 24) & w->mask;
}

static void add_context(struct windows *w, size_t context)
{
    const int32_t *tokens = w->contexts + context * w->length;
    uint64_t leading, hash = first_hash(tokens, w->window, &leading);
    for (size_t i = 0; i + w->window <= w->length; i++) {
        size_t s = place(w, hash);
        while (w->slots[s].at)
            s = (s + 1) & w->mask;
        w->slots[s] = (struct slot){hash, 1 + context * w->length + i};
        if (i + w->window < w->length)
            hash = slide(hash, leading, tokens + i, w->window);
    }
}

/* Marks every context that holds the window at `tokens`. */
static void mark(const struct windows *w, uint64_t hash, const int32_t *tokens, uint8_t *seen)
{
    for (size_t s = place(w, hash); w->slots[s].at; s = (s + 1) & w->mask) {
        size_t at = w->slots[s].at - 1;
        if (w->slots[s].hash == hash && !seen[at / w->length] &&
            memcmp(w->contexts + at, tokens, w->window * sizeof *tokens) == 0)
            seen[at / w->length] = 1;
    }
}

static void scan(const struct windows *w, const int32_t *piece, size_t length, uint8_t *seen)
{
    uint64_t leading, hash = first_hash(piece, w->window, &leading);
    for (size_t i = 0; i + w->window <= length; i++) {
        mark(w, hash, piece + i, seen);
        if (i + w->window < length)
            hash = slide(hash, leading, piece + i, w->window);
    }
}

/* Every window of the contexts in a table, and seen[count], both new. */
static enum qb_status open_windows(struct windows *w, size_t count, uint8_t **seen, struct qb_error *err)
{
    size_t room = 16;
    while (room < 2 * count * (w->length - w->window + 1))
        room *= 2;
    w->mask = room - 1;
    *seen = qb_alloc(count, 1, "contexts seen", err);
    w->slots = *seen ? qb_alloc(room, sizeof *w->slots, "windows of the contexts", err) : NULL;
    for (size_t c = 0; w->slots && c < count; c++)
        add_context(w, c);
    return err->status;
}

static void close_windows(struct windows *w, size_t count, uint8_t *seen, size_t *overlap)
{
    for (size_t c = 0; w->slots && c < count; c++)
        *overlap += seen[c];
    qb_free(w->slots);
    qb_free(seen);
}

enum qb_status qb_contexts_in_text(const int32_t *contexts, size_t count, size_t length, const int32_t *text,
                                   size_t pieces, size_t piece_length, size_t *overlap, struct qb_error *err)
{
    size_t window = length < WINDOW ? length : WINDOW;
    window = piece_length < window ? piece_length : window;
    *overlap = 0;
    if (count == 0 || pieces == 0 || window == 0 || (window < length && window < SHORTEST))
        return QB_OK;
    struct windows w = {.contexts = contexts, .length = length, .window = window};
    uint8_t *seen = NULL;
    open_windows(&w, count, &seen, err);
    for (size_t p = 0; w.slots && p < pieces; p++)
        scan(&w, text + p * piece_length, piece_length, seen);
    close_windows(&w, count, seen, overlap);
    return err->status;
}

enum qb_status qb_contexts_in_pieces(const int32_t *contexts, size_t count, size_t length, const int32_t *text,
                                     const struct qb_token_piece *pieces, size_t piece_count, size_t *overlap,
                                     struct qb_error *err)
{
    const size_t window = length < WINDOW ? length : WINDOW;
    *overlap = 0;
    if (count == 0 || piece_count == 0 || window == 0)
        return QB_OK;
    struct windows w = {.contexts = contexts, .length = length, .window = window};
    uint8_t *seen = NULL;
    open_windows(&w, count, &seen, err);
    for (size_t p = 0; w.slots && p < piece_count; p++)
        if (pieces[p].length >= window)
            scan(&w, text + pieces[p].first, pieces[p].length, seen);
    close_windows(&w, count, seen, overlap);
    return err->status;
}
