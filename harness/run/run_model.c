/* One model at a time: loading, inputs, content keys. */
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "compute/linear.h"
#include "run/run_state.h"

static void free_effects(struct qb_run *run)
{
    for (size_t v = 0; run->effects && v < run->suite->variant_count; v++)
        qb_effect_free(&run->effects[v]);
    qb_free(run->effects);
    run->effects = NULL;
}

void qb_run_unload(struct qb_run *run)
{
    for (size_t e = 0; run->inputs && e < run->suite->experiment_count; e++)
        qb_inputs_free(&run->inputs[e]);
    qb_free(run->inputs);
    qb_free(run->input_errors);
    free_effects(run);
    qb_model_free(run->model);
    run->inputs = NULL;
    run->input_errors = NULL;
    run->model = NULL;
}

/* Is cell i of the model at hand and without an end yet? Both rounds' cells count: what a resumed run takes in the
 * first round needs no second load. */
static bool pending(const struct qb_run *run, size_t i)
{
    return run->plan.cells[i].model == run->model_index && run->cells[i].stage == QB_STAGE_WAITING;
}

/* The inputs of every experiment that the model's cells run; a failure is kept for the cells that need them. */
static enum qb_status make_inputs(struct qb_run *run, struct qb_error *err)
{
    const struct qb_suite *suite = run->suite;
    struct qb_token_cache cache = {0};
    run->inputs = qb_alloc(suite->experiment_count, sizeof *run->inputs, "inputs", err);
    run->input_errors = qb_alloc(suite->experiment_count, sizeof *run->input_errors, "inputs", err);
    if (!run->inputs || !run->input_errors)
        return err->status;
    for (size_t i = 0; i < run->plan.count; i++) {
        size_t e = run->plan.cells[i].experiment;
        if (!pending(run, i) || run->inputs[e].sha256[0] || run->input_errors[e].status)
            continue;
        qb_inputs_make(suite, &suite->models[run->model_index], &suite->experiments[e], run->model, &cache,
                       &run->inputs[e], &run->input_errors[e]);
    }
    qb_token_cache_free(&cache);
    return QB_OK;
}

/* A cell that cannot run: its model or its inputs are not there. */
static enum qb_status fail_cell(struct qb_run *run, size_t i, const char *message, struct qb_error *err)
{
    run->load_failures++;
    if (qb_run_outcome(run, i, QB_CELL_FAILED, false, 0, message, err))
        return err->status;
    qb_run_finished(run, i, 0);
    return QB_OK;
}

static enum qb_status key_cells(struct qb_run *run, struct qb_error *err)
{
    for (size_t i = 0; i < run->plan.count; i++) {
        size_t e = run->plan.cells[i].experiment;
        struct qb_run_cell *cell = &run->cells[i];
        struct qb_key_context context = {
            .model = run->model,
            .inputs = &run->inputs[e],
            .isa = run->options->isa,
            .blas = qb_blas_config(),
            .blas_core = qb_blas_core(),
            .computes = qb_compute_version(),
            .machine = {qb_cpu()->model, qb_cpu()->features, qb_cpu()->cores, run->options->threads}};
        if (!pending(run, i))
            continue;
        memcpy(cell->inputs, run->inputs[e].sha256, sizeof cell->inputs);
        if (run->input_errors[e].status) {
            if (run->plan.cells[i].selected && fail_cell(run, i, run->input_errors[e].message, err))
                return err->status;
            continue;
        }
        if (qb_plan_key(run->suite, &run->plan.cells[i], &context, cell->key, err))
            return err->status;
        if (run->options->resume)
            qb_run_take(run, i);
    }
    return QB_OK;
}

/* What each variant encodes of the model. Sizes are left to the workers: a plugin that crashes ends a worker alone. */
static enum qb_status find_effects(struct qb_run *run, struct qb_error *err)
{
    run->effects = qb_alloc(run->suite->variant_count, sizeof *run->effects, "effects of variants", err);
    for (size_t v = 0; run->effects && v < run->suite->variant_count && !err->status; v++)
        qb_effect_of(run->model, run->suite->variants[v], false, &run->effects[v], err);
    return err->status;
}

enum qb_status qb_run_load(struct qb_run *run, size_t m, struct qb_error *err)
{
    struct qb_error cause = {0};
    run->model_index = m;
    if (qb_suite_open_model(run->suite, &run->suite->models[m], &run->model, &cause)) {
        for (size_t i = 0; i < run->plan.count; i++)
            if (pending(run, i) && run->plan.cells[i].selected && fail_cell(run, i, cause.message, err))
                return err->status;
        return QB_OK;
    }
    memcpy(run->model_hashes[m], run->model->sha256, sizeof run->model_hashes[m]);
    /* One that cannot be read is the inputs' failure, which says so. */
    if (run->model->tokenizer && qb_hash_file(run->model->tokenizer, run->tokenizer_hashes[m], &cause))
        run->tokenizer_hashes[m][0] = '\0';
    if (find_effects(run, err) || make_inputs(run, err) || key_cells(run, err))
        return err->status;
    qb_run_note_effects(run);
    return QB_OK;
}
