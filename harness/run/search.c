/* The rungs of a search, each a run of the suite, and what they say. */
#include "run/search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"

struct searcher {
    const char *path; /* of the suite's file */
    const struct qb_search_options *options;
    struct qb_search *search;
    struct qb_rng rng; /* of the offsets */
};

/* A model's candidates at work: its rows, which are left, and the clusters of the rung. */
struct field {
    const struct qb_suite_model *model;
    struct qb_search_row *rows;
    bool *alive;
    struct qb_sample *samples;
    size_t count, tokens;
};

const char *qb_search_state_name(enum qb_search_state state)
{
    static const char *const names[] = {"failed", "over", "dropped", "worse", "level", "best"};
    return names[state];
}

static char *rung_path(const struct searcher *s, const char *model, size_t rung, struct qb_error *err)
{
    char name[160];
    snprintf(name, sizeof name, "%s.rung-%zu.h5", model, rung);
    return qb_path_join(s->options->folder, name, err);
}

/* ---- a rung as a run ---- */

#define SETTINGS 128
struct settings {
    const char *all[SETTINGS + 1]; /* the user's, then those of the rung */
    struct qb_text chunks, offset, variants;
};

/* Pieces lie floor(N / C) tokens apart; the offset is drawn from what that leaves beside a piece. */
static size_t draw_offset(struct searcher *s, const struct field *field, size_t chunks)
{
    const struct qb_suite *suite = s->search->suite;
    const size_t own = field->model->corpus.length, context = own ? own : suite->experiments[0].context;
    const size_t apart = field->tokens / chunks, room = apart > context ? apart - context : 0;
    return qb_rng_randint(&s->rng, (uint32_t)(room < UINT32_MAX ? room + 1 : UINT32_MAX));
}

static enum qb_status set_rung(struct searcher *s, const struct field *field, size_t chunks, struct settings *set,
                               struct qb_error *err)
{
    size_t n = 0, left = 0;
    for (; s->options->suite.set && s->options->suite.set[n]; n++) {
        if (n == SETTINGS - 4)
            return qb_fail(err, QB_ERR_INPUT, "at most %d settings", SETTINGS - 4);
        set->all[n] = s->options->suite.set[n];
    }
    qb_text_add(&set->chunks, "experiments.kl.chunks=%zu", chunks);
    qb_text_add(&set->offset, "experiments.kl.offset=%zu", draw_offset(s, field, chunks));
    qb_text_add(&set->variants, "experiments.kl.variants=[");
    for (size_t i = 0; i < field->count; i++)
        if (field->alive[i])
            qb_text_add(&set->variants, "%s'%s'", left++ ? ", " : "", field->rows[i].variant);
    qb_text_add(&set->variants, "]");
    if (set->chunks.failed || set->offset.failed || set->variants.failed)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for a rung's settings");
    set->all[n++] = set->chunks.data;
    set->all[n++] = set->offset.data;
    set->all[n++] = "experiments.kl.spread=true";
    set->all[n++] = set->variants.data;
    return QB_OK;
}

static enum qb_status run_rung(struct searcher *s, const struct field *field, size_t rung, struct qb_error *err)
{
    const size_t chunks = qb_search_chunks(&s->search->plan, rung);
    struct settings set = {0};
    struct qb_suite *suite = NULL;
    struct qb_suite_options read = s->options->suite;
    struct qb_run_options run = s->options->run;
    struct qb_run_summary summary;
    struct qb_only only = {0};
    char *output = rung_path(s, field->model->name, rung, err);
    read.set = set.all;
    run.output = output;
    run.only = &only;
    run.resume = true;
    if (output && !set_rung(s, field, chunks, &set, err) && !qb_only_add(&only, field->model->name, err) &&
        !qb_suite_load(s->path, &read, &suite, err) && !qb_run(suite, &run, &summary, err)) {
        s->search->interrupted = summary.interrupted;
        s->search->cells_failed = s->search->cells_failed || summary.failed > 0;
    }
    qb_suite_free(suite);
    qb_text_free(&set.chunks);
    qb_text_free(&set.offset);
    qb_text_free(&set.variants);
    qb_free(output);
    return err->status;
}

/* ---- what a rung measured ---- */

static enum qb_status give_up(struct qb_search_row *row, bool *alive, const char *why, struct qb_error *err)
{
    *alive = false;
    row->state = QB_SEARCH_FAILED;
    row->message = qb_strdup(why, err);
    return row->message ? QB_OK : err->status;
}

/* Bits and clusters of a finished cell. */
static enum qb_status read_cell(const struct qb_result *result, size_t index, struct qb_search_row *row, bool *alive,
                                struct qb_sample *sample, struct qb_error *err)
{
    const struct qb_cell *cell = qb_result_cell(result, index);
    const struct qb_value *kl = qb_result_value(result, cell->model, cell->variant, "kl", "kl_mean");
    struct qb_record record = {0};
    if (cell->state != QB_CELL_DONE)
        return give_up(row, alive, cell->message, err);
    if (!kl || !isfinite(kl->value))
        return give_up(row, alive, "its mean KL is not finite", err);
    if (!qb_result_record(result, index, &record, err) &&
        (!qb_metric_find("kl", "kl_mean")->sample(&record, sample) || !sample->sum))
        qb_fail(err, QB_ERR_MEMORY, "no memory for the chunks of %s/%s", cell->model, cell->variant);
    qb_record_free(&record);
    row->kl = kl->value;
    row->lo = kl->lo;
    row->hi = kl->hi;
    row->bits = cell->reach.weights ? 8.0 * (double)cell->reach.bytes / (double)cell->reach.weights : NAN;
    return err->status;
}

static enum qb_status read_rung(struct searcher *s, struct field *field, size_t rung, struct qb_error *err)
{
    const struct qb_search_plan *plan = &s->search->plan;
    struct qb_result *result = NULL;
    char *path = rung_path(s, field->model->name, rung, err);
    if (!path || qb_result_open(path, &result, err))
        goto out;
    for (size_t i = 0; i < field->count && !err->status; i++) {
        struct qb_search_row *row = &field->rows[i];
        if (!field->alive[i])
            continue;
        const size_t index = qb_result_find(result, row->model, row->variant, "kl");
        row->rung = rung;
        row->chunks = qb_search_chunks(plan, rung);
        if (index == SIZE_MAX)
            give_up(row, &field->alive[i], "its cell did not run", err);
        else
            read_cell(result, index, row, &field->alive[i], &field->samples[i], err);
        for (row->race = 0; row->race < plan->races && !(row->bits <= plan->bits[row->race]);)
            row->race++;
        if (field->alive[i] && isinf(plan->bits[plan->races - 1]) && row->race == plan->races)
            row->race = 0; /* bits that are not known come under no bound, and one race has none */
        if (field->alive[i] && row->race == plan->races) {
            row->state = QB_SEARCH_OVER;
            field->alive[i] = false;
        }
    }
out:
    qb_result_close(result);
    qb_free(path);
    return err->status;
}

/* ---- who goes on ---- */

static void tell_row(struct qb_search_row *row, bool *alive, const struct qb_halving *test, bool last)
{
    row->difference = test->difference.value;
    row->least = test->difference.lo;
    row->most = test->difference.hi;
    row->holm = test->holm;
    if (last)
        row->state = test->rank == 0 ? QB_SEARCH_BEST : test->worse ? QB_SEARCH_WORSE : QB_SEARCH_LEVEL;
    else if (!test->kept)
        row->state = QB_SEARCH_DROPPED;
    *alive = !last && test->kept;
}

static enum qb_status halve_race(struct searcher *s, struct field *field, size_t race, size_t rung,
                                 struct qb_error *err)
{
    const struct qb_search_plan *plan = &s->search->plan;
    struct qb_halving *tests = qb_alloc(field->count, sizeof *tests, "candidates", err);
    size_t *which = qb_alloc(field->count, sizeof *which, "candidates", err), n = 0;
    for (size_t i = 0; which && tests && i < field->count; i++) {
        const struct qb_sample *sample = &field->samples[i];
        if (field->alive[i] && field->rows[i].race == race) {
            tests[n].kl = (struct qb_clusters){sample->sum, sample->weight, sample->clusters};
            which[n++] = i;
        }
    }
    if (!err->status && n > 0 && !qb_halve(tests, n, plan->alpha))
        qb_fail(err, QB_ERR_NUMERIC, "model '%s', rung %zu: the candidates' chunks do not compare", field->model->name,
                rung);
    for (size_t k = 0; !err->status && k < n; k++)
        tell_row(&field->rows[which[k]], &field->alive[which[k]], &tests[k], rung == plan->rungs);
    qb_free(tests);
    qb_free(which);
    return err->status;
}

static size_t left(const struct field *field)
{
    size_t n = 0;
    for (size_t i = 0; i < field->count; i++)
        n += field->alive[i];
    return n;
}

static enum qb_status climb(struct searcher *s, struct field *field, struct qb_error *err)
{
    const struct qb_search_plan *plan = &s->search->plan;
    for (size_t rung = 1; rung <= plan->rungs && left(field) > 0; rung++) {
        if (s->options->rung)
            s->options->rung(s->options->context, field->model->name, rung, plan->rungs, qb_search_chunks(plan, rung),
                             left(field));
        if (run_rung(s, field, rung, err) || s->search->interrupted || read_rung(s, field, rung, err))
            return err->status;
        for (size_t race = 0; race < plan->races; race++)
            if (halve_race(s, field, race, rung, err))
                return err->status;
        for (size_t i = 0; i < field->count; i++)
            qb_sample_free(&field->samples[i]);
    }
    return QB_OK;
}

/* ---- a model ---- */

static enum qb_status add_row(struct qb_search *search, const struct qb_suite_model *model,
                              const struct qb_variant *variant, struct qb_error *err)
{
    struct qb_search_row *row = &search->rows[search->count];
    struct qb_text options = {0};
    *row = (struct qb_search_row){.model = model->name,
                                  .variant = variant->name,
                                  .race = search->plan.races,
                                  .bits = NAN,
                                  .kl = NAN,
                                  .lo = NAN,
                                  .hi = NAN,
                                  .difference = NAN,
                                  .least = NAN,
                                  .most = NAN,
                                  .holm = NAN};
    if (variant->weights.plugin) {
        qb_text_add(&options, "%s%s", variant->weights.plugin->codec->id, variant->weights.value_count ? " " : "");
        qb_format_print(&variant->weights, &options);
    }
    row->options = options.failed ? NULL : qb_strdup(options.data ? options.data : "", err);
    if (options.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a candidate's options");
    qb_text_free(&options);
    search->count++;
    return err->status;
}

static enum qb_status search_model(struct searcher *s, const struct qb_suite_model *model, struct qb_error *err)
{
    struct qb_search *search = s->search;
    const struct qb_suite *suite = search->suite;
    struct field field = {.model = model, .rows = search->rows + search->count};
    for (size_t v = 0; v < suite->variant_count && !err->status; v++)
        if (qb_suite_allows(model, suite->variants[v], &suite->experiments[0])) {
            add_row(search, model, suite->variants[v], err);
            field.count++;
        }
    field.alive = qb_alloc(field.count + 1, sizeof *field.alive, "candidates", err);
    field.samples = qb_alloc(field.count + 1, sizeof *field.samples, "candidates", err);
    for (size_t i = 0; field.alive && i < field.count; i++)
        field.alive[i] = true;
    if (!err->status && !qb_search_text(suite, &search->plan, model, &field.tokens, err))
        climb(s, &field, err);
    for (size_t i = 0; field.samples && i < field.count; i++)
        qb_sample_free(&field.samples[i]);
    qb_free(field.alive);
    qb_free(field.samples);
    return err->status;
}

/* ---- the whole ---- */

static int by_place(const void *a, const void *b)
{
    const struct qb_search_row *x = a, *y = b;
    const int model = strcmp(x->model, y->model);
    if (model)
        return model;
    if (x->race != y->race)
        return x->race < y->race ? -1 : 1;
    if (x->rung != y->rung)
        return x->rung > y->rung ? -1 : 1;
    if (isnan(x->kl) || isnan(y->kl))
        return isnan(x->kl) ? !isnan(y->kl) : -1;
    if (x->kl != y->kl)
        return x->kl < y->kl ? -1 : 1;
    return strcmp(x->variant, y->variant);
}

/* search.h5: each variant's cell of its last rung, the references left out, with the last rung's provenance. */
static enum qb_status write_result(struct searcher *s, struct qb_error *err)
{
    const struct qb_search *search = s->search;
    const size_t rungs = search->plan.rungs;
    struct qb_result **results = qb_alloc(rungs, sizeof *results, "result files", err);
    struct qb_cell_source *sources = qb_alloc(search->count, sizeof *sources, "cells", err);
    const struct qb_provenance *provenance = NULL;
    char *output = qb_path_join(s->options->folder, "search.h5", err);
    size_t count = 0, opened = 0;
    struct qb_result **all = qb_alloc(search->suite->model_count * rungs, sizeof *all, "result files", err);
    for (size_t i = 0; !err->status && i < search->count; i++) {
        const struct qb_search_row *row = &search->rows[i];
        if (i == 0 || strcmp(row->model, search->rows[i - 1].model) != 0)
            memset(results, 0, rungs * sizeof *results);
        struct qb_result **from = &results[row->rung - 1];
        char *path = *from ? NULL : rung_path(s, row->model, row->rung, err);
        if (path && !qb_result_open(path, from, err))
            all[opened++] = *from;
        qb_free(path);
        const size_t index = err->status ? SIZE_MAX : qb_result_find(*from, row->model, row->variant, "kl");
        if (index != SIZE_MAX)
            sources[count++] = (struct qb_cell_source){.old = *from, .old_index = index};
        provenance = err->status || provenance ? provenance : qb_result_provenance(*from);
    }
    if (!err->status && count > 0)
        qb_result_assemble(output, provenance, sources, count, err);
    for (size_t i = 0; i < opened; i++)
        qb_result_close(all[i]);
    qb_free(all);
    qb_free(results);
    qb_free(sources);
    qb_free(output);
    return err->status;
}

enum qb_status qb_search_run(const char *path, const struct qb_search_options *options, struct qb_search **out,
                             struct qb_error *err)
{
    struct qb_search *search = *out = qb_alloc(1, sizeof *search, "search", err);
    struct searcher s = {.path = path, .options = options, .search = search};
    if (!search || qb_suite_load(path, &options->suite, &search->suite, err) ||
        qb_search_plan_read(search->suite, &search->plan, err))
        goto out;
    const struct qb_suite *suite = search->suite;
    search->rows = qb_alloc(suite->model_count * suite->variant_count, sizeof *search->rows, "candidates", err);
    qb_rng_seed(&s.rng, suite->seed);
    if (!search->rows || qb_file_mkdirs(options->folder, err))
        goto out;
    for (size_t m = 0; m < suite->model_count && !search->interrupted; m++)
        if (search_model(&s, &suite->models[m], err))
            goto out;
    qsort(search->rows, search->count, sizeof *search->rows, by_place);
    if (!search->interrupted)
        write_result(&s, err);
out:
    if (err->status) {
        qb_search_free(search);
        *out = NULL;
    }
    return err->status;
}

void qb_search_free(struct qb_search *search)
{
    if (!search)
        return;
    for (size_t i = 0; i < search->count; i++) {
        qb_free(search->rows[i].options);
        qb_free(search->rows[i].message);
    }
    qb_free(search->rows);
    qb_suite_free(search->suite);
    qb_free(search);
}
