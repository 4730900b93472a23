#include "escape.h"

#include <stdint.h>
#include <string.h>

#include "base/text_format.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* The code point at *text and its bytes' end in *text; U+FFFD for a byte that starts no valid sequence. */
static uint32_t next_point(const char **text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)*text;
    size_t length = p[0] < 0x80 ? 1 : p[0] >= 0xF0 && p[0] < 0xF8 ? 4 : p[0] >= 0xE0 ? 3 : p[0] >= 0xC0 ? 2 : 0;
    uint32_t point = length > 1 ? p[0] & (0xFFu >> (length + 1)) : p[0];
    (*text)++;
    if (length == 0 || p[0] >= 0xF8)
        return 0xFFFD;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0xFFFD;
        point = point << 6 | (p[i] & 0x3Fu);
    }
    if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
        return 0xFFFD;
    *text += length - 1;
    return point;
}

/* Control characters, but not tab and line ends, and the invisible ones that turn the direction of a line. */
static bool dropped(uint32_t c)
{
    return (c < 32 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* Copies the sequence [from, to), or U+FFFD where it was none. */
static void copy_point(struct qb_text *out, uint32_t point, const char *from, const char *to)
{
    if (point == 0xFFFD)
        qb_text_add(out, "%s", replacement);
    else
        qb_text_bytes(out, from, (size_t)(to - from));
}

void qb_escape_html(struct qb_text *out, const char *text)
{
    while (*text) {
        const char *from = text;
        uint32_t c = next_point(&text);
        if (dropped(c))
            continue;
        if (c == '&')
            qb_text_add(out, "&amp;");
        else if (c == '<')
            qb_text_add(out, "&lt;");
        else if (c == '>')
            qb_text_add(out, "&gt;");
        else if (c == '"')
            qb_text_add(out, "&quot;");
        else if (c == '\'')
            qb_text_add(out, "&#39;");
        else
            copy_point(out, c, from, text);
    }
}

void qb_escape_markdown(struct qb_text *out, const char *text)
{
    while (*text) {
        const char *from = text;
        uint32_t c = next_point(&text);
        if (dropped(c))
            continue;
        if (c == '\n' || c == '\t')
            qb_text_bytes(out, " ", 1);
        else if (c == '&')
            qb_text_add(out, "&amp;");
        else if (c == '<')
            qb_text_add(out, "&lt;");
        else if (c == '>')
            qb_text_add(out, "&gt;");
        else if (c == '|')
            qb_text_add(out,
                        "&#124;"); /* GitHub reads "\|" inside code spans only in tables: the entity holds everywhere */
        else if (c == '@')
            qb_text_add(out, "&#64;"); /* would notify a user */
        else if (c < 128 && strchr("\\`*_{}[]()#+!~$", (int)c))
            qb_text_add(out, "\\%c", (char)c);
        else
            copy_point(out, c, from, text);
    }
}

static const struct {
    uint32_t point;
    const char *latex;
} latex_points[] = {
    {'\\', "\\textbackslash{}"},
    {'{', "\\{"},
    {'}', "\\}"},
    {'$', "\\$"},
    {'&', "\\&"},
    {'#', "\\#"},
    {'%', "\\%"},
    {'_', "\\_"},
    {'^', "\\textasciicircum{}"},
    {'~', "\\textasciitilde{}"},
    {'<', "\\textless{}"},
    {'>', "\\textgreater{}"},
    {'|', "\\textbar{}"},
    {'"', "''{}"},
    {'`', "{}`"},
    {'\'', "{}'"},
    {'\n', " "},
    {'\t', " "},
    {0xA0, "~"},
    {0xB0, "\\textdegree{}"},
    {0xB1, "\\textpm{}"},
    {0xB5, "\\textmu{}"},
    {0xB7, "\\textperiodcentered{}"},
    {0xD7, "\\texttimes{}"},
    {0x2013, "--{}"},
    {0x2014, "---{}"},
    {0x2018, "`{}"},
    {0x2019, "'{}"},
    {0x201C, "``{}"},
    {0x201D, "''{}"},
    {0x2026, "\\dots{}"},
    {0x2260, "\\ensuremath{\\neq}"},
    {0x2264, "\\ensuremath{\\leq}"},
    {0x2265, "\\ensuremath{\\geq}"},
};

void qb_escape_latex(struct qb_text *out, const char *text)
{
    enum { POINTS = sizeof latex_points / sizeof *latex_points };
    while (*text) {
        uint32_t c = next_point(&text);
        size_t i = 0;
        if (dropped(c))
            continue;
        while (i < POINTS && latex_points[i].point != c)
            i++;
        if (i < POINTS)
            qb_text_add(out, "%s", latex_points[i].latex);
        else if (c == '-')
            qb_text_add(out, *text == '-' ? "-{}" : "-"); /* two would become a dash */
        else if (c < 128)
            qb_text_add(out, "%c", (char)c);
        else
            qb_text_add(out, "[U+%04X]", (unsigned)c);
    }
}

void qb_escape_csv(struct qb_text *out, const char *text)
{
    struct qb_text clean = {0};
    while (*text) {
        const char *from = text;
        uint32_t c = next_point(&text);
        if (!dropped(c))
            copy_point(&clean, c, from, text);
    }
    qb_csv_field(out, clean.data ? clean.data : "");
    out->failed = out->failed || clean.failed;
    qb_text_free(&clean);
}

static void anchor_part(struct qb_text *out, const char *part)
{
    for (const unsigned char *p = (const unsigned char *)part; *p; p++) {
        if ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_' || *p == '-')
            qb_text_bytes(out, (const char *)p, 1);
        else
            qb_text_add(out, ":%02x", *p);
    }
}

void qb_anchor(struct qb_text *out, const char *model, const char *variant, const char *experiment, const char *metric)
{
    anchor_part(out, model);
    qb_text_add(out, ".");
    anchor_part(out, variant);
    qb_text_add(out, ".");
    anchor_part(out, experiment);
    if (metric) {
        qb_text_add(out, ".");
        anchor_part(out, metric);
    }
}
