#include "base/escape.h"

#include <string.h>
#include <strings.h>
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

/* What stands for the character at c of the clean text; NULL: the character itself. A comment, which no page shows,
 * parts what GitHub would make a link or a mention of; it does so after it has resolved entities and backslashes. */
static const char *markdown(const char *text, const char *c)
{
    const bool last = !c[1] || c[1] == ' ';
    if (c == text && *c == ' ') /* of four blanks: would begin a block of code */
        return "&#32;";
    if (c == text && strchr("-=", *c) && (c[1] == ' ' || c[1] == *c)) /* a list, a line, a heading */
        return *c == '-' ? "\\-" : "\\=";
    if (*c == '.' && last && c > text && strspn(text, "0123456789") == (size_t)(c - text)) /* a numbered list */
        return "\\.";
    if (*c == '.' && c - text >= 3 && strncasecmp(c - 3, "www", 3) == 0)
        return "<!-- -->.";
    if (*c == ':' && c[1] == '/')
        return ":<!-- -->";
    if (*c == '@')
        return "@<!-- -->";
    if (*c == '|') /* GitHub reads "\|" inside code spans only in tables: the entity holds everywhere */
        return "&#124;";
    return strchr("&<>", *c) ? entity(*c) : NULL;
}

void qb_escape_markdown(struct qb_text *out, const char *text)
{
    struct qb_text clean = cleaned(text, QB_CLEAN_LINE);
    for (const char *c = clean.data; *c; c++)
        if (markdown(clean.data, c))
            qb_text_add(out, "%s", markdown(clean.data, c));
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
