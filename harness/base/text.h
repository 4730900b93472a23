/* Strings: a growing buffer, glob match, lists of names for messages. */
#ifndef QB_TEXT_H
#define QB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/utf8.h"

/* A growing string; zero-initialise, read .data (never NULL after the first append), free with qb_text_free. When
 * memory runs out, failed is set and further appends do nothing; a text that is copied into another need not pass that
 * on (qb_mem_lost_text). */
struct qb_text {
    char *data;
    size_t size; /* without the NUL */
    bool failed;
};
void qb_text_add(struct qb_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void qb_text_bytes(struct qb_text *text, const char *data, size_t size);
void qb_text_free(struct qb_text *text);

/* Appends bytes[size], cleaned; a NUL among them is \x00. */
void qb_clean_bytes(struct qb_text *out, const char *bytes, size_t size, enum qb_clean kind);
/* The text, cleaned, as a new string for qb_free; NULL with err set when memory runs out. NULL counts as "". */
char *qb_clean_copy(const char *text, enum qb_clean kind, struct qb_error *err);

/* Shell-like match of a whole string: *, ? and [...] (fnmatch). */
bool qb_glob(const char *pattern, const char *text);

/* The candidate nearest to `word` by edit distance: at most 2 away and not replaced whole, or 3 of six letters or more;
 * NULL when none is. names ends with NULL. */
const char *qb_nearest(const char *word, const char *const *names);

#endif
