/* Which cells there are, in which order they start, and their content keys. */
#include "run/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"

const char *qb_plan_variant_name(const struct qb_suite *suite, const struct qb_plan_cell *cell)
{
    return cell->variant == QB_PLAN_NONE ? "reference" : suite->variants[cell->variant]->name;
}

void qb_plan_label(const struct qb_suite *suite, const struct qb_plan_cell *cell, struct qb_text *out)
{
    qb_text_add(out, "%s/%s/%s", suite->models[cell->model].name, qb_plan_variant_name(suite, cell),
                suite->experiments[cell->experiment].experiment->name);
}

static bool matches(const struct qb_only *only, const struct qb_suite *suite, const struct qb_plan_cell *cell)
{
    return qb_only_matches(only, suite->models[cell->model].name, qb_plan_variant_name(suite, cell),
                           suite->experiments[cell->experiment].experiment->name);
}

/* Do the suite's own restrictions leave a cell, and does each of `only` choose one? */
static enum qb_status check_choice(const struct qb_suite *suite, const struct qb_only *only, const struct qb_plan *plan,
                                   struct qb_error *err)
{
    struct qb_only_cells cells = {0};
    for (size_t i = 0; i < plan->count; i++)
        qb_only_see(&cells, only, suite->models[plan->cells[i].model].name,
                    qb_plan_variant_name(suite, &plan->cells[i]),
                    suite->experiments[plan->cells[i].experiment].experiment->name);
    if (plan->count == 0)
        qb_fail(err, QB_ERR_INPUT, "%s: no cell is left to run", suite->path);
    else if (qb_only_check(only, &cells, err))
        qb_wrap(err, "%s", suite->path);
    qb_only_cells_free(&cells);
    return err->status;
}

/* ---- cells ---- */

/* The cell of (model, experiment) under variant v, QB_PLAN_NONE: its reference; where the suite has it. The room was
 * counted before. references: where the model's begin, if it has any. */
static void add_cell(const struct qb_suite *suite, size_t m, size_t e, size_t v, size_t references,
                     struct qb_plan *plan)
{
    const bool reference = v == QB_PLAN_NONE;
    const struct qb_experiment *experiment = suite->experiments[e].experiment;
    struct qb_plan_cell cell = {
        .model = m, .experiment = e, .variant = v, .reference = QB_PLAN_NONE, .exclusive = experiment->exclusive};
    if (!qb_suite_allows(&suite->models[m], reference ? NULL : suite->variants[v], &suite->experiments[e]) ||
        (reference && !experiment->reference))
        return;
    for (size_t i = references; i < plan->count && !reference && plan->cells[i].variant == QB_PLAN_NONE; i++)
        if (plan->cells[i].experiment == e)
            cell.reference = i;
    plan->cells[plan->count++] = cell;
}

/* The first round holds what may share the machine, the second what measures time. */
static void add_round(const struct qb_suite *suite, bool exclusive, struct qb_plan *plan)
{
    for (size_t m = 0; m < suite->model_count; m++) {
        const size_t references = plan->count;
        for (size_t v = 0; v <= suite->variant_count; v++) /* 0: references; variants from 1 on */
            for (size_t e = 0; e < suite->experiment_count; e++)
                if (suite->experiments[e].experiment->exclusive == exclusive)
                    add_cell(suite, m, e, v ? v - 1 : QB_PLAN_NONE, references, plan);
    }
}

enum qb_status qb_plan_make(const struct qb_suite *suite, const struct qb_only *only, struct qb_plan *plan,
                            struct qb_error *err)
{
    size_t room = suite->model_count * suite->experiment_count * (suite->variant_count + 1);
    *plan = (struct qb_plan){0};
    plan->cells = qb_alloc(room, sizeof *plan->cells, "plan", err);
    if (!plan->cells)
        return err->status;
    add_round(suite, false, plan);
    add_round(suite, true, plan);
    for (size_t i = plan->count; i-- > 0;) { /* from the end: a reference is seen after all that read it */
        struct qb_plan_cell *cell = &plan->cells[i];
        cell->selected = cell->selected || matches(only, suite, cell);
        if (cell->selected && cell->reference != QB_PLAN_NONE)
            plan->cells[cell->reference].selected = true;
        plan->selected += cell->selected;
    }
    if (plan->count > suite->limits.cells)
        qb_fail(err, QB_ERR_INPUT, "%s: the suite has %zu cells, limits.cells is %zu", suite->path, plan->count,
                suite->limits.cells);
    else
        check_choice(suite, only, plan, err);
    if (err->status)
        qb_plan_free(plan);
    return err->status;
}

void qb_plan_free(struct qb_plan *plan)
{
    qb_free(plan->cells);
    *plan = (struct qb_plan){0};
}

/* ---- keys ---- */

static void hash_plugin(struct qb_hash *hash, const struct qb_plugin *plugin)
{
    if (!plugin)
        return;
    qb_hash_text(hash, plugin->codec->id);
    qb_hash_text(hash, plugin->codec->version);
    qb_hash_text(hash, plugin->sha256);
}

/* A time of another machine, or of other settings on this one, is another result. */
static void hash_machine(struct qb_hash *hash, const struct qb_key_machine *machine)
{
    char numbers[64];
    snprintf(numbers, sizeof numbers, "cores %u threads %u", machine->cores, machine->threads);
    qb_hash_text(hash, "machine");
    qb_hash_text(hash, machine->cpu ? machine->cpu : "");
    qb_hash_text(hash, machine->features ? machine->features : "");
    qb_hash_text(hash, numbers);
}

enum qb_status qb_plan_key(const struct qb_suite *suite, const struct qb_plan_cell *cell,
                           const struct qb_key_context *context, char key[QB_HASH_HEX], struct qb_error *err)
{
    const struct qb_suite_experiment *experiment = qb_suite_experiment_of(suite, cell->model, cell->experiment);
    const struct qb_variant *variant = cell->variant == QB_PLAN_NONE ? NULL : suite->variants[cell->variant];
    struct qb_text seed = {0};
    struct qb_hash *hash = qb_hash_new();
    if (!hash)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for a content key");
    qb_text_add(&seed, "%u", suite->seed);
    qb_hash_text(hash, "qinsbench-cell-2");
    qb_hash_text(hash, context->computes);
    qb_hash_text(hash, context->blas);
    qb_hash_text(hash, context->blas_core);
    qb_hash_text(hash, qb_isa_name(context->isa));
    qb_hash_text(hash, suite->models[cell->model].name);
    qb_hash_text(hash, context->model->sha256);
    qb_hash_text(hash, experiment->experiment->name);
    qb_hash_text(hash, experiment->canonical);
    qb_hash_text(hash, context->inputs->sha256);
    qb_hash_text(hash, seed.data);
    qb_hash_text(hash, qb_plan_variant_name(suite, cell));
    if (variant) {
        qb_hash_text(hash, variant->canonical);
        const struct qb_format *formats[QB_VARIANT_FORMATS];
        qb_variant_formats(variant, formats);
        for (size_t i = 0; i < QB_VARIANT_FORMATS; i++)
            hash_plugin(hash, formats[i]->plugin);
    }
    if (cell->exclusive)
        hash_machine(hash, &context->machine);
    qb_hash_hex(hash, key);
    if (seed.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a content key");
    qb_text_free(&seed);
    return err->status;
}
