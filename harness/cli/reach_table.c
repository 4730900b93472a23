#include "reach_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "model/effect.h"
#include "reports/layout.h"

/* ---- a row a model and variant ---- */

static const char *const columns[] = {"model", "variant", "matrices", "weights", "bits a weight", "", NULL};

static void add_row(struct qb_listing *listing, const char *model, const char *variant, const struct qb_reach *reach,
                    const char *note)
{
    char tensors[24], weights[24], bits[24] = "-";
    snprintf(tensors, sizeof tensors, "%" PRIu64, reach->tensors);
    snprintf(weights, sizeof weights, "%" PRIu64, reach->weights);
    if (reach->weights)
        snprintf(bits, sizeof bits, "%.4g", 8.0 * (double)reach->bytes / (double)reach->weights);
    qb_listing_add(listing, (const char *const[]){model, variant, tensors, weights, bits, note});
}

static void print_rows(struct qb_listing *listing, struct qb_text *out)
{
    qb_text_add(out, "encoded\n");
    qb_listing_print(listing, QB_OUTPUT_CONSOLE, out);
    qb_listing_free(listing);
}

/* ---- a suite ---- */

static bool selected(const struct qb_plan *plan, size_t m, size_t v)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->cells[i].selected && plan->cells[i].model == m && plan->cells[i].variant != QB_PLAN_NONE &&
            (v == QB_PLAN_NONE || plan->cells[i].variant == v))
            return true;
    return false;
}

static enum qb_status add_effect(struct qb_listing *listing, const struct qb_model *model,
                                 const struct qb_variant *variant, struct qb_error *err)
{
    struct qb_effect effect = {0};
    struct qb_text note = {0};
    if (qb_effect_of(model, variant, true, &effect, err) == QB_OK) {
        struct qb_reach reach = {true, effect.tensors, effect.weights, effect.bytes, NULL};
        if (effect.refusal) /* a misspelt name: what a run would not encode */
            reach = (struct qb_reach){0};
        if (effect.refusal)
            qb_text_add(&note, "skipped: %s", effect.refusal);
        else if (*effect.why)
            qb_text_add(&note, "without effect: %s", effect.why);
        add_row(listing, model->name, variant->name, &reach, note.data ? note.data : "");
    }
    qb_text_free(&note);
    qb_effect_free(&effect);
    return err->status;
}

enum qb_status qb_reach_of_suite(const struct qb_suite *suite, const struct qb_plan *plan, struct qb_text *out,
                                 struct qb_error *err)
{
    struct qb_listing listing = {.columns = columns};
    for (size_t m = 0; m < suite->model_count && err->status == QB_OK; m++) {
        struct qb_model *model = NULL;
        if (!selected(plan, m, QB_PLAN_NONE) || qb_suite_open_model(&suite->models[m], &model, err) != QB_OK)
            continue;
        for (size_t v = 0; v < suite->variant_count && err->status == QB_OK; v++)
            if (selected(plan, m, v))
                add_effect(&listing, model, suite->variants[v], err);
        qb_model_free(model);
    }
    print_rows(&listing, out);
    return err->status;
}

/* ---- a result file ---- */

/* Is cell i the first of its model and variant that says what it encodes? */
static bool first_known(const struct qb_result *result, size_t i)
{
    const struct qb_cell *cell = qb_result_cell(result, i);
    bool first = cell->reach.known;
    for (size_t j = 0; j < i && first; j++) {
        const struct qb_cell *other = qb_result_cell(result, j);
        first =
            !other->reach.known || strcmp(other->model, cell->model) != 0 || strcmp(other->variant, cell->variant) != 0;
    }
    return first;
}

void qb_reach_of_result(const struct qb_result *result, struct qb_text *out)
{
    struct qb_listing listing = {.columns = columns};
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        struct qb_text note = {0};
        if (!first_known(result, i))
            continue;
        if (*cell->reach.unbound)
            qb_text_add(&note, "without effect: %s", cell->reach.unbound);
        add_row(&listing, cell->model, cell->variant, &cell->reach, note.data ? note.data : "");
        qb_text_free(&note);
    }
    if (listing.rows)
        print_rows(&listing, out);
    qb_listing_free(&listing);
}

/* ---- under the tables of show ---- */

/* The variants that are in one group with cell i, "a, b"; *first: none before it is. By what they encode, or by what
 * is without effect. */
static void list_group(const struct qb_result *result, const struct qb_show_filter *filter, size_t i, bool unbound,
                       struct qb_text *names, bool *first)
{
    const struct qb_cell *cell = qb_result_cell(result, i);
    *first = true;
    for (size_t j = 0; j < qb_result_count(result); j++) {
        const struct qb_cell *other = qb_result_cell(result, j);
        if (!qb_show_wants(filter, other) || !first_known(result, j) || strcmp(other->model, cell->model) != 0 ||
            other->reach.weights == 0 ||
            (unbound ? strcmp(other->reach.unbound, cell->reach.unbound) != 0
                     : other->reach.weights != cell->reach.weights || other->reach.tensors != cell->reach.tensors))
            continue;
        *first = *first && j >= i;
        qb_text_add(names, "%s%s", names->size ? ", " : "", other->variant);
    }
}

/* Groups of one kind, "; " between; returns how many. */
static size_t add_groups(const struct qb_result *result, const struct qb_show_filter *filter, const char *model,
                         bool unbound, struct qb_text *text)
{
    size_t groups = 0;
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        struct qb_text names = {0};
        bool first = false;
        if (strcmp(cell->model, model) == 0 && qb_show_wants(filter, cell) && first_known(result, i) &&
            cell->reach.weights > 0 && (!unbound || *cell->reach.unbound))
            list_group(result, filter, i, unbound, &names, &first);
        if (first)
            qb_text_add(text, "%s", groups++ ? "; " : "");
        if (first && unbound)
            qb_text_add(text, "without effect: %s (%s)", cell->reach.unbound, names.data);
        else if (first)
            qb_text_add(text, "%" PRIu64 " weights in %" PRIu64 " %s (%s)", cell->reach.weights, cell->reach.tensors,
                        cell->reach.tensors == 1 ? "matrix" : "matrices", names.data);
        qb_text_free(&names);
    }
    return groups;
}

void qb_reach_legend(const struct qb_result *result, const struct qb_show_filter *filter, size_t width,
                     struct qb_text *out)
{
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const char *model = qb_result_cell(result, i)->model;
        struct qb_text counts = {0}, unbound = {0}, line = {0};
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(qb_result_cell(result, j)->model, model) == 0;
        bool differ = !seen && add_groups(result, filter, model, false, &counts) > 1;
        bool idle = !seen && add_groups(result, filter, model, true, &unbound) > 0;
        if (differ || idle) {
            qb_text_add(&line, "%s: %s%s%s", model, differ ? counts.data : "", differ && idle ? "; " : "",
                        idle ? unbound.data : "");
            qb_paragraph(out, "encoded   ", line.data ? line.data : "", width);
        }
        qb_text_free(&counts);
        qb_text_free(&unbound);
        qb_text_free(&line);
    }
}
