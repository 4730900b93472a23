/* match: the share of equal tokens up to each step of free-running greedy generation, a panel a model. */
#include "figure.h"

#include <stdio.h>
#include <string.h>

/* One curve: mean over prompts of the cumulative match, steps about evenly on a logarithmic axis. *context: the
 * panel's prompts and steps. */
static bool add_curve(const struct qb_record *record, struct qb_figure *figure, void *context, struct qb_error *err)
{
    const struct qb_array *t = qb_record_get(record, "tokens", QB_I32, 2);
    const struct qb_array *r = qb_record_get(record, "reference_tokens", QB_I32, 2);
    const struct qb_array *share = qb_record_get(record, "match_share", QB_F64, 2);
    size_t *shape = context, next = 1;
    double equal = 0;
    (void)err;
    if (!t || !r || t->count == 0 || r->count != t->count)
        return false;
    size_t prompts = shape[0] = t->dims[0], steps = shape[1] = t->dims[1];
    const int32_t *tokens = t->data, *reference = r->data;
    const double *earned = share && share->count == t->count ? share->data : NULL; /* less where logits were equal */
    qb_text_add(&figure->data, "# step (from 1), tokens equal so far in %%\n");
    for (size_t s = 0; s < steps; s++) {
        for (size_t p = 0; p < prompts; p++) {
            size_t at = p * steps + s;
            equal += tokens[at] != reference[at] ? 0 : earned ? earned[at] : 1;
        }
        if (s + 1 < next && s + 1 != steps)
            continue;
        next = s + 2 > (s + 1) * 106 / 100 ? s + 2 : (s + 1) * 106 / 100;
        qb_text_add(&figure->data, "%zu %.6g\n", s + 1, 100.0 * equal / (double)((s + 1) * prompts));
    }
    return true;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {
        "fp32-reordered", "fp16",   "bf16",       "int8-tensor",           "int8-channel",     "pattern-a",
        "legacy-asrun",   "legacy", "calibrated", "calibrated-range-kept", "calibrated-asrun", NULL};
    struct qb_selection s;
    struct qb_text counts = {0};
    qb_select(result, "greedy", wanted, QB_FIGURE_VARIANTS, &s);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no greedy cell of a variant was run");
    qb_figure_axes(figure, &s);
    qb_figure_curves(figure, &s);
    qb_figure_array(figure, "n", s.model_count);
    qb_figure_array(figure, "steps", s.model_count);
    for (size_t m = 0; m < s.model_count; m++) {
        size_t shape[2] = {0, 0}; /* prompts, steps */
        char n[64];
        qb_figure_panel(result, figure, &s, m, "greedy", "match_rate", add_curve, shape, err);
        snprintf(n, sizeof n, "%zu prompt%s x %zu steps", shape[0], shape[0] == 1 ? "" : "s", shape[1]);
        qb_figure_set(figure, "n", m + 1, n);
        qb_figure_set_number(figure, "steps", m + 1, shape[1] > 1 ? (double)shape[1] : 2);
        qb_text_add(&counts, "%s%s %s", m ? "; " : "", s.models[m], n);
    }
    qb_text_add(
        &figure->caption,
        "Greedy match over steps: share of generated tokens, up to each step, that equal the FP32 reference's at "
        "the same step (percent; mean over prompts). Each arm generates on its own sequence, so that one "
        "token that differs leads it elsewhere; the curve shows when that happened, not how large the error was. "
        "Lines without markers are floors: FP32 arithmetic in another order, FP16 and BF16 weights alone. "
        "n: %s. No interval is drawn here; the survival figure has them.",
        counts.data ? counts.data : "");
    qb_figure_say_flagged(result, figure, &s, "greedy", "match_rate", QB_FLAG_DEGENERATE,
                          "Void, flagged degenerate (a run loops, repeats few tokens, is nearly uniform, or its top "
                          "tokens lie closer than FP32 arithmetic can tell)");
    qb_figure_end(result, figure, &s, "greedy", "match_rate");
    qb_text_free(&counts);
    return err->status;
}

const struct qb_figure_kind qb_figure_match = {"match", "Greedy match over steps", fill};
