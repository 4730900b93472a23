/* What llama.cpp's perplexity tool computes of a position, to the type of each number: log-probabilities of the base in
 * 16 bits, sums in float64 of float32 terms. Formulas: llama.cpp, tools/perplexity/perplexity.cpp, as of 2025. What it
 * makes of many positions is in metric_llama.c. Nothing here allocates; all functions are thread-safe. */
#ifndef QB_LLAMA_H
#define QB_LLAMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row of the base in 16-bit words: scale and offset, a float32 in two words each, then a word a token, and a zero
 * where the vocabulary is odd. log p of token v is scale * word[v] + offset in float32. */
#define QB_LLAMA_HEAD 4
static inline size_t qb_llama_words(size_t vocab)
{
    return QB_LLAMA_HEAD + vocab + vocab % 2;
}

/* What a row and its logits share: how the words come from the logits, and what they are. */
struct qb_llama_base {
    float scale, offset; /* of the row */
    float least;         /* logits down to here have words */
    int32_t top;         /* the first token of the largest log p */
};
/* Of finite logits x[vocab]. */
struct qb_llama_base qb_llama_base_of(const float *x, size_t vocab);

/* row[qb_llama_words(vocab)] of finite logits x[vocab]: 65535 steps from the largest logit down to the smallest, but to
 * no less than the largest minus 16; tokens below have word 0, so at least about e^-16 of the largest's probability. */
void qb_llama_pack(const float *x, size_t vocab, uint16_t *row);
/* log p[vocab] of a row, which need not sum to 1. Where the row ends 16 under the largest, the tokens of word 0 lie
 * there or lower, nobody knows where: they get QB_LLAMA_BELOW, no probability (base/probability.h). Word 0 itself would
 * give 49,000 of them half a percent together, and every KL to the row as much. */
#define QB_LLAMA_BELOW (-1e4f)
void qb_llama_unpack(const uint16_t *row, size_t vocab, float *log_p);

struct qb_llama_position {
    double kld;          /* nat: KL of the base's row to the logits, over tokens with log p > -16 alone */
    float nll, nll_base; /* nat */
    float dp;            /* p(target) less the base's */
    bool same_top;       /* the first of the largest is the same token */
};
/* Of finite logits x[vocab] against a row of the base; target in [0, vocab). */
struct qb_llama_position qb_llama_compare(const uint16_t *row, const float *x, size_t vocab, int32_t target);
/* The same against the row that qb_llama_pack makes of logits p[vocab], of which `base` is: without the row. */
struct qb_llama_position qb_llama_compare_logits(const float *p, const struct qb_llama_base *base, const float *x,
                                                 size_t vocab, int32_t target);

#endif
