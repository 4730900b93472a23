/* What figures with a panel a model share: names of the axes, curves, floors, flags. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "figure.h"

void qb_figure_axes(struct qb_figure *figure, const struct qb_selection *s)
{
    char name[QB_FIGURE_NAME];
    unsigned types[QB_FIGURE_VARIANTS];
    qb_figure_linetypes(s->variants, s->variant_count, types);
    qb_figure_number(figure, "nmodels", (double)s->model_count);
    qb_figure_number(figure, "nvariants", (double)s->variant_count);
    qb_figure_array(figure, "models", s->model_count);
    for (size_t m = 0; m < s->model_count; m++) {
        qb_figure_short(figure, s->models[m], QB_FIGURE_MODEL_CHARS, name);
        qb_figure_set(figure, "models", m + 1, name);
    }
    qb_figure_array(figure, "labels", s->variant_count);
    qb_figure_array(figure, "types", s->variant_count);
    qb_figure_array(figure, "floors", s->variant_count);
    for (size_t v = 0; v < s->variant_count; v++) {
        qb_figure_short(figure, qb_figure_label(s->variants[v]), QB_FIGURE_VARIANT_CHARS, name);
        qb_figure_set(figure, "labels", v + 1, name);
        qb_figure_set_number(figure, "types", v + 1, types[v]);
        qb_figure_set_number(figure, "floors", v + 1, s->floors[v] >= QB_FLOOR_ARITHMETIC);
    }
}

void qb_figure_curves(struct qb_figure *figure, const struct qb_selection *s)
{
    qb_figure_array(figure, "voids", s->model_count * s->variant_count);
    qb_figure_array(figure, "void_panels", s->model_count);
}

/* A block's rows, without its comments. */
struct rows {
    size_t from, to;
    bool drawn;
};

static bool same_rows(const struct qb_figure *figure, const struct rows *a, const struct rows *b)
{
    return a->drawn && b->drawn && a->to - a->from == b->to - b->from && !figure->data.failed &&
           memcmp(figure->data.data + a->from, figure->data.data + b->from, a->to - a->from) == 0;
}

/* "kjv-transformer: Pattern A = "standard" as run" for each set of curves with equal rows. */
static void note_coinciding(struct qb_figure *figure, const struct qb_selection *s, size_t m, struct rows *rows)
{
    for (size_t v = 0; v < s->variant_count; v++) {
        bool first = true;
        for (size_t w = v + 1; w < s->variant_count; w++) {
            if (!same_rows(figure, &rows[v], &rows[w]))
                continue;
            if (first)
                qb_text_add(&figure->coinciding, "%s%s: %s", figure->coinciding.size ? "; " : "", s->models[m],
                            qb_figure_label(s->variants[v]));
            qb_text_add(&figure->coinciding, " = %s", qb_figure_label(s->variants[w]));
            rows[w].drawn = first = false; /* named once */
        }
    }
}

/* Has the value of this cell the flag? */
static bool figure_flagged(const struct qb_result *result, const char *model, const char *variant,
                           const char *experiment, const char *metric, uint32_t flag)
{
    const struct qb_value *v = qb_result_value(result, model, variant, experiment, metric);
    return v && (v->flags & flag);
}

void qb_figure_panel(const struct qb_result *result, struct qb_figure *figure, const struct qb_selection *s, size_t m,
                     const char *experiment, const char *metric, qb_curve fill, void *context, struct qb_error *err)
{
    struct rows rows[QB_FIGURE_VARIANTS] = {{0}};
    bool all_void = true;
    for (size_t v = 0; v < s->variant_count; v++) {
        struct qb_record record;
        char name[256];
        bool flagged = figure_flagged(result, s->models[m], s->variants[v], experiment, metric, QB_FLAG_DEGENERATE);
        snprintf(name, sizeof name, "%s %s", s->models[m], s->variants[v]);
        qb_figure_block(figure, name);
        rows[v].from = figure->data.size;
        rows[v].drawn = qb_figure_record(result, s->models[m], s->variants[v], experiment, &record, err) &&
                        fill(&record, figure, context, err);
        rows[v].to = figure->data.size;
        if (!rows[v].drawn)
            qb_text_add(&figure->data, "1 nan nan nan nan\n");
        all_void = all_void && (flagged || !rows[v].drawn);
        qb_figure_set_number(figure, "voids", m * s->variant_count + v + 1, flagged);
        qb_record_free(&record);
    }
    qb_figure_set_number(figure, "void_panels", m + 1, all_void);
    if (!all_void)
        note_coinciding(figure, s, m, rows);
}

void qb_figure_decade_arrays(struct qb_figure *figure, size_t panels)
{
    qb_figure_array(figure, "decades_from", panels);
    qb_figure_array(figure, "decades_to", panels);
}

void qb_figure_decades(struct qb_figure *figure, size_t m, double least, double most)
{
    bool any = least > 0 && least <= most && isfinite(most);
    /* Beyond these gnuplot has no numbers for an axis; what lies there is cut off. */
    double from = any ? fmin(fmax(floor(log10(least)), -300), 299) : -1;
    double to = any ? fmin(fmax(ceil(log10(most)), -299), 300) : 0;
    qb_figure_set_number(figure, "decades_from", m + 1, from);
    qb_figure_set_number(figure, "decades_to", m + 1, to > from ? to : from + 1);
}

void qb_figure_floors(const struct qb_result *result, const char *model, const char *experiment, const char *metric,
                      double out[QB_FIGURE_FLOORS])
{
    for (size_t f = 0; f < QB_FIGURE_FLOORS; f++)
        out[f] = NAN;
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        if (cell->floor < QB_FLOOR_ARITHMETIC || strcmp(cell->model, model) != 0 ||
            strcmp(cell->experiment, experiment) != 0)
            continue;
        const struct qb_value *v = qb_result_value(result, model, cell->variant, experiment, metric);
        double *to = &out[cell->floor - QB_FLOOR_ARITHMETIC];
        *to = v && isnan(*to) ? v->value : *to; /* of two variants that are the same floor the first */
    }
}

void qb_figure_say_flagged(const struct qb_result *result, struct qb_figure *figure, const struct qb_selection *s,
                           const char *experiment, const char *metric, uint32_t flag, const char *sentence)
{
    struct qb_text names = {0};
    for (size_t m = 0; m < s->model_count; m++) {
        size_t flagged = 0, run = 0;
        for (size_t v = 0; v < s->variant_count; v++) {
            run += qb_result_value(result, s->models[m], s->variants[v], experiment, metric) != NULL;
            flagged += figure_flagged(result, s->models[m], s->variants[v], experiment, metric, flag);
        }
        if (flagged && flagged == run) {
            qb_text_add(&names, "%s%s", names.size ? "; " : "", s->models[m]);
            continue;
        }
        const char *before = names.size ? "; " : "";
        for (size_t v = 0; v < s->variant_count; v++)
            if (figure_flagged(result, s->models[m], s->variants[v], experiment, metric, flag)) {
                qb_text_add(&names, "%s%s", before, qb_figure_label(s->variants[v]));
                before = ", ";
            }
        if (flagged)
            qb_text_add(&names, " on %s", s->models[m]);
    }
    if (names.size)
        qb_text_add(&figure->caption, " %s: %s.", sentence, names.data);
    qb_text_free(&names);
}

void qb_figure_end(const struct qb_result *result, struct qb_figure *figure, struct qb_selection *s,
                   const char *experiment, const char *metric)
{
    qb_figure_say_flagged(result, figure, s, experiment, metric, QB_FLAG_CONTAMINATED,
                          "Calibrated on the text that it is evaluated on");
    qb_selection_end(s, figure);
}
