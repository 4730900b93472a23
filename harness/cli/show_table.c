/* Tables of show: one an experiment, a legend for what is marked, and why cells are missing. */
#include "show_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/layout.h"
#include "cli.h"
#include "reach_table.h"
#include "reports/report_sources.h"

#define COLUMNS_MAX 64
#define SHORT_MAX 64

/* Flags that a table marks, the mark behind the value, and the legend's words. */
static const struct {
    uint32_t flag;
    char mark;
    const char *means;
} marks[] = {
    {QB_FLAG_DEGENERATE, '*',
     "degenerate: the run loops or its distributions are nearly uniform; the value says little "
     "and, in parentheses, is void"},
    {QB_FLAG_UNRESOLVED, '~', "unresolved: no further from FP32 than FP32 arithmetic in another order is"},
    {QB_FLAG_CONTAMINATED, '^', "contaminated: calibrated on text that it is evaluated on"},
    {QB_FLAG_BIASED, '#', "biased: FP32 over FP32 was not 1 in the same cell, so its times are not to be compared"},
    {QB_FLAG_NONFINITE, '!', "nonfinite: NaN, or Inf where the metric cannot be infinite"},
};
enum { MARKS = sizeof marks / sizeof *marks };

/* What is shown of one experiment. */
struct sheet {
    const struct qb_result *result;
    const struct qb_show_filter *filter;
    const char *experiment;
    const char *metrics[COLUMNS_MAX]; /* columns that have a value in some row */
    const char *units[COLUMNS_MAX];
    size_t count, left_out; /* left_out: columns that are no headlines */
    uint32_t marked;        /* what the legend has to explain */
    bool markdown;
    bool interval, older;     /* older: of a program that did not tell which intervals fall short */
    struct qb_text *coverage; /* "kl_mean 93.1%": intervals that fall short, and of which column */
    struct {
        size_t column;
        long tenths;
    } falls_short[SHORT_MAX]; /* what `coverage` says of this sheet */
    size_t short_count;
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

/* Has the experiment metrics that come first? One of another program has none. */
static bool has_headlines(const char *experiment)
{
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++)
        if (strcmp((*m)->experiment, experiment) == 0 && qb_metric_headline(experiment, (*m)->name))
            return true;
    return false;
}

static bool among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Columns in the order of the file, or where headlines are asked for these alone, with how many others there are; a
 * metric that no done cell has is none. */
static void find_columns(struct sheet *sheet)
{
    enum { OTHERS_MAX = COLUMNS_MAX * 4 };
    const char *others[OTHERS_MAX];
    const bool headlines = sheet->filter->headlines && has_headlines(sheet->experiment);
    for (size_t i = 0; i < qb_result_count(sheet->result); i++) {
        const struct qb_cell *cell = sheet_cell(sheet, i);
        for (size_t v = 0; cell && cell->state == QB_CELL_DONE && v < cell->value_count; v++) {
            const struct qb_value *value = &cell->values[v];
            if (among(sheet->metrics, sheet->count, value->metric) || among(others, sheet->left_out, value->metric) ||
                sheet->count == COLUMNS_MAX || !qb_globs_match(&sheet->filter->metrics, value->metric))
                continue;
            if (headlines && !qb_metric_headline(sheet->experiment, value->metric)) {
                if (sheet->left_out < OTHERS_MAX)
                    others[sheet->left_out++] = value->metric;
                continue;
            }
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

/* Marks an interval that covers less than it promises, and remembers by how much for the legend. */
static void note_coverage(struct sheet *sheet, size_t column, const struct qb_value *value, struct qb_text *out)
{
    const long tenths = lround(10 * value->covers); /* as they are told */
    size_t i = 0;
    if (!tenths)
        return;
    qb_text_add(out, "'");
    while (i < sheet->short_count && (sheet->falls_short[i].column != column || sheet->falls_short[i].tenths != tenths))
        i++;
    if (i < sheet->short_count || i == SHORT_MAX)
        return;
    sheet->falls_short[sheet->short_count].column = column;
    sheet->falls_short[sheet->short_count++].tenths = tenths;
    qb_text_add(sheet->coverage, "%s%s %s %.1f%%", sheet->coverage->size ? ", " : "", sheet->experiment, value->metric,
                value->covers);
}

/* Is there a number to print? */
static bool has_number(const struct qb_value *value)
{
    return value && !(value->flags & (QB_FLAG_FAILED | QB_FLAG_SKIPPED)) && qb_value_there(value->flags);
}

void qb_show_value(const struct qb_value *value, struct qb_text *out)
{
    if (!has_number(value)) {
        const uint32_t flags = value ? value->flags : 0;
        qb_text_add(out, "%s", flags & QB_FLAG_FAILED ? "failed" : flags & QB_FLAG_SKIPPED ? "skipped" : "-");
        return;
    }
    bool empty = value->flags & QB_FLAG_DEGENERATE;
    qb_text_add(out, "%s", empty ? "(" : "");
    print_number(out, value->value, value->unit);
    qb_text_add(out, "%s", empty ? ")" : "");
    for (size_t i = 0; i < MARKS; i++)
        if (value->flags & marks[i].flag)
            qb_text_add(out, "%c", marks[i].mark);
}

static void print_value(struct sheet *sheet, size_t column, const struct qb_value *value, struct qb_text *out)
{
    qb_show_value(value, out);
    if (!has_number(value))
        return;
    sheet->marked |= value->flags;
    sheet->older = sheet->older || value->floor_marks & QB_MARK_OLDER;
    if (!isfinite(value->lo) || !isfinite(value->hi))
        return;
    sheet->interval = true;
    qb_text_add(out, " [");
    print_number(out, value->lo, value->unit);
    qb_text_add(out, ", ");
    print_number(out, value->hi, value->unit);
    qb_text_add(out, "]");
    note_coverage(sheet, column, value, out);
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
            print_value(sheet, c, find_value(cell, sheet->metrics[c]), &texts[c]);
        values[c + 1] = texts[c].data ? texts[c].data : "";
    }
    qb_listing_add(grid, values);
    for (size_t c = 0; c < sheet->count; c++) {
        grid->failed = grid->failed || texts[c].failed;
        qb_text_free(&texts[c]);
    }
}

static void fill_grid(struct qb_listing *grid, struct sheet *sheet)
{
    const char *model = "";
    add_row(grid, sheet, "", NULL, true);
    for (size_t i = 0; i < qb_result_count(sheet->result); i++) {
        const struct qb_cell *cell = sheet_cell(sheet, i);
        struct qb_text label = {0};
        if (!cell || cell->state == QB_CELL_SKIPPED || strcmp(cell->variant, "reference") == 0)
            continue;
        if (strcmp(model, cell->model) != 0 && !sheet->markdown)
            add_row(grid, sheet, model = cell->model, NULL, false);
        qb_text_add(&label, "%s%s%s", sheet->markdown ? cell->model : "", sheet->markdown ? "/" : "  ", cell->variant);
        add_row(grid, sheet, label.data ? label.data : "", cell, false);
        grid->failed = grid->failed || label.failed;
        qb_text_free(&label);
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

/* "absent: published_formula_bytes (model/variant, ...): the reason", a line a metric and reason. */
static void print_absent(const struct sheet *sheet, size_t width, struct qb_text *out)
{
    for (size_t c = 0; c < sheet->count; c++)
        for (size_t i = 0; i < qb_result_count(sheet->result); i++) {
            const struct qb_cell *cell = sheet_cell(sheet, i);
            const struct qb_value *value = cell ? find_value(cell, sheet->metrics[c]) : NULL;
            struct qb_text line = {0};
            bool said = false;
            if (!value || !(value->flags & QB_FLAG_ABSENT))
                continue;
            qb_text_add(&line, "absent: %s (", sheet->metrics[c]);
            for (size_t j = 0, n = 0; j < qb_result_count(sheet->result); j++) {
                const struct qb_cell *other = sheet_cell(sheet, j);
                const struct qb_value *same = other ? find_value(other, sheet->metrics[c]) : NULL;
                if (!same || !(same->flags & QB_FLAG_ABSENT) || strcmp(same->note, value->note) != 0)
                    continue;
                said = said || j < i;
                qb_text_add(&line, "%s%s/%s", n++ ? ", " : "", other->model, other->variant);
            }
            qb_text_add(&line, "): %s", value->note);
            if (!said && !line.failed)
                qb_paragraph(out, "  ", line.data, width);
            qb_text_free(&line);
        }
}

/* Has the experiment a metric that was asked for? One whose cells all failed still says so. */
static bool measures_wanted(const struct sheet *sheet)
{
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++)
        if (strcmp((*m)->experiment, sheet->experiment) == 0 && qb_globs_match(&sheet->filter->metrics, (*m)->name))
            return true;
    return sheet->filter->metrics.count == 0;
}

static void print_sheet(struct sheet *sheet, size_t width, struct qb_text *out)
{
    const char *columns[COLUMNS_MAX + 2];
    struct qb_text below = {0};
    find_columns(sheet);
    for (size_t c = 0; c <= sheet->count; c++)
        columns[c] = "";
    columns[sheet->count + 1] = NULL;
    struct qb_listing grid = {.columns = columns};
    if (!sheet->count && !measures_wanted(sheet))
        return;
    fill_grid(&grid, sheet);
    const char *const *cells = (const char *const *)grid.values;
    print_reasons(sheet, width, &below);
    print_absent(sheet, width, &below);
    if (sheet->markdown) {
        qb_text_add(out, "### ");
        qb_escape_markdown(out, sheet->experiment);
        qb_text_add(out, "\n\n");
        if (sheet->count && grid.rows > 1 && !grid.failed)
            qb_table_markdown(out, cells, grid.rows, sheet->count + 1);
        qb_lines_markdown(out, &below);
    } else {
        qb_text_add(out, "%s\n", sheet->experiment);
        if (sheet->count && grid.rows > 1 && !grid.failed)
            qb_table(out, cells, grid.rows, sheet->count + 1, width);
        qb_text_add(out, "%s\n", below.data ? below.data : "");
    }
    out->failed = out->failed || below.failed || grid.failed;
    qb_text_free(&below);
    qb_listing_free(&grid);
}

static void print_legend(uint32_t marked, bool interval, bool older, const struct qb_text *coverage, size_t width,
                         struct qb_text *out)
{
    struct qb_text text = {0};
    if (interval)
        qb_text_add(out, "[lo, hi]  95%% interval; a value without one has none (the note in --output csv says why)\n");
    if (interval && older)
        qb_paragraph(out, "'         ",
                     "not marked, the file is an older program's: which intervals fall short of 95% is told by their "
                     "notes alone",
                     width);
    if (coverage->size) {
        qb_text_add(&text, "falls short of 95%%; in simulation such intervals cover: %s", coverage->data);
        qb_paragraph(out, "'         ", text.data ? text.data : "", width);
    }
    for (size_t i = 0; i < MARKS; i++)
        if (marked & marks[i].flag) {
            char first[16];
            snprintf(first, sizeof first, "%c         ", marks[i].mark);
            qb_paragraph(out, first, marks[i].means, width);
        }
    qb_text_free(&text);
}

void qb_show_tables(const struct qb_result *result, const struct qb_show_filter *filter, size_t width, bool markdown,
                    struct qb_text *out)
{
    struct qb_text coverage = {0}, legend = {0};
    uint32_t marked = 0;
    bool interval = false, older = false;
    size_t before = out->size, left_out = 0;
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        bool seen = !qb_show_wants(filter, cell);
        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(qb_result_cell(result, j)->experiment, cell->experiment) == 0 &&
                   qb_show_wants(filter, qb_result_cell(result, j));
        if (seen)
            continue;
        struct sheet sheet = {.result = result,
                              .filter = filter,
                              .experiment = cell->experiment,
                              .markdown = markdown,
                              .coverage = &coverage};
        print_sheet(&sheet, width, out);
        marked |= sheet.marked;
        interval = interval || sheet.interval;
        older = older || sheet.older;
        left_out += sheet.left_out;
    }
    if (out->size == before)
        qb_text_add(out, "%s\n", qb_result_count(result) ? "no metric: these cells have none" : "no cell");
    else
        qb_reach_legend(result, filter, width, &legend);
    print_legend(marked, interval, older, &coverage, width, &legend);
    if (left_out)
        qb_text_add(&legend, "left out: %zu metric%s of these experiments; --all shows %s, --metric GLOB some\n",
                    left_out, left_out == 1 ? "" : "s", left_out == 1 ? "it" : "them");
    if (markdown)
        qb_lines_markdown(out, &legend);
    else
        qb_text_add(out, "%s", legend.data ? legend.data : "");
    out->failed = out->failed || legend.failed;
    qb_text_free(&legend);
    qb_text_free(&coverage);
}
