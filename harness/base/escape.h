/* Text for HTML, XML, Markdown and shells, appended to a growing buffer. Each function cleans (base/utf8.h): what
 * XML 1.0 forbids even escaped is no clean text. */
#ifndef QB_ESCAPE_H
#define QB_ESCAPE_H

#include "base/text.h"

/* HTML and XML 1.0, in text and in quoted attribute values alike: & < > " '. Lines stay lines. */
void qb_escape_html(struct qb_text *out, const char *text);

/* GitHub-flavoured Markdown, in a paragraph or a table cell: one line, and every character that could start markup or
 * HTML is a backslash escape or an entity; addresses and names of users become no links. */
void qb_escape_markdown(struct qb_text *out, const char *text);

/* A word of a command that is shown to be copied: as it is where no shell would act on it, else in single quotes, and
 * where a character does not show in those of $'a\x1bb' (bash, ksh, zsh), which give the same bytes again. */
void qb_escape_shell(struct qb_text *out, const char *text);

#endif
