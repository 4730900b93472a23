/* What variants encode of the model at hand, said once a model before its cells run. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "run/run_state.h"

/* Which variants have a cell that waits to run on the model; a skipped one is told with its reason. */
static bool *find_running(const struct qb_run *run)
{
    struct qb_error ignored = {0};
    bool *running = qb_alloc(run->suite->variant_count, sizeof *running, "variants that run", &ignored);
    for (size_t i = 0; running && i < run->plan.count; i++) {
        const struct qb_plan_cell *cell = &run->plan.cells[i];
        if (cell->model == run->model_index && cell->variant != QB_PLAN_NONE && cell->selected &&
            run->cells[i].stage == QB_STAGE_WAITING)
            running[cell->variant] = !run->effects[cell->variant].refusal;
    }
    return running;
}

static bool same_entries(const struct qb_effect *a, const struct qb_effect *b)
{
    return strcmp(a->why, b->why) == 0;
}

static bool same_weights(const struct qb_effect *a, const struct qb_effect *b)
{
    return a->weights == b->weights && a->tensors == b->tensors && a->fp16 == b->fp16;
}

/* Appends the running variants that are the same as v, and clears them from `left`. */
static void take_group(const struct qb_run *run, bool *left, size_t v,
                       bool (*same)(const struct qb_effect *, const struct qb_effect *), struct qb_text *names)
{
    for (size_t u = v; u < run->suite->variant_count; u++)
        if (left[u] && same(&run->effects[u], &run->effects[v])) {
            left[u] = false;
            qb_text_add(names, "%s%s", u > v ? ", " : "", run->suite->variants[u]->name);
        }
}

/* "786432 weights in 4 matrices (pattern-a); 2066432 in 5 (int8-tensor)", where there is a difference to know of. */
static void note_weights(struct qb_run *run, bool *left)
{
    struct qb_text text = {0};
    size_t groups = 0;
    for (size_t v = 0; v < run->suite->variant_count; v++) {
        const struct qb_effect *effect = &run->effects[v];
        struct qb_text names = {0};
        if (!left[v] || effect->tensors == 0)
            continue;
        take_group(run, left, v, same_weights, &names);
        qb_text_add(&text, "%s%" PRIu64 "%s in %" PRIu64 "%s", groups ? "; " : "", effect->weights,
                    groups ? "" : " weights", effect->tensors,
                    groups                 ? ""
                    : effect->tensors == 1 ? " matrix"
                                           : " matrices");
        if (effect->fp16)
            qb_text_add(&text, ", of these %" PRIu64 " kept in FP16", effect->fp16);
        qb_text_add(&text, " (%s)", names.data ? names.data : "");
        groups++;
        qb_text_free(&names);
    }
    if (groups > 1 && !text.failed)
        qb_run_note(run, QB_RUN_NOTE, "model '%s', encoded: %s", run->model->name, text.data);
    qb_text_free(&text);
}

static void note_unbound(struct qb_run *run, bool *left)
{
    for (size_t v = 0; v < run->suite->variant_count; v++) {
        struct qb_text names = {0};
        if (!left[v] || !*run->effects[v].why)
            continue;
        take_group(run, left, v, same_entries, &names);
        qb_run_note(run, QB_RUN_NOTE, "model '%s', without effect: %s (%s)", run->model->name, run->effects[v].why,
                    names.data ? names.data : "");
        qb_text_free(&names);
    }
}

void qb_run_note_effects(struct qb_run *run)
{
    if (run->noted[run->model_index])
        return;
    run->noted[run->model_index] = true;
    bool *left = find_running(run);
    if (left)
        note_weights(run, left);
    qb_free(left);
    left = find_running(run);
    if (left)
        note_unbound(run, left);
    qb_free(left);
}
