/* Floors across cells: differences that FP32 arithmetic in another order also makes, and greedy runs whose choices it
 * could turn. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "metric/parts.h"

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

/* Appends the mark's words and number to the note. A long note of the metric's own gives way, so that marks stay whole.
 */
static void add_mark(struct qb_value *value, enum qb_floor_mark mark, double number)
{
    const char *words = mark == QB_MARK_MARGIN
                            ? "reference's median margin under what FP32 arithmetic in another order moves"
                        : mark == QB_MARK_VOID ? "void as the variant's own teacher-forced kl_mean is"
                                               : "not resolved: within what FP32 arithmetic in another order costs";
    char earlier[QB_NOTE_MAX], now[128];
    if (value->floor_marks & QB_MARK_OLDER)
        return;
    if (!value->floor_marks)
        value->own_note = (uint32_t)strlen(value->note);
    snprintf(earlier, sizeof earlier, "%s", value->note + value->own_note);
    snprintf(now, sizeof now, "%s (%.3g)", words, number);
    size_t room = sizeof value->note - strlen(earlier) - strlen(now) - sizeof "; ; ";
    if (value->own_note > room)
        value->own_note = (uint32_t)qb_utf8_upto(value->note, room);
    strcpy(value->note + value->own_note, earlier);
    qb_note(value, "%s", now);
    value->floor_marks |= mark;
    value->flags |= mark == QB_MARK_UNRESOLVED ? QB_FLAG_UNRESOLVED : QB_FLAG_DEGENERATE;
}

/* Only runs that were not degenerate before are marked so. */
static void take_back(struct qb_value *value)
{
    if (!value->floor_marks || value->floor_marks & QB_MARK_OLDER)
        return;
    if (value->floor_marks & QB_MARK_UNRESOLVED)
        value->flags &= ~(uint32_t)QB_FLAG_UNRESOLVED;
    if (value->floor_marks & (QB_MARK_MARGIN | QB_MARK_VOID))
        value->flags &= ~(uint32_t)QB_FLAG_DEGENERATE;
    value->note[value->own_note] = '\0';
    value->floor_marks = value->own_note = 0;
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
        add_mark(value, QB_MARK_UNRESOLVED, least->value);
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
        add_mark(value, QB_MARK_MARGIN, moves);
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
            if (qb_value_there(cell->values[j].flags))
                add_mark(&cell->values[j], QB_MARK_VOID, kl->value);
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
