/* What a tokenizer makes of a text before it is split: the steps of a tokenizer.json's normalizer. */
#ifndef QB_NORMALIZE_H
#define QB_NORMALIZE_H

#include "base/text.h"
#include "tokenizer/pattern.h"

enum qb_normal_kind {
    QB_NORMAL_PREPEND,  /* content before a text that is not empty */
    QB_NORMAL_REPLACE,  /* content in place of each match of pattern */
    QB_NORMAL_FORM,     /* a Unicode normal form (utf8proc); bytes that are no UTF-8 stay */
    QB_NORMAL_STRIP,    /* white space at the ends goes */
    QB_NORMAL_CHARSMAP, /* SentencePiece's table of replacements */
    QB_NORMAL_BLANKS    /* SentencePiece's blanks as U+2581: a first one, runs as one */
};

struct qb_normal_step {
    enum qb_normal_kind kind;
    struct qb_pattern *pattern; /* REPLACE; owned */
    char *content;              /* REPLACE, PREPEND; CHARSMAP: the table; owned */
    size_t size;                /* of content */
    int form;                   /* FORM: utf8proc's options */
    bool left, right;           /* STRIP: at which ends. BLANKS: left: a first one is put there, right: runs are one */
    bool graphemes;             /* CHARSMAP: a cluster is looked up before its characters, and the shortest entry
                                   counts, as Hugging Face does; else the longest, as SentencePiece */
};
#define QB_NORMAL_MAX 32

/* A stranger's steps must not make a file of memory out of a letter: so many bytes at most are made of a text of
 * `size`. What Unicode's own forms make is up to 11 bytes of one. */
#define QB_NORMAL_GROWTH 64
static inline size_t qb_normal_most(size_t size)
{
    return size < SIZE_MAX / (2 * QB_NORMAL_GROWTH) ? 4096 + QB_NORMAL_GROWTH * size : SIZE_MAX / 2;
}

/* One step: appends to out what it makes of text[size]. More than `most` bytes is QB_ERR_INPUT. */
enum qb_status qb_normalize(const struct qb_normal_step *step, const struct qb_matcher *matcher, const char *text,
                            size_t size, size_t most, struct qb_text *out, struct qb_error *err);
struct qb_normal_step qb_normal_form_c(void);
void qb_normal_free(struct qb_normal_step *step);

/* Is a table of replacements whole? Layout (SentencePiece, normalizer.cc): the bytes of the trie as uint32, the trie (a
 * double array of Darts-clone), replacements, each with a NUL. */
enum qb_status qb_charsmap_check(const char *table, size_t size, struct qb_error *err);
/* Appends the text with its replacements. */
void qb_charsmap_apply(const struct qb_normal_step *step, const char *text, size_t size, size_t most,
                       struct qb_text *out);

/* Bytes of white space (Unicode's White_Space) at the ends of a text. */
size_t qb_white_at_start(const char *text, size_t size);
size_t qb_white_at_end(const char *text, size_t size);

#endif
