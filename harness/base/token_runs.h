/* Runs of tokens that two texts share: is a text measured on what something was calibrated or chosen on? */
#ifndef QB_TOKEN_RUNS_H
#define QB_TOKEN_RUNS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* How many of contexts[count, length] occur in text[pieces, piece_length]: a context does when any run of
 * w = min(32, length, piece_length) of its tokens stands in one piece, token by token in the same order. Pieces of
 * under 8 tokens that are shorter than a context are left out: a phrase of that length comes up by chance. Takes
 * O(count * length + pieces * piece_length) steps. */
enum qb_status qb_contexts_in_text(const int32_t *contexts, size_t count, size_t length, const int32_t *text,
                                   size_t pieces, size_t piece_length, size_t *overlap, struct qb_error *err);

/* The same over pieces of any length, text[first .. first + length): runs of min(32, length of a context) tokens.
 * Pieces that are shorter than that are left out. */
struct qb_token_piece {
    size_t first, length;
};
enum qb_status qb_contexts_in_pieces(const int32_t *contexts, size_t count, size_t length, const int32_t *text,
                                     const struct qb_token_piece *pieces, size_t piece_count, size_t *overlap,
                                     struct qb_error *err);

#endif
