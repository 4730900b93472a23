#include "metric/logits_base.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "metric/llama.h"

enum { MAGIC_SIZE = 8, HEAD_SIZE = MAGIC_SIZE + 3 * 4 };
enum { CONTEXT_MAX = 1 << 20, CHUNKS_MAX = 1 << 20, VOCAB_MAX = 1 << 24 };

/* ---- reading ---- */

/* Every number of the file is small enough for the next product: 2^20 chunks of 2^20 tokens, of 2^19 rows of 2^25
 * bytes, hence the last comparison by division. */
static enum qb_status check_sizes(const char *path, const struct qb_logits_base *b, struct qb_error *err)
{
    const size_t tokens = b->chunks * b->context * 4, row = 2 * qb_llama_words(b->vocab);
    const size_t rows = b->chunks * qb_llama_scored(b->context), left = b->map.size - HEAD_SIZE;
    if (tokens > left)
        return qb_fail(err, QB_ERR_INPUT,
                       "%s: %zu chunks of %zu tokens need %zu bytes, the file has %zu behind its head", path, b->chunks,
                       b->context, tokens, left);
    if ((left - tokens) % row != 0 || (left - tokens) / row != rows)
        return qb_fail(err, QB_ERR_INPUT, "%s: %zu positions of %zu bytes expected behind the tokens, found %zu bytes",
                       path, rows, row, left - tokens);
    return QB_OK;
}

static enum qb_status check_tokens(const char *path, const struct qb_logits_base *b, struct qb_error *err)
{
    for (size_t i = 0; i < b->chunks * b->context; i++) {
        int32_t token;
        memcpy(&token, b->tokens + 4 * i, 4);
        if (token < 0 || (size_t)token >= b->vocab)
            return qb_fail(err, QB_ERR_INPUT, "%s: token %zu is %" PRId32 ", the vocabulary has %zu", path, i, token,
                           b->vocab);
    }
    return QB_OK;
}

/* Words run from 0 to 65535, so that a row's head says between which log-probabilities it lies. Those of a distribution
 * are finite, and none is over 0 by more than rounding. */
static enum qb_status check_rows(const char *path, const struct qb_logits_base *b, struct qb_error *err)
{
    const size_t size = 2 * qb_llama_words(b->vocab), rows = b->chunks * qb_llama_scored(b->context);
    for (size_t i = 0; i < rows; i++) {
        float head[2];
        memcpy(head, b->rows + i * size, sizeof head);
        const float largest = head[0] * UINT16_MAX + head[1];
        if (!(head[0] >= 0.0f && isfinite(head[1]) && largest <= 0.01f))
            return qb_fail(err, QB_ERR_INPUT,
                           "%s: position %zu: log-probabilities from %g to %g, expected those of a distribution", path,
                           i, (double)head[1], (double)largest);
    }
    return QB_OK;
}

enum qb_status qb_logits_base_open(const char *path, struct qb_logits_base *b, struct qb_error *err)
{
    uint32_t head[3];
    *b = (struct qb_logits_base){0};
    if (qb_file_map(path, &b->map, err))
        return err->status;
    if (b->map.size < HEAD_SIZE || memcmp(b->map.data, QB_LOGITS_BASE_START, MAGIC_SIZE) != 0)
        return qb_fail(err, QB_ERR_INPUT,
                       "%s: expected llama.cpp's logits base file, which begins with '" QB_LOGITS_BASE_START "'", path);
    memcpy(head, b->map.data + MAGIC_SIZE, sizeof head);
    if (head[0] < 4 || head[0] > CONTEXT_MAX || head[1] < 2 || head[1] > VOCAB_MAX || head[2] < 1 ||
        head[2] > CHUNKS_MAX)
        return qb_fail(err, QB_ERR_INPUT,
                       "%s: a context of %" PRIu32 ", a vocabulary of %" PRIu32 " and %" PRIu32
                       " chunks; expected 4 to %d, 2 to %d and 1 to %d",
                       path, head[0], head[1], head[2], CONTEXT_MAX, VOCAB_MAX, CHUNKS_MAX);
    b->context = head[0];
    b->vocab = head[1];
    b->chunks = head[2];
    if (check_sizes(path, b, err))
        return err->status;
    b->tokens = b->map.data + HEAD_SIZE;
    b->rows = b->tokens + b->chunks * b->context * 4;
    return check_tokens(path, b, err) ? err->status : check_rows(path, b, err);
}

void qb_logits_base_close(struct qb_logits_base *base)
{
    qb_file_unmap(&base->map);
    *base = (struct qb_logits_base){0};
}

void qb_logits_base_tokens(const struct qb_logits_base *base, int32_t *tokens)
{
    memcpy(tokens, base->tokens, base->chunks * base->context * sizeof *tokens);
}

void qb_logits_base_row(const struct qb_logits_base *base, size_t i, uint16_t *row)
{
    const size_t size = 2 * qb_llama_words(base->vocab);
    memcpy(row, base->rows + i * size, size);
}

/* ---- writing ---- */

struct writing {
    const struct qb_logits_text *text;
    qb_logits_source source;
    void *context;
};

static enum qb_status write_rows(const struct writing *w, FILE *file, struct qb_error *err)
{
    const struct qb_logits_text *text = w->text;
    const size_t words = qb_llama_words(text->vocab), scored = qb_llama_scored(text->context);
    float *logits = qb_alloc(QB_LOGITS_BLOCK * text->vocab, sizeof *logits, "logits", err);
    uint16_t *row = logits ? qb_alloc(words, sizeof *row, "a row of the base", err) : NULL;
    for (size_t c = 0; row && c < text->chunks && !err->status; c++)
        for (size_t from = 0; from < scored && !err->status; from += QB_LOGITS_BLOCK) {
            const size_t n = scored - from < QB_LOGITS_BLOCK ? scored - from : QB_LOGITS_BLOCK;
            w->source(w->context, c, from, n, logits, err);
            for (size_t i = 0; i < n && !err->status; i++) {
                qb_llama_pack(logits + i * text->vocab, text->vocab, row);
                qb_file_put(file, row, words * sizeof *row, err);
            }
        }
    qb_free(row);
    qb_free(logits);
    return err->status;
}

static enum qb_status write_all(void *context, FILE *file, struct qb_error *err)
{
    const struct writing *w = context;
    const struct qb_logits_text *text = w->text;
    const uint32_t head[] = {(uint32_t)text->context, (uint32_t)text->vocab, (uint32_t)text->chunks};
    return qb_file_put(file, QB_LOGITS_BASE_START, MAGIC_SIZE, err) || qb_file_put(file, head, sizeof head, err) ||
                   qb_file_put(file, text->tokens, text->chunks * text->context * sizeof *text->tokens, err)
               ? err->status
               : write_rows(w, file, err);
}

enum qb_status qb_logits_base_write(const char *path, const struct qb_logits_text *text, qb_logits_source source,
                                    void *context, struct qb_error *err)
{
    return qb_file_write(path, write_all, &(struct writing){text, source, context}, err);
}
