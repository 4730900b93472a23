/* Inside of tokenizer.h: shared by the files that use a tokenizer and those that read one. */
#ifndef QB_TOKENIZER_PARTS_H
#define QB_TOKENIZER_PARTS_H

#include "tokenizer/split.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab.h"

struct merge { /* left + right -> id */
    int32_t left, right, id;
    uint32_t rank;
};

enum qb_token_model {
    QB_MODEL_MERGES, /* BPE by a list of pairs */
    QB_MODEL_SCORES, /* SentencePiece's BPE: any two neighbours that a token spells, the best score first */
    QB_MODEL_UNIGRAM
};

struct qb_added { /* a token that is searched for in texts */
    int32_t id;
    char *text; /* as it is searched for; owned */
    size_t size;
    bool control, single_word, left, right; /* left, right: white space beside it belongs to it */
    bool normalized;                        /* it is searched for in the normalised text */
};

#define QB_AFFIX_MAX 8
#define QB_ENDS_MAX 16

struct qb_tokenizer {
    struct qb_vocab vocab;
    enum qb_token_model model;
    bool byte_level; /* symbols are bytes, tokens are spelled in GPT-2's stand-ins; else characters */
    bool byte_fallback, fuse_unknown, whole_first; /* whole_first: a piece that is a token is that token, unmerged */
    int32_t unknown;                               /* -1: none */
    int32_t byte_token[256];                       /* of byte_level, or <0xNN>; -1: none */
    struct merge *merges;                          /* MERGES: a hash table with open addressing; left -1: empty */
    size_t slots;                                  /* a power of two */
    double *scores;                                /* SCORES, UNIGRAM: [vocab.count] */
    uint32_t *ranks;                               /* SCORES: [vocab.count]; equal scores have equal ranks */
    double unknown_score;                          /* UNIGRAM */
    struct qb_words_sorted pieces;                 /* UNIGRAM: the tokens in the model */
    struct qb_normal_step normal[QB_NORMAL_MAX];
    size_t normal_count;
    struct qb_split_step split[QB_SPLIT_MAX];
    size_t split_count;
    struct qb_added *added;
    size_t added_count;
    struct qb_words_sorted raw, normalized; /* of added, found by index */
    bool blanks;                            /* U+2581 in a token is a blank in its text */
    bool strip;                             /* a text decoded loses its first blank */
    int32_t before[QB_AFFIX_MAX], behind[QB_AFFIX_MAX];
    size_t before_count, behind_count;
    int32_t bos, eos;
    int32_t ends[QB_ENDS_MAX];
    size_t ends_count;
    char *chat_template; /* owned, or NULL */
};

/* The slot of a pair: where it is, or the empty one where it would be. */
static inline struct merge *merge_slot(const struct qb_tokenizer *tokenizer, int32_t left, int32_t right)
{
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    for (size_t i = (size_t)(hash >> 32) & (tokenizer->slots - 1);; i = (i + 1) & (tokenizer->slots - 1)) {
        struct merge *slot = &tokenizer->merges[i];
        if (slot->left < 0 || (slot->left == left && slot->right == right))
            return slot;
    }
}

/* What the models work with; zero-initialise, qb_pieces_free releases. Ids are appended. */
struct qb_pieces {
    int32_t *ids;
    size_t count;
    void *symbols, *pairs, *nodes; /* room for the longest piece so far */
};
enum qb_status qb_pieces_add(struct qb_pieces *pieces, int32_t id, struct qb_error *err);
void qb_pieces_free(struct qb_pieces *pieces);
/* Appends the tokens of a character without one: those of its bytes, or the unknown one (*unknown: the last one was it;
 * it is not repeated where unknown ones are fused). */
enum qb_status qb_pieces_fall_back(const struct qb_tokenizer *tokenizer, struct qb_pieces *pieces, const char *text,
                                   size_t size, bool *unknown, struct qb_error *err);
/* The tokens of one piece of text, size > 0. */
enum qb_status qb_bpe_piece(const struct qb_tokenizer *tokenizer, struct qb_pieces *pieces, const char *text,
                            size_t size, struct qb_error *err);
enum qb_status qb_unigram_piece(const struct qb_tokenizer *tokenizer, struct qb_pieces *pieces, const char *text,
                                size_t size, struct qb_error *err);

/* ---- for reading ---- */

enum qb_status qb_tokenizer_new(struct qb_tokenizer **tokenizer, struct qb_error *err);
/* Bytes as byte-level tokens spell them. GPT-2's stand-ins: bytes that are printable in Latin-1 stand for themselves,
 * the others for U+0100 on. */
void qb_byte_level_spell(const char *bytes, size_t size, struct qb_text *out);
/* Puts a token of the model as a file spells it. */
enum qb_status qb_tokenizer_put(struct qb_tokenizer *tokenizer, size_t id, const char *text, size_t size,
                                enum qb_token_kind kind, struct qb_error *err);
/* Adds a merge of two spelled tokens. */
enum qb_status qb_tokenizer_merge(struct qb_tokenizer *tokenizer, size_t rank, const char *left, size_t left_size,
                                  const char *right, size_t right_size, struct qb_error *err);
/* Room for count merges; before the first. */
enum qb_status qb_tokenizer_merges(struct qb_tokenizer *tokenizer, size_t count, struct qb_error *err);
/* Adds a token that is searched for in texts. added's text is copied, as the normaliser makes it where it is searched
 * for after that. */
enum qb_status qb_tokenizer_add(struct qb_tokenizer *tokenizer, const struct qb_added *added, struct qb_error *err);
enum qb_status qb_tokenizer_step(struct qb_tokenizer *tokenizer, struct qb_split_step step, struct qb_error *err);
/* Splits at each match of a regular expression, matches by themselves. */
enum qb_status qb_tokenizer_regex(struct qb_tokenizer *tokenizer, const char *pattern, struct qb_error *err);
enum qb_status qb_tokenizer_normal(struct qb_tokenizer *tokenizer, struct qb_normal_step step, struct qb_error *err);
/* When all tokens are there: lookup, tokens of bytes, ranks, search for added tokens, ends by name. */
enum qb_status qb_tokenizer_index(struct qb_tokenizer *tokenizer, struct qb_error *err);
/* This token ends a text or a turn; -1: none. */
void qb_tokenizer_end(struct qb_tokenizer *tokenizer, int32_t id);
enum qb_status qb_tokenizer_finish(struct qb_tokenizer *tokenizer, struct qb_error *err);

/* The splitting that GGUF calls `name`, and whether such tokenizers put BOS before a text where the file does not say.
 */
enum qb_status qb_tokenizer_pre(struct qb_tokenizer *tokenizer, const char *name, bool *add_bos, struct qb_error *err);
/* A tokenizer.json alone. */
enum qb_status qb_tokenizer_open_json(const char *path, struct qb_tokenizer **tokenizer, struct qb_error *err);

/* ---- parts of a tokenizer.json ---- */

struct json_t;
enum qb_status qb_json_normalizer(struct qb_tokenizer *tokenizer, const struct json_t *part, struct qb_error *err);
enum qb_status qb_json_pre_tokenizer(struct qb_tokenizer *tokenizer, const struct json_t *part, struct qb_error *err);
enum qb_status qb_json_decoder(struct qb_tokenizer *tokenizer, const struct json_t *part, struct qb_error *err);
enum qb_status qb_json_post_processor(struct qb_tokenizer *tokenizer, const struct json_t *part, struct qb_error *err);
/* What lies beside a tokenizer.json: chat template, first and last tokens. Missing files are none. */
enum qb_status qb_tokenizer_beside(struct qb_tokenizer *tokenizer, const char *path, struct qb_error *err);

/* GPT-2's splitting. */
#define QB_GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

#endif
