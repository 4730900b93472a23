#include "compare_output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text_format.h"
#include "gate_output.h"

static void interval_text(const struct qb_compare_row *row, struct qb_text *out)
{
    char text[32];
    qb_text_add(out, "%s", qb_short_number(row->difference, !isnan(row->difference), text));
    if (isfinite(row->lo) && isfinite(row->hi))
        qb_text_add(out, " [%.4g, %.4g]", row->lo, row->hi);
    qb_text_add(out, " %s", row->difference_unit);
}

static void console_row(const struct qb_compare_row *row, bool variants, struct qb_text *out)
{
    char a[32], b[32];
    struct qb_text difference = {0};
    interval_text(row, &difference);
    qb_text_add(out, "    %-22s %12s %12s  %-40s", row->metric, qb_short_number(row->a, row->a_there, a),
                qb_short_number(row->b, row->b_there, b), difference.data ? difference.data : "");
    if (isfinite(row->p) && isfinite(row->holm))
        qb_text_add(out, "  p %-8.2g Holm %-8.2g BH %-8.2g", row->p, row->holm, row->bh);
    if (isfinite(row->p) && !row->paired)
        qb_text_add(out, " unpaired");
    qb_text_add(out, "\n");
    if (isfinite(row->mcnemar) && (variants || row->a_alone + row->b_alone))
        qb_text_add(out, "      McNemar exact p %.2g: %llu positions agree in A alone, %llu in B alone\n", row->mcnemar,
                    (unsigned long long)row->a_alone, (unsigned long long)row->b_alone);
    qb_text_free(&difference);
}

/* What a reader has to know of the whole before any number, a line each. */
static void remarks(const struct qb_compare *compare, struct qb_text *out)
{
    for (size_t i = 0; i < compare->fact_count; i++) {
        qb_text_add(out, "note: ");
        qb_compare_say(&compare->facts[i], out);
        qb_text_add(out, "%s\n",
                    compare->facts[i].refused                     ? "; compared by --force"
                    : compare->facts[i].kind == QB_COMPARE_INPUTS ? "; compared as independent samples"
                                                                  : "");
    }
    if (compare->equal)
        qb_text_add(out, "note: left out: %zu metrics that are equal in both\n", compare->equal);
    if (compare->only_a + compare->only_b + compare->unfinished)
        qb_text_add(out, "note: left out: %zu cells that only A has, %zu that only B has, %zu failed or skipped\n",
                    compare->only_a, compare->only_b, compare->unfinished);
}

static void console(const struct qb_compare_heads *heads, const struct qb_compare *compare, struct qb_text *out)
{
    const struct qb_compare_row *last = NULL;
    qb_text_add(out, "A: %s\nB: %s\n", heads->a, heads->b);
    remarks(compare, out);
    for (size_t i = 0; i < compare->count; i++) {
        const struct qb_compare_row *row = &compare->rows[i];
        if (!last || strcmp(last->model, row->model) != 0 || strcmp(last->experiment, row->experiment) != 0 ||
            strcmp(last->variant, row->variant) != 0)
            qb_text_add(out, "\n%s/%s/%s\n    %-22s %12s %12s  %s\n", row->model, row->variant, row->experiment,
                        "metric", "A", "B", "B - A");
        console_row(row, heads->variants, out);
        if (row->note[0] && (row->testable || row->flagged || !isfinite(row->difference)))
            qb_text_add(out, "      %s\n", row->note);
        last = row;
    }
    qb_text_add(out, "\np: two-sided, of no difference; adjusted over the %zu tests of this table\n", compare->family);
}

static void listing(const struct qb_compare *compare, enum qb_output output, struct qb_text *out)
{
    static const char *const columns[] = {
        "model",      "variant", "other",    "experiment",      "metric", "unit",    "a",  "b",
        "difference", "lo",      "hi",       "difference_unit", "p",      "holm",    "bh", "mcnemar",
        "a_alone",    "b_alone", "clusters", "paired",          "note",   "differs", NULL};
    static const bool numeric[] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0};
    struct qb_listing table = {.columns = columns, .numeric = numeric};
    for (size_t i = 0; i < compare->count; i++) {
        const struct qb_compare_row *row = &compare->rows[i];
        double numbers[] = {row->a, row->b,    row->difference, row->lo,     row->hi,
                            row->p, row->holm, row->bh,         row->mcnemar};
        const bool there[2] = {row->a_there, row->b_there}; /* the other numbers are NaN where there is none */
        struct qb_text texts[13] = {0};
        for (size_t k = 0; k < 9; k++)
            qb_csv_number(&texts[k], numbers[k], k < 2 ? there[k] : !isnan(numbers[k]));
        qb_text_add(&texts[9], "%llu", (unsigned long long)row->a_alone);
        qb_text_add(&texts[10], "%llu", (unsigned long long)row->b_alone);
        qb_text_add(&texts[11], "%zu", row->clusters);
        qb_compare_kinds(row->differs, &texts[12]);
        const char *values[] = {row->model,     row->variant,
                                row->other,     row->experiment,
                                row->metric,    row->unit,
                                texts[0].data,  texts[1].data,
                                texts[2].data,  texts[3].data,
                                texts[4].data,  row->difference_unit,
                                texts[5].data,  texts[6].data,
                                texts[7].data,  texts[8].data,
                                texts[9].data,  texts[10].data,
                                texts[11].data, row->paired ? "yes" : "no",
                                row->note,      texts[12].data ? texts[12].data : ""};
        qb_listing_add(&table, values);
        for (size_t k = 0; k < 13; k++) {
            table.failed = table.failed || texts[k].failed;
            qb_text_free(&texts[k]);
        }
    }
    qb_listing_print(&table, output, out);
    qb_listing_free(&table);
}

/* Of the columns those that a reader wants. */
static void markdown(const struct qb_compare_heads *heads, const struct qb_compare *compare, struct qb_text *out)
{
    static const char *const columns[] = {
        "model/variant/experiment", "metric", "A", "B", "B - A", "p", "Holm", "BH", "note", NULL};
    static const bool numeric[] = {0, 0, 1, 1, 1, 1, 1, 1, 0};
    struct qb_listing table = {.columns = columns, .numeric = numeric};
    struct qb_text head = {0};
    qb_text_add(&head, "A: %s\nB: %s\n", heads->a, heads->b);
    remarks(compare, &head);
    qb_text_add(&head, "p: two-sided, of no difference; adjusted over %zu tests\n", compare->family);
    qb_lines_markdown(out, &head);
    for (size_t i = 0; i < compare->count; i++) {
        const struct qb_compare_row *row = &compare->rows[i];
        const double numbers[] = {row->a, row->b, row->p, row->holm, row->bh};
        char texts[5][32];
        struct qb_text cell = {0}, difference = {0};
        for (size_t k = 0; k < 5; k++)
            qb_short_number(numbers[k], k == 0 ? row->a_there : k == 1 ? row->b_there : !isnan(numbers[k]), texts[k]);
        qb_text_add(&cell, "%s/%s/%s", row->model, row->variant, row->experiment);
        interval_text(row, &difference);
        qb_listing_add(&table, (const char *[]){cell.data ? cell.data : "", row->metric, texts[0], texts[1],
                                                difference.data ? difference.data : "", texts[2], texts[3], texts[4],
                                                row->note});
        table.failed = table.failed || cell.failed || difference.failed;
        qb_text_free(&cell);
        qb_text_free(&difference);
    }
    qb_listing_print(&table, QB_OUTPUT_MARKDOWN, out);
    qb_listing_free(&table);
    qb_text_free(&head);
}

void qb_compare_print(const struct qb_compare *compare, const struct qb_compare_heads *heads, enum qb_output output,
                      struct qb_text *out, struct qb_text *said)
{
    if (output == QB_OUTPUT_CONSOLE) {
        console(heads, compare, out);
    } else if (output == QB_OUTPUT_MARKDOWN) {
        markdown(heads, compare, out);
    } else {
        listing(compare, output, out);
        remarks(compare, said);
    }
}
