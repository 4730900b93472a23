/* codes: how often each code value occurs in the encoded weights, a row a format, a column a model. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 2, ROWS = 4 };

static void add_panel(const struct qb_record *record, const char *name, struct qb_figure *figure, size_t panel,
                      const char *title)
{
    const struct qb_array *value = qb_record_get(record, "code_value", QB_F32, 1);
    const struct qb_array *count = qb_record_get(record, "code_count", QB_I64, 1);
    double total = 0, largest = 0;
    char text[64];
    size_t n = value && count && value->count == count->count ? value->count : 0, used = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t c = ((const int64_t *)count->data)[i];
        total += (double)c;
        used += c > 0;
        if (c > 0)
            largest = fmax(largest, fabs((double)((const float *)value->data)[i]));
    }
    qb_figure_block(figure, name);
    qb_text_add(&figure->data, "# code as a share of the largest, share of the weights in %%\n");
    for (size_t i = 0; i < n && largest > 0; i++)
        qb_text_add(&figure->data, "%.6g %.6g\n", (double)((const float *)value->data)[i] / largest,
                    100 * (double)((const int64_t *)count->data)[i] / total);
    if (n == 0 || largest <= 0)
        qb_text_add(&figure->data, "0 nan\n");
    snprintf(text, sizeof text, n ? "%zu codes used" : "no codes", used);
    qb_figure_set(figure, "titles", panel, title);
    qb_figure_set(figure, "counts", panel, text);
}

/* The models to show: the published one and a trained one when both are there, else the first two. */
static void choose_models(struct qb_selection *s)
{
    static const char *const first[] = {"source-transformer", "kjv-transformer"};
    for (size_t k = 0; k < 2; k++)
        for (size_t m = k; m < s->model_count; m++)
            if (strcmp(s->models[m], first[k]) == 0) {
                const char *swap = s->models[k];
                s->models[k] = s->models[m];
                s->models[m] = swap;
            }
    for (; s->model_count > COLUMNS; s->model_count--)
        qb_text_add(&s->left_out, "%smodel %s", s->left_out.size ? ", " : "", s->models[s->model_count - 1]);
}

/* Block formats have no codes to count. */
static bool has_codes(const struct qb_result *result, const struct qb_selection *s, const char *variant,
                      struct qb_error *err)
{
    bool found = false;
    for (size_t m = 0; m < s->model_count && !found; m++) {
        struct qb_record record;
        const struct qb_array *value = qb_figure_record(result, s->models[m], variant, "roundtrip", &record, err)
                                           ? qb_record_get(&record, "code_value", QB_F32, 1)
                                           : NULL;
        found = value && value->count > 0;
        qb_record_free(&record);
    }
    return found;
}

/* The first variants with codes, as many as there are rows. */
static void choose_variants(const struct qb_result *result, struct qb_selection *s, struct qb_error *err)
{
    size_t kept = 0;
    for (size_t v = 0; v < s->variant_count; v++) {
        const bool codes = has_codes(result, s, s->variants[v], err);
        if (codes && kept < ROWS)
            s->variants[kept++] = s->variants[v];
        else
            qb_text_add(&s->left_out, "%s%s%s", s->left_out.size ? ", " : "", s->variants[v],
                        codes ? "" : " (no codes)");
    }
    s->variant_count = kept;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {"pattern-a", "int8-tensor", "int8-channel", NULL};
    struct qb_selection s;
    qb_select(result, "roundtrip", wanted, QB_FIGURE_VARIANTS, &s);
    const bool run = s.model_count && s.variant_count;
    choose_variants(result, &s, err);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing,
                 run ? "no roundtrip cell of a codec with codes was run" : "no roundtrip cell was run");
    choose_models(&s);
    figure->width = s.model_count == 1 ? QB_FIGURE_NARROW : QB_FIGURE_WIDE;
    qb_figure_axes(figure, &s);
    qb_figure_array(figure, "titles", s.model_count * s.variant_count);
    qb_figure_array(figure, "counts", s.model_count * s.variant_count);
    for (size_t v = 0; v < s.variant_count; v++)
        for (size_t m = 0; m < s.model_count; m++) {
            struct qb_record record;
            char title[2 * QB_FIGURE_NAME + 4], model[QB_FIGURE_NAME], label[QB_FIGURE_NAME];
            qb_figure_short(figure, qb_figure_label(s.variants[v]), QB_FIGURE_VARIANT_CHARS, label);
            qb_figure_short(figure, s.models[m], QB_FIGURE_MODEL_CHARS, model);
            snprintf(title, sizeof title, "%s, %s", label, model);
            qb_figure_record(result, s.models[m], s.variants[v], "roundtrip", &record, err);
            add_panel(&record, title, figure, v * s.model_count + m + 1, title);
            qb_record_free(&record);
        }
    qb_text_add(
        &figure->caption,
        "How the formats spend their codes: share of the encoded weights (percent) that each code value takes, over "
        "all encoded matrices; codes are scaled to the largest. A QINS code is the sign times the stored value, "
        "and the stored value falls as the weight grows: weights near 0 lie at the two ends, the largest weights in "
        "the middle. n: all weights of the encoded matrices.");
    qb_selection_end(&s, figure);
    return err->status;
}

const struct qb_figure_kind qb_figure_codes = {"codes", "How the formats spend their codes", fill};
