/* bits, encoded, cache: mean KL from FP32 against the bits that a weight takes, of all of a model's or of those that a
 * variant encodes, or that a kept key or value takes, with the floors and the Pareto front, a panel a model. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figure.h"

struct point {
    size_t variant; /* index in the selection */
    double bits, kl, lo, hi;
    uint32_t flags;
};

/* What x is. */
struct axis {
    const char *experiment, *metric; /* of memory; of kv, whose KL it then is */
    const char *name, *says, *warns;
    bool weights; /* it is a size of weights */
};

static bool has_interval(const struct qb_value *v)
{
    return !(v->flags & QB_FLAG_NO_INTERVAL) && isfinite(v->lo) && isfinite(v->hi);
}

/* The axis: whole powers of ten around every KL and floor of the model; returns its lower end. */
static double set_axis(struct qb_figure *figure, size_t m, const struct point *points, size_t n,
                       const double floors[QB_FIGURE_FLOORS])
{
    double least = INFINITY, most = 0;
    for (size_t i = 0; i < n; i++)
        if (points[i].kl > 0) {
            least = fmin(least, points[i].lo > 0 ? points[i].lo : points[i].kl);
            most = fmax(most, points[i].lo > 0 ? points[i].hi : points[i].kl);
        }
    for (size_t f = 0; f < QB_FIGURE_FLOORS; f++)
        if (floors[f] > 0) {
            least = fmin(least, floors[f]);
            most = fmax(most, floors[f]);
        }
    least *= 0.8; /* room under the lowest mark */
    qb_figure_decades(figure, m, least, 1.25 * most);
    return isfinite(least) ? pow(10, fmax(floor(log10(least)), -300)) : 0.1;
}

/* Points that can be drawn: bits and KL known; those of exactly 0 are put on the axis' end. */
static size_t collect(const struct qb_result *result, const struct qb_selection *s, const struct axis *axis,
                      const char *model, struct point *points)
{
    size_t n = 0;
    for (size_t v = 0; v < s->variant_count; v++) {
        const struct qb_value *kl = qb_result_value(result, model, s->variants[v], s->experiment, "kl_mean");
        const struct qb_value *bits = qb_result_value(result, model, s->variants[v], axis->experiment, axis->metric);
        if (!kl || !bits || !(kl->value >= 0) || !isfinite(kl->value) || !(bits->value > 0))
            continue;
        bool interval = has_interval(kl);
        points[n++] =
            (struct point){v, bits->value, kl->value, interval ? kl->lo : NAN, interval ? kl->hi : NAN, kl->flags};
    }
    return n;
}

static int by_bits(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    return x->bits != y->bits ? (x->bits > y->bits) - (x->bits < y->bits) : (x->kl > y->kl) - (x->kl < y->kl);
}

/* The corners of the Pareto front, each point that no other undercuts in both bits and KL; the last one's KL holds up
 * to the edge. Points at `bottom` lose nothing, for the model's weights are in their format already: nothing could be
 * better, and the front is of the others. */
static void add_front(struct point *points, size_t n, double bottom, double edge, struct qb_figure *figure)
{
    double best = INFINITY;
    qsort(points, n, sizeof *points, by_bits);
    qb_text_add(&figure->data, "# Pareto front: bits a weight, KL in nat\n");
    for (size_t i = 0; i < n; i++) {
        if (!(points[i].kl < best) || points[i].kl <= bottom)
            continue;
        best = points[i].kl;
        qb_text_add(&figure->data, "%.6g %.6g\n", points[i].bits, points[i].kl);
    }
    qb_text_add(&figure->data, "%.6g %.6g\n", edge, isfinite(best) ? best : NAN);
}

/* Draws points that would hide one another side by side: same bits and KL within a marker's height. */
static double dodge(const struct point *points, size_t i)
{
    double step = 0;
    for (size_t k = 0; k < i; k++)
        if (fabs(points[k].bits - points[i].bits) < 0.2 && fabs(log10(points[k].kl / points[i].kl)) < 0.12)
            step += 0.4;
    return step;
}

static void add_panel(const struct qb_result *result, const struct qb_selection *s, const struct axis *axis, size_t m,
                      double edge, struct qb_figure *figure)
{
    struct point points[QB_FIGURE_VARIANTS];
    double floors[QB_FIGURE_FLOORS];
    size_t n = collect(result, s, axis, s->models[m], points);
    qb_figure_floors(result, s->models[m], s->experiment, "kl_mean", floors);
    double bottom = set_axis(figure, m, points, n, floors);
    for (size_t i = 0; i < n; i++)
        points[i].kl = fmax(points[i].kl, bottom);
    for (size_t v = 0; v < s->variant_count; v++) {
        char name[256];
        size_t i = 0;
        while (i < n && points[i].variant != v)
            i++;
        snprintf(name, sizeof name, "%s %s", s->models[m], s->variants[v]);
        qb_figure_block(figure, name);
        qb_text_add(&figure->data, "# bits a weight, the same where it is drawn, mean KL in nat, 95%% interval\n");
        if (i < n)
            qb_text_add(&figure->data, "%.6g %.6g %.6g %.6g %.6g\n", points[i].bits, points[i].bits + dodge(points, i),
                        points[i].kl, points[i].lo > 0 ? points[i].lo : NAN, points[i].lo > 0 ? points[i].hi : NAN);
        else
            qb_text_add(&figure->data, "nan nan nan nan nan\n");
        qb_figure_set_number(figure, "voids", m * s->variant_count + v + 1,
                             i < n && (points[i].flags & QB_FLAG_DEGENERATE));
    }
    qb_figure_block(figure, "Pareto front");
    add_front(points, n, bottom, edge, figure);
    for (size_t f = 0; f < QB_FIGURE_FLOORS; f++)
        qb_figure_set_number(figure, "floor_kl", m * QB_FIGURE_FLOORS + f + 1, floors[f] > 0 ? floors[f] : -1);
}

/* The axis' end: past the most bits drawn, on a tick or half way to the next. */
static double edge_of(const struct qb_result *result, const struct qb_selection *s, const struct axis *axis)
{
    double most = 14;
    for (size_t m = 0; m < s->model_count; m++)
        for (size_t v = 0; v < s->variant_count; v++) {
            const struct qb_value *bits =
                qb_result_value(result, s->models[m], s->variants[v], axis->experiment, axis->metric);
            most = bits && bits->value > most ? bits->value : most;
        }
    return 2 * ceil((most + 1) / 2);
}

/* A model on which some variant's mean KL has an interval and both numbers are there. */
static bool worth_a_panel(const struct qb_result *result, const struct qb_selection *s, const struct axis *axis,
                          const char *model)
{
    for (size_t v = 0; v < s->variant_count; v++) {
        const struct qb_value *kl = qb_result_value(result, model, s->variants[v], s->experiment, "kl_mean");
        if (kl && kl->value > 0 && has_interval(kl) && !(kl->flags & QB_FLAG_DEGENERATE) &&
            qb_result_value(result, model, s->variants[v], axis->experiment, axis->metric))
            return true;
    }
    return false;
}

/* Weights of the model that the variant encodes; 0: none, or the file does not say. */
static uint64_t encoded_by(const struct qb_result *result, const char *model, const char *variant)
{
    const size_t cell = qb_result_find(result, model, variant, "memory");
    const struct qb_reach *reach = cell == SIZE_MAX ? NULL : &qb_result_cell(result, cell)->reach;
    return reach && reach->known ? reach->weights : 0;
}

/* " M: 2359296 weights by A, B; 3639296 by C." of a model on which the drawn variants encode different weights. */
static void say_placements(const struct qb_result *result, const struct qb_selection *s, const char *model,
                           struct qb_figure *figure)
{
    struct qb_text groups = {0};
    size_t count = 0;
    for (size_t v = 0; v < s->variant_count; v++) {
        const uint64_t weights = encoded_by(result, model, s->variants[v]);
        bool said = weights == 0;
        for (size_t i = 0; i < v && !said; i++)
            said = encoded_by(result, model, s->variants[i]) == weights;
        if (said)
            continue;
        qb_text_add(&groups, "%s%" PRIu64 "%s by ", count ? "; " : "", weights, count ? "" : " weights");
        count++;
        for (size_t i = v, listed = 0; i < s->variant_count; i++)
            if (encoded_by(result, model, s->variants[i]) == weights)
                qb_text_add(&groups, "%s%s", listed++ ? ", " : "", qb_figure_label(s->variants[i]));
    }
    if (count > 1)
        qb_text_add(&figure->caption, " Encoded of %s: %s; by format alone compares only what encodes the same.", model,
                    groups.data);
    qb_text_free(&groups);
}

/* Variants of the key that have no point in any panel. */
static void say_pointless(const struct qb_result *result, const struct qb_selection *s, const struct axis *axis,
                          struct qb_figure *figure)
{
    struct point points[QB_FIGURE_VARIANTS];
    bool drawn[QB_FIGURE_VARIANTS] = {false};
    size_t named = 0;
    for (size_t m = 0; m < s->model_count; m++)
        for (size_t i = collect(result, s, axis, s->models[m], points); i-- > 0;)
            drawn[points[i].variant] = true;
    for (size_t v = 0; v < s->variant_count; v++)
        if (!drawn[v])
            qb_text_add(&figure->caption, "%s%s",
                        named++ ? ", " : " Without a point: ", qb_figure_label(s->variants[v]));
    if (named)
        qb_text_add(&figure->caption, ", for which there is no KL or no %s.", axis->metric);
}

static enum qb_status fill(const struct qb_result *result, const struct axis *axis, struct qb_figure *figure,
                           struct qb_error *err)
{
    static const char *const wanted[] = {"fp16",      "bf16",   "int8-tensor", "int8-channel",      "pattern-a-packed",
                                         "pattern-a", "legacy", "calibrated",  "calibrated-stored", NULL};
    struct qb_selection s;
    uint64_t n = 0;
    if (strcmp(axis->experiment, "kv") == 0)
        qb_select(result, "kv", qb_figure_caches, QB_FIGURE_VARIANTS, &s);
    else
        qb_select_text(result, wanted, QB_FIGURE_VARIANTS, &s);
    for (size_t m = s.model_count; m-- > 0;)
        if (!worth_a_panel(result, &s, axis, s.models[m]))
            qb_selection_drop(&s, m, "no mean KL over 0 with an interval, or no size");
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing,
                 "no model has both a %s cell and a %s mean KL over 0 with an interval", axis->experiment,
                 strcmp(axis->experiment, "kv") == 0 ? "kv" : "teacher-forced (or kl)");
    qb_figure_axes(figure, &s);
    qb_figure_curves(figure, &s);
    double edge = edge_of(result, &s, axis);
    qb_figure_number(figure, "xmax", edge);
    qb_figure_array(figure, "xname", 1);
    qb_figure_set(figure, "xname", 1, axis->name);
    qb_figure_decade_arrays(figure, s.model_count);
    qb_figure_array(figure, "floor_kl", s.model_count * QB_FIGURE_FLOORS);
    for (size_t m = 0; m < s.model_count; m++) {
        add_panel(result, &s, axis, m, edge, figure);
        for (size_t v = 0; v < s.variant_count; v++) {
            const struct qb_value *kl = qb_result_value(result, s.models[m], s.variants[v], s.experiment, "kl_mean");
            n = kl && kl->n > n ? kl->n : n;
        }
    }
    qb_text_add(
        &figure->caption,
        "Quality against size: mean KL(FP32 || variant) on the same tokens (nat, logarithmic, %s) against "
        "%s. Bars: 95%% cluster intervals over chunks. Stepped line: Pareto front, the formats that no other "
        "one drawn undercuts in both. Horizontal lines: floors, what FP32 arithmetic in another order and FP16 or "
        "BF16 weights alone cost on that model; a point under the first is not resolved. n: up to %llu positions. "
        "Points with the same size and nearly the same KL are drawn side by side. %s",
        s.experiment, axis->says, (unsigned long long)n, axis->warns);
    for (size_t m = 0; m < s.model_count && axis->weights; m++)
        say_placements(result, &s, s.models[m], figure);
    say_pointless(result, &s, axis, figure);
    qb_figure_say_flagged(result, figure, &s, s.experiment, "kl_mean", QB_FLAG_UNRESOLVED,
                          "Not resolved, within the arithmetic floor");
    qb_figure_say_flagged(result, figure, &s, s.experiment, "kl_mean", QB_FLAG_DEGENERATE,
                          "Void, flagged degenerate, drawn grey and hollow");
    qb_figure_end(result, figure, &s, s.experiment, "kl_mean");
    return err->status;
}

#define IN_IT_ALREADY                                                                                                  \
    "A format of KL exactly 0 loses nothing because the model's weights are stored in it already: it lies on the "     \
    "lower "                                                                                                           \
    "end of the axis, has no floor line, and is left out of the front. "

static enum qb_status fill_cache(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const struct axis axis = {
        "kv",
        "kv_bits",
        "bits of a kept key or value",
        "the bits that a value of the KV cache takes once encoded (kv_bits: side data included; FP16 is 16)",
        "How far into the context the KL arises is figure position's.",
        false};
    figure->script = "bits";
    return fill(result, &axis, figure, err);
}

static enum qb_status fill_bits(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const struct axis axis = {
        "memory",
        "weight_bits",
        "stored bits a weight, all weights",
        "the stored bits a weight, all weights of the model counted (weight_bits: embedding, ranges and scales "
        "included)",
        IN_IT_ALREADY
        "Sizes depend on which weights a variant encodes, not on its format alone: figure encoded counts these "
        "only.",
        true};
    return fill(result, &axis, figure, err);
}

static enum qb_status fill_encoded(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const struct axis axis = {
        "memory",
        "encoded_bits_per_weight",
        "bits a weight of what is encoded",
        "the bits a weight takes of those that the variant encodes (encoded_bits_per_weight: ranges and scales "
        "included, what stays FP32 left out)",
        IN_IT_ALREADY "The KL is of the whole variant, whatever share of the weights it encodes.",
        true};
    figure->script = "bits";
    return fill(result, &axis, figure, err);
}

const struct qb_figure_kind qb_figure_cache = {"cache", "KL divergence against the size of the KV cache", fill_cache};
const struct qb_figure_kind qb_figure_bits = {"bits", "KL divergence against bits per weight", fill_bits};
const struct qb_figure_kind qb_figure_encoded = {"encoded", "KL divergence against bits of what is encoded",
                                                 fill_encoded};
