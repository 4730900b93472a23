/* Variants against the floors, paired on the clusters that both measured. The arrays of a cell are read once. */
#include "report_content.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

/* What is compared: the headline of each experiment. */
static const struct {
    const char *experiment, *metric;
} compared[] = {{"teacher-forced", "kl_mean"}, {"teacher-forced", "top1_agreement"}, {"greedy", "match_rate"}};
enum { COMPARED = sizeof compared / sizeof *compared };

static const enum qb_floor floors[] = {QB_FLOOR_ARITHMETIC, QB_FLOOR_BF16};
enum { FLOORS = sizeof floors / sizeof *floors };

/* The samples of one cell, one for each compared metric; `there` where the cell has it. */
struct cell_samples {
    struct qb_sample samples[COMPARED];
    bool there[COMPARED];
};

static void free_samples(struct cell_samples *s)
{
    for (size_t k = 0; k < COMPARED; k++)
        if (s->there[k])
            qb_sample_free(&s->samples[k]);
    *s = (struct cell_samples){0};
}

static enum qb_status take_samples(const struct qb_report *report, size_t index, struct cell_samples *s,
                                   struct qb_error *err)
{
    const struct qb_cell *cell = qb_result_cell(report->result, index);
    struct qb_record record = {0};
    *s = (struct cell_samples){0};
    if (!qb_result_record(report->result, index, &record, err))
        for (size_t k = 0; k < COMPARED; k++) {
            const struct qb_metric *metric = qb_metric_find(compared[k].experiment, compared[k].metric);
            if (metric && metric->sample && strcmp(compared[k].experiment, cell->experiment) == 0)
                s->there[k] = metric->sample(&record, &s->samples[k]);
        }
    qb_record_free(&record);
    return err->status;
}

static struct qb_comparison *add_comparison(struct qb_report *report, struct qb_error *err)
{
    struct qb_comparison *grown =
        qb_grow(report->comparisons, report->comparison_count + 1, sizeof *grown, "a report's comparisons", err);
    if (!grown)
        return NULL;
    report->comparisons = grown;
    return &report->comparisons[report->comparison_count++];
}

/* Fills the numbers, or why there are none. */
static void compare(struct qb_comparison *c, const struct qb_sample *variant, const struct qb_sample *floor)
{
    struct qb_difference d;
    const struct qb_clusters a = {floor->sum, floor->weight, floor->clusters};
    const struct qb_clusters b = {variant->sum, variant->weight, variant->clusters};
    c->clusters = variant->clusters;
    c->cluster_unit = variant->unit;
    if (variant->clusters < 2 || floor->clusters < 2) {
        c->why = variant->clusters == 1 || floor->clusters == 1 ? "one cluster" : "no clusters";
    } else if (!qb_difference_paired(&a, &b, 0.95, &d)) {
        c->why = "the two did not measure the same clusters";
    } else {
        c->value = qb_transform_difference(variant->transform, d.value);
        c->lo = qb_transform_difference(variant->transform, d.lo);
        c->hi = qb_transform_difference(variant->transform, d.hi);
        c->p = d.p;
        if (isnan(d.p))
            c->why = "no spread between clusters";
    }
}

/* One metric of one cell against one floor's; nothing when the cell has no such metric. */
static enum qb_status compare_cells(struct qb_report *report, const struct qb_cell *cell, const char *floor, size_t k,
                                    const struct cell_samples *own, const struct cell_samples *other,
                                    struct qb_error *err)
{
    const struct qb_metric *metric = qb_metric_find(compared[k].experiment, compared[k].metric);
    const struct qb_value *x =
        qb_result_value(report->result, cell->model, cell->variant, cell->experiment, compared[k].metric);
    const struct qb_value *y =
        qb_result_value(report->result, cell->model, floor, cell->experiment, compared[k].metric);
    if (!metric || !x || !y || !own->there[k] || !other->there[k])
        return QB_OK;
    struct qb_comparison *c = add_comparison(report, err);
    if (!c)
        return err->status;
    *c = (struct qb_comparison){.model = cell->model,
                                .experiment = cell->experiment,
                                .metric = metric->name,
                                .variant = cell->variant,
                                .floor = floor,
                                .unit = metric->unit,
                                .value = NAN,
                                .lo = NAN,
                                .hi = NAN,
                                .p = NAN,
                                .adjusted = NAN,
                                .cluster_unit = "",
                                .lower_is_better = metric->direction == QB_LOWER_IS_BETTER};
    if (qb_value_void(x) || qb_value_void(y))
        c->why = "degenerate";
    else
        compare(c, &own->samples[k], &other->samples[k]);
    return QB_OK;
}

static bool can_be_floor(const struct qb_cell *cell, enum qb_floor floor)
{
    return cell->state == QB_CELL_DONE && cell->floor == floor;
}

/* All variants of one table against one of its rows. */
static enum qb_status compare_rows(struct qb_report *report, const struct qb_report_table *table, size_t floor,
                                   const struct cell_samples *samples, struct qb_error *err)
{
    const char *name = qb_report_cell(report, table, floor)->variant;
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_cell *cell = qb_report_cell(report, table, r);
        if (r == floor || cell->floor == QB_FLOOR_IDENTITY)
            continue;
        for (size_t k = 0; k < COMPARED; k++)
            if (compare_cells(report, cell, name, k, &samples[r], &samples[floor], err))
                return err->status;
    }
    return QB_OK;
}

static enum qb_status compare_table(struct qb_report *report, const struct qb_report_table *table, struct qb_error *err)
{
    size_t rows = table->row_count, found = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t f = 0; f < FLOORS; f++)
            found += can_be_floor(qb_report_cell(report, table, r), floors[f]);
    if (!found)
        return QB_OK;
    struct cell_samples *samples = qb_alloc(rows, sizeof *samples, "a table's samples", err);
    for (size_t r = 0; r < rows && !err->status; r++)
        if (qb_report_cell(report, table, r)->state == QB_CELL_DONE)
            take_samples(report, table->cells[r], &samples[r], err);
    for (size_t f = 0; f < FLOORS && !err->status; f++)
        for (size_t r = 0; r < rows && !err->status; r++)
            if (can_be_floor(qb_report_cell(report, table, r), floors[f]))
                compare_rows(report, table, r, samples, err);
    for (size_t r = 0; r < rows && samples; r++)
        free_samples(&samples[r]);
    qb_free(samples);
    return err->status;
}

static bool same_reason(const struct qb_comparison *a, const struct qb_comparison *b)
{
    return a->why && b->why && strcmp(a->why, b->why) == 0 && strcmp(a->model, b->model) == 0 &&
           strcmp(a->experiment, b->experiment) == 0;
}

void qb_left_uncompared(const struct qb_report *report, struct qb_text *out)
{
    size_t listed = 0;
    for (size_t i = 0; i < report->comparison_count; i++) {
        const struct qb_comparison *c = &report->comparisons[i];
        bool all = true, said = !c->why;
        for (size_t j = 0; j < report->comparison_count; j++) {
            const struct qb_comparison *other = &report->comparisons[j];
            said = said || (j < i && same_reason(c, other));
            all = all &&
                  (other->why || strcmp(other->model, c->model) != 0 || strcmp(other->experiment, c->experiment) != 0);
        }
        if (said)
            continue;
        qb_text_add(out, "%s%s, %s%s", listed++ ? "; " : "", c->model, c->experiment, all ? "" : " of ");
        for (size_t j = i, names = 0; j < report->comparison_count && !all; j++)
            if (same_reason(c, &report->comparisons[j]) && strcmp(report->comparisons[j].floor, c->floor) == 0 &&
                strcmp(report->comparisons[j].metric, c->metric) == 0)
                qb_text_add(out, "%s%s", names++ ? ", " : "", report->comparisons[j].variant);
        qb_text_add(out, ": %s", c->why);
    }
}

static bool compares(const char *experiment)
{
    for (size_t k = 0; k < COMPARED; k++)
        if (strcmp(compared[k].experiment, experiment) == 0)
            return true;
    return false;
}

static enum qb_status adjust(struct qb_report *report, struct qb_error *err)
{
    size_t n = report->comparison_count;
    double *p = qb_alloc(n, sizeof *p, "p values", err);
    if (!p)
        return err->status;
    for (size_t i = 0; i < n; i++)
        p[i] = report->comparisons[i].p;
    if (!qb_holm(p, n, p))
        qb_fail(err, QB_ERR_MEMORY, "no memory to adjust %zu p values", n);
    for (size_t i = 0; i < n; i++)
        report->comparisons[i].adjusted = p[i];
    qb_free(p);
    return err->status;
}

enum qb_status qb_report_comparisons(struct qb_report *report, struct qb_error *err)
{
    for (size_t t = 0; t < report->table_count; t++)
        if (compares(report->tables[t].experiment) && compare_table(report, &report->tables[t], err))
            return err->status;
    return adjust(report, err);
}
