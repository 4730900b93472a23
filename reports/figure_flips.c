/* flips: positions whose next-token answer turns wrong or right under a format, and the net loss, a panel a model. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "figure.h"
#include "metric/stats.h"

enum { MODELS = 4 };

/* Of one cell, in percent; NaN: none. */
struct flips {
    double wrong[3], right[3], net[3]; /* value, lo, hi */
    uint64_t n;
    double p; /* of no net difference, by clusters */
};

static void take(const struct qb_result *result, const struct qb_selection *s, size_t m, size_t v, const char *metric,
                 double out[3])
{
    const struct qb_value *value = qb_result_value(result, s->models[m], s->variants[v], s->experiment, metric);
    bool interval = value && !(value->flags & QB_FLAG_NO_INTERVAL);
    out[0] = value ? value->value : NAN;
    out[1] = interval ? value->lo : NAN;
    out[2] = interval ? value->hi : NAN;
}

/* Counts, and totals a chunk of (reference right - variant right). True when the record has the arrays. */
static bool count(const struct qb_record *record, struct flips *f, double *sum, double *weight, size_t *clusters)
{
    const struct qb_array *a = qb_record_get(record, "top_token", QB_I32, 1);
    const struct qb_array *r = qb_record_get(record, "reference_top_token", QB_I32, 1);
    const struct qb_array *t = qb_record_get(record, "target", QB_I32, 1);
    const struct qb_array *c = qb_record_get(record, "chunk", QB_I32, 1);
    if (!a || !r || !t || !c || r->count != a->count || t->count != a->count || c->count != a->count)
        return false;
    const struct qb_array *hit = qb_record_get(record, "hit", QB_F64, 1);
    const struct qb_array *reference_hit = qb_record_get(record, "reference_hit", QB_F64, 1);
    bool drawn = hit && reference_hit && hit->count == a->count && reference_hit->count == a->count;
    const int32_t *chunk = c->data, *target = t->data;
    int32_t last = 0;
    size_t k = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (target[i] < 0)
            continue;
        double was = ((const int32_t *)r->data)[i] == target[i], is = ((const int32_t *)a->data)[i] == target[i];
        if (drawn) { /* a first rank that equal logits share is a chance */
            was = ((const double *)reference_hit->data)[i];
            is = ((const double *)hit->data)[i];
        }
        k += f->n > 0 && chunk[i] != last;
        last = chunk[i];
        sum[k] += was - is;
        weight[k] += 1;
        f->n++;
    }
    *clusters = f->n ? k + 1 : 0;
    return f->n > 0;
}

static bool measure(const struct qb_record *record, struct flips *f, struct qb_error *err)
{
    const struct qb_array *c = qb_record_get(record, "chunk", QB_I32, 1);
    size_t room = c ? c->count : 0, clusters = 0;
    double *sum = qb_alloc(room, sizeof *sum, "net flips", err),
           *weight = qb_alloc(room, sizeof *weight, "counts", err),
           *none = qb_alloc(room, sizeof *none, "no flips", err);
    bool ok = sum && weight && none && count(record, f, sum, weight, &clusters);
    f->net[0] = f->net[1] = f->net[2] = f->p = NAN;
    if (ok) {
        const struct qb_clusters x = {sum, weight, clusters}, zero = {none, weight, clusters};
        struct qb_interval interval;
        struct qb_difference d;
        enum qb_interval_method method = qb_interval_method_for(QB_KIND_REAL, clusters);
        double net = 0;
        for (size_t k = 0; k < clusters; k++)
            net += sum[k];
        f->net[0] = 100 * net / (double)f->n;
        if (qb_mean_interval(&x, QB_KIND_REAL, method, 0.95, 1, &interval)) {
            f->net[1] = 100 * interval.lo;
            f->net[2] = 100 * interval.hi;
        }
        f->p = qb_difference_paired(&zero, &x, 0.95, &d) ? d.p : NAN;
    }
    qb_free(none);
    qb_free(sum);
    qb_free(weight);
    return ok;
}

static void add_rows(const struct flips *flips, const bool *there, size_t n, struct qb_figure *figure)
{
    double p[QB_FIGURE_VARIANTS];
    for (size_t v = 0; v < n; v++)
        p[v] = there[v] ? flips[v].p : NAN;
    if (!qb_holm(p, n, p))
        for (size_t v = 0; v < n; v++)
            p[v] = NAN;
    qb_text_add(&figure->data,
                "# row; value, lo, hi in %% of: to wrong, to right, net; p of no net difference, by Holm\n");
    size_t rows = 0;
    for (size_t v = 0; v < n; v++) {
        const struct flips *f = &flips[v];
        if (!there[v])
            continue;
        qb_text_add(&figure->data, "%zu %.6g %.6g %.6g %.6g %.6g %.6g %.6g %.6g %.6g %.6g\n", v + 1, f->wrong[0],
                    f->wrong[1], f->wrong[2], f->right[0], f->right[1], f->right[2], f->net[0], f->net[1], f->net[2],
                    p[v]);
        rows++;
    }
    if (rows == 0)
        qb_text_add(&figure->data, "1 nan nan nan nan nan nan nan nan nan nan\n");
}

static void add_panel(const struct qb_result *result, const struct qb_selection *s, size_t m, struct qb_figure *figure,
                      uint64_t *n, struct qb_error *err)
{
    struct flips flips[QB_FIGURE_VARIANTS] = {{{0}, {0}, {0}, 0, 0}};
    bool there[QB_FIGURE_VARIANTS] = {false};
    qb_figure_block(figure, s->models[m]);
    for (size_t v = 0; v < s->variant_count; v++) {
        struct qb_record record;
        there[v] = qb_figure_record(result, s->models[m], s->variants[v], s->experiment, &record, err) &&
                   measure(&record, &flips[v], err);
        qb_record_free(&record);
        take(result, s, m, v, "flips_to_wrong", flips[v].wrong);
        take(result, s, m, v, "flips_to_right", flips[v].right);
        *n = flips[v].n > *n ? flips[v].n : *n;
    }
    add_rows(flips, there, s->variant_count, figure);
    double floors[QB_FIGURE_FLOORS];
    qb_figure_floors(result, s->models[m], s->experiment, "flips", floors);
    qb_figure_set_number(figure, "floor_flips", m + 1, floors[0] > 0 ? floors[0] : 0);
}

static bool has_flips(const struct qb_result *result, const struct qb_selection *s, const char *model)
{
    for (size_t v = 0; v < s->variant_count; v++)
        if (qb_result_value(result, model, s->variants[v], s->experiment, "flips_to_wrong"))
            return true;
    return false;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {"fp32-reordered", "fp16",   "bf16",       "int8-tensor",       "int8-channel",
                                         "pattern-a",      "legacy", "calibrated", "calibrated-stored", NULL};
    struct qb_selection s;
    uint64_t n = 0;
    qb_select_text(result, wanted, QB_FIGURE_VARIANTS, &s);
    for (size_t m = s.model_count; m-- > 0;)
        if (!has_flips(result, &s, s.models[m]))
            qb_selection_drop(&s, m, "no text whose next token could be right");
    while (s.model_count > MODELS)
        qb_selection_drop(&s, s.model_count - 1, "no room");
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing,
                 "no teacher-forced or kl cell on a text with the arrays top_token and reference_top_token was run");
    qb_figure_axes(figure, &s);
    qb_figure_array(figure, "floor_flips", s.model_count);
    for (size_t m = 0; m < s.model_count; m++)
        add_panel(result, &s, m, figure, &n, err);
    qb_text_add(
        &figure->caption,
        "Flips (Dutta et al. 2024): positions of the text (percent) whose next token FP32 ranks first and the variant "
        "does not (to wrong), the reverse (to right), and their difference (net accuracy lost). The axis is linear "
        "within about 0.1%% of 0 and logarithmic beyond. Bars: 95%% cluster intervals over chunks. Net is filled where "
        "it is told from 0 over the same chunks (Student's t, p < 0.05 after Holm over the panel), hollow where it is "
        "not. Dashed line: all flips that FP32 arithmetic in another order makes "
        "(the floor; not drawn where it is 0); "
        "rows FP16 and BF16 are floors of weight storage. n: up to %llu positions a model.",
        (unsigned long long)n);
    qb_figure_say_flagged(result, figure, &s, s.experiment, "flips", QB_FLAG_UNRESOLVED,
                          "Not resolved, flips within the arithmetic floor");
    qb_figure_end(result, figure, &s, s.experiment, "flips");
    return err->status;
}

const struct qb_figure_kind qb_figure_flips = {"flips", "Flips of the next token", fill};
