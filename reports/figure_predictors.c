/* predictors: mean KL from FP32 against what experiment `predict` says of a format's error, a panel a predictor and a
 * point a format, with each model's rank correlation and least-squares line. scripts/predictors.py computes the same
 * from the file's arrays. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "figure.h"
#include "metric/correlation.h"

enum { PREDICTORS = 4, FEWEST = 5 }; /* fewer formats than that have no rank correlation to speak of */
static const struct {
    const char *metric, *title;
    bool rms; /* a root of mean squares, not a ratio in dB */
} predictors[PREDICTORS] = {{"weight_sqnr_db", "SQNR, mean over matrices", false},
                            {"relative_rms", "relative error", true},
                            {"weighted_sqnr_db", "error weighted by inputs", false},
                            {"output_sqnr_db", "error of products", false}};

struct format {
    const char *variant;
    double kl, x[PREDICTORS]; /* nat; dB: signal over error */
};

struct points {
    struct format *formats; /* by name, which is the order that the bootstrap draws from */
    size_t count, left_out;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct format *)a)->variant, ((const struct format *)b)->variant);
}

static const struct qb_value *value_of(const struct qb_result *result, const char *model, const char *variant,
                                       const char *experiment, const char *metric)
{
    const struct qb_value *value = qb_result_value(result, model, variant, experiment, metric);
    return value && !(value->flags & QB_FLAG_ABSENT) ? value : NULL;
}

/* The formats with cells of kl and predict; those without a KL, without an error, or whose KL is flagged degenerate or
 * contaminated, are counted alone. */
static enum qb_status collect(const struct qb_result *result, const char *model, struct points *p, struct qb_error *err)
{
    *p = (struct points){.formats = qb_alloc(qb_result_count(result) + 1, sizeof *p->formats, "points", err)};
    for (size_t i = 0; p->formats && i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        const struct qb_value *kl;
        struct format f = {.variant = cell->variant};
        bool good = true;
        if (strcmp(cell->model, model) != 0 || strcmp(cell->experiment, "predict") != 0 ||
            !(kl = value_of(result, model, cell->variant, "kl", "kl_mean")))
            continue;
        f.kl = kl->value;
        for (size_t k = 0; k < PREDICTORS; k++) {
            const struct qb_value *x = value_of(result, model, cell->variant, "predict", predictors[k].metric);
            f.x[k] = !x ? NAN : predictors[k].rms ? -20 * log10(x->value) : x->value;
            good = good && isfinite(f.x[k]);
        }
        good = good && f.kl > 0 && isfinite(f.kl) && !(kl->flags & (QB_FLAG_DEGENERATE | QB_FLAG_CONTAMINATED));
        if (good)
            p->formats[p->count++] = f;
        else
            p->left_out++;
    }
    if (p->count > 1)
        qsort(p->formats, p->count, sizeof *p->formats, by_name);
    return err->status;
}

/* Panel k, model m: a block of points and one of the line's two ends; the label. Correlation is of error and KL, so
 * that 1 is a predictor that orders the formats as KL does. */
static enum qb_status add_curve(const struct points *p, const char *model, size_t k, size_t at,
                                struct qb_figure *figure, struct qb_error *err)
{
    double *x = qb_alloc(p->count, sizeof *x, "errors", err), *y = qb_alloc(p->count, sizeof *y, "KLs", err);
    double rho = NAN, lo = NAN, hi = NAN, least = INFINITY, most = -INFINITY;
    char label[160];
    if (!x || !y)
        goto out;
    qb_figure_block(figure, predictors[k].title);
    qb_text_add(&figure->data, "# %s: signal over error in dB, mean KL in nat, variant\n", model);
    for (size_t i = 0; i < p->count; i++) {
        const struct format *f = &p->formats[i];
        qb_text_add(&figure->data, "%.6g %.6g %s\n", f->x[k], f->kl, f->variant);
        x[i] = -f->x[k] / 10; /* log10 of the error's power over the signal's */
        y[i] = log10(f->kl);
        least = fmin(least, f->x[k]);
        most = fmax(most, f->x[k]);
    }
    if (qb_spearman(x, y, p->count, &rho, err) || qb_spearman_interval(x, y, p->count, &lo, &hi, err))
        goto out;
    const struct qb_line line = qb_least_squares(x, y, p->count);
    qb_figure_block(figure, "its line");
    qb_text_add(&figure->data, "%.6g %.6g\n%.6g %.6g\n", least, pow(10, line.a - line.b * least / 10), most,
                pow(10, line.a - line.b * most / 10));
    snprintf(label, sizeof label, "%.3f [%.3f, %.3f]", rho, lo, hi);
    qb_figure_set(figure, "ranks", at + 1, label);
    qb_text_add(&figure->caption, " %s: %s, slope %.2f, a format left out is missed by a factor of %.2f;", model, label,
                line.b, pow(10, line.left_out));
out:
    qb_free(x);
    qb_free(y);
    return err->status;
}

static enum qb_status add_panels(const struct points *points, const struct qb_selection *s, struct qb_figure *figure,
                                 struct qb_error *err)
{
    double least = INFINITY, most = 0;
    size_t left_out = 0;
    for (size_t m = 0; m < s->model_count; m++) {
        left_out += points[m].left_out;
        for (size_t i = 0; i < points[m].count; i++) {
            least = fmin(least, points[m].formats[i].kl);
            most = fmax(most, points[m].formats[i].kl);
        }
    }
    qb_figure_axes(figure, s);
    qb_figure_array(figure, "ranks", PREDICTORS * s->model_count);
    qb_figure_array(figure, "panels", PREDICTORS);
    qb_figure_decade_arrays(figure, 1);
    qb_figure_decades(figure, 0, 0.9 * least, 1.1 * most);
    qb_text_add(&figure->caption,
                "Mean KL(FP32 || variant) (nat, logarithmic) of every format against what its error "
                "on the weights alone says of it, as signal over error in dB. In each panel: "
                "Spearman's rank correlation of error and KL over formats, with its 95%% bootstrap "
                "interval over formats (1999 draws, percentiles), which takes formats for independent "
                "ones. Lines: log10 KL by least squares on log10 of the error's power; slope 1 is a KL "
                "that grows as the power.");
    for (size_t k = 0; k < PREDICTORS && !err->status; k++) {
        qb_figure_set(figure, "panels", k + 1, predictors[k].title);
        qb_text_add(&figure->caption, " %c%s:", toupper((unsigned char)predictors[k].title[0]),
                    predictors[k].title + 1);
        for (size_t m = 0; m < s->model_count && !err->status; m++)
            add_curve(&points[m], s->models[m], k, k * s->model_count + m, figure, err);
    }
    for (size_t m = 0; m < s->model_count; m++)
        qb_text_add(&figure->caption, "%s%zu formats on %s", m ? ", " : " ", points[m].count, s->models[m]);
    qb_text_add(&figure->caption, ".");
    if (left_out)
        qb_text_add(&figure->caption, " Left out, without KL or error, or flagged: %zu.", left_out);
    return err->status;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    struct points points[QB_FIGURE_MODELS] = {0}, of_model;
    struct qb_selection s = {.experiment = "kl"};
    for (size_t at = 0; at < qb_result_count(result); at++) {
        const char *model = qb_result_cell(result, at)->model;
        if (!qb_figure_begins_model(result, at))
            continue;
        if (collect(result, model, &of_model, err) || of_model.count < FEWEST || s.model_count == QB_FIGURE_MODELS) {
            if (of_model.count + of_model.left_out > 0)
                qb_selection_lacks(&s, model,
                                   of_model.count < FEWEST ? "too few formats with KL and error"
                                                           : "there are too many models");
            qb_free(of_model.formats);
            if (err->status)
                break;
        } else {
            points[s.model_count] = of_model;
            s.models[s.model_count++] = model;
        }
    }
    if (!err->status && s.model_count == 0)
        snprintf(figure->missing, sizeof figure->missing,
                 "no model has cells of kl and predict, with a KL and an error, of %d formats or more", FEWEST);
    else if (!err->status)
        add_panels(points, &s, figure, err);
    qb_selection_end(&s, figure);
    for (size_t m = 0; m < QB_FIGURE_MODELS; m++)
        qb_free(points[m].formats);
    return err->status;
}

const struct qb_figure_kind qb_figure_predictors = {"predictors", "KL divergence against the error of weights", fill};
