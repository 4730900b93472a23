/* Text laid out in columns and paragraphs; widths count columns of a terminal, not bytes
 * (UTF-8): a mark that combines takes none, a wide character two. */
#ifndef QB_LAYOUT_H
#define QB_LAYOUT_H

#include <stddef.h>
#include "base/text.h"

/* Columns of a UTF-8 text. */
size_t qb_width(const char *text);

/* Appends text cut or padded to `width` columns; a cut ends in "...". */
void qb_column(struct qb_text *out, const char *text, size_t width);

/* Appends text cut to `width` columns by its beginning, "..." in its place where there is room for it. */
void qb_column_end(struct qb_text *out, const char *text, size_t width);

/* Appends text as lines of at most `width` columns: the first starts with `head`, the others with as many blanks.
 * Words longer than a line are not broken. Ends with a newline. */
void qb_paragraph(struct qb_text *out, const char *head, const char *text, size_t width);

#endif
