/* Byte-level BPE in the HF tokenizer.json layout (ByteLevel pre-tokenizer, GPT-2's pattern). */
#ifndef QB_TOKENIZER_H
#define QB_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

struct qb_tokenizer;
enum qb_status qb_tokenizer_open(const char *path, struct qb_tokenizer **tokenizer, struct qb_error *err);
void qb_tokenizer_free(struct qb_tokenizer *tokenizer);
/* Any bytes in: splitting is GPT-2's on ASCII, bytes from 0x80 on count as letters. *tokens is a new buffer for
 * qb_free. */
enum qb_status qb_tokenizer_encode(const struct qb_tokenizer *tokenizer, const char *text, size_t size,
                                   int32_t **tokens, size_t *count, struct qb_error *err);
/* The text of tokens as bytes, a NUL behind; new buffer. Ids out of range are an error. */
enum qb_status qb_tokenizer_decode(const struct qb_tokenizer *tokenizer, const int32_t *tokens, size_t count,
                                   char **text, size_t *size, struct qb_error *err);

#endif
