/* depth: error of the hidden state after each layer, accumulated and local, a panel a model. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Median, 10% and 90% quantile of row[n] (nearest rank); sorts it. */
static void spread(float *row, size_t n, double out[3])
{
    qsort(row, n, sizeof *row, by_value);
    out[0] = n % 2 ? (double)row[n / 2] : ((double)row[n / 2 - 1] + (double)row[n / 2]) / 2;
    out[1] = (double)row[(size_t)ceil(0.1 * (double)n) - 1];
    out[2] = (double)row[(size_t)ceil(0.9 * (double)n) - 1];
}

/* An error of 0 has no place on a logarithmic axis. */
static double drawable(double error)
{
    return error > 0 ? error : NAN;
}

struct panel {
    size_t layers, positions, sequences;
    double least, most; /* errors drawn */
};

/* *context: the struct panel. */
static bool add_curve(const struct qb_record *record, struct qb_figure *figure, void *context, struct qb_error *err)
{
    const struct qb_array *local = qb_record_get(record, "local_error", QB_F32, 2);
    const struct qb_array *sum = qb_record_get(record, "accumulated_error", QB_F32, 2);
    const struct qb_array *sequence = qb_record_get(record, "sequence", QB_I32, 1);
    struct panel *panel = context;
    (void)err;
    if (!local || !sum || local->count == 0 || sum->count != local->count)
        return false;
    size_t n = panel->positions = local->dims[1];
    panel->layers = panel->layers > local->dims[0] ? panel->layers : local->dims[0];
    panel->sequences = 1;
    for (size_t i = 1; sequence && i < sequence->count; i++)
        panel->sequences += ((const int32_t *)sequence->data)[i] != ((const int32_t *)sequence->data)[i - 1];
    qb_text_add(&figure->data, "# layer (from 1); accumulated error: median, 10%%, 90%%; median local error\n");
    for (size_t l = 0; l < local->dims[0]; l++) {
        double a[3], b[3];
        spread((float *)sum->data + l * n, n, a);
        spread((float *)local->data + l * n, n, b);
        panel->least = fmin(panel->least, fmin(drawable(a[1]), drawable(b[0])));
        panel->most = fmax(panel->most, fmax(a[2], b[0]));
        qb_text_add(&figure->data, "%zu %.6g %.6g %.6g %.6g\n", l + 1, drawable(a[0]), drawable(a[1]), drawable(a[2]),
                    drawable(b[0]));
    }
    return true;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {
        "fp32-reordered",    "fp16", "bf16", "int8-channel", "pattern-a", "legacy", "calibrated",
        "calibrated-stored", NULL};
    struct qb_selection s;
    struct qb_text counts = {0};
    qb_select(result, "depth", wanted, QB_FIGURE_VARIANTS, &s);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no depth cell of a variant was run");
    qb_figure_axes(figure, &s);
    qb_figure_curves(figure, &s);
    qb_figure_array(figure, "n", s.model_count);
    qb_figure_array(figure, "layers", s.model_count);
    qb_figure_decade_arrays(figure, s.model_count);
    for (size_t m = 0; m < s.model_count; m++) {
        struct panel panel = {.sequences = 1, .least = INFINITY};
        char n[64], sequences[40] = "";
        qb_figure_panel(result, figure, &s, m, "depth", "error_last", add_curve, &panel, err);
        if (panel.sequences > 1)
            snprintf(sequences, sizeof sequences, " of %zu sequences", panel.sequences);
        snprintf(n, sizeof n, "%zu positions", panel.positions);
        qb_figure_set(figure, "n", m + 1, n);
        qb_figure_decades(figure, m, panel.least, panel.most);
        qb_figure_set_number(figure, "layers", m + 1, (double)panel.layers);
        qb_text_add(&counts, "%s%s %zu layers, %s%s", m ? "; " : "", s.models[m], panel.layers, n, sequences);
    }
    qb_text_add(
        &figure->caption,
        "Growth of the error with depth: |h_variant - h_FP32| / |h_FP32| after each layer (no unit, logarithmic). "
        "Marked lines: accumulated, every layer fed the variant's own state, median over positions; bands: 10%% to "
        "90%% of the positions, which is spread and no confidence interval; thin lines of the same colour: local, the "
        "layer fed the reference's state, median. Lines without markers are floors: FP32 arithmetic in another order, "
        "FP16 and BF16 weights alone. An error of exactly 0 is not drawn. n: %s.",
        counts.data ? counts.data : "");
    qb_figure_say_flagged(result, figure, &s, "depth", "error_last", QB_FLAG_UNRESOLVED,
                          "Not resolved, last layer's error within the arithmetic floor");
    qb_selection_end(&s, figure);
    qb_text_free(&counts);
    return err->status;
}

const struct qb_figure_kind qb_figure_depth = {"depth", "Growth of the error with depth", fill};
