/* match: the share of equal tokens up to each step of free-running greedy generation, a panel a model. */
#include "figure.h"

#include <stdio.h>
#include <string.h>

/* One curve: mean over prompts of the cumulative match, steps thinned to at most 250 of the later ones. */
static bool add_curve(const struct qb_record *record, const char *name, struct qb_figure *figure, size_t *prompts,
                      size_t *steps)
{
    const struct qb_array *t = qb_record_get(record, "tokens", QB_I32, 2);
    const struct qb_array *r = qb_record_get(record, "reference_tokens", QB_I32, 2);
    if (!t || !r || t->count == 0 || r->count != t->count)
        return false;
    *prompts = t->dims[0];
    *steps = t->dims[1];
    const int32_t *tokens = t->data, *reference = r->data;
    size_t equal = 0;
    qb_figure_block(figure, name);
    qb_text_add(&figure->data, "# step (from 1), tokens equal so far in %%\n");
    for (size_t s = 0; s < *steps; s++) {
        for (size_t p = 0; p < *prompts; p++)
            equal += tokens[p * *steps + s] == reference[p * *steps + s];
        size_t stride = s < 100 ? 1 : 1 + *steps / 250;
        if (s % stride == 0 || s + 1 == *steps)
            qb_text_add(&figure->data, "%zu %.6g\n", s + 1, 100.0 * (double)equal / (double)((s + 1) * *prompts));
    }
    return true;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {
        "fp16",   "int8-tensor",           "int8-channel",     "pattern-a", "legacy-asrun",
        "legacy", "calibrated-range-kept", "calibrated-asrun", NULL};
    struct qb_selection s;
    struct qb_text counts = {0}, degenerate = {0};
    qb_select(result, "greedy", wanted, QB_FIGURE_VARIANTS, &s);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no greedy cell of a variant was run");
    qb_figure_axes(figure, &s);
    qb_figure_array(figure, "n", s.model_count);
    qb_figure_array(figure, "steps", s.model_count);
    for (size_t m = 0; m < s.model_count; m++) {
        size_t prompts = 0, steps = 0;
        for (size_t v = 0; v < s.variant_count; v++) {
            struct qb_record record;
            char name[256];
            snprintf(name, sizeof name, "%s %s", s.models[m], s.variants[v]);
            bool there = qb_figure_record(result, s.models[m], s.variants[v], "greedy", &record, err);
            if (!there || !add_curve(&record, name, figure, &prompts, &steps)) {
                qb_figure_block(figure, name);
                qb_text_add(&figure->data, "1 nan\n");
            }
            qb_record_free(&record);
        }
        char n[64];
        snprintf(n, sizeof n, "%zu prompt%s x %zu steps", prompts, prompts == 1 ? "" : "s", steps);
        qb_figure_set(figure, "n", m + 1, n);
        qb_figure_set_number(figure, "steps", m + 1, steps > 1 ? (double)steps : 2);
        qb_text_add(&counts, "%s%s %s", m ? "; " : "", s.models[m], n);
    }
    qb_text_add(
        &figure->caption,
        "Greedy match over steps: share of generated tokens, up to each step, that equal the FP32 reference's at "
        "the same step (percent; mean over prompts). Each arm generates on its own sequence, so that one "
        "token that differs leads it elsewhere; the curve shows when that happened, not how large the error was. "
        "n: %s.",
        counts.data ? counts.data : "");
    qb_figure_degenerates(result, &s, "greedy", "match_rate", &degenerate);
    if (degenerate.size)
        qb_text_add(&figure->caption,
                    " Flagged degenerate (the reference loops, repeats few tokens, or is nearly "
                    "uniform): %s.",
                    degenerate.data);
    qb_selection_end(&s, figure);
    qb_text_free(&counts);
    qb_text_free(&degenerate);
    return err->status;
}

const struct qb_figure_kind qb_figure_match = {"match", "Greedy match over steps", fill};
