/* Text <-> token ids: byte-level BPE, SentencePiece's BPE and unigram, read from a tokenizer.json or GGUF's metadata.
 * What a file asks for and is not known here is refused by name. Ids are those of the original (Hugging Face's
 * tokenizers, SentencePiece), tests/long/compare_tokenizers.py compares; docs/tokenizers.md says where originals
 * differ. */
#ifndef QB_TOKENIZER_H
#define QB_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"

/* The kinds that are read: model.type of a tokenizer.json, tokenizer.ggml.model of GGUF. */
#define QB_TOKENIZER_JSON_KINDS "BPE or Unigram"
#define QB_TOKENIZER_GGUF_KINDS "gpt2, llama or t5"

struct qb_weights;
struct qb_tokenizer; /* does not change while it is used: threads may share one */

/* The tokenizer of what lies at path: a tokenizer.json, a folder with one, a GGUF file, or a model in our layout that
 * names one beside it. tokenizer_config.json, generation_config.json and chat_template.jinja are read where they lie
 * beside a tokenizer.json, for the chat template and the tokens that begin and end a text. */
enum qb_status qb_tokenizer_open(const char *path, struct qb_tokenizer **tokenizer, struct qb_error *err);
/* GGUF's metadata (tokenizer.*). Copies: weights may go. */
enum qb_status qb_tokenizer_open_gguf(const struct qb_weights *weights, struct qb_tokenizer **tokenizer,
                                      struct qb_error *err);
void qb_tokenizer_free(struct qb_tokenizer *tokenizer);

enum {
    QB_ENCODE_SPECIAL = 1, /* control tokens spelled out in the text are these tokens; else they are plain text */
    QB_ENCODE_AFFIXES = 2  /* the tokens that the file puts before and behind a text: BOS, where it says so, and once
                              even where the text spells it out; EOS where it says so */
};
/* Any bytes in. Byte-level BPE takes bytes that are no UTF-8 as pieces of their own; the others give each its byte
 * token (byte fallback), or the unknown token where there is none. A piece without any token is left out, as originals
 * do. *tokens is a new buffer for qb_free. */
enum qb_status qb_tokenizer_encode(const struct qb_tokenizer *tokenizer, const char *text, size_t size, unsigned flags,
                                   int32_t **tokens, size_t *count, struct qb_error *err);
/* The text of tokens as bytes, a NUL behind; new buffer. Control tokens are spelled out; the blank that the tokenizer
 * puts before a text goes. Ids out of range are an error. */
enum qb_status qb_tokenizer_decode(const struct qb_tokenizer *tokenizer, const int32_t *tokens, size_t count,
                                   char **text, size_t *size, struct qb_error *err);
/* Appends the bytes of one token as they stand in the middle of a text: a part of a character where the token is one.
 * Nothing for an id without a token. */
void qb_tokenizer_bytes(const struct qb_tokenizer *tokenizer, int32_t id, struct qb_text *out);
/* Appends the token as the file spells it ("\u0120the", "\u2581the", "<0x0A>"): always UTF-8 where the file is. */
void qb_tokenizer_spell(const struct qb_tokenizer *tokenizer, int32_t id, struct qb_text *out);

/* Appends what it is in a line, "byte-level BPE, 49152 tokens, ...", without a line end. */
void qb_tokenizer_print(const struct qb_tokenizer *tokenizer, struct qb_text *out);

size_t qb_tokenizer_vocab(const struct qb_tokenizer *tokenizer); /* ids are below it */
/* -1: there is none. */
int32_t qb_tokenizer_bos(const struct qb_tokenizer *tokenizer);
int32_t qb_tokenizer_eos(const struct qb_tokenizer *tokenizer);
/* Does this token end a text or a turn of a chat? By the file, and by the names that families give it. */
bool qb_tokenizer_ends(const struct qb_tokenizer *tokenizer, int32_t id);
/* A control token, no part of a text. */
bool qb_tokenizer_is_control(const struct qb_tokenizer *tokenizer, int32_t id);
/* The added or control token with this text, or -1. */
int32_t qb_tokenizer_added(const struct qb_tokenizer *tokenizer, const char *text);
/* The chat template (Jinja), or NULL. */
const char *qb_tokenizer_chat_template(const struct qb_tokenizer *tokenizer);

/* Appends a tokenizer.json, and the tokenizer_config.json beside it, of `tokens` >= 257 tokens: byte b is token b,
 * `end`
 * >= 256 the end of text, and the others are placeholders that no text is made of. */
void qb_tokenizer_of_bytes(size_t tokens, size_t end, struct qb_text *tokenizer, struct qb_text *settings);

#endif
