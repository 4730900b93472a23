/* growth: memory along a generation, resident set and what is counted of it, a panel a model. */
#include "figure.h"

#include <math.h>
#include <stdio.h>

#define MIB 1048576.0

struct panel {
    double last, most; /* position; MiB */
    size_t samples;
};

/* *context: the struct panel. Rows of position, resident set, and counted: weights, cache, working memory. */
static bool add_curve(const struct qb_record *record, struct qb_figure *figure, void *context, struct qb_error *err)
{
    static const char *const names[] = {"generation_position", "generation_rss", "generation_weight_bytes",
                                        "generation_cache_bytes", "generation_scratch_bytes"};
    enum { POSITION, RSS, WEIGHTS, CACHE, SCRATCH, ARRAYS };
    const int64_t *x[ARRAYS];
    struct panel *panel = context;
    size_t n = 0;
    (void)err;
    for (size_t i = 0; i < ARRAYS; i++) {
        const struct qb_array *array = qb_record_get(record, names[i], QB_I64, 1);
        if (!array || array->count == 0 || (i > 0 && array->count != n))
            return false;
        n = array->count;
        x[i] = array->data;
    }
    panel->samples = n;
    qb_text_add(&figure->data, "# positions in the cache; resident set, counted, in MiB\n");
    for (size_t i = 0; i < n; i++) {
        const double rss = x[RSS][i] > 0 ? (double)x[RSS][i] / MIB : NAN; /* 0: the system did not tell */
        const double counted = ((double)x[WEIGHTS][i] + (double)x[CACHE][i] + (double)x[SCRATCH][i]) / MIB;
        panel->last = fmax(panel->last, (double)x[POSITION][i]);
        panel->most = fmax(panel->most, fmax(rss, counted));
        qb_text_add(&figure->data, "%lld %.6g %.6g\n", (long long)x[POSITION][i], rss, counted);
    }
    return true;
}

/* Has a variant of the model a generation? */
static bool was_generated(const struct qb_result *result, const struct qb_selection *s, size_t m, struct qb_error *err)
{
    bool found = false;
    for (size_t v = 0; v < s->variant_count && !found; v++) {
        struct qb_record record;
        found = qb_figure_record(result, s->models[m], s->variants[v], "memory", &record, err) &&
                qb_record_get(&record, "generation_position", QB_I64, 1);
        qb_record_free(&record);
    }
    return found;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {"fp32",    "fp16",     "int8-channel",  "pattern-a-packed", "kv-fp16",
                                         "kv-int8", "kv-qins8", "kv-documented", "kv-q8_0",          "kv-q4_0",
                                         NULL};
    struct qb_selection s;
    qb_select(result, "memory", wanted, QB_FIGURE_VARIANTS, &s);
    for (size_t m = s.model_count; m-- > 0;)
        if (!was_generated(result, &s, m, err))
            qb_selection_drop(&s, m, "no generation");
    qb_figure_axes(figure, &s);
    qb_figure_curves(figure, &s);
    qb_figure_array(figure, "n", s.model_count);
    qb_figure_array(figure, "last", s.model_count);
    qb_figure_array(figure, "most", s.model_count);
    for (size_t m = 0; m < s.model_count; m++) {
        struct panel panel = {.last = 1};
        char n[64];
        qb_figure_panel(result, figure, &s, m, "memory", "memory_growth_measured", add_curve, &panel, err);
        snprintf(n, sizeof n, "%zu samples", panel.samples);
        qb_figure_set(figure, "n", m + 1, n);
        qb_figure_set_number(figure, "last", m + 1, panel.last);
        qb_figure_set_number(figure, "most", m + 1, panel.most > 0 ? panel.most : 1);
    }
    if (s.model_count == 0)
        snprintf(figure->missing, sizeof figure->missing,
                 "no memory cell with a generation (option steps) of a model that keeps keys and values was run");
    qb_text_add(&figure->caption, "Memory along a greedy generation of one sequence (MiB = 2^20 bytes): the process's "
                                  "resident set (lines) and what is counted of it (dotted: weights as they are held, "
                                  "keys and values of the positions that are there, working memory). The program "
                                  "itself is resident and not counted, so that the two lie apart; what matters is "
                                  "whether they part further. One run each.");
    qb_figure_end(result, figure, &s, "memory", "memory_growth_measured");
    return err->status;
}

const struct qb_figure_kind qb_figure_growth = {"growth", "Memory along a generation", fill};
