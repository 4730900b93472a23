#include "base/layout.h"

#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"

/* Bytes of the first character of a text that is not at its end, and the columns that a terminal gives it: none to a
 * mark that combines, two to a wide one. */
static size_t first(const char *text, size_t *columns)
{
    uint32_t point;
    const size_t n = qb_utf8_sequence(text, strnlen(text, 4), &point);
    *columns = n ? (size_t)utf8proc_charwidth((utf8proc_int32_t)point) : 1;
    return n ? n : 1;
}

size_t qb_width(const char *text)
{
    size_t width = 0, columns;
    for (; *text; width += columns)
        text += first(text, &columns);
    return width;
}

/* Bytes of the longest start that takes at most `width` columns. */
static size_t bytes_of(const char *text, size_t width)
{
    size_t i = 0, columns;
    while (text[i]) {
        const size_t n = first(text + i, &columns);
        if (columns > width)
            break;
        width -= columns;
        i += n;
    }
    return i;
}

void qb_column(struct qb_text *out, const char *text, size_t width)
{
    const bool cut = qb_width(text) > width && width > 3;
    const size_t size = bytes_of(text, cut ? width - 3 : width);
    size_t have = cut ? 3 : 0, columns;
    qb_text_bytes(out, text, size);
    qb_text_bytes(out, "...", cut ? 3 : 0);
    for (size_t i = 0; i < size; have += columns)
        i += first(text + i, &columns);
    for (; have < width; have++)
        qb_text_bytes(out, " ", 1);
}

void qb_column_end(struct qb_text *out, const char *text, size_t width)
{
    const size_t room = width > 3 ? width - 3 : width;
    size_t have = qb_width(text), columns;
    if (have > width) {
        qb_text_bytes(out, "...", width - room);
        for (; have > room; have -= columns)
            text += first(text, &columns);
    }
    qb_text_add(out, "%s", text);
}

void qb_paragraph(struct qb_text *out, const char *head, const char *text, size_t width)
{
    size_t indent = qb_width(head), at = indent;
    qb_text_add(out, "%s", head);
    while (*text) {
        size_t n = strcspn(text, " \n"), columns = 0, each;
        for (size_t i = 0; i < n; columns += each)
            i += first(text + i, &each);
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
