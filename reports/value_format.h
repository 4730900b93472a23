/* How the numbers of one table column are printed, so that a column reads evenly: fixed decimals, integers, or
 * scientific when its values span decades. */
#ifndef QB_VALUE_FORMAT_H
#define QB_VALUE_FORMAT_H

#include <stddef.h>
#include "base/text.h"

enum qb_value_style { QB_STYLE_INTEGER, QB_STYLE_FIXED, QB_STYLE_SCIENTIFIC };
struct qb_value_format {
    enum qb_value_style style;
    int decimals; /* after the point: of every number (fixed) or of the mantissa (scientific) */
};

/* For values x[n] (those that are not finite are passed over) of this unit; percents have two decimals. */
struct qb_value_format qb_value_format_for(const double *x, size_t n, const char *unit);

/* "98.48", "10962016", "4.43e-4"; scientific columns print 0.1 <= |x| < 1000 without an exponent. Not finite: "NaN",
 * "∞", "-∞". */
void qb_value_plain(struct qb_text *out, struct qb_value_format format, double x);

/* The same for HTML: minus signs, and thin spaces between thousands. */
void qb_value_html(struct qb_text *out, struct qb_value_format format, double x);

/* siunitx table-format that holds all of x[n]: "3.2", "8.0", "1.2e-2". */
void qb_value_siunitx(struct qb_text *out, struct qb_value_format format, const double *x, size_t n);

#endif
