#include "run/at_hand.h"

#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "compute/linear.h"
#include "run/effect_notes.h"

enum qb_status qb_at_hand_open(struct qb_at_hand *hand, struct qb_error *err)
{
    hand->facts = qb_alloc(hand->schedule->suite->model_count, sizeof *hand->facts, "facts of models", err);
    return err->status;
}

void qb_at_hand_unload(struct qb_at_hand *hand)
{
    const struct qb_suite *suite = hand->schedule->suite;
    for (size_t e = 0; hand->inputs && e < suite->experiment_count; e++)
        qb_inputs_free(&hand->inputs[e]);
    for (size_t v = 0; hand->effects && v < suite->variant_count; v++)
        qb_effect_free(&hand->effects[v]);
    qb_free(hand->inputs);
    qb_free(hand->input_errors);
    qb_free(hand->effects);
    qb_model_free(hand->model);
    hand->inputs = NULL;
    hand->input_errors = NULL;
    hand->effects = NULL;
    hand->model = NULL;
}

void qb_at_hand_close(struct qb_at_hand *hand)
{
    qb_at_hand_unload(hand);
    qb_free(hand->facts);
}

/* Is cell i of the model at hand and without an end yet? Both rounds' cells count: what a resumed run takes in the
 * first round needs no second load. */
static bool pending(const struct qb_at_hand *hand, size_t i)
{
    return hand->schedule->plan.cells[i].model == hand->index && hand->schedule->cells[i].stage == QB_STAGE_WAITING;
}

/* The inputs of every experiment that the model's cells run; a failure is kept for the cells that need them. */
static enum qb_status make_inputs(struct qb_at_hand *hand, struct qb_error *err)
{
    const struct qb_suite *suite = hand->schedule->suite;
    struct qb_token_cache cache = {0};
    hand->inputs = qb_alloc(suite->experiment_count, sizeof *hand->inputs, "inputs", err);
    hand->input_errors = qb_alloc(suite->experiment_count, sizeof *hand->input_errors, "inputs", err);
    for (size_t i = 0; !err->status && i < hand->schedule->plan.count; i++) {
        size_t e = hand->schedule->plan.cells[i].experiment;
        if (pending(hand, i) && !hand->inputs[e].sha256[0] && !hand->input_errors[e].status)
            qb_inputs_make(suite, &suite->models[hand->index], &suite->experiments[e], hand->model, &cache,
                           &hand->inputs[e], &hand->input_errors[e]);
    }
    qb_token_cache_free(&cache);
    return err->status;
}

/* A cell that cannot run: its model or its inputs are not there. */
static enum qb_status fail_cell(struct qb_at_hand *hand, size_t i, const char *message, struct qb_error *err)
{
    if (!hand->schedule->plan.cells[i].selected)
        return QB_OK;
    hand->failures++;
    return qb_talk_end(hand->talk, i, &(struct qb_cell_end){.state = QB_CELL_FAILED, .message = message}, err);
}

static enum qb_status key_cells(struct qb_at_hand *hand, struct qb_error *err)
{
    struct qb_schedule *schedule = hand->schedule;
    for (size_t i = 0; i < schedule->plan.count; i++) {
        size_t e = schedule->plan.cells[i].experiment;
        struct qb_scheduled *cell = &schedule->cells[i];
        const struct qb_key_context context = {
            .model = hand->model,
            .inputs = &hand->inputs[e],
            .isa = hand->isa,
            .blas = qb_blas_config(),
            .blas_core = qb_blas_core(),
            .computes = qb_compute_version(),
            .machine = {qb_cpu()->model, qb_cpu()->features, qb_cpu()->cores, hand->threads}};
        if (!pending(hand, i))
            continue;
        memcpy(cell->inputs, hand->inputs[e].sha256, sizeof cell->inputs);
        if (hand->input_errors[e].status) {
            if (fail_cell(hand, i, hand->input_errors[e].message, err))
                return err->status;
            continue;
        }
        if (qb_plan_key(schedule->suite, &schedule->plan.cells[i], &context, cell->key, err))
            return err->status;
        if (hand->finished->resume)
            qb_finished_take(hand->finished, i);
    }
    return QB_OK;
}

/* References from the cache: those that wait, and those taken of which only the place in the result file was left. */
static void lend_references(struct qb_at_hand *hand)
{
    const struct qb_schedule *schedule = hand->schedule;
    for (size_t i = 0; i < schedule->plan.count; i++) {
        const struct qb_plan_cell *cell = &schedule->plan.cells[i];
        size_t reference = cell->variant == QB_PLAN_NONE ? i : cell->reference;
        if (cell->model == hand->index && reference != QB_PLAN_NONE && qb_schedule_waits(schedule, i) &&
            schedule->cells[reference].key[0] && schedule->cells[reference].outcome.state == QB_CELL_DONE)
            qb_finished_lend(hand->finished, reference);
    }
}

/* What each variant encodes of the model. Sizes are left to the workers: a plugin that crashes ends a worker alone. */
static enum qb_status find_effects(struct qb_at_hand *hand, struct qb_error *err)
{
    const struct qb_suite *suite = hand->schedule->suite;
    hand->effects = qb_alloc(suite->variant_count, sizeof *hand->effects, "effects of variants", err);
    for (size_t v = 0; !err->status && v < suite->variant_count; v++)
        qb_effect_of(hand->model, suite->variants[v], false, &hand->effects[v], err);
    return err->status;
}

/* Opened a second time, for the timed round, a model is the one whose cells ran in the first. */
static enum qb_status open_model(struct qb_at_hand *hand, struct qb_error *err)
{
    const struct qb_suite *suite = hand->schedule->suite;
    const struct qb_model_facts *facts = &hand->facts[hand->index];
    if (qb_suite_open_model(suite, &suite->models[hand->index], &hand->model, err) || !facts->sha256[0] ||
        strcmp(facts->sha256, hand->model->sha256) == 0)
        return err->status;
    qb_model_free(hand->model);
    hand->model = NULL;
    return qb_fail(err, QB_ERR_INPUT, "model '%s': another one took its place while the run was on",
                   suite->models[hand->index].name);
}

enum qb_status qb_at_hand_load(struct qb_at_hand *hand, size_t m, struct qb_error *err)
{
    struct qb_model_facts *facts = &hand->facts[m];
    struct qb_error cause = {0};
    hand->index = m;
    if (open_model(hand, &cause)) {
        for (size_t i = 0; i < hand->schedule->plan.count; i++)
            if (pending(hand, i) && fail_cell(hand, i, cause.message, err))
                return err->status;
        return QB_OK;
    }
    memcpy(facts->sha256, hand->model->sha256, sizeof facts->sha256);
    /* One that cannot be read is the inputs' failure, which says so. */
    if (hand->model->tokenizer && qb_hash_file(hand->model->tokenizer, facts->tokenizer, &cause))
        facts->tokenizer[0] = '\0';
    if (find_effects(hand, err) || make_inputs(hand, err) || key_cells(hand, err))
        return err->status;
    lend_references(hand);
    if (!facts->noted)
        qb_note_effects(hand->talk, hand->model, m, hand->effects);
    facts->noted = true;
    return QB_OK;
}

struct qb_cell_env qb_at_hand_env(const struct qb_at_hand *hand, size_t i)
{
    const struct qb_suite *suite = hand->schedule->suite;
    const struct qb_plan_cell *cell = &hand->schedule->plan.cells[i];
    return (struct qb_cell_env){.model = hand->model,
                                .variant = qb_schedule_variant(hand->schedule, i),
                                .inputs = &hand->inputs[cell->experiment],
                                .options = qb_suite_experiment_of(suite, cell->model, cell->experiment)->values,
                                .isa = hand->isa,
                                .seed = suite->seed};
}
