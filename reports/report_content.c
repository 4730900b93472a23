/* The tables of a report: one for each model and experiment, from the result's cells. */
#include "report_content.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

/* Does the cell have a row in a table? */
static bool tabled(const struct qb_cell *cell)
{
    return cell->state != QB_CELL_SKIPPED && strcmp(cell->variant, "reference") != 0;
}

static size_t find_column(const struct qb_report_table *table, const char *name)
{
    size_t c = 0;
    while (c < table->column_count && strcmp(table->columns[c].name, name) != 0)
        c++;
    return c;
}

static enum qb_status find_columns(struct qb_report *report, struct qb_report_table *table, struct qb_error *err)
{
    size_t room = 0;
    for (size_t r = 0; r < table->row_count; r++)
        room += qb_report_cell(report, table, r)->value_count;
    table->columns = qb_alloc(room, sizeof *table->columns, "a report's columns", err);
    if (!table->columns)
        return err->status;
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_cell *cell = qb_report_cell(report, table, r);
        for (size_t v = 0; v < cell->value_count && cell->state == QB_CELL_DONE; v++) {
            const struct qb_value *value = &cell->values[v];
            if (find_column(table, value->metric) < table->column_count)
                continue;
            table->columns[table->column_count++] =
                (struct qb_report_column){.name = value->metric,
                                          .unit = value->unit,
                                          .metric = qb_metric_find(table->experiment, value->metric),
                                          .headline = qb_metric_headline(table->experiment, value->metric)};
        }
    }
    return QB_OK;
}

/* How many values of the column say this. */
static size_t count_notes(const struct qb_report *report, const struct qb_report_table *table, size_t c,
                          const char *note)
{
    size_t n = 0, ignored;
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_value *value = qb_report_value(report, table, r, c, &ignored);
        n += value && strcmp(value->note, note) == 0;
    }
    return n;
}

static void find_usual_note(const struct qb_report *report, const struct qb_report_table *table, size_t c,
                            size_t values)
{
    struct qb_report_column *column = &table->columns[c];
    size_t most = 0, ignored;
    column->usual_note = "";
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_value *value = qb_report_value(report, table, r, c, &ignored);
        size_t n = value ? count_notes(report, table, c, value->note) : 0;
        if (n > most) {
            most = n;
            column->usual_note = value->note;
        }
    }
    column->same_note = most == values;
    if (2 * most <= values)
        column->usual_note = "";
}

/* Number format, and whether all values share n and note. `x` has room for a value a row. */
static void describe_column(const struct qb_report *report, const struct qb_report_table *table, size_t c, double *x)
{
    struct qb_report_column *column = &table->columns[c];
    size_t n = 0, ignored;
    column->same_n = true;
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_value *value = qb_report_value(report, table, r, c, &ignored);
        if (!value)
            continue;
        if (n == 0)
            column->shared_n = value->n;
        column->same_n = column->same_n && value->n == column->shared_n;
        column->intervals = column->intervals || (isfinite(value->lo) && isfinite(value->hi));
        x[n++] = value->value;
    }
    column->format = qb_value_format_for(x, n, column->unit);
    find_usual_note(report, table, c, n);
}

/* "model.experiment", and "-2" behind it where dots in names make two tables read alike. */
static void name_file(const struct qb_report *report, struct qb_report_table *table)
{
    size_t same = 1;
    for (const struct qb_report_table *t = report->tables; t < table; t++)
        same += strlen(t->model) + strlen(t->experiment) == strlen(table->model) + strlen(table->experiment) &&
                strncmp(t->file, table->file, strlen(table->file)) == 0;
    if (same > 1)
        snprintf(table->file + strlen(table->file), 24, "-%zu", same);
}

static enum qb_status fill_table(struct qb_report *report, struct qb_report_table *table, const struct qb_cell *first,
                                 struct qb_error *err)
{
    size_t count = qb_result_count(report->result);
    table->model = first->model;
    table->experiment = first->experiment;
    snprintf(table->file, sizeof table->file - 24, "%s.%s", table->model, table->experiment);
    name_file(report, table);
    table->cells = qb_alloc(count, sizeof *table->cells, "a report's rows", err);
    for (size_t i = 0; table->cells && i < count; i++) {
        const struct qb_cell *cell = qb_result_cell(report->result, i);
        if (tabled(cell) && strcmp(cell->model, table->model) == 0 && strcmp(cell->experiment, table->experiment) == 0)
            table->cells[table->row_count++] = i;
    }
    if (!table->cells || find_columns(report, table, err))
        return err->status;
    table->usual_weights = qb_report_usual_weights(report, table);
    bool any = false;
    double *x = qb_alloc(table->row_count, sizeof *x, "a column", err);
    for (size_t c = 0; x && c < table->column_count; c++) {
        describe_column(report, table, c, x);
        any = any || table->columns[c].headline;
    }
    for (size_t c = 0; !any && c < table->column_count; c++)
        table->columns[c].headline = c < 6; /* an experiment without a choice of its own */
    qb_free(x);
    return err->status;
}

/* Has an earlier cell opened this cell's table? */
static bool seen(const struct qb_report *report, const struct qb_cell *cell)
{
    for (size_t t = 0; t < report->table_count; t++)
        if (strcmp(report->tables[t].model, cell->model) == 0 &&
            strcmp(report->tables[t].experiment, cell->experiment) == 0)
            return true;
    return false;
}

/* Where an experiment stands among a model's tables: what users ask first comes first, unknown ones last. */
static size_t rank(const char *experiment)
{
    static const char *const order[] = {"teacher-forced", "greedy", "attribute", "depth",
                                        "memory",         "speed",  "roundtrip", "linearity"};
    size_t i = 0;
    while (i < sizeof order / sizeof *order && strcmp(order[i], experiment) != 0)
        i++;
    return i;
}

/* The first cell of the model whose experiment has no table yet and the lowest rank, or NULL. */
static const struct qb_cell *next_table(const struct qb_report *report, const char *model)
{
    const struct qb_cell *next = NULL;
    for (size_t i = 0; i < qb_result_count(report->result); i++) {
        const struct qb_cell *cell = qb_result_cell(report->result, i);
        if (strcmp(cell->model, model) == 0 && tabled(cell) && !seen(report, cell) &&
            (!next || rank(cell->experiment) < rank(next->experiment)))
            next = cell;
    }
    return next;
}

enum qb_status qb_report_tables(struct qb_report *report, struct qb_error *err)
{
    size_t count = qb_result_count(report->result), row = 0;
    report->tables = qb_alloc(count, sizeof *report->tables, "a report's tables", err);
    report->first_row = report->tables ? qb_alloc(count, sizeof *report->first_row, "a report's rows", err) : NULL;
    if (!report->first_row)
        return err->status;
    for (size_t i = 0; i < count; i++) {
        report->first_row[i] = row;
        row += qb_result_cell(report->result, i)->value_count;
    }
    for (size_t i = 0; i < count; i++) {
        const struct qb_cell *cell;
        while ((cell = next_table(report, qb_result_cell(report->result, i)->model)))
            if (fill_table(report, &report->tables[report->table_count++], cell, err))
                return err->status;
    }
    return QB_OK;
}

void qb_report_free(struct qb_report *report)
{
    for (size_t t = 0; t < report->table_count; t++) {
        qb_free(report->tables[t].cells);
        qb_free(report->tables[t].columns);
    }
    for (size_t i = 0; i < report->remark_count; i++)
        qb_text_free(&report->remarks[i].text);
    qb_free(report->tables);
    qb_free(report->first_row);
    qb_free(report->remarks);
    qb_free(report->comparisons);
    qb_attributions_free(report);
    qb_figure_list_free(&report->figures);
    qb_ledger_free(report->ledger);
    *report = (struct qb_report){0};
}
