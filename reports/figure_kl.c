/* kl: distribution of KL(reference || variant) over positions, a panel a model: teacher-forced's, or of a run without
 * it those of the experiment kl. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

enum { POINTS = 200 };

struct panel {
    size_t positions;
    double least, most; /* KL drawn */
};

/* A curve's quantiles of KL, at most POINTS of them, the largest included. Exact zeros have no logarithm: they count
 * and are not drawn. *context: the struct panel. */
static bool add_curve(const struct qb_record *record, struct qb_figure *figure, void *context, struct qb_error *err)
{
    const struct qb_array *kl = qb_record_get(record, "kl", QB_F64, 1);
    struct panel *panel = context;
    if (!kl || kl->count == 0)
        return false;
    size_t n = kl->count, points = n < POINTS ? n : POINTS;
    double *x = qb_alloc(n, sizeof *x, "sorted divergences", err);
    if (!x)
        return false;
    memcpy(x, kl->data, n * sizeof *x);
    qb_sort(x, n);
    qb_text_add(&figure->data, "# KL in nat, positions with at most this KL in %%\n");
    for (size_t i = 1; i <= points; i++) {
        size_t at = i * n / points - 1;
        qb_text_add(&figure->data, "%.6g %.6g\n", x[at] > 0 ? x[at] : NAN, 100.0 * (double)(at + 1) / (double)n);
    }
    panel->positions = n;
    panel->most = fmax(panel->most, x[n - 1]);
    for (size_t i = 0; i < n; i++)
        if (x[i] > 0) {
            panel->least = fmin(panel->least, x[i]);
            break;
        }
    qb_free(x);
    return true;
}

/* Curves that are 0 at every position: the mean is. */
static void say_zeros(const struct qb_result *result, const struct qb_selection *s, const char *experiment,
                      struct qb_figure *figure)
{
    struct qb_text zeros = {0};
    for (size_t m = 0; m < s->model_count; m++)
        for (size_t v = 0; v < s->variant_count; v++) {
            const struct qb_value *x = qb_result_value(result, s->models[m], s->variants[v], experiment, "kl_mean");
            if (x && x->value == 0)
                qb_text_add(&zeros, "%s%s on %s", zeros.size ? "; " : "", qb_figure_label(s->variants[v]),
                            s->models[m]);
        }
    if (zeros.size)
        qb_text_add(&figure->caption, " Exactly 0 at every position, so without a curve: %s.", zeros.data);
    qb_text_free(&zeros);
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {"fp32-reordered",
                                         "fp16",
                                         "bf16",
                                         "int8-tensor",
                                         "int8-channel",
                                         "pattern-a",
                                         "legacy-asrun",
                                         "legacy",
                                         "calibrated",
                                         "calibrated-stored",
                                         NULL};
    struct qb_selection s;
    struct qb_text counts = {0};
    qb_select_text(result, wanted, QB_FIGURE_VARIANTS, &s);
    const char *experiment = s.experiment;
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no teacher-forced cell of a variant was run, nor one of kl");
    qb_figure_axes(figure, &s);
    qb_figure_curves(figure, &s);
    qb_figure_array(figure, "n", s.model_count);
    qb_figure_decade_arrays(figure, s.model_count);
    for (size_t m = 0; m < s.model_count; m++) {
        char n[64];
        struct panel panel = {.least = INFINITY};
        qb_figure_panel(result, figure, &s, m, experiment, "kl_mean", add_curve, &panel, err);
        qb_figure_decades(figure, m, panel.least, panel.most);
        snprintf(n, sizeof n, "%zu positions", panel.positions);
        qb_figure_set(figure, "n", m + 1, n);
        qb_text_add(&counts, "%s%s %s", m ? "; " : "", s.models[m], n);
    }
    qb_text_add(
        &figure->caption,
        "Divergence from FP32 on the same tokens (%s): share of positions (percent) whose KL(FP32 || "
        "variant) is at most the value on the x axis (nat, logarithmic; each panel has its own range; curves "
        "further left are closer to FP32). Lines without markers are floors: FP32 arithmetic in another order, FP16 "
        "and BF16 weights alone. Exact zeros count and are not drawn. n: %s. No interval: curves are empirical "
        "distributions.",
        experiment, counts.data ? counts.data : "");
    say_zeros(result, &s, experiment, figure);
    qb_figure_say_flagged(result, figure, &s, experiment, "kl_mean", QB_FLAG_DEGENERATE,
                          "Void, flagged degenerate (nearly uniform distributions, where a small KL says little)");
    qb_figure_say_flagged(result, figure, &s, experiment, "kl_mean", QB_FLAG_UNRESOLVED,
                          "Not resolved, mean KL within the arithmetic floor");
    qb_figure_end(result, figure, &s, experiment, "kl_mean");
    qb_text_free(&counts);
    return err->status;
}

const struct qb_figure_kind qb_figure_kl = {"kl", "KL divergence from FP32", fill};
