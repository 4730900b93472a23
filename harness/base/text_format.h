/* Values as JSON and CSV text, appended to a growing buffer. */
#ifndef QB_TEXT_FORMAT_H
#define QB_TEXT_FORMAT_H

#include <stdbool.h>
#include "base/text.h"

/* A number for a machine to read, the one way everywhere: the shortest of the decimals with 15, 16 or 17 significant
 * digits that reads back as the same double (17 always do: IEEE 754, 5.12.2), without zeros at its end. What is
 * infinite, what is no number and what is missing are three things:
 *                      CSV     JSON (RFC 8259, which has no such numbers)
 *   infinite           inf     "inf"       (-inf, "-inf")
 *   not a number       nan     "nan"
 *   missing            (empty) null        (`there` false, whatever the value is)
 * Where NaN stands for "none", as in intervals and p values, `there` is !isnan(value). */
void qb_csv_number(struct qb_text *out, double value, bool there);
void qb_json_number(struct qb_text *out, double value, bool there);
/* A double of such a text: "inf", "-inf", "nan" or decimals, all of it; false when it is none of these. */
bool qb_read_number(const char *text, double *value);

/* A string of JSON (RFC 8259): in quotes, with quotes, backslashes and control characters escaped, other bytes as they
 * are. NULL counts as "". */
void qb_json_string(struct qb_text *out, const char *text);

/* A field of CSV (RFC 4180): quoted when it holds a comma, a quote or a line end, its bytes as they are. */
void qb_csv_field(struct qb_text *out, const char *text);

#endif
