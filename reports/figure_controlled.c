/* controlled: each published match rate, what reproduces it, the controls it lacked, and the same variant on trained
 * models token by token. The project's main figure. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"

/* The rows, from the top. `published` in percent and the model it came from; NaN: the documents give none. */
static const struct row {
    const char *variant;
    double published;
    const char *model;
} rows[] = {{"pattern-a", 100, "source-transformer"},
            {"legacy-asrun", 6.4, "source-chain"},
            {"calibrated-asrun", 0, "source-chain"},
            {"calibrated-range-kept", NAN, ""},
            {"int8-tensor", NAN, ""},
            {"int8-channel", NAN, ""},
            {"legacy", NAN, ""},
            {"calibrated", NAN, ""},
            {"bf16", NAN, ""},
            {"fp16", NAN, ""},
            {"fp32-reordered", NAN, ""}};
enum { ROWS = sizeof rows / sizeof *rows };

static const struct column {
    const char *model, *experiment, *metric;
} columns[] = {{"source-transformer", "greedy", "match_rate"},
               {"source-chain", "greedy", "match_rate"},
               {"kjv-transformer", "teacher-forced", "top1_agreement"},
               {"kjv-chain", "teacher-forced", "top1_agreement"}};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void add_value(const struct qb_value *v, struct qb_figure *figure)
{
    if (!v || !isfinite(v->value))
        qb_text_add(&figure->data, " nan nan nan 0");
    else if (v->flags & QB_FLAG_NO_INTERVAL || !isfinite(v->lo) || !isfinite(v->hi))
        qb_text_add(&figure->data, " %.6g nan nan %d", v->value, (v->flags & QB_FLAG_DEGENERATE) != 0);
    else
        qb_text_add(&figure->data, " %.6g %.6g %.6g %d", v->value, v->lo, v->hi, (v->flags & QB_FLAG_DEGENERATE) != 0);
}

/* Where the reproduced rows lie on each untrained model: what the published pairing of models hides. */
static void add_ranges(const struct qb_result *result, struct qb_figure *figure)
{
    static const char *const decoding[] = {"pattern-a", "legacy-asrun", "int8-tensor", "int8-channel"};
    for (size_t c = 0; c < 2; c++) {
        double lo = INFINITY, hi = -INFINITY;
        for (size_t v = 0; v < sizeof decoding / sizeof *decoding; v++) {
            const struct qb_value *x =
                qb_result_value(result, columns[c].model, decoding[v], columns[c].experiment, columns[c].metric);
            lo = x ? fmin(lo, x->value) : lo;
            hi = x ? fmax(hi, x->value) : hi;
        }
        if (lo == hi)
            qb_text_add(&figure->caption, " Pattern A, \"standard\" and both INT8 are all at %.2f%% on %s.", lo,
                        columns[c].model);
        else if (lo < hi)
            qb_text_add(&figure->caption, " Pattern A, \"standard\" and both INT8 lie between %.2f%% and %.2f%% on %s.",
                        lo, hi, columns[c].model);
    }
}

/* n of each column, and how its intervals were made. */
static void describe(const struct qb_result *result, struct qb_figure *figure)
{
    for (size_t c = 0; c < COLUMNS; c++) {
        const struct qb_value *v =
            qb_result_value(result, columns[c].model, "pattern-a", columns[c].experiment, columns[c].metric);
        if (v)
            qb_text_add(&figure->caption, " %s: n = %llu tokens%s%.*s.", columns[c].model, (unsigned long long)v->n,
                        v->flags & QB_FLAG_NO_INTERVAL ? ", no interval, " : ", ", QB_UPTO(159, v->note));
    }
}

/* Cells with a flag, row by row, for the caption. */
static void say_flagged(const struct qb_result *result, struct qb_figure *figure, size_t c, uint32_t flag,
                        const char *sentence)
{
    struct qb_text names = {0};
    size_t run = 0, flagged = 0;
    for (size_t r = 0; r < ROWS; r++) {
        const struct qb_value *v =
            qb_result_value(result, columns[c].model, rows[r].variant, columns[c].experiment, columns[c].metric);
        run += v != NULL;
        if (!v || !(v->flags & flag))
            continue;
        qb_text_add(&names, "%s%s", flagged++ ? ", " : "", qb_figure_label(rows[r].variant));
    }
    if (flagged)
        qb_text_add(&figure->caption, " %s on %s: %s.", sentence, columns[c].model,
                    flagged == run ? "every run" : names.data);
    qb_text_free(&names);
}

/* A row of the figure; false when no cell of the variant was run. */
static bool add_row(const struct qb_result *result, const struct row *row, size_t at, struct qb_figure *figure)
{
    const struct qb_value *v[COLUMNS];
    bool any = !isnan(row->published);
    for (size_t c = 0; c < COLUMNS; c++) {
        v[c] = qb_result_value(result, columns[c].model, row->variant, columns[c].experiment, columns[c].metric);
        any = any || v[c];
    }
    if (!any)
        return false;
    qb_text_add(&figure->data, "%zu", at);
    for (size_t c = 0; c < 2; c++)
        qb_text_add(&figure->data, " %.6g", strcmp(row->model, columns[c].model) == 0 ? row->published : NAN);
    for (size_t c = 0; c < COLUMNS; c++)
        add_value(v[c], figure);
    qb_text_add(&figure->data, "\n");
    return true;
}

static bool any_value(const struct qb_result *result)
{
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < COLUMNS; c++)
            if (qb_result_value(result, columns[c].model, rows[r].variant, columns[c].experiment, columns[c].metric))
                return true;
    return false;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    size_t drawn = 0;
    (void)err;
    if (!any_value(result))
        snprintf(figure->missing, sizeof figure->missing,
                 "neither source-transformer, source-chain (greedy) nor kjv-transformer, kjv-chain (teacher-forced) "
                 "was run");
    qb_figure_array(figure, "labels", ROWS);
    qb_figure_block(figure, "match and agreement in percent");
    qb_text_add(&figure->data,
                "# row from the top; published on source-transformer, on source-chain; then value, lo, hi and 1 where "
                "void, of the columns source-transformer and source-chain (free-running greedy match), "
                "kjv-transformer and kjv-chain (top-1 agreement, teacher-forced)\n");
    for (size_t r = 0; r < ROWS; r++)
        if (add_row(result, &rows[r], drawn + 1, figure))
            qb_figure_set(figure, "labels", ++drawn, qb_figure_label(rows[r].variant));
    qb_figure_number(figure, "nrows", (double)drawn);
    qb_text_add(
        &figure->caption,
        "The published comparison and the controlled one. Left: free-running greedy match with FP32 on the two "
        "untrained models of the documents (percent); open squares are the published numbers, each from one model "
        "only, marks are this run, every variant on both models. Right: the same variants on models trained on text, "
        "token by token on held-out text (top-1 "
        "agreement with FP32, percent, 95%% intervals). Hollow and grey: void, the run is degenerate and its value "
        "says "
        "nothing. BF16, FP16 and FP32 reordered are floors: what storage in 16 bits or another order of FP32 "
        "arithmetic alone costs. The documented legacy and calibrated layers were never run by the source.");
    add_ranges(result, figure);
    describe(result, figure);
    for (size_t c = 0; c < COLUMNS; c++)
        say_flagged(result, figure, c, QB_FLAG_DEGENERATE, "Void");
    for (size_t c = 2; c < COLUMNS; c++)
        say_flagged(result, figure, c, QB_FLAG_UNRESOLVED, "Not resolved, within the arithmetic floor,");
    return QB_OK;
}

const struct qb_figure_kind qb_figure_controlled = {"controlled", "Published against controlled", fill};
