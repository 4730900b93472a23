/* Token ids of a file: of a text, or spelled out. */
#ifndef QB_TOKEN_FILE_H
#define QB_TOKEN_FILE_H

#include "model/model.h"

#define QB_TOKEN_FILE_MAX ((size_t)64 << 20) /* bytes of such a file */

struct qb_token_form {
    bool ids;     /* decimal ids with white space between them; else text for the model's tokenizer */
    bool special; /* special tokens spelled out in the text are these tokens */
    bool affixes; /* with what the tokenizer puts before and behind a text, such as BOS */
};
/* tokens[count], all in the model's vocabulary, a new buffer for qb_free; what is no id is named with its place, and
 * text of a model without tokenizer is refused. On failure *tokens is NULL. */
enum qb_status qb_token_file_read(const struct qb_model *model, const char *path, struct qb_token_form form,
                                  int32_t **tokens, size_t *count, struct qb_error *err);

/* The BOS that the model's tokenizer puts before a text; -1: none, or there is no tokenizer. */
enum qb_status qb_token_bos(const struct qb_model *model, int32_t *bos, struct qb_error *err);

#endif
