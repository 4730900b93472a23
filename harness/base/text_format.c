#include "base/text_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void qb_shortest_number(struct qb_text *out, double value)
{
    char text[40];
    if (!isfinite(value))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    qb_text_add(out, "%s", text);
}

void qb_json_number(struct qb_text *out, double value)
{
    if (isfinite(value))
        qb_shortest_number(out, value);
    else
        qb_text_add(out, "null");
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
