/* A text as llama.cpp's perplexity tool reads it: chunks one after another, BOS in the place of each first token where
 * the tokenizer adds one. Shared by kl and kv. */
#ifndef QB_CHUNK_TEXT_H
#define QB_CHUNK_TEXT_H

#include "run/experiment.h"

struct qb_chunk_text {
    const int32_t *tokens; /* [chunks, context] */
    int32_t *own;          /* the buffer of tokens where BOS stands in, else NULL */
    size_t chunks, context;
};

/* The text of env's inputs, which must outlive it. None, or a context of fewer than 4 tokens, is QB_ERR_INPUT naming
 * `experiment`. Close it also on failure. */
enum qb_status qb_chunk_text_open(const struct qb_cell_env *env, const char *experiment, struct qb_chunk_text *text,
                                  struct qb_error *err);
void qb_chunk_text_close(struct qb_chunk_text *text);

#endif
