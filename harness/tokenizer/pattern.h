/* What a tokenizer searches for: a text, or a regular expression as Hugging Face's tokenizers read it (Oniguruma's
 * dialect), searched by PCRE2. Patterns come from strangers: the steps and the memory of a match are limited. */
#ifndef QB_PATTERN_H
#define QB_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"

struct qb_pattern;
/* \s is Unicode's White_Space, \w letters, marks, decimal digits and connectors, as there. What PCRE2 would read
 * otherwise (&& and [ in a class, \h) is QB_ERR_INPUT, and so is what it cannot read. */
enum qb_status qb_pattern_regex(const char *text, size_t size, struct qb_pattern **pattern, struct qb_error *err);
enum qb_status qb_pattern_literal(const char *text, size_t size, struct qb_pattern **pattern, struct qb_error *err);
void qb_pattern_free(struct qb_pattern *pattern);

/* What a search works with; one serves all patterns of one thread. */
struct qb_matcher;
struct qb_matcher *qb_matcher_new(struct qb_error *err); /* NULL: no memory */
void qb_matcher_free(struct qb_matcher *matcher);

/* A text cut by a pattern: matches, and what lies between. Bytes that are no UTF-8 are between, and a match neither
 * holds nor sees them. Zero-initialise with the first four. */
struct qb_cut {
    const struct qb_pattern *pattern;
    const struct qb_matcher *matcher;
    const char *text;
    size_t size;
    size_t at;                   /* the next part begins here */
    size_t match_from, match_to; /* the match that was found last */
    size_t run, run_end;         /* text[run .. run_end) is UTF-8 */
};
/* The next part, never empty: text[*from, *to) and whether it is a match. *to == *from: the end. */
enum qb_status qb_cut_next(struct qb_cut *cut, size_t *from, size_t *to, bool *match, struct qb_error *err);

/* Bytes of the UTF-8 that text[size] begins with; what follows is none. */
size_t qb_valid_upto(const char *text, size_t size);

#endif
