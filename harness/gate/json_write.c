/* Numbers of a baseline; XML and Markdown text. */
#include "gate/json_write.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/text_format.h"

void qb_gate_json_number(struct qb_text *out, double value, bool there)
{
    if (there && value == 0 && signbit(value)) /* "-0" would read back as the integer 0 */
        qb_text_add(out, "-0.0");
    else
        qb_json_number(out, value, there);
}

/* Bytes of the UTF-8 sequence at `c`; 0: none that XML 1.0 can hold. */
static size_t sequence(const unsigned char *c)
{
    uint32_t code = 0;
    size_t n = c[0] < 0x80 ? 1 : c[0] >= 0xc2 && c[0] < 0xe0 ? 2 : (c[0] & 0xf0) == 0xe0 ? 3 : c[0] < 0xf5 ? 4 : 0;
    if (c[0] >= 0x80 && c[0] < 0xc2)
        return 0;
    if (n == 1)
        return c[0] >= 32 || c[0] == '\t' || c[0] == '\n';
    code = n ? c[0] & (0x7fu >> n) : 0;
    for (size_t i = 1; i < n; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (c[i] & 0x3fu);
    }
    bool too_long = (n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff));
    return too_long || (code >= 0xd800 && code < 0xe000) || code == 0xfffe || code == 0xffff ? 0 : n;
}

void qb_gate_xml(struct qb_text *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        size_t n = sequence(c);
        if (n == 0)
            qb_text_add(out, "?");
        else if (*c == '&' || *c == '<' || *c == '>' || *c == '"' || *c == '\n' || *c == '\t')
            qb_text_add(out, "&#%u;", *c);
        else
            qb_text_bytes(out, (const char *)c, n);
        c += n ? n : 1;
    }
}

void qb_gate_markdown(struct qb_text *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("|\\`*_<>[]#~", *text))
            qb_text_add(out, "\\%c", *text);
        else
            qb_text_add(out, "%c", (unsigned char)*text < 32 ? ' ' : *text);
    }
}
