/* speed: time over FP32's, and rates beside the ceilings that their own cell measured. */
#include "figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

enum { MODELS = 3 }; /* markers and offsets in the template */

/* least, median and largest of x[n] (sorted in place); NaN when n is 0. */
static void spread(double *x, size_t n, double out[3])
{
    out[0] = out[1] = out[2] = NAN;
    if (n == 0)
        return;
    qb_sort(x, n);
    out[0] = x[0];
    out[1] = n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
    out[2] = x[n - 1];
}

/* Spread of factor * over[r] / under[r]; "1" stands for ones. NaN when an array is missing. */
static void spread_of(const struct qb_record *record, double factor, const char *over, const char *under, double out[3])
{
    double ratio[1024];
    const struct qb_array *a = qb_record_get(record, over, QB_F64, 1), *b = qb_record_get(record, under, QB_F64, 1);
    size_t n = a ? a->count : b ? b->count : 0;
    if (n > 1024)
        n = 1024;
    if ((!a && strcmp(over, "1") != 0) || (!b && strcmp(under, "1") != 0) || (a && b && a->count != b->count))
        n = 0;
    for (size_t r = 0; r < n; r++)
        ratio[r] = factor * (a ? ((const double *)a->data)[r] : 1) / (b ? ((const double *)b->data)[r] : 1);
    spread(ratio, n, out);
}

static void add_row(const struct qb_record *record, double y, struct qb_figure *figure, size_t *repeats)
{
    double v[4][3], store[3], multiply[3];
    const struct qb_array *decode = qb_record_get(record, "decode_s", QB_F64, 1);
    double bytes = qb_record_scalar(record, "weight_decode_bytes", 0);
    double flop = qb_record_scalar(record, "prefill_flop", 0);
    spread_of(record, 1, "decode_s", "reference_decode_s", v[0]);
    spread_of(record, 1, "prefill_s", "reference_prefill_s", v[1]);
    spread_of(record, bytes > 0 ? bytes / 1e9 : NAN, "1", "weight_decode_s", v[2]);
    spread_of(record, flop > 0 ? flop / 1e9 : NAN, "1", "prefill_s", v[3]);
    qb_text_add(&figure->data, "%.6g", y);
    for (size_t k = 0; k < 4; k++)
        qb_text_add(&figure->data, " %.6g %.6g %.6g", v[k][1], v[k][0], v[k][2]);
    spread_of(record, bytes > 0 ? 1 : NAN, "store_gbs", "1", store);
    spread_of(record, 1, "sgemm_gflops", "1", multiply);
    qb_text_add(&figure->data, " %.6g %.6g\n", store[1], multiply[1]);
    *repeats = decode ? decode->count : 0;
}

static bool biased(const struct qb_result *result, const char *model, const char *variant)
{
    static const char *const times[] = {"decode_overhead", "prefill_overhead"};
    for (size_t i = 0; i < 2; i++) {
        const struct qb_value *value = qb_result_value(result, model, variant, "speed", times[i]);
        if (value && value->flags & QB_FLAG_BIASED)
            return true;
    }
    return false;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {
        "fp32", "fp16", "bf16", "int8-channel", "pattern-a-packed", "pattern-a", "pattern-a-cached", "legacy", NULL};
    struct qb_selection s;
    size_t repeats = 0, flagged = 0;
    qb_select(result, "speed", wanted, QB_FIGURE_VARIANTS, &s);
    if (!s.model_count || !s.variant_count)
        snprintf(figure->missing, sizeof figure->missing, "no speed cell was run");
    for (; s.model_count > MODELS; s.model_count--)
        qb_text_add(&s.left_out, "%smodel %s", s.left_out.size ? ", " : "", s.models[s.model_count - 1]);
    qb_figure_axes(figure, &s);
    for (size_t m = 0; m < s.model_count; m++) {
        size_t rows = 0;
        qb_figure_block(figure, s.models[m]);
        qb_text_add(&figure->data,
                    "# row, then median, least, largest of: decode time / FP32, prefill time / FP32, weights "
                    "decoded in GB/s, prefill in GFLOP/s; ceilings of the last two\n");
        for (size_t v = 0; v < s.variant_count; v++) {
            struct qb_record record;
            if (qb_figure_record(result, s.models[m], s.variants[v], "speed", &record, err)) {
                add_row(&record, (double)(v + 1), figure, &repeats);
                flagged += biased(result, s.models[m], s.variants[v]);
                rows++;
            }
            qb_record_free(&record);
        }
        if (rows == 0)
            qb_text_add(&figure->data, "1 nan nan nan nan nan nan nan nan nan nan nan nan nan nan\n");
    }
    qb_text_add(
        &figure->caption,
        "Speed with its ceilings. Above: time of a decode step and of a prefill over FP32's (ratio; 1 = as fast as "
        "FP32; variant and FP32 in balanced turns in one process). Below: decoding of all stored weights, in GB of "
        "FP32 "
        "written a second, and the products of a prefill in GFLOP/s. Upright dashes: the ceilings of the same cell, "
        "writing as many bytes into as much room, and the same products alone. Points are medians, "
        "bars least to largest of n = %zu repeats. Times belong to this machine.",
        repeats);
    if (flagged)
        qb_text_add(&figure->caption,
                    " In %zu of these cells FP32 over FP32 was not 1 (flag `biased`): do not compare their times.",
                    flagged);
    qb_selection_end(&s, figure);
    return err->status;
}

const struct qb_figure_kind qb_figure_speed = {"speed", "Speed with its ceilings", fill};
