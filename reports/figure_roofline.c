/* roofline: arithmetic rate against arithmetic intensity of a decode step and of a prefill, each under the ceilings
 * that its own cell measured on its own working set (Williams, Waterman and Patterson 2009), a panel a model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "figure.h"

enum { MODELS = 4, REPEATS = 1024 };

/* Median, least and largest of an array of a record (NaN: none); its count. */
static size_t spread(const struct qb_record *record, const char *name, double out[3])
{
    const struct qb_array *a = qb_record_get(record, name, QB_F64, 1);
    double x[REPEATS];
    size_t n = a ? (a->count < REPEATS ? a->count : REPEATS) : 0;
    out[0] = out[1] = out[2] = NAN;
    if (n == 0)
        return 0;
    memcpy(x, a->data, n * sizeof *x);
    qb_sort(x, n);
    out[0] = n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
    out[1] = x[0];
    out[2] = x[n - 1];
    return n;
}

struct ceilings {
    double gbs, gflops;                                          /* the panel's largest */
    double least_gbs, most_gbs, least_gflops, most_gflops, xmax; /* of all panels */
    size_t repeats;
    double seen[2][QB_FIGURE_VARIANTS]; /* intensities of the panel's points: decode, prefill */
    size_t seen_count;
};

/* "intensity rate slowest fastest ceiling" of `flop` done in the measured seconds, reading `bytes`. Points at the
 * intensity of ones before are drawn 12% further right each, so that none hides another. */
static void add_point(double flop, double bytes, const double seconds[3], double ceiling, double *seen,
                      struct ceilings *c, struct qb_figure *figure)
{
    double x = flop / bytes, drawn = x;
    seen[c->seen_count] = x;
    for (size_t i = 0; i < c->seen_count; i++)
        drawn *= fabs(seen[i] / x - 1) < 0.06 ? 1.12 : 1;
    if (flop > 0 && bytes > 0 && seconds[0] > 0) {
        qb_text_add(&figure->data, " %.6g %.6g %.6g %.6g %.6g", drawn, flop / seconds[0] / 1e9, flop / seconds[2] / 1e9,
                    flop / seconds[1] / 1e9, ceiling);
        c->xmax = fmax(c->xmax, drawn);
    } else {
        qb_text_add(&figure->data, " nan nan nan nan nan");
    }
}

static void add_row(const struct qb_record *record, struct qb_figure *figure, struct ceilings *c)
{
    double decode[3], prefill[3], read[3], multiply[3];
    double tokens = qb_record_scalar(record, "prefill_tokens", NAN);
    double steps = qb_record_scalar(record, "decode_tokens", NAN);
    double flop = qb_record_scalar(record, "prefill_flop", NAN), bytes = qb_record_scalar(record, "decode_bytes", NAN);
    c->repeats = spread(record, "decode_s", decode);
    if (qb_record_scalar(record, "step_rows", 1) > 1) /* a pass over the whole sequence is no step; it is not drawn */
        decode[0] = NAN;
    spread(record, "prefill_s", prefill);
    spread(record, "read_gbs", read);
    spread(record, "sgemm_gflops", multiply);
    double slope = flop / tokens / bytes * read[0]; /* GFLOP/s of a step that does nothing but read */
    add_point(flop / tokens * steps, bytes * steps, decode, fmin(slope, multiply[0]), c->seen[0], c, figure);
    add_point(flop, bytes, prefill, fmin(flop / bytes * read[0], multiply[0]), c->seen[1], c, figure);
    c->seen_count++;
    qb_text_add(&figure->data, "\n");
    c->gbs = fmax(c->gbs, read[0]); /* fmax leaves a NaN out */
    c->gflops = fmax(c->gflops, multiply[0]);
    c->least_gbs = fmin(c->least_gbs, read[0]);
    c->least_gflops = fmin(c->least_gflops, multiply[0]);
    c->most_gbs = fmax(c->most_gbs, c->gbs);
    c->most_gflops = fmax(c->most_gflops, c->gflops);
}

static void add_panel(const struct qb_result *result, const struct qb_selection *s, size_t m, struct qb_figure *figure,
                      struct ceilings *c, struct qb_error *err)
{
    char number[48];
    c->seen_count = 0;
    c->gbs = c->gflops = 0;
    for (size_t v = 0; v < s->variant_count; v++) {
        struct qb_record record;
        char name[256];
        snprintf(name, sizeof name, "%s %s", s->models[m], s->variants[v]);
        qb_figure_block(figure, name);
        qb_text_add(&figure->data,
                    "# flop a byte, GFLOP/s, slowest, fastest, ceiling: of decode steps, then of a prefill\n");
        if (qb_figure_record(result, s->models[m], s->variants[v], "speed", &record, err))
            add_row(&record, figure, c);
        else
            qb_text_add(&figure->data, "nan nan nan nan nan nan nan nan nan nan\n");
        qb_record_free(&record);
    }
    snprintf(number, sizeof number, "read_gbs_%zu", m + 1);
    qb_figure_number(figure, number, c->gbs);
    snprintf(number, sizeof number, "sgemm_gflops_%zu", m + 1);
    qb_figure_number(figure, number, c->gflops);
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {
        "fp32", "fp16", "bf16", "int8-channel", "pattern-a-packed", "pattern-a", "pattern-a-cached", "legacy", NULL};
    struct qb_selection s;
    struct ceilings c = {.least_gbs = INFINITY, .least_gflops = INFINITY};
    qb_select(result, "speed", wanted, 9, &s);
    while (s.model_count > MODELS)
        qb_selection_drop(&s, s.model_count - 1, "no room");
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no speed cell was run");
    qb_figure_axes(figure, &s);
    for (size_t m = 0; m < s.model_count; m++)
        add_panel(result, &s, m, figure, &c, err);
    if (!figure->missing[0] && (!(c.most_gbs > 0) || !(c.most_gflops > 0)))
        snprintf(figure->missing, sizeof figure->missing, "the speed cells hold no read_gbs and sgemm_gflops");
    qb_figure_number(figure, "xmax", pow(10, ceil(log10(fmax(1.2 * c.xmax, 11)))));
    qb_figure_number(figure, "gflops_top", c.most_gflops);
    qb_text_add(
        &figure->caption,
        "Speed against the roofline: arithmetic rate (GFLOP/s) against arithmetic intensity (floating-point operations "
        "a stored weight byte that a pass reads), both logarithmic. Hollow: one-token decode steps; filled: a prefill, "
        "which reads the weights once. Level dashes: each point's own ceiling, measured in its cell on its own working "
        "set: reading as many bytes as a decode step does (%.3g to %.3g GB/s; where a cache holds them, it is the "
        "cache's rate), and the products of the prefill alone (%.3g to %.3g GFLOP/s). Dashed lines: the largest of a "
        "panel. A decode step counts a prefill's operations a token; its "
        "distance from its dash does not depend on that count; models that read their whole sequence anew for each "
        "token have none. "
        "Points of equal intensity are drawn side by side. Points "
        "are medians, bars least to largest of n = %zu repeats: a spread, no interval. Times belong to this machine.",
        c.least_gbs, c.most_gbs, c.least_gflops, c.most_gflops, c.repeats);
    qb_selection_end(&s, figure);
    return err->status;
}

const struct qb_figure_kind qb_figure_roofline = {"roofline", "Speed against the roofline", fill};
