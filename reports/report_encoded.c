/* What the rows of a table encode: variants that reach different weights differ in placement, not in format alone. */
#include "report_content.h"

#include <inttypes.h>
#include <string.h>

/* Weights that a row's variant encodes; 0: none, or the file does not say. */
static uint64_t weights_of(const struct qb_report *report, const struct qb_report_table *table, size_t r)
{
    const struct qb_cell *cell = qb_report_cell(report, table, r);
    return cell->reach.known ? cell->reach.weights : 0;
}

/* How many rows encode as many. */
static size_t rows_with(const struct qb_report *report, const struct qb_report_table *table, uint64_t weights)
{
    size_t n = 0;
    for (size_t r = 0; r < table->row_count; r++)
        n += weights_of(report, table, r) == weights;
    return n;
}

uint64_t qb_report_usual_weights(const struct qb_report *report, const struct qb_report_table *table)
{
    uint64_t usual = 0;
    size_t most = 0;
    for (size_t r = 0; r < table->row_count; r++) {
        uint64_t weights = weights_of(report, table, r);
        size_t n = 0;
        for (size_t i = 0; i < table->row_count && weights; i++)
            n += weights_of(report, table, i) == weights && !qb_floor_says(qb_report_cell(report, table, i)->floor);
        if (n > most) {
            most = n;
            usual = weights;
        }
    }
    return usual;
}

bool qb_report_encodes_otherwise(const struct qb_report *report, const struct qb_report_table *table, size_t r,
                                 struct qb_text *says)
{
    uint64_t usual = table->usual_weights, weights = weights_of(report, table, r);
    if (!usual || !weights || weights == usual)
        return false;
    if (says)
        qb_text_add(says, "encodes %" PRIu64 " weights, the most common number of its table is %" PRIu64, weights,
                    usual);
    return true;
}

void qb_report_encoded_note(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out)
{
    uint64_t usual = table->usual_weights;
    size_t groups = 0;
    for (size_t r = 0; r < table->row_count; r++) {
        uint64_t weights = weights_of(report, table, r);
        bool said = !usual || !weights || weights == usual;
        for (size_t i = 0; i < r && !said; i++)
            said = weights_of(report, table, i) == weights;
        if (said)
            continue;
        qb_text_add(out, "%s", groups++ ? "; " : "differ in placement, not in format alone: ");
        for (size_t i = r, listed = 0; i < table->row_count; i++)
            if (weights_of(report, table, i) == weights)
                qb_text_add(out, "%s%s", listed++ ? ", " : "", qb_report_cell(report, table, i)->variant);
        qb_text_add(out, " encode%s %" PRIu64 " weights", rows_with(report, table, weights) == 1 ? "s" : "", weights);
    }
    if (groups)
        qb_text_add(out, "; the most common number is %" PRIu64, usual);
}

void qb_report_otherwise_note(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out)
{
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_cell *cell = qb_report_cell(report, table, r);
        if (!cell->reach.otherwise)
            continue;
        qb_text_add(out, "%s", out->size ? "; " : "");
        qb_reach_print_otherwise(&cell->reach, out);
        qb_text_add(out, " (%s)", cell->variant);
    }
}

void qb_report_unbound_note(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out)
{
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_cell *cell = qb_report_cell(report, table, r);
        bool said = !cell->reach.known || !*cell->reach.unbound;
        for (size_t i = 0; i < r && !said; i++) {
            const struct qb_reach *other = &qb_report_cell(report, table, i)->reach;
            said = other->known && strcmp(other->unbound, cell->reach.unbound) == 0;
        }
        if (said)
            continue;
        qb_text_add(out, "%s%s in ", out->size ? "; " : "", cell->reach.unbound);
        for (size_t i = r, listed = 0; i < table->row_count; i++) {
            const struct qb_cell *other = qb_report_cell(report, table, i);
            if (other->reach.known && strcmp(other->reach.unbound, cell->reach.unbound) == 0)
                qb_text_add(out, "%s%s", listed++ ? ", " : "", other->variant);
        }
    }
}
