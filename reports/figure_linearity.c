/* linearity: additivity and homogeneity in multiples of the codec's own rounding noise, in values and on codes. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

#define THRESHOLD 3.0 /* as the metric is_linear has it */

/* Median, 5% and 95% of error / noise over trials; NaN when the record lacks them. A ratio of 0 (a lossless codec) has
 * no place on the logarithmic axis and is drawn at the edge; one that is infinite (an error where the codec has no
 * rounding) is not drawn, and counted in *infinite. */
static void add_ratio(const struct qb_record *record, const char *error, const char *noise, struct qb_figure *figure,
                      size_t *trials, size_t *infinite, struct qb_error *err)
{
    const struct qb_array *e = qb_record_get(record, error, QB_F64, 1), *u = qb_record_get(record, noise, QB_F64, 1);
    double *x = e && u && e->count == u->count && e->count ? qb_alloc(e->count, sizeof *x, "ratios", err) : NULL;
    if (!x) {
        qb_text_add(&figure->data, " nan nan nan");
        return;
    }
    size_t n = *trials = e->count;
    for (size_t i = 0; i < n; i++) {
        double a = ((const double *)e->data)[i], b = ((const double *)u->data)[i];
        x[i] = fmax(a > 0 ? a / b : 0, 0.01);
    }
    qb_sort(x, n);
    const double points[] = {x[n / 2], x[n / 20], x[n - 1 - n / 20]};
    *infinite += isinf(points[0]) != 0;
    for (size_t k = 0; k < 3; k++)
        qb_text_add(&figure->data, " %.6g", isinf(points[0]) || isinf(points[k]) ? NAN : points[k]);
    qb_free(x);
}

/* The first model that has this variant's cell: the inputs are random vectors, the same for every model. */
static bool any_record(const struct qb_result *result, const struct qb_selection *s, const char *variant,
                       struct qb_record *record, struct qb_error *err)
{
    for (size_t m = 0; m < s->model_count; m++)
        if (qb_figure_record(result, s->models[m], variant, "linearity", record, err))
            return true;
    *record = (struct qb_record){0};
    return false;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {"fp16", "bf16", "int8-tensor", "pattern-a", NULL};
    struct qb_selection s;
    size_t trials = 0, infinite = 0;
    qb_select(result, "linearity", wanted, QB_FIGURE_VARIANTS, &s);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no linearity cell was run");
    qb_figure_axes(figure, &s);
    qb_figure_number(figure, "threshold", THRESHOLD);
    qb_figure_block(figure, "ratios to the codec's rounding noise");
    qb_text_add(&figure->data, "# row, then median, 5%%, 95%% over trials of: additivity in values, homogeneity in "
                               "values, additivity on codes, homogeneity on codes\n");
    for (size_t v = 0; v < s.variant_count; v++) {
        struct qb_record record;
        if (!any_record(result, &s, s.variants[v], &record, err))
            continue;
        qb_text_add(&figure->data, "%zu", v + 1);
        add_ratio(&record, "additivity_error", "rounding_noise", figure, &trials, &infinite, err);
        add_ratio(&record, "homogeneity_error", "rounding_noise", figure, &trials, &infinite, err);
        add_ratio(&record, "coord_additivity_error", "coord_rounding_noise", figure, &trials, &infinite, err);
        add_ratio(&record, "coord_homogeneity_error", "coord_rounding_noise", figure, &trials, &infinite, err);
        qb_text_add(&figure->data, "\n");
        qb_record_free(&record);
    }
    qb_text_add(
        &figure->caption,
        "Linearity of a format against its own rounding: |Q(x+y) - Q(x) - Q(y)| (additivity) and |Q(ax) - aQ(x)| "
        "(homogeneity), each over the rounding noise of the vectors involved (no unit, logarithmic). Left: on "
        "decoded values. Right: on the bare codes, the best linear map from codes to values taken out. Dashed: the "
        "bound of %g times the rounding up to which a format counts as linear. Points are medians, bars 5%% to "
        "95%% of n = %zu pairs of random vectors. A format without codes has no point on the right; ratios under "
        "0.01 are drawn at 0.01. Variants of the same format are left out.",
        THRESHOLD, trials);
    if (infinite)
        qb_text_add(&figure->caption, " Not drawn: %zu infinite median%s, an error where the format does not round.",
                    infinite, infinite == 1 ? "" : "s");
    qb_text_free(&s.left_out);
    return err->status;
}

const struct qb_figure_kind qb_figure_linearity = {"linearity", "Linearity against rounding", fill};
