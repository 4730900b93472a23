/* Floors across cells: differences that FP32 arithmetic in another order also makes, and greedy runs whose choices it
 * could turn. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "metric/parts.h"

static const char unresolved_words[] = "not resolved: within what FP32 arithmetic in another order costs";
static const char margin_words[] = "reference's median margin under what FP32 arithmetic in another order moves";

static const char void_words[] = "void as the variant's own teacher-forced kl_mean is";

static struct qb_value *value_of(const struct qb_floor_cell *cell, const char *metric)
{
    for (size_t i = 0; cell && i < cell->count; i++)
        if (strcmp(cell->values[i].metric, metric) == 0)
            return &cell->values[i];
    return NULL;
}

/* The model's arithmetic floor in this experiment, or NULL. */
static const struct qb_floor_cell *floor_in(const struct qb_floor_cell *cells, size_t count, const char *model,
                                            const char *experiment)
{
    for (size_t i = 0; i < count; i++)
        if (cells[i].floor == QB_FLOOR_ARITHMETIC && strcmp(cells[i].experiment, experiment) == 0 &&
            strcmp(cells[i].model, model) == 0)
            return &cells[i];
    return NULL;
}

/* Cuts the part of the note that begins with `words`, and what stands behind it: floors note last. */
static bool cut_note(struct qb_value *value, const char *words)
{
    char *at = strstr(value->note, words);
    if (!at)
        return false;
    *(at - value->note >= 2 ? at - 2 : at) = '\0'; /* with its "; " */
    return true;
}

/* Appends words (number) behind a mark that is there. A long note gives way, so that marks stay whole and can be found
 * again. */
static void mark(struct qb_value *value, const char *words, double number)
{
    char earlier[128] = "", now[128];
    const char *at = strstr(value->note, margin_words);
    snprintf(now, sizeof now, "%s (%.3g)", words, number);
    if (at) {
        snprintf(earlier, sizeof earlier, "%s", at);
        cut_note(value, margin_words);
    }
    size_t room = sizeof value->note - strlen(earlier) - strlen(now) - sizeof "; ; ";
    if (strlen(value->note) > room)
        value->note[qb_utf8_upto(value->note, room)] = '\0';
    if (at)
        qb_note(value, "%s", earlier);
    qb_note(value, "%s", now);
}

static void take_back(struct qb_value *value)
{
    value->flags &= ~(uint32_t)QB_FLAG_UNRESOLVED;
    cut_note(value, unresolved_words);
    const bool margin = cut_note(value, margin_words), whole = cut_note(value, void_words);
    if (margin || whole) /* only written where the run was not degenerate before */
        value->flags &= ~(uint32_t)QB_FLAG_DEGENERATE;
}

/* Time and bytes do not follow from rounding. */
static bool has_floor(const struct qb_floor_cell *cell)
{
    return cell->floor == QB_FLOOR_NONE && strcmp(cell->experiment, "speed") != 0 &&
           strcmp(cell->experiment, "memory") != 0;
}

static void flag_unresolved(const struct qb_floor_cell *cell, const struct qb_floor_cell *floor)
{
    for (size_t i = 0; i < cell->count; i++) {
        struct qb_value *value = &cell->values[i];
        const struct qb_metric *metric = qb_metric_find(cell->experiment, value->metric);
        const struct qb_value *least = value_of(floor, value->metric);
        if (!metric || !metric->has_identity || !least || value->value == metric->identity)
            continue;
        if (!(fabs(value->value - metric->identity) <= fabs(least->value - metric->identity)))
            continue;
        value->flags |= QB_FLAG_UNRESOLVED;
        mark(value, unresolved_words, least->value);
    }
}

/* `moves`: how far reordering moves a logit. The metrics that compare the arms are those with a remark on degenerate
 * runs. */
static void flag_margin(const struct qb_floor_cell *cell, double moves)
{
    const struct qb_value *margin = value_of(cell, "reference_margin_median");
    if (!margin || !(margin->value < moves))
        return;
    for (size_t i = 0; i < cell->count; i++) {
        struct qb_value *value = &cell->values[i];
        const struct qb_metric *metric = qb_metric_find(cell->experiment, value->metric);
        if (!metric || !metric->remark || value->flags & QB_FLAG_DEGENERATE)
            continue;
        value->flags |= QB_FLAG_DEGENERATE;
        mark(value, margin_words, moves);
    }
}

/* A part of a KL that says little says as little: `attribute` takes the same text and variant apart, and its own arrays
 * do not tell what the distributions are like. */
static void flag_void_parts(const struct qb_floor_cell *cell, const struct qb_floor_cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct qb_value *kl = strcmp(cells[i].experiment, "teacher-forced") == 0 &&
                                            strcmp(cells[i].model, cell->model) == 0 &&
                                            strcmp(cells[i].variant, cell->variant) == 0
                                        ? value_of(&cells[i], "kl_mean")
                                        : NULL;
        for (size_t j = 0; kl && kl->flags & QB_FLAG_DEGENERATE && j < cell->count; j++)
            if (qb_value_there(cell->values[j].flags)) {
                cell->values[j].flags |= QB_FLAG_DEGENERATE;
                mark(&cell->values[j], void_words, kl->value);
            }
    }
}

void qb_floors_apply(struct qb_floor_cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < cells[i].count; j++)
            take_back(&cells[i].values[j]);
    for (size_t i = 0; i < count; i++) {
        const struct qb_floor_cell *cell = &cells[i];
        if (strcmp(cell->experiment, "greedy") == 0) {
            const struct qb_value *moves =
                value_of(floor_in(cells, count, cell->model, "teacher-forced"), "max_logit_diff");
            if (moves)
                flag_margin(cell, moves->value);
        }
        if (strcmp(cell->experiment, "attribute") == 0)
            flag_void_parts(cell, cells, count);
        if (has_floor(cell))
            flag_unresolved(cell, floor_in(cells, count, cell->model, cell->experiment));
    }
}
