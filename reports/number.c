#include "number.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies pattern text up to a conversion or the end, "%%" as "%"; returns where it stopped, NULL when out is full. */
static const char *copy_text(const char *p, char *out, size_t room)
{
    size_t n = 0;
    for (; *p; p++) {
        if (*p == '%' && p[1] != '%')
            break;
        if (n + 1 >= room)
            return NULL;
        out[n++] = *p;
        p += *p == '%';
    }
    out[n] = '\0';
    return p;
}

enum qb_status qb_number_format_read(const struct qb_yaml *node, struct qb_number_format *format, struct qb_error *err)
{
    const char *text;
    if (qb_yaml_text(node, &text, err))
        return err->status;
    const char *p = copy_text(text, format->prefix, sizeof format->prefix);
    if (p && p[0] == '%' && p[1] == '.' && isdigit((unsigned char)p[2])) {
        char *end;
        long digits = strtol(p + 2, &end, 10);
        if (digits <= 15 && *end && strchr("feg", *end)) {
            format->digits = (int)digits;
            format->style = *end;
            p = copy_text(end + 1, format->suffix, sizeof format->suffix);
            if (p && !*p)
                return QB_OK;
        }
    }
    return qb_yaml_fail(node, err,
                        "expected one number pattern such as \"%%.2f%%%%\" (f, e or g, up to 15 digits), "
                        "found \"%s\"",
                        text);
}

/* "3.7e-06" -> "3.7e-6", "1e+03" -> "1e3". */
static void shorten_exponent(char *text)
{
    char *e = strchr(text, 'e');
    if (!e)
        return;
    char *from = e + 1, *to = e + 1;
    if (*from == '-')
        to++, from++;
    else if (*from == '+')
        from++;
    while (*from == '0' && from[1])
        from++;
    memmove(to, from, strlen(from) + 1);
}

static void add_text(const char *text, double value, uint64_t n, struct qb_text *out)
{
    for (const char *p = text; *p; p++) {
        if (strncmp(p, "{n}", 3) == 0 || strncmp(p, "{k}", 3) == 0) {
            if (p[1] == 'n')
                qb_text_add(out, "%llu", (unsigned long long)n);
            else
                qb_text_add(out, "%.0f", round(value / 100 * (double)n));
            p += 2;
        } else {
            qb_text_bytes(out, p, 1);
        }
    }
}

void qb_number_print(const struct qb_number_format *format, double value, uint64_t n, struct qb_text *out)
{
    char digits[512];
    if (!isfinite(value)) {
        qb_text_add(out, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    if (format->style == 'f')
        snprintf(digits, sizeof digits, "%.*f", format->digits, value);
    else if (format->style == 'e')
        snprintf(digits, sizeof digits, "%.*e", format->digits, value);
    else
        snprintf(digits, sizeof digits, "%.*g", format->digits, value);
    shorten_exponent(digits);
    add_text(format->prefix, value, n, out);
    qb_text_add(out, "%s", digits);
    add_text(format->suffix, value, n, out);
}
