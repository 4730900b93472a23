#include "reach_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/layout.h"
#include "base/mem.h"
#include "cli.h"
#include "model/effect.h"
#include "run/reach.h"

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

/* What is stored otherwise, and what had no effect. */
static void add_remarks(const struct qb_reach *reach, const char *idle, struct qb_text *note)
{
    if (reach->otherwise)
        qb_text_add(note, "%s", note->size ? "; " : "");
    qb_reach_print_otherwise(reach, note);
    if (*idle)
        qb_text_add(note, "%swithout effect: %s", note->size ? "; " : "", idle);
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
    const struct qb_reach nothing = {0};
    struct qb_effect effect = {0};
    struct qb_reach reach = {0};
    struct qb_text note = {0};
    if (!qb_effect_of(model, variant, true, &effect, err) && !qb_run_reach(&effect, &reach, err)) {
        if (effect.refusal)
            qb_text_add(&note, "skipped: %s", effect.refusal);
        else if (effect.fp16)
            qb_text_add(&note, "%" PRIu64 " of these kept in FP16", effect.fp16);
        if (!effect.refusal)
            add_remarks(&reach, effect.why, &note);
        /* of a misspelt name: what a run would not encode */
        add_row(listing, model->name, variant->name, effect.refusal ? &nothing : &reach, note.data ? note.data : "");
    }
    qb_text_free(&note);
    qb_reach_free(&reach);
    qb_effect_free(&effect);
    return err->status;
}

enum qb_status qb_reach_of_suite(const struct qb_suite *suite, const struct qb_plan *plan, struct qb_text *out,
                                 struct qb_error *err)
{
    struct qb_listing listing = {.columns = columns};
    for (size_t m = 0; m < suite->model_count && !err->status; m++) {
        struct qb_model *model = NULL;
        if (!selected(plan, m, QB_PLAN_NONE) || qb_suite_open_model(suite, &suite->models[m], &model, err))
            continue;
        for (size_t v = 0; v < suite->variant_count && !err->status; v++)
            if (selected(plan, m, v))
                add_effect(&listing, model, suite->variants[v], err);
        qb_model_free(model);
    }
    print_rows(&listing, out);
    return err->status;
}

/* ---- a result file ---- */

/* The first cell of each model and variant that says what it encodes, in the order of the file; *count of them. For
 * qb_free; NULL: no memory. filter NULL: of all cells. */
static const struct qb_cell **known_cells(const struct qb_result *result, const struct qb_show_filter *filter,
                                          size_t *count)
{
    struct qb_error ignored = {0};
    const struct qb_cell **known =
        qb_alloc(qb_result_count(result), sizeof(struct qb_cell *), "cells that say what they encode", &ignored);
    *count = 0;
    for (size_t i = 0; known && i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        bool take = cell->reach.known && (!filter || qb_show_wants(filter, cell));
        for (size_t k = 0; k < *count && take; k++)
            take = strcmp(known[k]->model, cell->model) != 0 || strcmp(known[k]->variant, cell->variant) != 0;
        if (take)
            known[(*count)++] = cell;
    }
    return known;
}

void qb_reach_of_result(const struct qb_result *result, struct qb_text *out)
{
    struct qb_listing listing = {.columns = columns};
    size_t count;
    const struct qb_cell **known = known_cells(result, NULL, &count);
    out->failed = out->failed || !known;
    for (size_t k = 0; k < count; k++) {
        struct qb_text note = {0};
        add_remarks(&known[k]->reach, known[k]->reach.unbound, &note);
        add_row(&listing, known[k]->model, known[k]->variant, &known[k]->reach, note.data ? note.data : "");
        qb_text_free(&note);
    }
    if (listing.rows)
        print_rows(&listing, out);
    qb_listing_free(&listing);
    qb_free(known);
}

/* ---- under the tables of show ---- */

/* The variants of one model that encode something, in groups: by what they encode, or by what is without effect. */
static bool same_group(const struct qb_cell *a, const struct qb_cell *b, bool unbound)
{
    if (strcmp(a->model, b->model) != 0 || b->reach.weights == 0)
        return false;
    return unbound ? strcmp(a->reach.unbound, b->reach.unbound) == 0
                   : a->reach.weights == b->reach.weights && a->reach.tensors == b->reach.tensors;
}

/* The groups of known[from]'s model, "; " between; returns how many. */
static size_t add_groups(const struct qb_cell *const *known, size_t count, size_t from, bool unbound,
                         struct qb_text *text)
{
    size_t groups = 0;
    for (size_t i = from; i < count; i++) {
        const struct qb_reach *reach = &known[i]->reach;
        struct qb_text names = {0};
        bool first =
            strcmp(known[i]->model, known[from]->model) == 0 && reach->weights && (!unbound || *reach->unbound);
        for (size_t k = from; k < i && first; k++)
            first = !same_group(known[i], known[k], unbound);
        for (size_t k = i; k < count && first; k++)
            if (same_group(known[i], known[k], unbound))
                qb_text_add(&names, "%s%s", names.size ? ", " : "", known[k]->variant);
        if (first)
            qb_text_add(text, "%s", groups++ ? "; " : "");
        if (first && unbound)
            qb_text_add(text, "without effect: %s (%s)", reach->unbound, names.data);
        else if (first)
            qb_text_add(text, "%" PRIu64 " weights in %" PRIu64 " %s (%s)", reach->weights, reach->tensors,
                        reach->tensors == 1 ? "matrix" : "matrices", names.data);
        text->failed = text->failed || names.failed;
        qb_text_free(&names);
    }
    return groups;
}

/* What the variants of known[from]'s model store otherwise, "; " between. */
static void add_otherwise(const struct qb_cell *const *known, size_t count, size_t from, struct qb_text *text)
{
    for (size_t i = from; i < count; i++) {
        if (strcmp(known[i]->model, known[from]->model) != 0 || !known[i]->reach.otherwise)
            continue;
        qb_text_add(text, "%s", text->size ? "; " : "");
        qb_reach_print_otherwise(&known[i]->reach, text);
        qb_text_add(text, " (%s)", known[i]->variant);
    }
}

void qb_reach_legend(const struct qb_result *result, const struct qb_show_filter *filter, size_t width,
                     struct qb_text *out)
{
    size_t count;
    const struct qb_cell **known = known_cells(result, filter, &count);
    out->failed = out->failed || !known;
    for (size_t i = 0; i < count; i++) {
        struct qb_text counts = {0}, unbound = {0}, otherwise = {0}, line = {0};
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = strcmp(known[k]->model, known[i]->model) == 0;
        bool differ = !seen && add_groups(known, count, i, false, &counts) > 1;
        bool idle = !seen && add_groups(known, count, i, true, &unbound) > 0;
        if (!seen)
            add_otherwise(known, count, i, &otherwise);
        if (differ || idle || otherwise.size) {
            qb_text_add(&line, "%s: %s%s%s", known[i]->model, differ ? counts.data : "", differ && idle ? "; " : "",
                        idle ? unbound.data : "");
            if (otherwise.size)
                qb_text_add(&line, "%s%s", differ || idle ? "; " : "", otherwise.data);
            qb_paragraph(out, "encoded   ", line.data ? line.data : "", width);
        }
        out->failed = out->failed || counts.failed || unbound.failed || otherwise.failed || line.failed;
        qb_text_free(&counts);
        qb_text_free(&unbound);
        qb_text_free(&otherwise);
        qb_text_free(&line);
    }
    qb_free(known);
}
