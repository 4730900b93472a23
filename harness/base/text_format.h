/* Values as JSON and CSV text, appended to a growing buffer. */
#ifndef QB_TEXT_FORMAT_H
#define QB_TEXT_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
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
/* "2GiB", "512MiB", "1048576": bytes; false when it is none of these. */
bool qb_read_bytes(const char *text, uint64_t *bytes);

/* A string of JSON (RFC 8259): in quotes; quotes, backslashes and characters that do not show (base/utf8.h) are
 * escaped, so that a reader gets the same characters back; a byte that is no UTF-8 reads back as the text \xNN. NULL
 * counts as "". */
void qb_json_string(struct qb_text *out, const char *text);
/* The same of bytes[size], which may hold NULs (\u0000). */
void qb_json_bytes(struct qb_text *out, const char *bytes, size_t size);

/* A field of CSV (RFC 4180) for a text or a number: one clean line (base/utf8.h), quoted when it holds a comma or a
 * quote. A text that a spreadsheet would run as a formula (it begins with = + - @, and is no number) is quoted and has
 * an apostrophe before it, which spreadsheets do not show. */
void qb_csv_field(struct qb_text *out, const char *text);

#endif
