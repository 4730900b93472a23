#include "run/effect_notes.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "run/reach.h"

struct notes {
    const struct qb_talk *talk;
    const struct qb_suite *suite;
    const char *model;
    const struct qb_effect *effects; /* [variant_count] */
};

/* Which variants have a cell that waits to run on the model; a skipped one is told with its reason. */
static bool *find_running(const struct notes *notes, size_t m)
{
    const struct qb_schedule *schedule = notes->talk->schedule;
    struct qb_error ignored = {0};
    bool *running = qb_alloc(notes->suite->variant_count, sizeof *running, "variants that run", &ignored);
    for (size_t i = 0; running && i < schedule->plan.count; i++) {
        const struct qb_plan_cell *cell = &schedule->plan.cells[i];
        if (cell->model == m && cell->variant != QB_PLAN_NONE && qb_schedule_waits(schedule, i))
            running[cell->variant] = !notes->effects[cell->variant].refusal;
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
static void take_group(const struct notes *notes, bool *left, size_t v,
                       bool (*same)(const struct qb_effect *, const struct qb_effect *), struct qb_text *names)
{
    for (size_t u = v; u < notes->suite->variant_count; u++)
        if (left[u] && same(&notes->effects[u], &notes->effects[v])) {
            left[u] = false;
            qb_text_add(names, "%s%s", u > v ? ", " : "", notes->suite->variants[u]->name);
        }
}

/* "786432 weights in 4 matrices (pattern-a); 2066432 in 5 (int8-tensor)", where there is a difference to know of. */
static void note_weights(const struct notes *notes, bool *left)
{
    struct qb_text text = {0};
    size_t groups = 0;
    for (size_t v = 0; v < notes->suite->variant_count; v++) {
        const struct qb_effect *effect = &notes->effects[v];
        struct qb_text names = {0};
        if (!left[v] || effect->tensors == 0)
            continue;
        take_group(notes, left, v, same_weights, &names);
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
        qb_talk_note(notes->talk, QB_RUN_NOTE, "model '%s', encoded: %s", notes->model, text.data);
    qb_text_free(&text);
}

static void note_unbound(const struct notes *notes, bool *left)
{
    for (size_t v = 0; v < notes->suite->variant_count; v++) {
        struct qb_text names = {0};
        if (!left[v] || !*notes->effects[v].why)
            continue;
        take_group(notes, left, v, same_entries, &names);
        qb_talk_note(notes->talk, QB_RUN_NOTE, "model '%s', without effect: %s (%s)", notes->model,
                     notes->effects[v].why, names.data ? names.data : "");
        qb_text_free(&names);
    }
}

/* What each variant that runs stores otherwise. */
static void note_otherwise(const struct notes *notes, const bool *left)
{
    for (size_t v = 0; v < notes->suite->variant_count; v++) {
        struct qb_reach reach = {0};
        struct qb_error ignored = {0};
        struct qb_text text = {0};
        if (!left[v] || !notes->effects[v].otherwise)
            continue;
        if (!qb_run_reach(&notes->effects[v], &reach, &ignored))
            qb_reach_print_otherwise(&reach, &text);
        if (text.size && !text.failed)
            qb_talk_note(notes->talk, QB_RUN_NOTE, "model '%s', %s (%s)", notes->model, text.data,
                         notes->suite->variants[v]->name);
        qb_text_free(&text);
        qb_reach_free(&reach);
    }
}

void qb_note_effects(const struct qb_talk *talk, const struct qb_model *model, size_t m,
                     const struct qb_effect *effects)
{
    const struct notes notes = {talk, talk->schedule->suite, model->name, effects};
    bool *left = find_running(&notes, m);
    if (left)
        note_weights(&notes, left);
    qb_free(left);
    left = find_running(&notes, m);
    if (left)
        note_otherwise(&notes, left);
    if (left)
        note_unbound(&notes, left);
    qb_free(left);
}
