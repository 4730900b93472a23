/* A format among formats: collected from both sides, tested against the placed one, judged. */
#include "gate/front.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "gate/gate_parts.h"
#include "run/experiment.h"

const char *qb_front_relation_name(enum qb_front_relation relation)
{
    static const char *const names[] = {"left out",  "itself",      "dominated by",
                                        "dominates", "trades with", "not told apart from"};
    return names[relation];
}

/* ---- what is known of a format ---- */

static double value_of(const struct qb_baseline *from, const char *model, const char *variant, const char *experiment,
                       const char *name)
{
    const struct qb_baseline_cell *cell = qb_baseline_find(from, model, variant, experiment);
    const struct qb_baseline_metric *metric = cell ? qb_baseline_metric_of(cell, name) : NULL;
    return metric && qb_value_there(metric->flags) ? metric->value : NAN;
}

/* The totals of a usable KL; NULL: `why` says what is wrong. */
static const struct qb_baseline_metric *kl_of(const struct qb_baseline_cell *cell, char why[240])
{
    const struct qb_baseline_metric *kl = NULL;
    if (!cell)
        snprintf(why, 240, "did not run: no cell of it");
    else if (cell->state != QB_CELL_DONE)
        qb_utf8_print(why, 240, "did not run: %s: %.*s", cell->state == QB_CELL_FAILED ? "failed" : "skipped",
                      QB_UPTO(180, cell->message));
    else if (!(kl = qb_baseline_metric_of(cell, "kl_mean")) || !kl->sample.sum || !isfinite(kl->value))
        snprintf(why, 240, "no mean KL");
    else if (kl->flags & (QB_FLAG_DEGENERATE | QB_FLAG_CONTAMINATED))
        snprintf(why, 240, "void: %s",
                 kl->flags & QB_FLAG_DEGENERATE ? "degenerate" : "calibrated on text that it is evaluated on");
    return why[0] ? NULL : kl;
}

static void set_interval(const struct qb_sample *kl, struct qb_front_format *format)
{
    const struct qb_clusters totals = {kl->sum, kl->weight, kl->clusters};
    struct qb_interval interval;
    if (!qb_mean_interval(&totals, QB_KIND_REAL, qb_interval_method_for(QB_KIND_REAL, kl->clusters), 0.95, 0,
                          &interval))
        return;
    format->lo = fmax(interval.lo, 0);
    format->hi = interval.hi;
}

static const struct qb_baseline_metric *fill(const struct qb_baseline *from, const struct qb_front *front,
                                             struct qb_front_format *format)
{
    const struct qb_baseline_metric *kl =
        kl_of(qb_baseline_find(from, front->model, format->variant, front->experiment), format->why);
    format->bits = value_of(from, front->model, format->variant, "memory", "encoded_bits_per_weight");
    format->sqnr = value_of(from, front->model, format->variant, "roundtrip", "sqnr_db");
    format->top1 = value_of(from, front->model, format->variant, front->experiment, "top1_agreement");
    format->kl = format->lo = format->hi = format->p = NAN;
    if (!kl)
        return NULL;
    format->kl = kl->value;
    set_interval(&kl->sample, format);
    if (!(format->bits > 0 && isfinite(format->bits)))
        snprintf(format->why, sizeof format->why, "no bits: no finished cell of memory");
    return format->why[0] ? NULL : kl;
}

/* Was the other one measured as the placed one was? Else why not. */
static bool alike(const struct qb_baseline_cell *a, const struct qb_baseline_cell *b, char why[240])
{
    if (strcmp(a->model_sha256, b->model_sha256) != 0)
        snprintf(why, 240, "on another model (hash %.12s, not %.12s)", b->model_sha256, a->model_sha256);
    else if (!a->inputs[0] || strcmp(a->inputs, b->inputs) != 0)
        snprintf(why, 240, "on other inputs (hash %.12s, not %.12s)", b->inputs, a->inputs);
    else if (!qb_experiment_same_options(a->experiment, a->options, b->options))
        snprintf(why, 240, "with other options of %s", a->experiment);
    else if (!b->encoded_weights)
        snprintf(why, 240, "encodes nothing, or its file does not say how many weights");
    else if (a->encoded_weights != b->encoded_weights)
        snprintf(why, 240, "encodes other weights: %" PRIu64 ", not %" PRIu64, b->encoded_weights, a->encoded_weights);
    return !why[0];
}

/* ---- against the placed one ---- */

/* Two-sided p of H0: no difference beyond `floor`; NaN: `why` says what is missing. */
static double test(const struct qb_sample *placed, const struct qb_sample *other, double floor,
                   struct qb_front_format *format)
{
    const struct qb_clusters a = {placed->sum, placed->weight, placed->clusters};
    const struct qb_clusters b = {other->sum, other->weight, other->clusters};
    struct qb_difference *d = &format->difference;
    double p = NAN;
    if (!qb_difference_paired(&a, &b, 0.95, d))
        snprintf(format->why, sizeof format->why, "no paired difference: other positions");
    else if (d->identical)
        snprintf(format->why, sizeof format->why, "the same KL in every chunk");
    else if (a.count < QB_GATE_CLUSTERS_MIN)
        snprintf(format->why, sizeof format->why, "too little data: %zu chunks, %d are needed", a.count,
                 QB_GATE_CLUSTERS_MIN);
    else if (isnan(p = fmin(1, 2 * fmin(qb_p_above(d, floor), qb_p_below(d, -floor)))))
        snprintf(format->why, sizeof format->why, "no spread between chunks");
    return p;
}

static enum qb_front_relation relate(const struct qb_front_format *placed, const struct qb_front_format *other,
                                     double alpha)
{
    const bool equal = other->difference.identical, told = other->p <= alpha;
    const bool less = told && other->difference.value < 0, more = told && other->difference.value > 0;
    if ((less && other->bits <= placed->bits) || (equal && other->bits < placed->bits))
        return QB_FRONT_DOMINATED;
    if ((more && other->bits >= placed->bits) || (equal && other->bits > placed->bits))
        return QB_FRONT_DOMINATES;
    return told ? QB_FRONT_TRADES : QB_FRONT_LEVEL;
}

static bool undercuts(const struct qb_front_format *a, const struct qb_front_format *b)
{
    return a->bits <= b->bits && a->kl <= b->kl && (a->bits < b->bits || a->kl < b->kl);
}

static void judge(struct qb_front *front)
{
    struct qb_front_format *placed = &front->formats[front->placed];
    size_t beside = 0;
    front->verdict = QB_FRONT_ON;
    for (size_t i = 0; i < front->count; i++) {
        struct qb_front_format *other = &front->formats[i];
        if (other->relation == QB_FRONT_OUT)
            continue;
        other->corner = true;
        for (size_t k = 0; k < front->count; k++)
            other->corner =
                other->corner && (front->formats[k].relation == QB_FRONT_OUT || !undercuts(&front->formats[k], other));
        beside += i != front->placed;
        if (i != front->placed)
            other->relation = relate(placed, other, front->alpha);
        if (other->relation == QB_FRONT_DOMINATED)
            front->verdict = QB_FRONT_UNDER;
        else if (other->relation == QB_FRONT_LEVEL && other->bits <= placed->bits && front->verdict == QB_FRONT_ON)
            front->verdict = QB_FRONT_OPEN;
    }
    if (beside == 0 && !placed->why[0])
        snprintf(placed->why, sizeof placed->why, "no other format was measured as it was");
    if (placed->why[0])
        front->verdict = QB_FRONT_NONE;
}

/* ---- both sides ---- */

/* The KL of FP32 arithmetic in another order, the larger of both sides'; 0: not measured. */
static double floor_of(const struct qb_front *front, const struct qb_baseline *result,
                       const struct qb_baseline *baseline)
{
    const struct qb_baseline *sides[] = {result, baseline};
    double most = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct qb_baseline_cell *cell =
            qb_baseline_floor(sides[i], front->model, QB_FLOOR_ARITHMETIC, front->experiment);
        const struct qb_baseline_metric *kl = cell ? qb_baseline_metric_of(cell, "kl_mean") : NULL;
        most = kl && isfinite(kl->value) ? fmax(most, kl->value) : most;
    }
    return most;
}

static int by_size(const void *a, const void *b)
{
    const struct qb_front_format *x = a, *y = b;
    const bool out_x = x->relation == QB_FRONT_OUT, out_y = y->relation == QB_FRONT_OUT;
    if (out_x != out_y)
        return out_x - out_y;
    if (out_x || (x->bits == y->bits && x->kl == y->kl))
        return strcmp(x->variant, y->variant);
    return x->bits != y->bits ? (x->bits > y->bits) - (x->bits < y->bits) : (x->kl > y->kl) - (x->kl < y->kl);
}

/* Adds the formats of one side that are not there yet, each tested against the placed one (`self`, with its totals). */
static void add_side(struct qb_front *front, const struct qb_baseline *side, const struct qb_baseline_cell *self,
                     const struct qb_sample *placed, double floor, bool from_baseline)
{
    const size_t known = front->count;
    for (size_t i = 0; i < side->count; i++) {
        const struct qb_baseline_cell *cell = &side->cells[i];
        bool there = strcmp(cell->model, front->model) != 0 || strcmp(cell->experiment, front->experiment) != 0 ||
                     cell->floor == QB_FLOOR_IDENTITY || cell->floor == QB_FLOOR_ARITHMETIC;
        for (size_t k = 0; k < known && !there; k++)
            there = strcmp(front->formats[k].variant, cell->variant) == 0;
        if (there)
            continue;
        struct qb_front_format *format = &front->formats[front->count++];
        *format = (struct qb_front_format){.variant = cell->variant, .from_baseline = from_baseline};
        const struct qb_baseline_metric *kl = fill(side, front, format);
        if (!kl || !placed || !alike(self, cell, format->why))
            continue;
        format->relation = QB_FRONT_LEVEL;
        format->p = test(placed, &kl->sample, floor, format);
        front->tested += isnan(format->p) ? 0 : 1;
    }
}

static enum qb_status adjust(struct qb_front *front, struct qb_error *err)
{
    double *p = qb_alloc(front->count, sizeof *p, "p values", err);
    for (size_t i = 0; p && i < front->count; i++)
        p[i] = front->formats[i].p;
    if (p && !qb_holm(p, front->count, p))
        qb_fail(err, QB_ERR_MEMORY, "no memory to adjust %zu p values", front->count);
    for (size_t i = 0; p && i < front->count; i++)
        front->formats[i].p = p[i];
    qb_free(p);
    return err->status;
}

enum qb_status qb_front_place(const struct qb_baseline *result, const struct qb_baseline *baseline, const char *model,
                              const char *variant, double alpha, struct qb_front **front, struct qb_error *err)
{
    struct qb_front *made = *front = qb_alloc(1, sizeof *made, "a front", err);
    if (made)
        made->formats = qb_alloc(result->count + baseline->count + 1, sizeof *made->formats, "formats", err);
    if (err->status) {
        qb_front_free(made);
        *front = NULL;
        return err->status;
    }
    made->model = model;
    made->alpha = alpha;
    made->experiment = qb_baseline_find(result, model, variant, "teacher-forced") ? "teacher-forced" : "kl";
    const struct qb_baseline_cell *self = qb_baseline_find(result, model, variant, made->experiment);
    const double floor = floor_of(made, result, baseline);
    made->count = 1;
    made->formats[0] = (struct qb_front_format){.variant = variant, .relation = QB_FRONT_SELF};
    const struct qb_baseline_metric *kl = fill(result, made, &made->formats[0]);
    add_side(made, result, self, kl ? &kl->sample : NULL, floor, false);
    add_side(made, baseline, self, kl ? &kl->sample : NULL, floor, true);
    if (!adjust(made, err)) {
        qsort(made->formats, made->count, sizeof *made->formats, by_size);
        while (made->formats[made->placed].relation != QB_FRONT_SELF)
            made->placed++;
        judge(made);
    }
    if (err->status) {
        qb_front_free(made);
        *front = NULL;
    }
    return err->status;
}

void qb_front_free(struct qb_front *front)
{
    if (front)
        qb_free(front->formats);
    qb_free(front);
}
