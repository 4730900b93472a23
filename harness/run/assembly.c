#include "run/assembly.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

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
    char origin[160];
    qb_generator_print(model->generator, made, origin);
    add_of_model(model, "origin", origin, p, err);
    add_of_model(model, "generator", model->generator, p, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !err->status; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", parts[i].value);
        add_of_model(model, parts[i].part, number, p, err);
    }
    return err->status;
}

static enum qb_status add_models(const struct qb_suite *suite, const struct qb_model_facts *facts,
                                 struct qb_provenance *p, struct qb_error *err)
{
    for (size_t m = 0; m < suite->model_count; m++) {
        const struct qb_suite_model *model = &suite->models[m];
        if (!facts[m].sha256[0])
            continue;
        if (add_of_model(model, "sha256", facts[m].sha256, p, err) ||
            (facts[m].tokenizer[0] && add_of_model(model, "tokenizer_sha256", facts[m].tokenizer, p, err)) ||
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
    const struct qb_format *formats[QB_VARIANT_FORMATS];
    char name[128];
    struct qb_text ids = {0};
    qb_variant_formats(variant, formats);
    for (size_t i = 0; i < QB_VARIANT_FORMATS && !err->status; i++) {
        const struct qb_plugin *used = formats[i]->plugin;
        bool seen = !used;
        for (size_t k = 0; k < i && !seen; k++)
            seen = formats[k]->plugin == used;
        if (seen)
            continue;
        qb_text_add(&ids, "%s%s", ids.size ? " " : "", used->codec->id);
        snprintf(name, sizeof name, "codec.%s.version", used->codec->id);
        qb_provenance_add(p, name, used->codec->version, err);
        snprintf(name, sizeof name, "codec.%s.sha256", used->codec->id);
        if (!err->status)
            qb_provenance_add(p, name, used->sha256, err);
    }
    snprintf(name, sizeof name, "codecs.%s", variant->name);
    if (!err->status)
        qb_provenance_add(p, name, ids.data, err);
    qb_text_free(&ids);
    return err->status;
}

static enum qb_status add_variants(const struct qb_suite *suite, struct qb_provenance *p, struct qb_error *err)
{
    for (size_t v = 0; v < suite->variant_count; v++) {
        const struct qb_variant *variant = suite->variants[v];
        char name[96];
        snprintf(name, sizeof name, "variant.%s", variant->name);
        if (qb_provenance_add(p, name, variant->canonical, err) || add_codecs(variant, p, err))
            return err->status;
    }
    return QB_OK;
}

static enum qb_status add_only(const struct qb_only *only, struct qb_provenance *p, struct qb_error *err)
{
    struct qb_text text = {0};
    qb_only_print(only, &text);
    qb_provenance_add(p, "only", text.data ? text.data : "", err);
    qb_text_free(&text);
    return err->status;
}

/* What is known at the end; the store's own facts went in at the start. */
static enum qb_status finish_provenance(const struct qb_assembly *a, struct qb_provenance *p, struct qb_error *err)
{
    const struct qb_suite *suite = a->schedule->suite;
    char now[32];
    time_t seconds = time(NULL);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (qb_provenance_add(p, "compute_version", qb_compute_version(), err) ||
        qb_provenance_add(p, "suite", suite->text.data, err) || qb_provenance_add(p, "suite_name", suite->name, err) ||
        qb_provenance_add(p, "command", a->command ? a->command : "", err) ||
        qb_provenance_addf(p, err, "jobs", "%u", a->jobs) || qb_provenance_addf(p, err, "seed", "%u", suite->seed) ||
        qb_provenance_add(p, "ended", now, err) ||
        qb_provenance_addf(p, err, "seconds", "%.3f", qb_clock() - a->talk->start) ||
        qb_provenance_addf(p, err, "interrupted", "%s",
                           a->interrupted ? "yes: stopped by the user before all cells had run" : "no") ||
        (a->only->count && add_only(a->only, p, err)))
        return err->status;
    return add_models(suite, a->facts, p, err) ? err->status : add_variants(suite, p, err);
}

/* ---- assembly ---- */

/* Model by model, experiment by experiment, the reference first: how a reader looks for a cell. */
static int display_order(const void *a, const void *b, void *context)
{
    const struct qb_plan *plan = context;
    const struct qb_plan_cell *x = &plan->cells[*(const size_t *)a], *y = &plan->cells[*(const size_t *)b];
    if (x->model != y->model)
        return x->model < y->model ? -1 : 1;
    if (x->experiment != y->experiment)
        return x->experiment < y->experiment ? -1 : 1;
    return x->variant + 1 < y->variant + 1 ? -1 : x->variant + 1 > y->variant + 1; /* QB_PLAN_NONE + 1 is 0 */
}

struct parts {
    size_t *order; /* cells that ended, as a reader looks for them */
    size_t count;
    char **paths; /* of shards */
    struct qb_cell_source *sources;
    struct qb_result *old;
};

/* A reference whose arrays stay behind is a cell in memory; others are copied as they are stored. */
static enum qb_status find_shard(const struct qb_assembly *a, size_t i, char **path, struct qb_cell_source *source,
                                 struct qb_error *err)
{
    char shard[QB_SHARD_PATH];
    struct qb_scheduled *cell = &a->schedule->cells[i];
    qb_shard_path(a->shards->folder, cell->key, shard);
    if (!qb_schedule_variant(a->schedule, i) && !qb_schedule_experiment(a->schedule, i)->keeps_reference) {
        source->cell = &cell->outcome;
        return qb_shard_read(shard, false, &cell->outcome, err);
    }
    source->shard = *path = qb_strdup(shard, err);
    return err->status;
}

static enum qb_status find_source(const struct qb_assembly *a, size_t i, struct parts *parts, size_t k,
                                  struct qb_error *err)
{
    const struct qb_scheduled *cell = &a->schedule->cells[i];
    struct qb_cell_source *source = &parts->sources[k];
    if (cell->outcome.state != QB_CELL_DONE) {
        source->cell = &cell->outcome;
        return QB_OK;
    }
    if (cell->taken != QB_TAKEN_RESULT)
        return find_shard(a, i, &parts->paths[k], source, err);
    if (!parts->old && qb_result_open(a->shards->output, &parts->old, err))
        return err->status;
    source->old = parts->old;
    source->old_index = cell->old_index;
    return QB_OK;
}

static enum qb_status collect(const struct qb_assembly *a, struct parts *parts, struct qb_error *err)
{
    struct qb_plan *plan = &a->schedule->plan;
    parts->order = qb_alloc(plan->count, sizeof *parts->order, "cells", err);
    parts->paths = qb_alloc(plan->count, sizeof *parts->paths, "paths of shards", err);
    parts->sources = qb_alloc(plan->count, sizeof *parts->sources, "cells", err);
    if (err->status)
        return err->status;
    for (size_t i = 0; i < plan->count; i++)
        if (a->schedule->cells[i].stage == QB_STAGE_ENDED)
            parts->order[parts->count++] = i;
    qsort_r(parts->order, parts->count, sizeof *parts->order, display_order, plan);
    for (size_t k = 0; k < parts->count; k++)
        if (find_source(a, parts->order[k], parts, k, err))
            return err->status;
    return QB_OK;
}

enum qb_status qb_assembly_write(const struct qb_assembly *a, struct qb_provenance *provenance, struct qb_error *err)
{
    struct parts parts = {0};
    if (!collect(a, &parts, err) && !finish_provenance(a, provenance, err))
        qb_result_assemble(a->shards->output, provenance, parts.sources, parts.count, err);
    qb_result_close(parts.old);
    for (size_t k = 0; parts.paths && k < parts.count; k++)
        qb_free(parts.paths[k]);
    qb_free(parts.sources);
    qb_free(parts.paths);
    qb_free(parts.order);
    return err->status;
}

/* The cell of the model with the most calibration contexts in what it is evaluated on; NULL: none has any. */
static const struct qb_cell *most_overlapping(const struct qb_result *result, const char *model, double *most)
{
    const struct qb_cell *worst = NULL;
    *most = 0;
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        const struct qb_value *value =
            qb_result_value(result, cell->model, cell->variant, cell->experiment, "calibration_overlap");
        if (strcmp(cell->model, model) == 0 && value && value->value > *most) {
            *most = value->value;
            worst = cell;
        }
    }
    return worst;
}

void qb_assembly_warn_overlap(const struct qb_assembly *a)
{
    const struct qb_suite *suite = a->schedule->suite;
    struct qb_result *result = NULL;
    struct qb_error cause = {0};
    bool calibrated = false;
    for (size_t v = 0; v < suite->variant_count; v++)
        calibrated = calibrated || suite->variants[v]->takes_contexts;
    if (!calibrated || qb_result_open(a->shards->output, &result, &cause))
        return;
    for (size_t m = 0; m < suite->model_count; m++) {
        double most;
        const struct qb_cell *worst = most_overlapping(result, suite->models[m].name, &most);
        if (worst)
            qb_talk_note(a->talk, QB_RUN_WARNING,
                         "model '%s': %.0f calibration context%s in the text that %s is evaluated on in %s: its "
                         "calibrated variants are measured on what they were calibrated on",
                         worst->model, most, most == 1 ? " occurs" : "s occur", worst->variant, worst->experiment);
    }
    qb_result_close(result);
}
