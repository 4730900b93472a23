/* The file that llama.cpp's perplexity tool writes and reads under --kl-divergence-base: a text's tokens and, of each
 * scored position, the base's log-probabilities in 16 bits. Little-endian:
 *     "_logits_", u32 context, i32 vocabulary, i32 chunks, i32 tokens[chunks, context], then of each chunk the
 * positions context / 2 up to context - 2 (each predicts the token behind it): u16 [qb_llama_words(vocabulary)]
 * (llama.h). The tokens are the text's: a tool that puts BOS in a chunk's first place does so when it reads them. */
#ifndef QB_LOGITS_BASE_H
#define QB_LOGITS_BASE_H

#include "base/error.h"
#include "base/file.h"

#define QB_LOGITS_BASE_START "_logits_"

/* First position that llama.cpp scores of a chunk, and how many: [first, context - 1). context >= 3. */
static inline size_t qb_llama_first(size_t context)
{
    return context / 2;
}
static inline size_t qb_llama_scored(size_t context)
{
    return context - 1 - context / 2;
}

struct qb_logits_base {
    struct qb_map map;
    size_t context, vocab, chunks; /* 4.., 2.., 1.. */
    const uint8_t *tokens, *rows;  /* into the map */
};
/* Maps the file; its sizes are checked against the file's before anything is made of them, and all tokens against the
 * vocabulary, and the bounds of each row's log-probabilities: QB_ERR_INPUT. Close it also on failure. */
enum qb_status qb_logits_base_open(const char *path, struct qb_logits_base *base, struct qb_error *err);
void qb_logits_base_close(struct qb_logits_base *base);
/* tokens[chunks * context]. */
void qb_logits_base_tokens(const struct qb_logits_base *base, int32_t *tokens);
/* row[qb_llama_words(vocab)] of the i-th scored position of all, i < chunks * scored. */
void qb_logits_base_row(const struct qb_logits_base *base, size_t i, uint16_t *row);

/* What a file holds besides log-probabilities; tokens borrowed. */
struct qb_logits_text {
    size_t context, vocab, chunks; /* 4 to 2^20, 2 to 2^24, 1 to 2^20 */
    const int32_t *tokens;         /* [chunks, context] */
};
/* Logits[n, vocab] of the scored positions [from, from + n) of a chunk, from 0; asked for in the file's order. */
typedef enum qb_status (*qb_logits_source)(void *context, size_t chunk, size_t from, size_t n, float *logits,
                                           struct qb_error *err);
#define QB_LOGITS_BLOCK 32 /* the most that is asked for at once */
/* Writes a file whole, or leaves what was there. */
enum qb_status qb_logits_base_write(const char *path, const struct qb_logits_text *text, qb_logits_source source,
                                    void *context, struct qb_error *err);

#endif
