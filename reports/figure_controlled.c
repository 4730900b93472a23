/* controlled: each published match rate, what reproduces it, the controls it lacked, and the same variant on trained
 * models token by token. The project's main figure. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/utf8.h"
#include "claims.h"

/* The rows' variants, from the top. */
static const char *const rows[] = {"pattern-a",   "legacy-asrun", "calibrated-asrun", "calibrated-range-kept",
                                   "int8-tensor", "int8-channel", "legacy",           "calibrated",
                                   "bf16",        "fp16",         "fp32-reordered"};
enum { ROWS = sizeof rows / sizeof *rows };

static const struct column {
    const char *model, *experiment, *metric;
} columns[] = {{"source-transformer", "greedy", "match_rate"},
               {"source-chain", "greedy", "match_rate"},
               {"kjv-transformer", "teacher-forced", "top1_agreement"},
               {"kjv-chain", "teacher-forced", "top1_agreement"}};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* The number that a document publishes for a column's metric as it stands and that this cell is due to reproduce; NaN:
 * none. */
static double published(const struct qb_ledger *ledger, const char *variant, const struct column *column)
{
    for (size_t d = 0; ledger && d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++) {
            const struct qb_claim *c = &ledger->documents[d].claims[i];
            const struct qb_claim_number *x = &c->number;
            bool plain =
                c->has_number && x->term_count == 0 && x->bound == QB_BOUND_VALUE && x->scale == 1 && x->offset == 0;
            if (!ledger->documents[d].recovered && plain && c->reproduces == QB_SHOULD_REPRODUCE &&
                !isnan(c->published_number) && strcmp(x->cell.variant, variant) == 0 &&
                strcmp(x->cell.model, column->model) == 0 && strcmp(x->cell.experiment, column->experiment) == 0 &&
                strcmp(x->cell.metric, column->metric) == 0)
                return c->published_number;
        }
    return NAN;
}

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
            qb_result_value(result, columns[c].model, rows[r], columns[c].experiment, columns[c].metric);
        run += v != NULL;
        if (!v || !(v->flags & flag))
            continue;
        qb_text_add(&names, "%s%s", flagged++ ? ", " : "", qb_figure_label(rows[r]));
    }
    if (flagged)
        qb_text_add(&figure->caption, " %s on %s: %s.", sentence, columns[c].model,
                    flagged == run ? "every run" : names.data);
    qb_text_free(&names);
}

/* A row of the figure; false when no cell of the variant was run. */
static bool add_row(const struct qb_result *result, const char *variant, size_t at, struct qb_figure *figure)
{
    const struct qb_value *v[COLUMNS];
    const double due[2] = {published(figure->ledger, variant, &columns[0]),
                           published(figure->ledger, variant, &columns[1])};
    bool any = !isnan(due[0]) || !isnan(due[1]);
    for (size_t c = 0; c < COLUMNS; c++) {
        v[c] = qb_result_value(result, columns[c].model, variant, columns[c].experiment, columns[c].metric);
        any = any || v[c];
    }
    if (!any)
        return false;
    qb_text_add(&figure->data, "%zu", at);
    for (size_t c = 0; c < 2; c++)
        qb_text_add(&figure->data, " %.6g", due[c]);
    for (size_t c = 0; c < COLUMNS; c++)
        add_value(v[c], figure);
    qb_text_add(&figure->data, "\n");
    return true;
}

/* On one of the documents' models: without them there is nothing published to compare with. */
static bool any_value(const struct qb_result *result)
{
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < 2; c++)
            if (qb_result_value(result, columns[c].model, rows[r], columns[c].experiment, columns[c].metric))
                return true;
    return false;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    size_t drawn = 0;
    (void)err;
    if (!any_value(result))
        snprintf(figure->missing, sizeof figure->missing,
                 "neither source-transformer nor source-chain (greedy), the documents' models, was run");
    qb_figure_array(figure, "labels", ROWS);
    qb_figure_block(figure, "match and agreement in percent");
    qb_text_add(&figure->data,
                "# row from the top; published on source-transformer, on source-chain; then value, lo, hi and 1 where "
                "void, of the columns source-transformer and source-chain (free-running greedy match), "
                "kjv-transformer and kjv-chain (top-1 agreement, teacher-forced)\n");
    for (size_t r = 0; r < ROWS; r++)
        if (add_row(result, rows[r], drawn + 1, figure))
            qb_figure_set(figure, "labels", ++drawn, qb_figure_label(rows[r]));
    qb_figure_number(figure, "nrows", (double)drawn);
    qb_text_add(
        &figure->caption,
        "The published comparison and the controlled one. Left: free-running greedy match with FP32 on the two "
        "untrained models of the documents (percent); open squares are the published numbers as the claims ledger has "
        "them, each from one model only, marks are this run, every variant on both models. Right: the same variants on "
        "models trained on text, "
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
