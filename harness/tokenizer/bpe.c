/* Byte-pair encoding of one piece: neighbours are merged, the best pair first, the leftmost of equals; n log n by a
 * heap of pairs. */
#include <string.h>
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

struct symbol {
    int32_t id;          /* -1: no token has this text; -2: merged into an earlier one */
    uint32_t from;       /* of its bytes in the piece */
    uint32_t next, prev; /* n: none */
};

struct pair {
    uint32_t rank, at; /* the order: rank, then place */
    int32_t left, right, id;
};

struct work {
    const struct qb_tokenizer *tokenizer;
    const char *text;
    struct symbol *symbols; /* [n + 1], the last one behind the end */
    struct pair *heap;      /* least first */
    size_t count;
    uint32_t n;
};

static bool before(const struct pair *a, const struct pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(struct work *work, struct pair pair)
{
    size_t i = work->count++;
    for (; i > 0 && before(&pair, &work->heap[(i - 1) / 2]); i = (i - 1) / 2)
        work->heap[i] = work->heap[(i - 1) / 2];
    work->heap[i] = pair;
}

static struct pair pop(struct work *work)
{
    struct pair top = work->heap[0], last = work->heap[--work->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < work->count && before(&work->heap[child + 1], &work->heap[child]))
            child++;
        if (child >= work->count || !before(&work->heap[child], &last))
            break;
        work->heap[i] = work->heap[child];
        i = child;
    }
    work->heap[i] = last;
    return top;
}

/* Puts the pair that begins at a symbol among the candidates, if it can be merged. */
static void offer(struct work *work, uint32_t at)
{
    const struct qb_tokenizer *tokenizer = work->tokenizer;
    const struct symbol *left = &work->symbols[at], *right = &work->symbols[left->next];
    if (at >= work->n || left->next >= work->n)
        return;
    if (tokenizer->model == QB_MODEL_MERGES) {
        const struct merge *merge = left->id < 0 || right->id < 0 ? NULL : merge_slot(tokenizer, left->id, right->id);
        if (merge && merge->left >= 0)
            push(work, (struct pair){merge->rank, at, left->id, right->id, merge->id});
        return;
    }
    size_t size = work->symbols[right->next].from - left->from;
    int32_t id = size > QB_TOKEN_BYTES_MAX ? -1 : qb_vocab_find(&tokenizer->vocab, work->text + left->from, size);
    if (id >= 0)
        push(work, (struct pair){tokenizer->ranks[id], at, left->id, right->id, id});
}

/* Bytes of the symbol that text[size] begins with: a byte, or a character; a byte that is no UTF-8 by itself. */
static size_t symbol_size(const struct qb_tokenizer *tokenizer, const char *text, size_t size)
{
    uint32_t point;
    size_t length = tokenizer->byte_level || (unsigned char)text[0] < 0x80 ? 1 : qb_utf8_sequence(text, size, &point);
    return length ? length : 1;
}

static enum qb_status begin(struct work *work, struct qb_pieces *pieces, const char *text, size_t size,
                            struct qb_error *err)
{
    const struct qb_tokenizer *tokenizer = work->tokenizer;
    struct symbol *symbols = qb_grow(pieces->symbols, size + 1, sizeof *symbols, "tokenizer symbols", err);
    if (!symbols)
        return err->status;
    pieces->symbols = symbols;
    /* n - 1 pairs at first, and a merge, of which there are fewer than n, makes at most two new ones. */
    struct pair *heap = qb_grow(pieces->pairs, 3 * size, sizeof *heap, "tokenizer pairs", err);
    if (!heap)
        return err->status;
    pieces->pairs = heap;
    uint32_t n = 0;
    for (size_t at = 0, length; at < size; at += length, n++) {
        length = symbol_size(tokenizer, text + at, size - at);
        int32_t id = tokenizer->byte_level ? tokenizer->byte_token[(unsigned char)text[at]]
                                           : qb_vocab_find(&tokenizer->vocab, text + at, length);
        symbols[n] = (struct symbol){id, (uint32_t)at, n + 1, n - 1};
    }
    symbols[0].prev = n;
    symbols[n] = (struct symbol){-1, (uint32_t)size, n, n - 1};
    work->symbols = symbols;
    work->heap = heap;
    work->n = n;
    for (uint32_t i = 0; i + 1 < n; i++)
        offer(work, i);
    return QB_OK;
}

static void merge_all(struct work *work)
{
    struct symbol *symbols = work->symbols;
    while (work->count > 0) {
        struct pair pair = pop(work);
        struct symbol *left = &symbols[pair.at], *right = &symbols[left->next];
        if (left->id != pair.left || left->next >= work->n || right->id != pair.right)
            continue; /* one of the two was merged meanwhile */
        left->id = pair.id;
        right->id = -2;
        left->next = right->next;
        if (left->next < work->n)
            symbols[left->next].prev = pair.at;
        offer(work, pair.at);
        offer(work, left->prev);
    }
}

enum qb_status qb_bpe_piece(const struct qb_tokenizer *tokenizer, struct qb_pieces *pieces, const char *text,
                            size_t size, struct qb_error *err)
{
    struct work work = {.tokenizer = tokenizer, .text = text};
    bool unknown = false;
    int32_t whole = tokenizer->whole_first ? qb_vocab_find(&tokenizer->vocab, text, size) : -1;
    if (whole >= 0)
        return qb_pieces_add(pieces, whole, err);
    if (size >= UINT32_MAX / 4)
        return qb_fail(err, QB_ERR_INPUT, "a piece of %zu bytes of text is too long for the tokenizer", size);
    if (begin(&work, pieces, text, size, err))
        return err->status;
    merge_all(&work);
    for (uint32_t i = 0; i < work.n && !err->status; i = work.symbols[i].next) {
        const struct symbol *symbol = &work.symbols[i];
        if (symbol->id < 0) {
            qb_pieces_fall_back(tokenizer, pieces, text + symbol->from, work.symbols[symbol->next].from - symbol->from,
                                &unknown, err);
            continue;
        }
        unknown = false;
        qb_pieces_add(pieces, symbol->id, err);
    }
    return err->status;
}
