#include "base/layout.h"

#include <string.h>

static int continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

size_t qb_width(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += !continues(*text);
    return n;
}

/* Bytes of the first `width` characters. */
static size_t bytes_of(const char *text, size_t width)
{
    size_t i = 0;
    for (; text[i] && width; width--)
        for (i++; continues(text[i]);)
            i++;
    return i;
}

void qb_column(struct qb_text *out, const char *text, size_t width)
{
    size_t have = qb_width(text);
    if (have > width && width > 3) {
        qb_text_bytes(out, text, bytes_of(text, width - 3));
        qb_text_add(out, "...");
        return;
    }
    qb_text_bytes(out, text, bytes_of(text, width));
    for (; have < width; have++)
        qb_text_bytes(out, " ", 1);
}

void qb_paragraph(struct qb_text *out, const char *first, const char *text, size_t width)
{
    size_t indent = qb_width(first), at = indent;
    qb_text_add(out, "%s", first);
    while (*text) {
        size_t n = strcspn(text, " \n"), columns = 0;
        for (size_t i = 0; i < n; i++)
            columns += !continues(text[i]);
        if (at > indent && at + 1 + columns > width) {
            qb_text_add(out, "\n%*s", (int)indent, "");
            at = indent;
        }
        if (at > indent && n) {
            qb_text_bytes(out, " ", 1);
            at++;
        }
        qb_text_bytes(out, text, n);
        at += columns;
        text += n;
        text += strspn(text, " \n");
    }
    qb_text_bytes(out, "\n", 1);
}
