#include "base/text_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void qb_json_string(struct qb_text *out, const char *text)
{
    qb_text_add(out, "\"");
    for (const unsigned char *c = (const unsigned char *)(text ? text : ""); *c; c++) {
        if (*c == '"' || *c == '\\')
            qb_text_add(out, "\\%c", *c);
        else if (*c < 32)
            qb_text_add(out, "\\u%04x", *c);
        else
            qb_text_bytes(out, (const char *)c, 1);
    }
    qb_text_add(out, "\"");
}

void qb_csv_field(struct qb_text *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        qb_text_add(out, "%s", text);
        return;
    }
    qb_text_add(out, "\"");
    for (; *text; text++)
        qb_text_add(out, *text == '"' ? "\"\"" : "%c", *text);
    qb_text_add(out, "\"");
}
