#include "svg_inline.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "escape.h"

struct inliner {
    const char *prefix, *label;
    struct qb_text *out;
    struct qb_error *err;
    bool opened; /* the outermost <svg> was written */
};

static bool named(const char *name, size_t length, const char *wanted)
{
    return strlen(wanted) == length && strncasecmp(name, wanted, length) == 0;
}

static bool any_of(const char *name, size_t length, const char *const *list)
{
    for (; *list; list++)
        if (named(name, length, *list))
            return true;
    return false;
}

/* ---- colours ---- */

/* The page's own colour for a grey level. */
static const char *page_colour(unsigned level)
{
    static const struct {
        unsigned up_to;
        const char *colour;
    } levels[] = {
        {60, "currentColor"}, {135, "var(--soft)"}, {179, "var(--void)"}, {214, "var(--rule)"}, {244, "var(--wash)"}};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (level <= levels[i].up_to)
            return levels[i].colour;
    return "var(--paper)";
}

/* Reads "rgb( 0, 0, 0)", "#fff", "#ffffff", "black" or "white"; true when it is a grey. */
static bool grey(const char *value, size_t length, unsigned *level)
{
    unsigned r, g, b;
    char text[40];
    if (length >= sizeof text)
        return false;
    snprintf(text, sizeof text, "%.*s", (int)length, value);
    if (strcasecmp(text, "black") == 0)
        r = g = b = 0;
    else if (strcasecmp(text, "white") == 0)
        r = g = b = 255;
    else if (strcasecmp(text, "lightgrey") == 0)
        r = g = b = 211;
    else if (sscanf(text, "rgb( %u , %u , %u )", &r, &g, &b) != 3 &&
             !(length == 7 && sscanf(text, "#%2x%2x%2x", &r, &g, &b) == 3))
        return false;
    *level = r;
    return r == g && g == b;
}

/* ---- attributes ---- */

/* Does it name a thing outside the picture? */
static bool points_outside(const char *value, size_t size)
{
    for (size_t i = 0; i + 4 <= size; i++)
        if (strncasecmp(value + i, "url(", 4) == 0 && (i + 4 == size || value[i + 4] != '#'))
            return true;
    return false;
}

/* Copies a value, "#id" and "url(#id)" with the prefix put in. */
static void copy_references(struct inliner *in, const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool reference = value[i] == '#' && i >= 4 && strncmp(value + i - 4, "url(", 4) == 0;
        qb_text_bytes(in->out, value + i, 1);
        if (reference)
            qb_text_add(in->out, "%s", in->prefix);
    }
}

static enum qb_status refuse(struct inliner *in, const char *what, size_t length)
{
    return qb_fail(in->err, QB_ERR_INPUT, "the picture holds '%.*s', which a page must not take over",
                   (int)(length < 40 ? length : 40), what);
}

static enum qb_status write_attribute(struct inliner *in, const char *name, size_t name_size, const char *value,
                                      size_t size)
{
    static const char *const colours[] = {"fill", "stroke", "color", "flood-color", "stop-color", NULL};
    unsigned level;
    bool link = named(name, name_size, "href") || named(name, name_size, "xlink:href");
    if ((name_size >= 2 && strncasecmp(name, "on", 2) == 0) || (link && *value != '#') ||
        named(name, name_size, "xml:base") || points_outside(value, size))
        return refuse(in, name, name_size + 2 + size);
    qb_text_add(in->out, " %.*s=\"", (int)name_size, name);
    if (named(name, name_size, "id"))
        qb_text_add(in->out, "%s%.*s", in->prefix, (int)size, value);
    else if (link)
        qb_text_add(in->out, "#%s%.*s", in->prefix, (int)size - 1, value + 1);
    else if (any_of(name, name_size, colours) && grey(value, size, &level))
        qb_text_add(in->out, "%s", page_colour(level));
    else
        copy_references(in, value, size);
    qb_text_bytes(in->out, "\"", 1);
    return QB_OK;
}

/* Attributes from *at to the end of the tag, which is written too. The outermost <svg> loses its size. */
static enum qb_status copy_attributes(struct inliner *in, const char **at, bool outermost)
{
    const char *p = *at;
    while (*p) {
        p += strspn(p, " \t\r\n");
        if (*p == '>' || *p == '/')
            break;
        size_t name_size = strcspn(p, "= \t\r\n/>");
        const char *name = p;
        p += name_size;
        p += strspn(p, " \t\r\n");
        if (*p != '=')
            return qb_fail(in->err, QB_ERR_INPUT, "the picture has an attribute without a value: %.20s", name);
        p++;
        p += strspn(p, " \t\r\n");
        const char quote = *p, *end = quote == '"' || quote == '\'' ? strchr(p + 1, quote) : NULL;
        if (!end || memchr(p + 1, quote == '"' ? '<' : '"', (size_t)(end - p - 1)))
            return qb_fail(in->err, QB_ERR_INPUT, "the picture has a value that is not quoted: %.20s", name);
        bool skipped = outermost && (named(name, name_size, "width") || named(name, name_size, "height") ||
                                     strncmp(name, "xmlns", 5) == 0);
        if (!skipped && write_attribute(in, name, name_size, p + 1, (size_t)(end - p - 1)))
            return in->err->status;
        p = end + 1;
    }
    *at = p;
    return QB_OK;
}

/* ---- elements ---- */

/* Behind the element's end tag, or at the end of the text. */
static const char *skip_element(const char *p, const char *name)
{
    char end[24];
    snprintf(end, sizeof end, "</%s>", name);
    const char *found = strstr(p, end);
    return found ? found + strlen(end) : p + strlen(p);
}

static enum qb_status copy_tag(struct inliner *in, const char **at)
{
    static const char *const refused[] = {"script", "foreignObject", "image", "iframe", "a",
                                          "style",  "animate",       "set",   "embed",  NULL};
    const char *p = *at + 1;
    bool closing = *p == '/';
    p += closing;
    size_t size = strcspn(p, " \t\r\n/>");
    if (any_of(p, size, refused))
        return refuse(in, p, size);
    if (!closing && (named(p, size, "title") || named(p, size, "desc"))) {
        *at = skip_element(p, named(p, size, "title") ? "title" : "desc");
        return QB_OK;
    }
    bool outermost = !closing && !in->opened && named(p, size, "svg");
    if (!outermost && !in->opened)
        return qb_fail(in->err, QB_ERR_INPUT, "the picture does not begin with <svg>");
    qb_text_add(in->out, "<%s%.*s", closing ? "/" : "", (int)size, p);
    p += size;
    if (copy_attributes(in, &p, outermost))
        return in->err->status;
    if (outermost) {
        qb_text_add(in->out, " role=\"img\" aria-label=\"");
        qb_escape_html(in->out, in->label);
        qb_text_add(in->out, "\"");
        in->opened = true;
    }
    size_t end = strcspn(p, ">");
    qb_text_bytes(in->out, p, end);
    qb_text_add(in->out, ">");
    *at = p + end + (p[end] == '>');
    return QB_OK;
}

enum qb_status qb_svg_inline(const char *svg, const char *prefix, const char *label, struct qb_text *out,
                             struct qb_error *err)
{
    struct inliner in = {.prefix = prefix, .label = label, .out = out, .err = err};
    const char *p = svg;
    while (*p) {
        size_t text = strcspn(p, "<");
        if (in.opened)
            qb_text_bytes(out, p, text);
        p += text;
        if (!*p)
            break;
        if (strncmp(p, "<!--", 4) == 0) {
            const char *end = strstr(p, "-->");
            p = end ? end + 3 : p + strlen(p);
        } else if (p[1] == '?' || p[1] == '!') {
            p += strcspn(p, ">");
            p += *p == '>';
        } else if (copy_tag(&in, &p)) {
            return err->status;
        }
    }
    return in.opened ? QB_OK : qb_fail(err, QB_ERR_INPUT, "the picture holds no <svg>");
}
