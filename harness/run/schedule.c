#include "run/schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "run/reach.h"

enum qb_status qb_schedule_open(struct qb_schedule *schedule, const struct qb_suite *suite, const struct qb_only *only,
                                struct qb_error *err)
{
    *schedule = (struct qb_schedule){.suite = suite};
    if (qb_plan_make(suite, only, &schedule->plan, err))
        return err->status;
    schedule->cells = qb_alloc(schedule->plan.count, sizeof *schedule->cells, "cells", err);
    return err->status;
}

void qb_schedule_close(struct qb_schedule *schedule)
{
    for (size_t i = 0; schedule->cells && i < schedule->plan.count; i++)
        qb_cell_free(&schedule->cells[i].outcome);
    qb_free(schedule->cells);
    qb_plan_free(&schedule->plan);
}

bool qb_schedule_waits(const struct qb_schedule *schedule, size_t i)
{
    return schedule->plan.cells[i].selected && schedule->cells[i].stage == QB_STAGE_WAITING;
}

const struct qb_variant *qb_schedule_variant(const struct qb_schedule *schedule, size_t i)
{
    size_t variant = schedule->plan.cells[i].variant;
    return variant == QB_PLAN_NONE ? NULL : schedule->suite->variants[variant];
}

const struct qb_experiment *qb_schedule_experiment(const struct qb_schedule *schedule, size_t i)
{
    return schedule->suite->experiments[schedule->plan.cells[i].experiment].experiment;
}

bool qb_schedule_same_place(const struct qb_schedule *schedule, size_t i, const char *model, const char *variant,
                            const char *experiment)
{
    const struct qb_plan_cell *cell = &schedule->plan.cells[i];
    return strcmp(schedule->suite->models[cell->model].name, model) == 0 &&
           strcmp(qb_plan_variant_name(schedule->suite, cell), variant) == 0 &&
           strcmp(qb_schedule_experiment(schedule, i)->name, experiment) == 0;
}

/* Every metric of the experiment as a row without a value, so that a table shows the cell where a reader looks. */
static enum qb_status flagged_rows(uint32_t flags, struct qb_cell *cell, struct qb_error *err)
{
    const struct qb_metric *const *all = qb_metrics();
    size_t n = 0;
    for (size_t i = 0; all[i]; i++)
        n += strcmp(all[i]->experiment, cell->experiment) == 0;
    cell->values = qb_alloc(n, sizeof *cell->values, "summary rows", err);
    for (size_t i = 0; cell->values && all[i]; i++) {
        if (strcmp(all[i]->experiment, cell->experiment) != 0)
            continue;
        struct qb_value *value = &cell->values[cell->value_count++];
        snprintf(value->metric, sizeof value->metric, "%s", all[i]->name);
        snprintf(value->unit, sizeof value->unit, "%s", all[i]->unit);
        qb_utf8_print(value->note, sizeof value->note, "%s", cell->message);
        value->value = value->lo = value->hi = NAN;
        value->flags = flags | QB_FLAG_NO_INTERVAL;
    }
    return err->status;
}

enum qb_status qb_schedule_end(struct qb_schedule *schedule, size_t i, const struct qb_cell_end *end,
                               struct qb_error *err)
{
    const struct qb_suite *suite = schedule->suite;
    const struct qb_plan_cell *plan = &schedule->plan.cells[i];
    const struct qb_variant *variant = qb_schedule_variant(schedule, i);
    struct qb_scheduled *scheduled = &schedule->cells[i];
    struct qb_cell *cell = &scheduled->outcome;
    uint32_t flags = end->state == QB_CELL_SKIPPED ? QB_FLAG_SKIPPED : QB_FLAG_FAILED;
    scheduled->stage = QB_STAGE_ENDED;
    cell->state = end->state;
    cell->seconds = end->seconds;
    memcpy(cell->key, scheduled->key, sizeof cell->key);
    memcpy(cell->inputs, scheduled->inputs, sizeof cell->inputs);
    if (!(cell->model = qb_strdup(suite->models[plan->model].name, err)) ||
        !(cell->variant = qb_strdup(qb_plan_variant_name(suite, plan), err)) ||
        !(cell->experiment = qb_strdup(qb_schedule_experiment(schedule, i)->name, err)) ||
        !(cell->message = qb_strdup(end->message, err)) ||
        !(cell->options = qb_strdup(qb_suite_experiment_of(suite, plan->model, plan->experiment)->canonical, err)) ||
        !(cell->warnings = qb_strdup(variant && variant->warning ? variant->warning : "", err)))
        return err->status;
    if (!variant)
        return QB_OK;
    cell->floor = qb_variant_floor(variant);
    /* Of a variant that encodes nothing all is known; sizes of others take a worker. */
    if (end->effect && end->effect->tensors == 0 && qb_run_reach(end->effect, &cell->reach, err))
        return err->status;
    return flagged_rows(flags | (end->nonfinite ? (uint32_t)QB_FLAG_NONFINITE : 0u), cell, err);
}
