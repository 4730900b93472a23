#include "run_table.h"

#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "metric/metric.h"
#include "run/experiment.h"
#include "show_table.h"

enum { ROWS_MAX = 40, COLUMNS_MAX = 32 };

struct column {
    const char *experiment, *metric, *unit;
};

/* The main metric where it is not the registry's first of its experiment. */
static const char *const mains[][2] = {{"depth", "error_last"},   {"teacher-forced", "kl_mean"},
                                       {"kl", "kl_mean"},         {"kv", "kl_mean"},
                                       {"memory", "weight_bits"}, {"speed", "decode_overhead"}};

static const struct qb_metric *main_metric(const char *experiment)
{
    for (size_t i = 0; i < sizeof mains / sizeof *mains; i++)
        if (strcmp(mains[i][0], experiment) == 0)
            return qb_metric_find(experiment, mains[i][1]);
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++)
        if (strcmp((*m)->experiment, experiment) == 0)
            return *m;
    return NULL;
}

static bool has_experiment(const struct qb_result *result, const char *experiment)
{
    for (size_t i = 0; i < qb_result_count(result); i++)
        if (strcmp(qb_result_cell(result, i)->experiment, experiment) == 0)
            return true;
    return false;
}

/* Columns of the experiments that the result has, in the order of the list. */
static size_t find_columns(const struct qb_result *result, struct column columns[COLUMNS_MAX])
{
    size_t n = 0;
    for (const struct qb_experiment *const *e = qb_experiments(); *e && n < COLUMNS_MAX; e++) {
        const struct qb_metric *metric = main_metric((*e)->name);
        if (metric && has_experiment(result, (*e)->name))
            columns[n++] = (struct column){(*e)->name, metric->name, metric->unit};
    }
    return n;
}

/* The first cell of a (model, variant) stands for its row. */
static bool begins_row(const struct qb_result *result, size_t index)
{
    const struct qb_cell *cell = qb_result_cell(result, index);
    if (strcmp(cell->variant, "reference") == 0)
        return false;
    for (size_t i = 0; i < index; i++) {
        const struct qb_cell *other = qb_result_cell(result, i);
        if (strcmp(other->model, cell->model) == 0 && strcmp(other->variant, cell->variant) == 0)
            return false;
    }
    return true;
}

/* cell: any of the row; NULL: the header. */
static void add_row(struct qb_listing *grid, const struct qb_result *result, const struct qb_cell *cell,
                    const struct column *columns, size_t count)
{
    const char *values[COLUMNS_MAX + 1];
    struct qb_text texts[COLUMNS_MAX + 1] = {0};
    if (cell)
        qb_text_add(&texts[0], "%s/%s", cell->model, cell->variant);
    for (size_t c = 0; c < count; c++) {
        const struct column *column = &columns[c];
        struct qb_text *out = &texts[c + 1];
        if (!cell) {
            qb_text_add(out, "%s %s", column->experiment, column->metric);
            if (strcmp(column->unit, "1") != 0 && strcmp(column->unit, "bits") != 0)
                qb_text_add(out, " %s", column->unit);
            continue;
        }
        const size_t found = qb_result_find(result, cell->model, cell->variant, column->experiment);
        if (found != SIZE_MAX && qb_result_cell(result, found)->state != QB_CELL_DONE)
            qb_text_add(out, "%s", qb_result_cell(result, found)->state == QB_CELL_FAILED ? "failed" : "skipped");
        else if (found != SIZE_MAX)
            qb_show_value(qb_result_value(result, cell->model, cell->variant, column->experiment, column->metric), out);
    }
    for (size_t c = 0; c <= count; c++)
        values[c] = texts[c].data ? texts[c].data : "";
    qb_listing_add(grid, values);
    for (size_t c = 0; c <= count; c++) {
        grid->failed = grid->failed || texts[c].failed;
        qb_text_free(&texts[c]);
    }
}

void qb_run_table(const struct qb_result *result, size_t width, struct qb_text *out)
{
    struct column columns[COLUMNS_MAX];
    const char *names[COLUMNS_MAX + 2] = {0};
    const size_t count = find_columns(result, columns);
    size_t rows = 0;
    for (size_t i = 0; i < qb_result_count(result); i++)
        rows += begins_row(result, i);
    if (rows == 0 || rows > ROWS_MAX || count == 0)
        return;
    for (size_t c = 0; c <= count; c++)
        names[c] = "";
    struct qb_listing grid = {.columns = names};
    add_row(&grid, result, NULL, columns, count);
    for (size_t i = 0; i < qb_result_count(result); i++)
        if (begins_row(result, i))
            add_row(&grid, result, qb_result_cell(result, i), columns, count);
    out->failed = out->failed || grid.failed;
    if (!grid.failed)
        qb_table(out, (const char *const *)grid.values, grid.rows, count + 1, width);
    qb_listing_free(&grid);
}
