/* How a tokenizer cuts a text into the pieces that its model sees one by one: the steps of a tokenizer.json's
 * pre_tokenizer. */
#ifndef QB_SPLIT_H
#define QB_SPLIT_H

#include "tokenizer/normalize.h"

enum qb_split_kind {
    QB_SPLIT_PATTERN, /* at the matches of a pattern */
    QB_SPLIT_PREFIX,  /* a blank before a piece that does not begin with one; no cut */
    QB_SPLIT_BLANKS   /* Metaspace: blanks become content, and a cut before each where pattern is given */
};
enum qb_split_behaviour { /* what becomes of a match; Hugging Face's SplitDelimiterBehavior */
                          QB_SPLIT_ISOLATED,
                          QB_SPLIT_REMOVED,
                          QB_SPLIT_CONTIGUOUS,
                          QB_SPLIT_WITH_PREVIOUS,
                          QB_SPLIT_WITH_NEXT
};
enum qb_prepend { QB_PREPEND_NEVER, QB_PREPEND_FIRST, QB_PREPEND_ALWAYS };

struct qb_split_step {
    enum qb_split_kind kind;
    enum qb_split_behaviour behaviour;
    bool invert;                /* what lies between matches counts as match */
    struct qb_pattern *pattern; /* owned */
    char content[8];            /* BLANKS: what a blank becomes */
    enum qb_prepend prepend;    /* BLANKS: content before which pieces that do not begin with it */
};
#define QB_SPLIT_MAX 32

/* Called with each piece, in order; never with an empty one. */
typedef enum qb_status (*qb_piece)(void *context, const char *text, size_t size, struct qb_error *err);
/* Takes text[size] through the steps. first: it stands at the start of the whole text. */
enum qb_status qb_split(const struct qb_split_step *steps, size_t count, const struct qb_matcher *matcher,
                        const char *text, size_t size, bool first, qb_piece piece, void *context, struct qb_error *err);

#endif
