/* From finished cells to the result file. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "run/reach.h"
#include "run/run_state.h"

/* Every metric of the experiment as a row without a value, so that a table shows the cell where a reader looks. */
static enum qb_status flagged_rows(const char *experiment, uint32_t flags, const char *message, struct qb_cell *cell,
                                   struct qb_error *err)
{
    const struct qb_metric *const *all = qb_metrics();
    size_t n = 0;
    for (size_t i = 0; all[i]; i++)
        n += strcmp(all[i]->experiment, experiment) == 0;
    cell->values = qb_alloc(n, sizeof *cell->values, "summary rows", err);
    if (!cell->values)
        return err->status;
    for (size_t i = 0; all[i]; i++) {
        if (strcmp(all[i]->experiment, experiment) != 0)
            continue;
        struct qb_value *value = &cell->values[cell->value_count++];
        snprintf(value->metric, sizeof value->metric, "%s", all[i]->name);
        snprintf(value->unit, sizeof value->unit, "%s", all[i]->unit);
        qb_utf8_print(value->note, sizeof value->note, "%s", message);
        value->value = value->lo = value->hi = NAN;
        value->flags = flags | QB_FLAG_NO_INTERVAL;
    }
    return QB_OK;
}

enum qb_status qb_run_outcome(struct qb_run *run, size_t i, enum qb_cell_state state, bool nonfinite, double seconds,
                              const char *message, struct qb_error *err)
{
    const struct qb_plan_cell *plan = &run->plan.cells[i];
    const struct qb_variant *variant = plan->variant == QB_PLAN_NONE ? NULL : run->suite->variants[plan->variant];
    const char *experiment = run->suite->experiments[plan->experiment].experiment->name;
    struct qb_cell *cell = &run->cells[i].outcome;
    uint32_t flags =
        state == QB_CELL_SKIPPED ? QB_FLAG_SKIPPED : QB_FLAG_FAILED | (nonfinite ? (uint32_t)QB_FLAG_NONFINITE : 0u);
    run->cells[i].stage = QB_STAGE_ENDED;
    cell->state = state;
    cell->seconds = seconds;
    memcpy(cell->key, run->cells[i].key, sizeof cell->key);
    memcpy(cell->inputs, run->cells[i].inputs, sizeof cell->inputs);
    if (!(cell->model = qb_strdup(run->suite->models[plan->model].name, err)) ||
        !(cell->variant = qb_strdup(qb_plan_variant_name(run->suite, plan), err)) ||
        !(cell->experiment = qb_strdup(experiment, err)) || !(cell->message = qb_strdup(message, err)) ||
        !(cell->options =
              qb_strdup(qb_suite_experiment_of(run->suite, plan->model, plan->experiment)->canonical, err)) ||
        !(cell->warnings = qb_strdup(variant && variant->warning ? variant->warning : "", err)))
        return err->status;
    if (plan->variant == QB_PLAN_NONE)
        return QB_OK;
    cell->floor = qb_variant_floor(variant);
    /* A skipped cell is of the model at hand. Of a variant that encodes nothing all is known; sizes of others take a
     * worker. */
    if (state == QB_CELL_SKIPPED && run->effects[plan->variant].tensors == 0 &&
        qb_run_reach(&run->effects[plan->variant], &cell->reach, err))
        return err->status;
    return flagged_rows(experiment, flags, message, cell, err);
}

/* ---- provenance ---- */

/* "model.<name>.<part>" */
static enum qb_status add_of_model(const struct qb_suite_model *model, const char *part, const char *value,
                                   struct qb_provenance *p, struct qb_error *err)
{
    char name[128];
    snprintf(name, sizeof name, "model.%s.%s", model->name, part);
    return qb_provenance_add(p, name, value, err);
}

/* What a protocol may ask for, each a fact, and all of it to read. */
static enum qb_status add_generator(const struct qb_suite_model *model, struct qb_provenance *p, struct qb_error *err)
{
    const struct qb_generator_options *made = &model->generated;
    const struct {
        const char *part;
        size_t value;
    } parts[] = {{"vocab", made->vocab}, {"hidden", made->hidden}, {"layers", made->layers}, {"seed", made->seed}};
    char origin[200];
    snprintf(origin, sizeof origin, "generator %s vocab=%zu hidden=%zu layers=%zu seed=%zu", model->generator,
             parts[0].value, parts[1].value, parts[2].value, parts[3].value);
    add_of_model(model, "origin", origin, p, err);
    add_of_model(model, "generator", model->generator, p, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !err->status; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", parts[i].value);
        add_of_model(model, parts[i].part, number, p, err);
    }
    return err->status;
}

static enum qb_status add_models(const struct qb_run *run, struct qb_provenance *p, struct qb_error *err)
{
    for (size_t m = 0; m < run->suite->model_count; m++) {
        const struct qb_suite_model *model = &run->suite->models[m];
        if (!run->model_hashes[m][0])
            continue;
        if (add_of_model(model, "sha256", run->model_hashes[m], p, err) ||
            (run->tokenizer_hashes[m][0] &&
             add_of_model(model, "tokenizer_sha256", run->tokenizer_hashes[m], p, err)) ||
            (model->file ? add_of_model(model, "origin", model->file, p, err) ||
                               add_of_model(model, "generator", "none", p, err)
                         : add_generator(model, p, err)))
            return err->status;
    }
    return QB_OK;
}

/* "codecs.<variant>": ids, blank-separated; "codec.<id>.version" and ".sha256" of each plugin. */
static enum qb_status add_codecs(const struct qb_variant *variant, struct qb_provenance *p, struct qb_error *err)
{
    const struct qb_plugin *used[] = {variant->weights.plugin, variant->activations.plugin, variant->fp16.plugin,
                                      variant->calibration.scale_format.plugin};
    char name[128];
    struct qb_text ids = {0};
    for (size_t i = 0; i < sizeof used / sizeof *used && !err->status; i++) {
        bool seen = !used[i];
        for (size_t k = 0; k < i && !seen; k++)
            seen = used[k] == used[i];
        if (seen)
            continue;
        qb_text_add(&ids, "%s%s", ids.size ? " " : "", used[i]->codec->id);
        snprintf(name, sizeof name, "codec.%s.version", used[i]->codec->id);
        qb_provenance_add(p, name, used[i]->codec->version, err);
        snprintf(name, sizeof name, "codec.%s.sha256", used[i]->codec->id);
        if (!err->status)
            qb_provenance_add(p, name, used[i]->sha256, err);
    }
    snprintf(name, sizeof name, "codecs.%s", variant->name);
    if (!err->status)
        qb_provenance_add(p, name, ids.data, err);
    qb_text_free(&ids);
    return err->status;
}

static enum qb_status add_variants(const struct qb_run *run, struct qb_provenance *p, struct qb_error *err)
{
    for (size_t v = 0; v < run->suite->variant_count; v++) {
        const struct qb_variant *variant = run->suite->variants[v];
        char name[96];
        snprintf(name, sizeof name, "variant.%s", variant->name);
        if (qb_provenance_add(p, name, variant->canonical, err) || add_codecs(variant, p, err))
            return err->status;
    }
    return QB_OK;
}

/* What is known at the end; the store's own facts went in at the start. */
static enum qb_status finish_provenance(const struct qb_run *run, struct qb_provenance *p, struct qb_error *err)
{
    const struct qb_run_options *options = run->options;
    char now[32];
    time_t seconds = time(NULL);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (qb_provenance_add(p, "suite", run->suite->text.data, err) ||
        qb_provenance_add(p, "suite_name", run->suite->name, err) ||
        qb_provenance_add(p, "command", options->command ? options->command : "", err) ||
        qb_provenance_add(p, "compute_version", qb_compute_version(), err) ||
        qb_provenance_addf(p, err, "jobs", "%u", options->jobs) ||
        qb_provenance_addf(p, err, "seed", "%u", run->suite->seed) || qb_provenance_add(p, "ended", now, err) ||
        qb_provenance_addf(p, err, "seconds", "%.3f", qb_clock() - run->start) ||
        qb_provenance_addf(p, err, "interrupted", "%s",
                           run->interrupted ? "yes: stopped by the user before all cells had run" : "no") ||
        (options->only && qb_provenance_add(p, "only", options->only, err)))
        return err->status;
    return add_models(run, p, err) ? err->status : add_variants(run, p, err);
}

/* ---- assembly ---- */

/* Model by model, experiment by experiment, the reference first: how a reader looks for a cell. */
static int display_order(const void *a, const void *b, void *context)
{
    const struct qb_run *run = context;
    const struct qb_plan_cell *x = &run->plan.cells[*(const size_t *)a];
    const struct qb_plan_cell *y = &run->plan.cells[*(const size_t *)b];
    if (x->model != y->model)
        return x->model < y->model ? -1 : 1;
    if (x->experiment != y->experiment)
        return x->experiment < y->experiment ? -1 : 1;
    return x->variant + 1 < y->variant + 1 ? -1 : x->variant + 1 > y->variant + 1; /* QB_PLAN_NONE + 1 is 0 */
}

/* Sources in display order, *count of them; paths[i] is the shard path of source i, for qb_free. */
static enum qb_status collect(struct qb_run *run, const struct qb_result *old, size_t *order, char **paths,
                              struct qb_cell_source *sources, size_t *count, struct qb_error *err)
{
    char path[4200];
    size_t n = 0;
    for (size_t i = 0; i < run->plan.count; i++)
        if (run->cells[i].stage == QB_STAGE_ENDED)
            order[n++] = i;
    qsort_r(order, n, sizeof *order, display_order, run);
    for (size_t k = 0; k < n; k++) {
        const struct qb_run_cell *cell = &run->cells[order[k]];
        if (cell->outcome.state != QB_CELL_DONE) {
            sources[k].cell = &cell->outcome;
        } else if (cell->old_index != QB_PLAN_NONE) {
            sources[k].old = old;
            sources[k].old_index = cell->old_index;
        } else {
            qb_run_shard_path(run, cell->key, path);
            if (!(paths[k] = qb_strdup(path, err)))
                return err->status;
            sources[k].shard = paths[k];
        }
    }
    *count = n;
    return QB_OK;
}

static bool takes_old(const struct qb_run *run)
{
    for (size_t i = 0; i < run->plan.count; i++)
        if (run->cells[i].taken && run->cells[i].old_index != QB_PLAN_NONE)
            return true;
    return false;
}

enum qb_status qb_run_assemble(struct qb_run *run, struct qb_error *err)
{
    struct qb_result *old = NULL;
    enum qb_status s = QB_OK;
    size_t *order = qb_alloc(run->plan.count, sizeof *order, "cells", err);
    char **paths = qb_alloc(run->plan.count, sizeof *paths, "paths of shards", err);
    struct qb_cell_source *sources = qb_alloc(run->plan.count, sizeof *sources, "cells", err);
    if (!order || !paths || !sources) {
        s = err->status;
        goto out;
    }
    if (takes_old(run))
        s = qb_result_open(run->options->output, &old, err);
    size_t n = 0;
    if (!s)
        s = collect(run, old, order, paths, sources, &n, err);
    if (!s)
        s = finish_provenance(run, &run->provenance, err);
    if (!s)
        s = qb_result_assemble(run->options->output, &run->provenance, sources, n, err);
out:
    qb_result_close(old);
    for (size_t i = 0; paths && i < run->plan.count; i++)
        qb_free(paths[i]);
    qb_free(sources);
    qb_free(paths);
    qb_free(order);
    return s;
}

void qb_run_warn_overlap(struct qb_run *run)
{
    struct qb_result *result = NULL;
    struct qb_error cause = {0};
    bool calibrated = false;
    for (size_t v = 0; v < run->suite->variant_count; v++)
        calibrated = calibrated || run->suite->variants[v]->calibrated;
    if (!calibrated || qb_result_open(run->options->output, &result, &cause))
        return;
    for (size_t m = 0; m < run->suite->model_count; m++) {
        const struct qb_cell *worst = NULL;
        double most = 0;
        for (size_t i = 0; i < qb_result_count(result); i++) {
            const struct qb_cell *cell = qb_result_cell(result, i);
            const struct qb_value *value =
                qb_result_value(result, cell->model, cell->variant, cell->experiment, "calibration_overlap");
            if (strcmp(cell->model, run->suite->models[m].name) == 0 && value && value->value > most) {
                most = value->value;
                worst = cell;
            }
        }
        if (worst)
            qb_run_note(run, QB_RUN_WARNING,
                        "model '%s': %.0f calibration context%s in the text that %s is evaluated on in %s: its "
                        "calibrated variants are measured on what they were calibrated on",
                        worst->model, most, most == 1 ? " occurs" : "s occur", worst->variant, worst->experiment);
    }
    qb_result_close(result);
}
