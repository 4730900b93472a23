#include "base/escape.h"

#include <string.h>
#include "base/utf8.h"

/* In clean text every character that a language knows is a byte of its own: UTF-8's others have the high bit set. */
static struct qb_text cleaned(const char *text, enum qb_clean kind)
{
    struct qb_text clean = {0};
    qb_text_bytes(&clean, "", 0);
    qb_clean_bytes(&clean, text, strlen(text), kind);
    return clean;
}

/* The entity of a character of markup, or NULL. */
static const char *entity(char c)
{
    return c == '&'    ? "&amp;"
           : c == '<'  ? "&lt;"
           : c == '>'  ? "&gt;"
           : c == '"'  ? "&quot;"
           : c == '\'' ? "&#39;"
                       : NULL;
}

void qb_escape_html(struct qb_text *out, const char *text)
{
    struct qb_text clean = cleaned(text, QB_CLEAN_LINES);
    for (const char *c = clean.data; *c; c++)
        if (entity(*c))
            qb_text_add(out, "%s", entity(*c));
        else
            qb_text_bytes(out, c, 1);
    out->failed = out->failed || clean.failed;
    qb_text_free(&clean);
}

void qb_escape_markdown(struct qb_text *out, const char *text)
{
    struct qb_text clean = cleaned(text, QB_CLEAN_LINE);
    for (const char *c = clean.data; *c; c++)
        if (strchr("&<>", *c))
            qb_text_add(out, "%s", entity(*c));
        else if (*c == '|') /* GitHub reads "\|" inside code spans only in tables: the entity holds everywhere */
            qb_text_add(out, "&#124;");
        else if (*c == '@') /* would notify a user */
            qb_text_add(out, "&#64;");
        else if (strchr("\\`*_{}[]()#+!~$", *c))
            qb_text_add(out, "\\%c", *c);
        else
            qb_text_bytes(out, c, 1);
    out->failed = out->failed || clean.failed;
    qb_text_free(&clean);
}

void qb_escape_shell(struct qb_text *out, const char *text)
{
    static const char harmless[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:,=@%+"; /* no ~: it is a home */
    const size_t size = strlen(text);
    bool shows = true;
    for (size_t at = 0, n; at < size; at += n) {
        uint32_t point;
        n = qb_utf8_sequence(text + at, size - at, &point);
        shows = shows && n && qb_utf8_shows(point);
        n = n ? n : 1;
    }
    if (size && strspn(text, harmless) == size) {
        qb_text_bytes(out, text, size);
        return;
    }
    qb_text_add(out, shows ? "'" : "$'");
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (shows)
            qb_text_add(out, *c == '\'' ? "'\\''" : "%c", *c);
        else if (*c < 0x20 || *c >= 0x7f)
            qb_text_add(out, "\\x%02x", *c);
        else
            qb_text_add(out, strchr("'\\", *c) ? "\\%c" : "%c", *c);
    qb_text_add(out, "'");
}
