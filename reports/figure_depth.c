/* depth: error of the hidden state after each layer, accumulated and local, a panel a model. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Median of row[n]; sorts it. */
static double median(float *row, size_t n)
{
    qsort(row, n, sizeof *row, by_value);
    return n % 2 ? (double)row[n / 2] : ((double)row[n / 2 - 1] + (double)row[n / 2]) / 2;
}

/* An error of 0 has no place on a logarithmic axis. */
static double drawable(double error)
{
    return error > 0 ? error : NAN;
}

static bool add_curve(const struct qb_record *record, const char *name, struct qb_figure *figure, size_t *layers,
                      size_t *positions)
{
    const struct qb_array *local = qb_record_get(record, "local_error", QB_F32, 2);
    const struct qb_array *sum = qb_record_get(record, "accumulated_error", QB_F32, 2);
    if (!local || !sum || local->count == 0 || sum->count != local->count)
        return false;
    size_t n = *positions = local->dims[1];
    *layers = *layers > local->dims[0] ? *layers : local->dims[0];
    qb_figure_block(figure, name);
    qb_text_add(&figure->data, "# layer (from 1), median accumulated error, median local error\n");
    for (size_t l = 0; l < local->dims[0]; l++)
        qb_text_add(&figure->data, "%zu %.6g %.6g\n", l + 1, drawable(median((float *)sum->data + l * n, n)),
                    drawable(median((float *)local->data + l * n, n)));
    return true;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {"fp16", "int8-channel", "pattern-a", "legacy", "calibrated", NULL};
    struct qb_selection s;
    struct qb_text counts = {0};
    qb_select(result, "depth", wanted, QB_FIGURE_VARIANTS, &s);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no depth cell of a variant was run");
    qb_figure_axes(figure, &s);
    qb_figure_array(figure, "n", s.model_count);
    qb_figure_array(figure, "layers", s.model_count);
    for (size_t m = 0; m < s.model_count; m++) {
        size_t layers = 0, positions = 0;
        for (size_t v = 0; v < s.variant_count; v++) {
            struct qb_record record;
            char name[256];
            snprintf(name, sizeof name, "%s %s", s.models[m], s.variants[v]);
            bool there = qb_figure_record(result, s.models[m], s.variants[v], "depth", &record, err);
            if (!there || !add_curve(&record, name, figure, &layers, &positions)) {
                qb_figure_block(figure, name);
                qb_text_add(&figure->data, "1 nan nan\n");
            }
            qb_record_free(&record);
        }
        char n[64];
        snprintf(n, sizeof n, "%zu layers, %zu positions", layers, positions);
        qb_figure_set(figure, "n", m + 1, n);
        qb_figure_set_number(figure, "layers", m + 1, (double)layers);
        qb_text_add(&counts, "%s%s %s", m ? "; " : "", s.models[m], n);
    }
    qb_text_add(
        &figure->caption,
        "Growth of the error with depth: |h_variant - h_FP32| / |h_FP32| after each layer (median over positions, "
        "no unit, logarithmic). Marked lines: accumulated, every layer fed the variant's own state; thin lines of "
        "the same colour: local, the layer fed the reference's state. An error of exactly 0 is not drawn. n: %s.",
        counts.data ? counts.data : "");
    qb_selection_end(&s, figure);
    qb_text_free(&counts);
    return err->status;
}

const struct qb_figure_kind qb_figure_depth = {"depth", "Growth of the error with depth", fill};
