/* Values as JSON and CSV text, appended to a growing buffer. */
#ifndef QB_TEXT_FORMAT_H
#define QB_TEXT_FORMAT_H

#include "base/text.h"

/* The shortest of the decimals with 15, 16 or 17 significant digits that reads back as the same double (17 always do:
 * IEEE 754, 5.12.2), without zeros at its end; nothing when it is not finite. */
void qb_shortest_number(struct qb_text *out, double value);

/* A number of JSON (RFC 8259): as qb_shortest_number, null when it is not finite. */
void qb_json_number(struct qb_text *out, double value);

/* A string of JSON (RFC 8259): in quotes, with quotes, backslashes and control characters escaped, other bytes as they
 * are. NULL counts as "". */
void qb_json_string(struct qb_text *out, const char *text);

/* A field of CSV (RFC 4180): quoted when it holds a comma, a quote or a line end, its bytes as they are. */
void qb_csv_field(struct qb_text *out, const char *text);

#endif
