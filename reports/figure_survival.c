/* survival: share of prompts that still generate FP32's tokens after each step, by Kaplan and Meier, a panel a model.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "figure.h"
#include "metric/stats.h"

enum { ROWS = 250 };

struct shape {
    size_t prompts, steps;
};

/* Steps generated before the first that differs, or that equal logits decided (share under 1; NULL in files of older
 * programs); a prompt without one is censored at the last step. */
static void divergences(const struct qb_array *tokens, const struct qb_array *reference, const struct qb_array *share,
                        double *time, uint8_t *event)
{
    const int32_t *t = tokens->data, *r = reference->data;
    const double *earned = share && share->count == tokens->count ? share->data : NULL;
    size_t steps = tokens->dims[1];
    for (size_t p = 0; p < tokens->dims[0]; p++) {
        size_t s = 0;
        while (s < steps && t[p * steps + s] == r[p * steps + s] && (!earned || earned[p * steps + s] == 1))
            s++;
        event[p] = s < steps;
        time[p] = (double)(s < steps ? s + 1 : steps); /* the step at which it is seen to differ */
    }
}

/* The step function sampled at whole steps, at most about ROWS of them. */
static void add_rows(const struct qb_survival_step *steps, size_t count, size_t last, struct qb_figure *figure)
{
    size_t stride = 1 + last / ROWS, at = 0;
    double now[3] = {1, NAN, NAN}; /* before the first event there is no interval */
    qb_text_add(&figure->data, "# steps generated, prompts without a difference in %%, 95%% interval\n");
    for (size_t s = 0; s <= last; s++) {
        bool event = false;
        for (; at < count && steps[at].time <= (double)s; at++, event = true) {
            now[0] = steps[at].survival;
            now[1] = steps[at].lo;
            now[2] = steps[at].hi;
        }
        if (s % stride == 0 || event || s == last)
            qb_text_add(&figure->data, "%zu %.6g %.6g %.6g\n", s, 100 * now[0], 100 * now[1], 100 * now[2]);
    }
}

static bool add_curve(const struct qb_record *record, struct qb_figure *figure, void *context, struct qb_error *err)
{
    const struct qb_array *t = qb_record_get(record, "tokens", QB_I32, 2);
    const struct qb_array *r = qb_record_get(record, "reference_tokens", QB_I32, 2);
    if (!t || !r || t->count == 0 || r->count != t->count)
        return false;
    size_t n = t->dims[0];
    double *time = qb_alloc(n, sizeof *time, "divergence steps", err);
    uint8_t *event = qb_alloc(n, sizeof *event, "divergence events", err);
    struct qb_survival_step *steps = qb_alloc(n, sizeof *steps, "survival steps", err);
    bool ok = time && event && steps;
    if (ok) {
        divergences(t, r, qb_record_get(record, "match_share", QB_F64, 2), time, event);
        add_rows(steps, qb_kaplan_meier(time, event, n, steps), t->dims[1], figure);
        *(struct shape *)context = (struct shape){n, t->dims[1]};
    }
    qb_free(time);
    qb_free(event);
    qb_free(steps);
    return ok;
}

/* Prompts of a model's first cell that has them. */
static size_t prompts_of(const struct qb_result *result, const struct qb_selection *s, const char *model,
                         struct qb_error *err)
{
    size_t n = 0;
    for (size_t v = 0; v < s->variant_count && n == 0; v++) {
        struct qb_record record;
        if (qb_figure_record(result, model, s->variants[v], "greedy", &record, err)) {
            const struct qb_array *t = qb_record_get(&record, "tokens", QB_I32, 2);
            n = t ? t->dims[0] : 0;
        }
        qb_record_free(&record);
    }
    return n;
}

static void fill_panels(const struct qb_result *result, const struct qb_selection *s, struct qb_figure *figure,
                        struct qb_text *counts, struct qb_error *err)
{
    qb_figure_axes(figure, s);
    qb_figure_curves(figure, s);
    qb_figure_array(figure, "n", s->model_count);
    qb_figure_array(figure, "steps", s->model_count);
    for (size_t m = 0; m < s->model_count; m++) {
        struct shape shape = {0};
        char n[64];
        qb_figure_panel(result, figure, s, m, "greedy", "match_rate", add_curve, &shape, err);
        snprintf(n, sizeof n, "%zu prompts", shape.prompts);
        qb_figure_set(figure, "n", m + 1, n);
        qb_figure_set_number(figure, "steps", m + 1, shape.steps ? (double)shape.steps : 1);
        qb_text_add(counts, "%s%s %s of %zu steps", m ? "; " : "", s->models[m], n, shape.steps);
    }
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {"fp32-reordered",        "fp16",      "bf16",   "int8-tensor",
                                         "int8-channel",          "pattern-a", "legacy", "calibrated",
                                         "calibrated-range-kept", NULL};
    struct qb_selection s;
    struct qb_text counts = {0};
    qb_select(result, "greedy", wanted, QB_FIGURE_VARIANTS, &s);
    for (size_t m = s.model_count; m-- > 0;)
        if (prompts_of(result, &s, s.models[m], err) < 2)
            qb_selection_drop(&s, m, "one prompt");
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing,
                 "no greedy cell with several prompts was run: a survival curve is over prompts");
    fill_panels(result, &s, figure, &counts, err);
    qb_text_add(
        &figure->caption,
        "Divergence from FP32 in free-running greedy generation: share of prompts (percent) whose first tokens, up to "
        "each step, all equal the FP32 reference's. Kaplan-Meier curves; a prompt that never diverges is censored at "
        "the last step; bands: pointwise 95%% log-log intervals over prompts, from the first divergence on. Lines "
        "without markers and band are floors: FP32 arithmetic in another order, FP16 and BF16 weights alone. n: %s.",
        counts.data ? counts.data : "");
    qb_figure_say_flagged(result, figure, &s, "greedy", "match_rate", QB_FLAG_DEGENERATE,
                          "Void, flagged degenerate (a run loops, repeats few tokens, is nearly uniform, or its top "
                          "tokens lie closer than FP32 arithmetic can tell), drawn without band");
    qb_figure_end(result, figure, &s, "greedy", "match_rate");
    qb_text_free(&counts);
    return err->status;
}

const struct qb_figure_kind qb_figure_survival = {"survival", "Prompts that have not diverged", fill};
