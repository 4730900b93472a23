/* Tables of show: one an experiment, a legend for what is marked, and why cells are missing. */
#include "show_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli.h"
#include "reports/layout.h"

#define COLUMNS_MAX 64

/* What is shown of one experiment. */
struct sheet {
    const struct qb_result *result;
    const struct qb_show_filter *filter;
    const char *experiment;
    const char *metrics[COLUMNS_MAX]; /* columns that have a value in some row */
    const char *units[COLUMNS_MAX];
    size_t count;
    bool starred, interval; /* what the legend has to explain */
};

static const struct qb_cell *sheet_cell(const struct sheet *sheet, size_t i)
{
    const struct qb_cell *cell = qb_result_cell(sheet->result, i);
    return strcmp(cell->experiment, sheet->experiment) == 0 && qb_show_wants(sheet->filter, cell) ? cell : NULL;
}

static const struct qb_value *find_value(const struct qb_cell *cell, const char *metric)
{
    for (size_t v = 0; v < cell->value_count; v++)
        if (strcmp(cell->values[v].metric, metric) == 0)
            return &cell->values[v];
    return NULL;
}

/* Columns in the order of the file; a metric that no done cell has is none. */
static void find_columns(struct sheet *sheet)
{
    for (size_t i = 0; i < qb_result_count(sheet->result); i++) {
        const struct qb_cell *cell = sheet_cell(sheet, i);
        for (size_t v = 0; cell && cell->state == QB_CELL_DONE && v < cell->value_count; v++) {
            const struct qb_value *value = &cell->values[v];
            size_t c = 0;
            while (c < sheet->count && strcmp(sheet->metrics[c], value->metric) != 0)
                c++;
            if (c < sheet->count || c == COLUMNS_MAX || !qb_glob(sheet->filter->metric, value->metric))
                continue;
            sheet->metrics[sheet->count] = value->metric;
            sheet->units[sheet->count++] = value->unit;
        }
    }
}

static void print_number(struct qb_text *out, double value, const char *unit)
{
    if (!isfinite(value))
        qb_text_add(out, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    else if (strcmp(unit, "%") == 0)
        qb_text_add(out, "%.2f", value);
    else if (value == floor(value) && fabs(value) < 1e15)
        qb_text_add(out, "%.0f", value);
    else
        qb_text_add(out, "%.4g", value);
}

static void print_value(struct sheet *sheet, const struct qb_value *value, struct qb_text *out)
{
    if (!value) {
        qb_text_add(out, "-");
        return;
    }
    if (value->flags & (QB_FLAG_FAILED | QB_FLAG_SKIPPED)) {
        qb_text_add(out, "%s", value->flags & QB_FLAG_FAILED ? "failed" : "skipped");
        return;
    }
    print_number(out, value->value, value->unit);
    if (value->flags & QB_FLAG_NONFINITE)
        qb_text_add(out, "!");
    if (value->flags & QB_FLAG_DEGENERATE) {
        qb_text_add(out, "*");
        sheet->starred = true;
    }
    if (!isfinite(value->lo) || !isfinite(value->hi))
        return;
    sheet->interval = true;
    qb_text_add(out, " [");
    print_number(out, value->lo, value->unit);
    qb_text_add(out, ", ");
    print_number(out, value->hi, value->unit);
    qb_text_add(out, "]");
}

/* ---- the grid ---- */

/* Rows of strings are held by a listing, which qb_table prints. */
static void add_row(struct qb_listing *grid, struct sheet *sheet, const char *label, const struct qb_cell *cell,
                    bool header)
{
    const char *values[COLUMNS_MAX + 1];
    struct qb_text texts[COLUMNS_MAX] = {0};
    values[0] = label;
    for (size_t c = 0; c < sheet->count; c++) {
        /* "weight_bytes" says its unit already. */
        if (header && strcmp(sheet->units[c], "1") != 0 && !strcasestr(sheet->metrics[c], sheet->units[c]))
            qb_text_add(&texts[c], "%s %s", sheet->metrics[c], sheet->units[c]);
        else if (header)
            qb_text_add(&texts[c], "%s", sheet->metrics[c]);
        else if (cell && cell->state == QB_CELL_FAILED)
            qb_text_add(&texts[c], "failed");
        else if (cell)
            print_value(sheet, find_value(cell, sheet->metrics[c]), &texts[c]);
        values[c + 1] = texts[c].data ? texts[c].data : "";
    }
    qb_listing_add(grid, values);
    for (size_t c = 0; c < sheet->count; c++)
        qb_text_free(&texts[c]);
}

static void fill_grid(struct qb_listing *grid, struct sheet *sheet)
{
    const char *model = "";
    add_row(grid, sheet, "", NULL, true);
    for (size_t i = 0; i < qb_result_count(sheet->result); i++) {
        const struct qb_cell *cell = sheet_cell(sheet, i);
        char label[80];
        if (!cell || cell->state == QB_CELL_SKIPPED || strcmp(cell->variant, "reference") == 0)
            continue;
        if (strcmp(model, cell->model) != 0)
            add_row(grid, sheet, model = cell->model, NULL, false);
        snprintf(label, sizeof label, "  %s", cell->variant);
        add_row(grid, sheet, label, cell, false);
    }
}

/* ---- what is missing and what is marked ---- */

/* "skipped: the reason (model/variant, ...)", a line a reason; failures one by one. */
static void print_reasons(const struct sheet *sheet, size_t width, struct qb_text *out)
{
    for (size_t i = 0; i < qb_result_count(sheet->result); i++) {
        const struct qb_cell *cell = sheet_cell(sheet, i);
        struct qb_text line = {0};
        bool said = false;
        if (!cell || cell->state == QB_CELL_DONE)
            continue;
        qb_text_add(&line, "%s: %s (", cell->state == QB_CELL_FAILED ? "failed" : "skipped", cell->message);
        for (size_t j = 0, n = 0; j < qb_result_count(sheet->result); j++) {
            const struct qb_cell *other = sheet_cell(sheet, j);
            if (!other || other->state != cell->state || strcmp(other->message, cell->message) != 0)
                continue;
            said = said || j < i;
            qb_text_add(&line, "%s%s/%s", n++ ? ", " : "", other->model, other->variant);
        }
        qb_text_add(&line, ")");
        if (!said && !line.failed)
            qb_paragraph(out, "  ", line.data, width);
        qb_text_free(&line);
    }
}

static void print_sheet(struct sheet *sheet, size_t width, struct qb_text *out)
{
    const char *columns[COLUMNS_MAX + 2];
    find_columns(sheet);
    for (size_t c = 0; c <= sheet->count; c++)
        columns[c] = "";
    columns[sheet->count + 1] = NULL;
    struct qb_listing grid = {.columns = columns};
    qb_text_add(out, "%s\n", sheet->experiment);
    fill_grid(&grid, sheet);
    if (sheet->count && grid.rows > 1)
        qb_table(out, (const char *const *)grid.values, grid.rows, sheet->count + 1, width);
    print_reasons(sheet, width, out);
    qb_text_add(out, "\n");
    qb_listing_free(&grid);
}

void qb_show_tables(const struct qb_result *result, const struct qb_show_filter *filter, size_t width,
                    struct qb_text *out)
{
    bool starred = false, interval = false, any = false;
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        bool seen = !qb_show_wants(filter, cell);
        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(qb_result_cell(result, j)->experiment, cell->experiment) == 0 &&
                   qb_show_wants(filter, qb_result_cell(result, j));
        if (seen)
            continue;
        struct sheet sheet = {.result = result, .filter = filter, .experiment = cell->experiment};
        print_sheet(&sheet, width, out);
        starred = starred || sheet.starred;
        interval = interval || sheet.interval;
        any = true;
    }
    if (!any)
        qb_text_add(out, "no cell matches\n");
    if (interval)
        qb_text_add(out, "[lo, hi]  95%% interval; a value without one has none (the note in --output csv says why)\n");
    if (starred)
        qb_paragraph(out, "*         ",
                     "degenerate: the run loops or its distributions are nearly uniform, so the value says little",
                     width);
}
