/* landscape: mean KL from FP32 against the bits of what is encoded, for more variants than other figures tell apart: a
 * search's candidates, each at the last rung that it reached, or a zoo of formats. A panel a model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "figure.h"

enum { DEPTHS = 3 }; /* how many positions a point is of, beside the model's most: the most, half, less */

struct spot {
    const char *variant;
    double bits, kl, lo, hi;
    uint64_t n;
};

struct panel {
    struct spot *spots; /* by bits, then KL */
    size_t count, left_out;
    uint64_t most;
};

static int by_bits(const void *a, const void *b)
{
    const struct spot *x = a, *y = b;
    return x->bits != y->bits ? (x->bits > y->bits) - (x->bits < y->bits) : (x->kl > y->kl) - (x->kl < y->kl);
}

/* The finished cells with a KL over 0 and known bits; what is flagged void or contaminated is counted alone. */
static enum qb_status collect(const struct qb_result *result, const char *experiment, const char *model,
                              struct panel *panel, struct qb_error *err)
{
    *panel = (struct panel){.spots = qb_alloc(qb_result_count(result) + 1, sizeof *panel->spots, "points", err)};
    for (size_t i = 0; panel->spots && i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        const struct qb_value *kl = qb_result_value(result, model, cell->variant, experiment, "kl_mean");
        if (strcmp(cell->model, model) != 0 || strcmp(cell->experiment, experiment) != 0 || !kl ||
            !(kl->value > 0 && isfinite(kl->value)) || !cell->reach.weights)
            continue;
        if (kl->flags & (QB_FLAG_DEGENERATE | QB_FLAG_CONTAMINATED)) {
            panel->left_out++;
            continue;
        }
        const bool interval = !(kl->flags & QB_FLAG_NO_INTERVAL) && kl->lo > 0 && isfinite(kl->hi);
        panel->spots[panel->count++] = (struct spot){cell->variant,
                                                     8.0 * (double)cell->reach.bytes / (double)cell->reach.weights,
                                                     kl->value,
                                                     interval ? kl->lo : NAN,
                                                     interval ? kl->hi : NAN,
                                                     kl->n};
        panel->most = kl->n > panel->most ? kl->n : panel->most;
    }
    if (panel->count > 1)
        qsort(panel->spots, panel->count, sizeof *panel->spots, by_bits);
    return err->status;
}

static size_t depth_of(const struct panel *panel, const struct spot *spot)
{
    return 4 * spot->n > 3 * panel->most ? 0 : 8 * spot->n > 3 * panel->most ? 1 : 2;
}

/* Of the points of the most positions those that no other undercuts in both; the caption names them. */
static void add_front(const struct panel *panel, const char *model, double edge, struct qb_figure *figure)
{
    double best = INFINITY;
    size_t named = 0;
    qb_figure_block(figure, "Pareto front of the points of the most positions");
    for (size_t i = 0; i < panel->count; i++) {
        const struct spot *spot = &panel->spots[i];
        if (depth_of(panel, spot) > 0 || !(spot->kl < best))
            continue;
        best = spot->kl;
        qb_text_add(&figure->data, "%.6g %.6g\n", spot->bits, spot->kl);
        qb_text_add(&figure->caption, "%s%s (%.2f bits, %.3g)", named ? ", " : "", spot->variant, spot->bits, spot->kl);
        named++;
    }
    qb_text_add(&figure->data, "%.6g %.6g\n", edge, isfinite(best) ? best : NAN);
    qb_text_add(&figure->caption, " on %s.", model);
}

static void add_panel(const struct panel *panel, const char *model, size_t m, double edge, struct qb_figure *figure)
{
    double least = INFINITY, most = 0;
    for (size_t i = 0; i < panel->count; i++) {
        least = fmin(least, panel->spots[i].lo > 0 ? panel->spots[i].lo : panel->spots[i].kl);
        most = fmax(most, panel->spots[i].hi > 0 ? panel->spots[i].hi : panel->spots[i].kl);
    }
    qb_figure_decades(figure, m, 0.9 * least, 1.1 * most);
    for (size_t d = 0; d < DEPTHS; d++) {
        size_t drawn = 0;
        qb_figure_block(figure, d == 0 ? "the most positions" : d == 1 ? "about half of them" : "fewer");
        qb_text_add(&figure->data, "# bits a weight, mean KL in nat, 95%% interval, positions, variant\n");
        for (size_t i = 0; i < panel->count; i++) {
            const struct spot *spot = &panel->spots[i];
            if (depth_of(panel, spot) != d)
                continue;
            qb_text_add(&figure->data, "%.6g %.6g %.6g %.6g %llu %s\n", spot->bits, spot->kl, spot->lo, spot->hi,
                        (unsigned long long)spot->n, spot->variant);
            drawn++;
        }
        if (!drawn)
            qb_text_add(&figure->data, "nan nan nan nan 0 none\n");
    }
    add_front(panel, model, edge, figure);
}

static void add_panels(const struct panel *panels, const struct qb_selection *s, struct qb_figure *figure)
{
    double from = INFINITY, to = 0;
    size_t left_out = 0;
    for (size_t m = 0; m < s->model_count; m++) {
        from = fmin(from, panels[m].spots[0].bits);
        to = fmax(to, panels[m].spots[panels[m].count - 1].bits);
        left_out += panels[m].left_out;
    }
    const double margin = fmax(0.05 * (to - from), 0.05);
    qb_figure_axes(figure, s);
    qb_figure_decade_arrays(figure, s->model_count);
    qb_figure_number(figure, "xmin", from - margin);
    qb_figure_number(figure, "xmax", to + margin);
    qb_text_add(&figure->caption,
                "Every variant of %s: mean KL(FP32 || variant) (nat, logarithmic) against the bits a weight takes of "
                "those that it encodes, ranges and scales included. Bars: 95%% cluster intervals over chunks, of the "
                "points of the most positions. Points of fewer positions are of a search's earlier rungs, from which "
                "these variants did not go on: other chunks of the text. Stepped line: Pareto front of the most "
                "positions: ",
                s->experiment);
    for (size_t m = 0; m < s->model_count; m++) {
        qb_text_add(&figure->caption, "%s", m ? " " : "");
        add_panel(&panels[m], s->models[m], m, to + margin, figure);
    }
    if (left_out)
        qb_text_add(&figure->caption, " Left out, flagged degenerate or contaminated: %zu.", left_out);
}

static bool runs(const struct qb_result *result, const char *experiment)
{
    for (size_t i = 0; i < qb_result_count(result); i++)
        if (strcmp(qb_result_cell(result, i)->experiment, experiment) == 0)
            return true;
    return false;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    struct panel panels[QB_FIGURE_MODELS] = {0};
    struct qb_selection s = {.experiment = runs(result, "teacher-forced") ? "teacher-forced" : "kl"};
    for (size_t at = 0; !err->status && at < qb_result_count(result); at++) {
        const char *model = qb_result_cell(result, at)->model;
        struct panel panel;
        if (!qb_figure_begins_model(result, at))
            continue;
        if (collect(result, s.experiment, model, &panel, err) || panel.count <= QB_FIGURE_VARIANTS ||
            s.model_count == QB_FIGURE_MODELS) {
            if (panel.count > 0)
                qb_selection_lacks(&s, model,
                                   panel.count > QB_FIGURE_VARIANTS
                                       ? "there are too many models"
                                       : "no more variants than figure encoded tells apart");
            qb_free(panel.spots);
        } else {
            panels[s.model_count] = panel;
            s.models[s.model_count++] = model;
        }
    }
    if (!err->status && s.model_count == 0)
        snprintf(figure->missing, sizeof figure->missing,
                 "no model has a KL over 0 of more than %d variants, which figure encoded would tell apart",
                 QB_FIGURE_VARIANTS);
    else if (!err->status)
        add_panels(panels, &s, figure);
    qb_selection_end(&s, figure);
    for (size_t m = 0; m < QB_FIGURE_MODELS; m++)
        qb_free(panels[m].spots);
    return err->status;
}

const struct qb_figure_kind qb_figure_landscape = {"landscape", "KL divergence against bits, every variant", fill};
