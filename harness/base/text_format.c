#include "base/text_format.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* The name of a number that has no decimals; NULL: it has. */
static const char *name_of(double value)
{
    if (isfinite(value))
        return NULL;
    return isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

static void shortest(struct qb_text *out, double value)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    qb_text_add(out, "%s", text);
}

void qb_csv_number(struct qb_text *out, double value, bool there)
{
    const char *name = name_of(value);
    if (there && name)
        qb_text_add(out, "%s", name);
    else if (there)
        shortest(out, value);
}

void qb_json_number(struct qb_text *out, double value, bool there)
{
    const char *name = name_of(value);
    if (!there)
        qb_text_add(out, "null");
    else if (name)
        qb_text_add(out, "\"%s\"", name);
    else
        shortest(out, value);
}

bool qb_read_bytes(const char *text, uint64_t *bytes)
{
    static const struct {
        const char *suffix;
        unsigned shift;
    } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    char *end = NULL;
    errno = 0;
    unsigned long long n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    for (size_t i = 0; end && !errno && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].suffix) == 0 && n <= (UINT64_MAX >> units[i].shift)) {
            *bytes = (uint64_t)n << units[i].shift;
            return true;
        }
    return false;
}

bool qb_read_number(const char *text, double *value)
{
    static const struct {
        const char *name;
        double value;
    } names[] = {{"inf", INFINITY}, {"-inf", -INFINITY}, {"nan", NAN}};
    char *end = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i].name) == 0) {
            *value = names[i].value;
            return true;
        }
    *value = strtod(text, &end);
    return *text && !*end && isfinite(*value) && strspn(text, "0123456789+-.eE") == strlen(text);
}

static void json_escape(struct qb_text *out, uint32_t point)
{
    if (point > 0xFFFF) { /* a surrogate pair */
        qb_text_add(out, "\\u%04x", 0xD800 + ((point - 0x10000) >> 10));
        point = 0xDC00 + ((point - 0x10000) & 0x3FF);
    }
    qb_text_add(out, "\\u%04x", point);
}

void qb_json_string(struct qb_text *out, const char *text)
{
    qb_json_bytes(out, text, text ? strlen(text) : 0);
}

void qb_json_bytes(struct qb_text *out, const char *bytes, size_t size)
{
    qb_text_add(out, "\"");
    for (size_t left = size; left > 0;) {
        uint32_t point;
        size_t n = qb_utf8_sequence(bytes, left, &point);
        if (n == 0)
            qb_text_add(out, "\\\\x%02x", (unsigned)(unsigned char)*bytes);
        else if (point == '"' || point == '\\')
            qb_text_add(out, "\\%c", (int)point);
        else if (!qb_utf8_shows(point))
            json_escape(out, point);
        else
            qb_text_bytes(out, bytes, n);
        n = n ? n : 1;
        bytes += n;
        left -= n;
    }
    qb_text_add(out, "\"");
}

/* A decimal number or percentage, or infinity, as qb_shortest_number and printf write them: no spreadsheet runs one. */
static bool is_number(const char *text)
{
    const char *body = text + (*text == '+' || *text == '-');
    char *end;
    if (strcmp(body, "inf") == 0)
        return true;
    strtod(text, &end);
    return end != text && (!*end || strcmp(end, "%") == 0) && text + strspn(text, "+-.0123456789eE") == end;
}

/* Would a spreadsheet take the text for a formula? Blanks before it do not help, nor do the wide forms of the signs; a
 * sign alone is none. */
static bool is_formula(const char *text)
{
    static const char *const signs[] = {"=",           "+", "-", "@", "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d",
                                        "\xef\xbc\xa0"};
    const char *start = text + strspn(text, " ");
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strncmp(start, signs[i], strlen(signs[i])) == 0)
            return start[strlen(signs[i])] && !is_number(text);
    return false;
}

void qb_csv_field(struct qb_text *out, const char *text)
{
    struct qb_text clean = {0};
    qb_clean_bytes(&clean, text, strlen(text), QB_CLEAN_LINE);
    const char *field = clean.data ? clean.data : "";
    bool formula = is_formula(field), quoted = formula || strpbrk(field, ",\"");
    qb_text_add(out, "%s%s", quoted ? "\"" : "", formula ? "'" : "");
    for (; *field; field++)
        qb_text_add(out, *field == '"' ? "\"\"" : "%c", *field);
    qb_text_add(out, "%s", quoted ? "\"" : "");
    out->failed = out->failed || clean.failed;
    qb_text_free(&clean);
}
