/* Baselines in memory: finding, adding runs, freeing. */
#include "gate/baseline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "run/experiment.h"

static int order_at(const struct qb_baseline_cell *cell, const char *model, const char *experiment, const char *variant)
{
    int order = strcmp(cell->model, model);
    order = order ? order : strcmp(cell->experiment, experiment);
    return order ? order : strcmp(cell->variant, variant);
}

int qb_baseline_order(const struct qb_baseline_cell *a, const struct qb_baseline_cell *b)
{
    return order_at(a, b->model, b->experiment, b->variant);
}

static int by_name(const void *a, const void *b)
{
    return qb_baseline_order(a, b);
}

void qb_baseline_sort(struct qb_baseline *baseline)
{
    if (baseline->count)
        qsort(baseline->cells, baseline->count, sizeof *baseline->cells, by_name);
}

/* Index of the first cell that is not before this place. */
static size_t lower_bound(const struct qb_baseline *baseline, const char *model, const char *experiment,
                          const char *variant)
{
    size_t low = 0, high = baseline->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (order_at(&baseline->cells[middle], model, experiment, variant) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct qb_baseline_cell *qb_baseline_find(const struct qb_baseline *baseline, const char *model,
                                                const char *variant, const char *experiment)
{
    size_t at = lower_bound(baseline, model, experiment, variant);
    bool there = at < baseline->count && order_at(&baseline->cells[at], model, experiment, variant) == 0;
    return there ? &baseline->cells[at] : NULL;
}

const struct qb_baseline_cell *qb_baseline_floor(const struct qb_baseline *baseline, const char *model,
                                                 enum qb_floor floor, const char *experiment)
{
    for (size_t at = lower_bound(baseline, model, experiment, ""); at < baseline->count; at++) {
        const struct qb_baseline_cell *cell = &baseline->cells[at];
        if (order_at(cell, model, experiment, cell->variant) != 0)
            return NULL;
        if (cell->floor == floor)
            return cell;
    }
    return NULL;
}

const struct qb_baseline_metric *qb_baseline_metric_of(const struct qb_baseline_cell *cell, const char *name)
{
    for (size_t i = 0; i < cell->metric_count; i++)
        if (strcmp(cell->metrics[i].name, name) == 0)
            return &cell->metrics[i];
    return NULL;
}

/* ---- several runs ---- */

static bool same_codecs(const struct qb_baseline_cell *a, const struct qb_baseline_cell *b)
{
    if (a->codec_count != b->codec_count)
        return false;
    for (size_t i = 0; i < a->codec_count; i++)
        if (strcmp(a->codecs[i].id, b->codecs[i].id) != 0 || strcmp(a->codecs[i].version, b->codecs[i].version) != 0 ||
            strcmp(a->codecs[i].sha256, b->codecs[i].sha256) != 0)
            return false;
    return true;
}

/* What keeps two cells from being runs of the same thing; NULL: nothing. */
static const char *differs(const struct qb_baseline_cell *a, const struct qb_baseline_cell *b)
{
    return a->state != b->state                                                 ? "state"
           : strcmp(a->inputs, b->inputs) != 0                                  ? "inputs"
           : strcmp(a->model_sha256, b->model_sha256) != 0                      ? "model"
           : !qb_experiment_same_options(a->experiment, a->options, b->options) ? "experiment options"
           : strcmp(a->definition, b->definition) != 0                          ? "variant definition"
           : !same_codecs(a, b)                                                 ? "codecs"
                                                                                : NULL;
}

/* The geometric mean of the runs with an interval, of all when none has one: NaN, and so no baseline, when a run has no
 * value. */
static double mean_of(const struct qb_baseline_run *runs, size_t count)
{
    double with = 0, all = 0;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        bool interval = !isnan(runs[i].lo) && !isnan(runs[i].hi);
        all += log(runs[i].value);
        with += interval ? log(runs[i].value) : 0;
        n += interval;
    }
    return isnan(all) ? NAN : exp(n ? with / (double)n : all / (double)count);
}

static enum qb_status add_metric_run(struct qb_baseline_metric *metric, const struct qb_baseline_metric *more,
                                     struct qb_error *err)
{
    size_t total = metric->run_count + more->run_count;
    struct qb_baseline_run *runs = qb_alloc(total, sizeof *runs, "runs of a metric", err);
    if (!runs)
        return err->status;
    memcpy(runs, metric->runs, metric->run_count * sizeof *runs);
    memcpy(runs + metric->run_count, more->runs, more->run_count * sizeof *runs);
    const uint32_t biased = metric->flags & more->flags & QB_FLAG_BIASED;
    metric->flags = ((metric->flags | more->flags) & ~(uint32_t)QB_FLAG_BIASED) | biased;
    qb_free(metric->runs);
    metric->runs = runs;
    metric->run_count = total;
    metric->value = mean_of(runs, total);
    return QB_OK;
}

static enum qb_status add_cell_run(struct qb_baseline_cell *cell, const struct qb_baseline_cell *other,
                                   const char *path, struct qb_error *err)
{
    const char *what = differs(cell, other);
    if (what)
        return qb_fail(err, QB_ERR_INPUT, "%s: %s/%s/%s: another %s than in the first result file", path, cell->model,
                       cell->variant, cell->experiment, what);
    for (size_t m = 0; m < cell->metric_count; m++) {
        struct qb_baseline_metric *metric = &cell->metrics[m];
        const struct qb_baseline_metric *more = qb_baseline_metric_of(other, metric->name);
        if (!metric->runs)
            continue;
        if (!more || !more->runs)
            return qb_fail(err, QB_ERR_INPUT, "%s: %s/%s/%s: expected the metric %s as in the first result file", path,
                           cell->model, cell->variant, cell->experiment, metric->name);
        if (add_metric_run(metric, more, err))
            return err->status;
    }
    return QB_OK;
}

enum qb_status qb_baseline_add_run(struct qb_baseline *baseline, const struct qb_baseline *more, struct qb_error *err)
{
    const struct qb_baseline *mixed = baseline->mixed ? baseline : more;
    if (mixed->mixed)
        return qb_fail(err, QB_ERR_INPUT, "%s: its timed cells are of several machines: %s", mixed->path, mixed->mixed);
    if (strcmp(baseline->cpu, more->cpu) != 0 || strcmp(baseline->isa, more->isa) != 0 ||
        strcmp(baseline->threads, more->threads) != 0 || strcmp(baseline->blas_core, more->blas_core) != 0)
        return qb_fail(err, QB_ERR_INPUT,
                       "%s: measured on another machine than the first result file: %s, %s, %s "
                       "threads, BLAS core '%s'; expected %s, %s, %s threads, BLAS core '%s'",
                       more->path, more->cpu, more->isa, more->threads, more->blas_core, baseline->cpu, baseline->isa,
                       baseline->threads, baseline->blas_core);
    if (baseline->count != more->count)
        return qb_fail(err, QB_ERR_INPUT, "%s: %zu cells, expected the %zu of the first result file", more->path,
                       more->count, baseline->count);
    for (size_t i = 0; i < baseline->count; i++) {
        struct qb_baseline_cell *cell = &baseline->cells[i];
        const struct qb_baseline_cell *other = qb_baseline_find(more, cell->model, cell->variant, cell->experiment);
        if (!other)
            return qb_fail(err, QB_ERR_INPUT, "%s: no cell %s/%s/%s, which the first result file has", more->path,
                           cell->model, cell->variant, cell->experiment);
        if (add_cell_run(cell, other, more->path, err))
            return err->status;
    }
    baseline->runs += more->runs;
    return QB_OK;
}

/* ---- freeing ---- */

static void free_metric(struct qb_baseline_metric *metric)
{
    qb_sample_free(&metric->sample);
    qb_free(metric->runs);
}

void qb_baseline_drop(struct qb_baseline_cell *cell, size_t metric)
{
    free_metric(&cell->metrics[metric]);
    cell->metric_count--;
    memmove(&cell->metrics[metric], &cell->metrics[metric + 1], (cell->metric_count - metric) * sizeof *cell->metrics);
}

static void free_cell(struct qb_baseline_cell *cell)
{
    char *texts[] = {cell->model, cell->variant, cell->experiment, cell->message, cell->options, cell->definition};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        qb_free(texts[i]);
    for (size_t i = 0; i < cell->codec_count; i++) {
        qb_free(cell->codecs[i].id);
        qb_free(cell->codecs[i].version);
    }
    for (size_t i = 0; i < cell->tensor_count; i++)
        qb_free(cell->tensors[i].name);
    for (size_t i = 0; i < cell->metric_count; i++)
        free_metric(&cell->metrics[i]);
    qb_free(cell->codecs);
    qb_free(cell->tensors);
    qb_free(cell->metrics);
}

void qb_baseline_free(struct qb_baseline *baseline)
{
    if (!baseline)
        return;
    char *texts[] = {baseline->path,    baseline->program, baseline->suite,     baseline->cpu,  baseline->isa,
                     baseline->threads, baseline->reason,  baseline->blas_core, baseline->mixed};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        qb_free(texts[i]);
    for (size_t i = 0; i < baseline->count; i++)
        free_cell(&baseline->cells[i]);
    qb_free(baseline->cells);
    qb_free(baseline);
}
