#include "value_format.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 4, MANTISSA = 2 };

/* Does scientific style print this one without an exponent? */
static bool plain_in_scientific(double x)
{
    return x == 0 || (fabs(x) >= 0.1 && fabs(x) < 1000);
}

struct qb_value_format qb_value_format_for(const double *x, size_t n, const char *unit)
{
    bool whole = true;
    double least = INFINITY, most = 0;
    if (strcmp(unit, "%") == 0)
        return (struct qb_value_format){QB_STYLE_FIXED, 2};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            continue;
        whole = whole && x[i] == floor(x[i]) && fabs(x[i]) < 1e15;
        least = x[i] != 0 && fabs(x[i]) < least ? fabs(x[i]) : least;
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    }
    if (whole)
        return (struct qb_value_format){QB_STYLE_INTEGER, 0};
    if (least < 1e-2 || most >= 1e6 || most / least > 1e4)
        return (struct qb_value_format){QB_STYLE_SCIENTIFIC, MANTISSA};
    int decimals = DIGITS - 1 - (int)floor(log10(most));
    int fine = 2 - (int)floor(log10(least)); /* three digits of the least one */
    decimals = fine > decimals ? fine : decimals;
    return (struct qb_value_format){QB_STYLE_FIXED, decimals < 0 ? 0 : decimals > 5 ? 5 : decimals};
}

/* Three significant digits of a number that scientific style prints without an exponent. */
static int plain_decimals(double x)
{
    return x == 0 ? 0 : fabs(x) < 1 ? 3 : fabs(x) < 10 ? 2 : fabs(x) < 100 ? 1 : 0;
}

/* Mantissa and exponent of |x|, rounded together: 9.999 is 1.00e1. */
static void split(double x, int decimals, char mantissa[32], int *exponent)
{
    char text[48];
    snprintf(text, sizeof text, "%.*e", decimals, x);
    char *e = strchr(text, 'e');
    *exponent = e ? atoi(e + 1) : 0;
    snprintf(mantissa, 32, "%.*s", e ? (int)(e - text) : 31, text);
}

static bool not_finite(struct qb_text *out, double x, const char *minus, const char *infinity)
{
    if (isfinite(x))
        return false;
    qb_text_add(out, "%s%s", !isnan(x) && x < 0 ? minus : "", isnan(x) ? "NaN" : infinity);
    return true;
}

void qb_value_plain(struct qb_text *out, struct qb_value_format format, double x)
{
    char mantissa[32];
    int exponent;
    if (not_finite(out, x, "-", "\u221e"))
        return;
    if (format.style != QB_STYLE_SCIENTIFIC) {
        qb_text_add(out, "%.*f", format.decimals, x);
    } else if (plain_in_scientific(x)) {
        qb_text_add(out, "%.*f", plain_decimals(x), x);
    } else {
        split(x, format.decimals, mantissa, &exponent);
        qb_text_add(out, "%se%d", mantissa, exponent);
    }
}

/* Digits with thin spaces between thousands of the whole part, from five digits on. */
static void grouped(struct qb_text *out, const char *digits)
{
    size_t whole = strcspn(digits, ".");
    for (size_t i = 0; i < whole; i++)
        qb_text_add(out, "%s%c", i && whole > 4 && (whole - i) % 3 == 0 ? "&#8239;" : "", digits[i]);
    qb_text_add(out, "%s", digits + whole);
}

void qb_value_html(struct qb_text *out, struct qb_value_format format, double x)
{
    struct qb_text plain = {0};
    if (not_finite(out, x, "&minus;", "&infin;"))
        return;
    qb_value_plain(&plain, format, x);
    char *text = plain.data ? plain.data : "", *e = strchr(text, 'e');
    if (*text == '-') {
        qb_text_add(out, "&minus;");
        text++;
    }
    if (e)
        *e = '\0';
    grouped(out, text);
    if (e)
        qb_text_add(out, "e%s%s", e[1] == '-' ? "&minus;" : "", e[1] == '-' ? e + 2 : e + 1);
    out->failed = out->failed || plain.failed;
    qb_text_free(&plain);
}

void qb_value_siunitx(struct qb_text *out, struct qb_value_format format, const double *x, size_t n)
{
    size_t whole = 1, part = 0, power = 0;
    bool minus = false, power_minus = false;
    for (size_t i = 0; i < n; i++) {
        struct qb_text text = {0};
        if (!isfinite(x[i]))
            continue;
        qb_value_plain(&text, format, x[i]);
        const char *at = text.data ? text.data : "";
        minus |= *at == '-';
        at += *at == '-';
        size_t digits = strcspn(at, ".e");
        whole = digits > whole ? digits : whole;
        at += digits;
        digits = *at == '.' ? strcspn(at + 1, "e") : 0;
        part = digits > part ? digits : part;
        at += strcspn(at, "e");
        if (*at) {
            at++;
            power_minus |= *at == '-';
            at += *at == '-';
            power = strlen(at) > power ? strlen(at) : power;
        }
        out->failed = out->failed || text.failed;
        qb_text_free(&text);
    }
    qb_text_add(out, "%s%zu.%zu", minus ? "-" : "", whole, part);
    if (power)
        qb_text_add(out, "e%s%zu", power_minus ? "-" : "", power);
}
