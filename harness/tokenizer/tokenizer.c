/* Byte-level BPE. Splitting by GPT-2's pattern is exact on ASCII; bytes from 0x80 on count as letters, so that any
 * bytes are text (the Unicode classes differ only where a vocabulary joins non-ASCII symbols with letters). */
#include "tokenizer/tokenizer.h"

#include <string.h>
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

/* ---- splitting: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ ---- */

enum kind { SPACE, LETTER, DIGIT, OTHER };

static enum kind kind_of(unsigned char c)
{
    if (c == ' ' || (c >= '\t' && c <= '\r'))
        return SPACE;
    if (c >= '0' && c <= '9')
        return DIGIT;
    return (c | 32) >= 'a' && (c | 32) <= 'z' ? LETTER : c >= 0x80 ? LETTER : OTHER;
}

static size_t contraction(const char *text, size_t size)
{
    static const char *const endings[] = {"s", "t", "re", "ve", "m", "ll", "d"};
    for (size_t i = 0; text[0] == '\'' && i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        if (size > length && memcmp(text + 1, endings[i], length) == 0)
            return 1 + length;
    }
    return 0;
}

/* Bytes of the piece that text (size >= 1) begins with. */
static size_t piece_of(const char *text, size_t size)
{
    size_t end = contraction(text, size);
    if (end)
        return end;
    size_t start = text[0] == ' ' && size > 1 && kind_of((unsigned char)text[1]) != SPACE;
    enum kind kind = kind_of((unsigned char)text[start]);
    for (end = start; end < size && kind_of((unsigned char)text[end]) == kind;)
        end++;
    if (kind == SPACE && end < size && end > 1)
        end--; /* the last blank before a word belongs to what follows */
    return end;
}

/* ---- merging ---- */

struct candidate {
    uint32_t rank, at; /* order of merging: rank, then place */
    int32_t left, right;
};

struct work {
    int32_t *id; /* [n]; -1: merged into an earlier one */
    uint32_t *next, *prev;
    struct candidate *heap; /* the candidates, least first */
    size_t count;
    uint32_t n; /* symbols; also the index behind the end */
};

static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void push(struct work *work, struct candidate candidate)
{
    size_t i = work->count++;
    for (; i > 0 && before(&candidate, &work->heap[(i - 1) / 2]); i = (i - 1) / 2)
        work->heap[i] = work->heap[(i - 1) / 2];
    work->heap[i] = candidate;
}

static struct candidate pop(struct work *work)
{
    struct candidate top = work->heap[0], last = work->heap[--work->count];
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

static void offer(const struct qb_tokenizer *tokenizer, struct work *work, uint32_t at)
{
    uint32_t right = at < work->n ? work->next[at] : work->n;
    if (right >= work->n)
        return;
    const struct merge *merge = merge_find(tokenizer, work->id[at], work->id[right]);
    if (merge)
        push(work, (struct candidate){merge->rank, at, work->id[at], work->id[right]});
}

/* Merges one piece of text; appends its tokens to out and returns how many. */
static size_t merge_piece(const struct qb_tokenizer *tokenizer, struct work *work, const char *text, size_t size,
                          int32_t *out)
{
    work->n = (uint32_t)size;
    work->count = 0;
    for (uint32_t i = 0; i < work->n; i++) {
        work->id[i] = tokenizer->byte_token[(unsigned char)text[i]];
        work->next[i] = i + 1;
        work->prev[i] = i == 0 ? work->n : i - 1;
    }
    for (uint32_t i = 0; i + 1 < work->n; i++)
        offer(tokenizer, work, i);
    while (work->count > 0) {
        struct candidate c = pop(work);
        uint32_t right = work->next[c.at];
        if (work->id[c.at] != c.left || right >= work->n || work->id[right] != c.right)
            continue; /* one of the two was merged meanwhile */
        work->id[c.at] = merge_find(tokenizer, c.left, c.right)->id;
        work->id[right] = -1;
        work->next[c.at] = work->next[right];
        if (work->next[right] < work->n)
            work->prev[work->next[right]] = c.at;
        offer(tokenizer, work, c.at);
        offer(tokenizer, work, work->prev[c.at]);
    }
    size_t count = 0;
    for (uint32_t i = 0; i < work->n; i = work->next[i])
        out[count++] = work->id[i];
    return count;
}

static void work_free(struct work *work)
{
    qb_free(work->id);
    qb_free(work->next);
    qb_free(work->prev);
    qb_free(work->heap);
}

static enum qb_status work_make(struct work *work, size_t longest, struct qb_error *err)
{
    *work = (struct work){0};
    work->id = qb_alloc(longest, sizeof *work->id, "tokenizer symbols", err);
    work->next = qb_alloc(longest, sizeof *work->next, "tokenizer symbols", err);
    work->prev = qb_alloc(longest, sizeof *work->prev, "tokenizer symbols", err);
    /* n - 1 pairs at first, and a merge, of which there are fewer than n, makes at most two new ones. */
    work->heap = qb_alloc(3 * longest, sizeof *work->heap, "tokenizer pairs", err);
    return err->status;
}

enum qb_status qb_tokenizer_encode(const struct qb_tokenizer *tokenizer, const char *text, size_t size,
                                   int32_t **tokens, size_t *count, struct qb_error *err)
{
    struct work work = {0};
    size_t longest = 0, used = 0;
    if (size >= UINT32_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%zu bytes of text are too many for the tokenizer", size);
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = piece_of(text + at, size - at);
        longest = piece > longest ? piece : longest;
    }
    int32_t *out = qb_alloc(size, sizeof *out, "tokens", err); /* a token takes at least a byte */
    if (!out || work_make(&work, longest, err))
        goto fail;
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = piece_of(text + at, size - at);
        used += merge_piece(tokenizer, &work, text + at, piece, out + used);
    }
    work_free(&work);
    *tokens = out;
    *count = used;
    return QB_OK;
fail:
    work_free(&work);
    qb_free(out);
    return err->status;
}

enum qb_status qb_tokenizer_decode(const struct qb_tokenizer *tokenizer, const int32_t *tokens, size_t count,
                                   char **text, size_t *size, struct qb_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (tokens[i] < 0 || (size_t)tokens[i] >= tokenizer->vocab)
            return qb_fail(err, QB_ERR_INPUT, "token id %d at place %zu, expected 0 to %zu", (int)tokens[i], i,
                           tokenizer->vocab - 1);
        total += tokenizer->start[tokens[i] + 1] - tokenizer->start[tokens[i]];
    }
    char *out = qb_alloc(total + 1, 1, "decoded text", err);
    if (!out)
        return err->status;
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        size_t from = tokenizer->start[tokens[i]], length = tokenizer->start[tokens[i] + 1] - from;
        memcpy(out + *size, tokenizer->bytes + from, length);
        *size += length;
    }
    *text = out;
    return QB_OK;
}
