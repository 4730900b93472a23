/* The evaluated ledger as a table for a terminal or as Markdown; the data formats are in claims_data.c. */
#include "claims_print.h"

#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "escape.h"
#include "base/layout.h"

enum { WIDTH = 100 };
static const size_t columns[] = {4, 25, 17, 17, 14, 13}; /* line, what, published, ours, verdict, carries */

/* Number of the conclusion in the list at the end, from 1. */
static size_t conclusion_number(const struct qb_ledger *ledger, const struct qb_claim *c)
{
    return (size_t)(c->conclusion - ledger->conclusions) + 1;
}

static void carries_text(const struct qb_ledger *ledger, const struct qb_claim *c, char text[32])
{
    if (c->conclusion)
        snprintf(text, 32, "%s [%zu]",
                 c->conclusion->carries == QB_CARRIES_NOT_TESTED ? "untested" : qb_carries_name(c->conclusion->carries),
                 conclusion_number(ledger, c));
    else
        snprintf(text, 32, "-");
}

static const char *ours_text(const struct qb_claim *c)
{
    if (!c->has_number)
        return "-";
    return c->measured.found == QB_FOUND ? c->measured.text : "-";
}

static const char *short_verdict(enum qb_claim_verdict verdict)
{
    return verdict == QB_VERDICT_NOT_MEASURABLE ? "not measurable" : qb_verdict_name(verdict);
}

void qb_claim_why(const struct qb_claim *c, struct qb_text *out)
{
    if (*c->reading_of)
        qb_text_add(out, "another reading of the same number (%s). ", c->reading_of);
    bool unexpected = c->verdict == QB_DIFFERS && c->reproduces == QB_SHOULD_REPRODUCE;
    if (unexpected && c->expect)
        qb_text_add(out, "should print %s and prints %s (%s).", c->expect, ours_text(c), c->number.cell.text);
    else if (unexpected)
        qb_text_add(out, "should lie in the published range and is %s (%s).", ours_text(c), c->number.cell.text);
    else if (c->verdict == QB_NOT_RUN)
        qb_text_add(out, "%s.", c->measured.why);
    else if (*c->note)
        qb_text_add(out, "not measurable here: %s.", c->note);
    else if (c->verdict == QB_REPRODUCED && c->reproduces == QB_SHOULD_DIFFER)
        qb_text_add(out, "came out here, though the ledger does not count on it: %s", c->reason);
    else if (c->verdict != QB_REPRODUCED)
        qb_text_add(out, "%s", c->reason);
}

static void table_row(struct qb_text *out, const char *const *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            qb_text_add(out, "  ");
        struct qb_text clean = {0};
        qb_clean_bytes(&clean, cells[i], strlen(cells[i]), QB_CLEAN_LINE);
        if (i + 1 < count)
            qb_column(out, clean.data ? clean.data : "", columns[i]);
        else
            qb_text_add(out, "%s", clean.data ? clean.data : "");
        qb_text_free(&clean);
    }
    qb_text_add(out, "\n");
}

static void console_document(const struct qb_ledger *ledger, const struct qb_claims_document *d, struct qb_text *out)
{
    const char *const head[] = {"line", "what", qb_claims_column(d), "ours", "verdict", "carries"};
    const char *place = "";
    char title[256];
    snprintf(title, sizeof title, "%s (%s)", d->title, d->document);
    qb_paragraph(out, "", title, WIDTH);
    table_row(out, head, 6);
    for (size_t i = 0; i < d->count; i++) {
        const struct qb_claim *c = &d->claims[i];
        char line[16], carries[32];
        snprintf(line, sizeof line, "%4.*s", (int)strcspn(c->lines, ","), c->lines);
        carries_text(ledger, c, carries);
        if (strcmp(place, c->place) != 0)
            qb_text_add(out, "%s:\n", c->place);
        place = c->place;
        const char *const cells[] = {line, c->what, c->published, ours_text(c), short_verdict(c->verdict), carries};
        table_row(out, cells, 6);
    }
    qb_text_add(out, "\n");
}

static void console_reasons(const struct qb_claims_document *d, struct qb_text *out)
{
    bool any = false;
    for (size_t i = 0; i < d->count; i++) {
        const struct qb_claim *c = &d->claims[i];
        struct qb_text why = {0}, text = {0};
        char first[16];
        qb_claim_why(c, &why);
        if (why.size) {
            if (!any)
                qb_text_add(out, "Numbers of %s that differ, or cannot be measured here:\n", d->document);
            any = true;
            snprintf(first, sizeof first, "%4.*s  ", (int)strcspn(c->lines, ","), c->lines);
            qb_text_add(&text, "%s, %s: %s", c->what, c->published, why.data);
            qb_paragraph(out, first, text.data, WIDTH);
        }
        qb_text_free(&why);
        qb_text_free(&text);
    }
    if (any)
        qb_text_add(out, "\n");
}

static void console_conclusions(const struct qb_ledger *ledger, struct qb_text *out)
{
    if (ledger->conclusion_count)
        qb_paragraph(out, "", QB_CONCLUSIONS_HEAD, WIDTH);
    for (size_t i = 0; i < ledger->conclusion_count; i++) {
        const struct qb_conclusion *c = &ledger->conclusions[i];
        char first[40];
        struct qb_text text = {0};
        snprintf(first, sizeof first, "[%zu]%s  ", i + 1, i + 1 < 10 ? " " : "");
        qb_text_add(&text, "%s: \"%s\" %s", qb_carries_name(c->carries), c->says,
                    c->sentence.data ? c->sentence.data : "");
        qb_paragraph(out, first, text.data, WIDTH);
        qb_text_free(&text);
    }
    qb_text_add(out, "\n");
}

static void add_count(const char *what, const struct qb_claim_count *n, struct qb_text *out)
{
    if (n->claims)
        qb_text_add(out, "%zu %s: %zu reproduced, %zu differ, %zu not measurable here, %zu not run. ", n->claims, what,
                    n->reproduced, n->differ, n->not_measurable, n->not_run);
}

void qb_ledger_totals(const struct qb_ledger *ledger, struct qb_text *out)
{
    struct qb_ledger_count n = qb_ledger_count(ledger, true);
    add_count("published numbers", &n.published, out);
    add_count("recovered values that were never published", &n.recovered, out);
    qb_text_add(out, "%zu conclusions: %zu carried, %zu in part, %zu not, %zu open, %zu not tested.\n", n.conclusions,
                n.carried, n.in_part, n.not_carried, n.open,
                n.conclusions - n.carried - n.in_part - n.not_carried - n.open);
}

const char *qb_claims_column(const struct qb_claims_document *document)
{
    return document->recovered ? "recovered" : "published";
}

void qb_ledger_console(const struct qb_ledger *ledger, struct qb_text *out)
{
    for (size_t d = 0; d < ledger->document_count; d++)
        console_document(ledger, &ledger->documents[d], out);
    for (size_t d = 0; d < ledger->document_count; d++)
        console_reasons(&ledger->documents[d], out);
    console_conclusions(ledger, out);
    struct qb_text totals = {0};
    qb_ledger_totals(ledger, &totals);
    qb_paragraph(out, "", totals.data ? totals.data : "", WIDTH);
    qb_text_free(&totals);
}

static void markdown_cell(struct qb_text *out, const char *text)
{
    qb_text_add(out, " ");
    qb_escape_markdown(out, text);
    qb_text_add(out, " |");
}

static void markdown_document(const struct qb_ledger *ledger, const struct qb_claims_document *d, struct qb_text *out)
{
    qb_text_add(out, "## ");
    qb_escape_markdown(out, d->title);
    qb_text_add(out, "\n\n");
    qb_escape_markdown(out, d->document);
    qb_text_add(out, "\n\n");
    qb_text_add(out, "| place | line | what | %s | ours | verdict | carries |\n", qb_claims_column(d));
    qb_text_add(out, "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < d->count; i++) {
        const struct qb_claim *c = &d->claims[i];
        char carries[32];
        carries_text(ledger, c, carries);
        const char *const cells[] = {
            c->place, c->lines, c->what, c->published, ours_text(c), qb_verdict_name(c->verdict), carries};
        qb_text_add(out, "|");
        for (size_t k = 0; k < sizeof cells / sizeof *cells; k++)
            markdown_cell(out, cells[k]);
        qb_text_add(out, "\n");
    }
    qb_text_add(out, "\n");
    for (size_t i = 0; i < d->count; i++) {
        struct qb_text why = {0};
        qb_claim_why(&d->claims[i], &why);
        if (why.size) {
            struct qb_text said = {0};
            qb_text_add(&said, "line %s, %s, %s: %s", d->claims[i].lines, d->claims[i].what, d->claims[i].published,
                        why.data);
            qb_text_add(out, "- ");
            qb_escape_markdown(out, said.data ? said.data : "");
            qb_text_add(out, "\n");
            qb_text_free(&said);
        }
        qb_text_free(&why);
    }
    qb_text_add(out, "\n");
}

void qb_ledger_markdown(const struct qb_ledger *ledger, struct qb_text *out)
{
    qb_text_add(out, "# Claims ledger\n\n");
    for (size_t d = 0; d < ledger->document_count; d++)
        markdown_document(ledger, &ledger->documents[d], out);
    qb_text_add(out, "## What the numbers carry\n\n%s\n\n", QB_CONCLUSIONS_HEAD);
    for (size_t i = 0; i < ledger->conclusion_count; i++) {
        const struct qb_conclusion *c = &ledger->conclusions[i];
        qb_text_add(out, "%zu. **%s**: \"", i + 1, qb_carries_name(c->carries));
        qb_escape_markdown(out, c->says);
        qb_text_add(out, "\" ");
        qb_escape_markdown(out, c->sentence.data ? c->sentence.data : "");
        qb_text_add(out, "\n");
    }
    qb_text_add(out, "\n");
    qb_ledger_totals(ledger, out);
}
