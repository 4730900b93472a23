/* kl: distribution of KL(reference || variant) over positions, teacher-forced, a panel a model. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

enum { POINTS = 200 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One curve: quantiles of KL, at most POINTS of them, the largest included. Exact zeros have no logarithm: they count
 * and are not drawn. */
static bool add_curve(const struct qb_record *record, const char *name, struct qb_figure *figure, size_t *positions,
                      struct qb_text *zeros, struct qb_error *err)
{
    const struct qb_array *kl = qb_record_get(record, "kl", QB_F64, 1);
    if (!kl || kl->count == 0)
        return false;
    size_t n = kl->count, points = n < POINTS ? n : POINTS;
    double *x = qb_alloc(n, sizeof *x, "sorted divergences", err);
    if (!x)
        return false;
    memcpy(x, kl->data, n * sizeof *x);
    qsort(x, n, sizeof *x, by_value);
    qb_figure_block(figure, name);
    qb_text_add(&figure->data, "# KL in nat, positions with at most this KL in %%\n");
    for (size_t i = 1; i <= points; i++) {
        size_t at = i * n / points - 1;
        qb_text_add(&figure->data, "%.6g %.6g\n", x[at] > 0 ? x[at] : NAN, 100.0 * (double)(at + 1) / (double)n);
    }
    if (!(x[n - 1] > 0))
        qb_text_add(zeros, "%s%s", zeros->size ? ", " : "", name);
    *positions = n;
    qb_free(x);
    return true;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {
        "fp16", "bf16", "int8-tensor", "int8-channel", "pattern-a", "legacy-asrun", "legacy", "calibrated", NULL};
    struct qb_selection s;
    struct qb_text counts = {0}, degenerate = {0}, zeros = {0};
    qb_select(result, "teacher-forced", wanted, QB_FIGURE_VARIANTS, &s);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no teacher-forced cell of a variant was run");
    qb_figure_axes(figure, &s);
    qb_figure_array(figure, "n", s.model_count);
    for (size_t m = 0; m < s.model_count; m++) {
        size_t positions = 0;
        for (size_t v = 0; v < s.variant_count; v++) {
            struct qb_record record;
            char name[256];
            snprintf(name, sizeof name, "%s %s", s.models[m], s.variants[v]);
            bool there = qb_figure_record(result, s.models[m], s.variants[v], "teacher-forced", &record, err);
            if (!there || !add_curve(&record, name, figure, &positions, &zeros, err)) {
                qb_figure_block(figure, name);
                qb_text_add(&figure->data, "1 nan\n");
            }
            qb_record_free(&record);
        }
        char n[64];
        snprintf(n, sizeof n, "%zu positions", positions);
        qb_figure_set(figure, "n", m + 1, n);
        qb_text_add(&counts, "%s%s %s", m ? "; " : "", s.models[m], n);
    }
    qb_text_add(
        &figure->caption,
        "Divergence from FP32 on the same tokens (teacher-forced): share of positions (percent) whose KL(FP32 || "
        "variant) is at most the value on the x axis (nat, logarithmic; each panel has its own range; curves "
        "further left are closer to FP32). Exact zeros count and are not drawn. "
        "n: %s.",
        counts.data ? counts.data : "");
    qb_figure_degenerates(result, &s, "teacher-forced", "kl_mean", &degenerate);
    if (degenerate.size)
        qb_text_add(&figure->caption,
                    " Flagged degenerate (nearly uniform distributions, where a small KL says "
                    "little): %s.",
                    degenerate.data);
    if (zeros.size)
        qb_text_add(&figure->caption, " Exactly 0 at every position: %s.", zeros.data);
    qb_selection_end(&s, figure);
    qb_text_free(&counts);
    qb_text_free(&degenerate);
    qb_text_free(&zeros);
    return err->status;
}

const struct qb_figure_kind qb_figure_kl = {"kl", "KL divergence from FP32", fill};
