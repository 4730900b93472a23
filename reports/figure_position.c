/* position: mean KL from FP32 by how far into the context a position is, over the KV cache, a panel a model. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RANGES = 16 }; /* of positions, each twice as long as the one before: [0, 1), [1, 2), [2, 4), ... [16384, ... */

struct panel {
    size_t positions, chunks;
    double least, most; /* means drawn */
    double last;        /* middle of the last range */
};

static size_t range_of(int32_t position)
{
    size_t r = 0;
    for (; position > 0 && r + 1 < RANGES; position >>= 1)
        r++;
    return r;
}

/* *context: the struct panel. */
static bool add_curve(const struct qb_record *record, struct qb_figure *figure, void *context, struct qb_error *err)
{
    const struct qb_array *kl = qb_record_get(record, "kl", QB_F64, 1);
    const struct qb_array *position = qb_record_get(record, "position", QB_I32, 1);
    const struct qb_array *chunk = qb_record_get(record, "chunk", QB_I32, 1);
    struct panel *panel = context;
    double sum[RANGES] = {0}, at[RANGES] = {0};
    size_t count[RANGES] = {0};
    (void)err;
    if (!kl || !position || !chunk || kl->count == 0 || position->count != kl->count || chunk->count != kl->count)
        return false;
    panel->positions = kl->count;
    panel->chunks = 1;
    for (size_t i = 0; i < kl->count; i++) {
        const int32_t p = ((const int32_t *)position->data)[i];
        const size_t r = range_of(p);
        sum[r] += ((const double *)kl->data)[i];
        at[r] += p;
        count[r]++;
        panel->chunks += i > 0 && ((const int32_t *)chunk->data)[i] != ((const int32_t *)chunk->data)[i - 1];
    }
    qb_text_add(&figure->data, "# mean position (from 0) of a range, mean KL in nat\n");
    for (size_t r = 0; r < RANGES; r++) {
        const double mean = sum[r] / (double)count[r], x = at[r] / (double)count[r];
        if (count[r] == 0 || r == 0) /* position 0 attends to itself alone, and has no place on the axis */
            continue;
        if (mean > 0) {
            panel->least = fmin(panel->least, mean);
            panel->most = fmax(panel->most, mean);
        }
        panel->last = fmax(panel->last, x);
        qb_text_add(&figure->data, "%.6g %.6g\n", x, mean > 0 ? mean : NAN);
    }
    return true;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    struct qb_selection s;
    struct qb_text counts = {0};
    qb_select(result, "kv", qb_figure_caches, QB_FIGURE_VARIANTS, &s);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no kv cell of a variant was run");
    qb_figure_axes(figure, &s);
    qb_figure_curves(figure, &s);
    qb_figure_array(figure, "n", s.model_count);
    qb_figure_array(figure, "last", s.model_count);
    qb_figure_decade_arrays(figure, s.model_count);
    for (size_t m = 0; m < s.model_count; m++) {
        struct panel panel = {.least = INFINITY, .last = 2};
        char n[64];
        qb_figure_panel(result, figure, &s, m, "kv", "kl_mean", add_curve, &panel, err);
        snprintf(n, sizeof n, "%zu positions", panel.positions);
        qb_figure_set(figure, "n", m + 1, n);
        qb_figure_set_number(figure, "last", m + 1, panel.last);
        qb_figure_decades(figure, m, panel.least, panel.most);
        qb_text_add(&counts, "%s%s %s of %zu chunk%s", m ? "; " : "", s.models[m], n, panel.chunks,
                    panel.chunks == 1 ? "" : "s");
    }
    qb_text_add(&figure->caption,
                "How the loss of a KV cache grows along a context: mean KL(FP32 || variant) in nat (logarithmic) over "
                "positions [1, 2), [2, 4), [4, 8) and so on of every chunk, at their mean position (logarithmic). "
                "Means without intervals: neighbouring positions see the same keys and values. A mean of 0 is not "
                "drawn. n: %s.",
                counts.data ? counts.data : "");
    qb_figure_say_flagged(result, figure, &s, "kv", "kl_mean", QB_FLAG_DEGENERATE, "Void, flagged degenerate");
    qb_figure_end(result, figure, &s, "kv", "kl_mean");
    qb_text_free(&counts);
    return err->status;
}

const struct qb_figure_kind qb_figure_position = {"position", "KL divergence along a context", fill};
