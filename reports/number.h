/* How a ledger prints a number: a declared pattern such as "%.2f%%" or "%.2f MB", checked when it is read, so that no
 * text from a file ever reaches printf as a format. */
#ifndef QB_NUMBER_H
#define QB_NUMBER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"
#include "base/yaml.h"

/* "prefix%.<digits><style>suffix". In the texts "%%" is a percent sign, {n} the number of observations and {k} the
 * count value/100*n, rounded: "%.2f%% ({k}/{n})" prints "100.00% (500/500)". */
struct qb_number_format {
    char prefix[32], suffix[48];
    char style; /* 'f', 'e' or 'g' */
    int digits; /* 0..15 */
};

/* Reads a pattern from a YAML scalar; anything but one %.<digits>{f,e,g} and %% is an error with file and line. */
enum qb_status qb_number_format_read(const struct qb_yaml *node, struct qb_number_format *format, struct qb_error *err);

/* Appends value in that form. Exponents are written without a leading zero (3.7e-6), as the documents have them; NaN
 * prints as "nan". */
void qb_number_print(const struct qb_number_format *format, double value, uint64_t n, struct qb_text *out);

#endif
