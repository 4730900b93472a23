/* Text laid out in columns and paragraphs; widths count characters, not bytes (UTF-8). */
#ifndef QB_LAYOUT_H
#define QB_LAYOUT_H

#include <stddef.h>
#include "base/text.h"

/* Characters of a UTF-8 text. */
size_t qb_width(const char *text);

/* Appends text cut or padded to `width` characters; a cut ends in "...". */
void qb_column(struct qb_text *out, const char *text, size_t width);

/* Appends text as lines of at most `width` characters: the first starts with `first`, the others with as many blanks.
 * Words longer than a line are not broken. Ends with a newline. */
void qb_paragraph(struct qb_text *out, const char *first, const char *text, size_t width);

#endif
