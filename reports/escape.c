#include "escape.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

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
    struct qb_text clean = {0};
    qb_clean_bytes(&clean, text, strlen(text), QB_CLEAN_LINE);
    for (const char *at = clean.data ? clean.data : ""; *at;) {
        uint32_t c;
        size_t i = 0;
        at += qb_utf8_sequence(at, 4, &c);
        while (i < POINTS && latex_points[i].point != c)
            i++;
        if (i < POINTS)
            qb_text_add(out, "%s", latex_points[i].latex);
        else if (c == '-')
            qb_text_add(out, *at == '-' ? "-{}" : "-"); /* two would become a dash */
        else if (c < 128)
            qb_text_add(out, "%c", (char)c);
        else
            qb_text_add(out, "[U+%04X]", (unsigned)c);
    }
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
