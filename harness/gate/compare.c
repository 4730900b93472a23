/* Differences without a verdict. */
#include "gate/compare_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"

static void note(struct qb_compare_row *row, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct qb_compare_row *row, const char *format, ...)
{
    size_t used = strlen(row->note);
    va_list args;
    if (used && used + 3 < sizeof row->note)
        used += (size_t)snprintf(row->note + used, sizeof row->note - used, "; ");
    va_start(args, format);
    qb_utf8_vprint(row->note + used, sizeof row->note - used, format, args);
    va_end(args);
}

static struct qb_compare_row *add_row(struct qb_compare *compare, struct qb_error *err)
{
    struct qb_compare_row *grown =
        qb_grow(compare->rows, compare->count + 1, sizeof *grown, "rows of a comparison", err);
    if (!grown)
        return NULL;
    compare->rows = grown;
    struct qb_compare_row *row = &compare->rows[compare->count++];
    *row = (struct qb_compare_row){
        .difference = NAN, .lo = NAN, .hi = NAN, .p = NAN, .holm = NAN, .bh = NAN, .mcnemar = NAN};
    return row;
}

/* ---- McNemar ---- */

struct arrays {
    struct qb_record record;
    const struct qb_array *top1, *chunk, *position;
};

static enum qb_status read_arrays(const struct qb_compare_arm *arm, const struct qb_baseline_cell *cell,
                                  struct arrays *to, struct qb_error *err)
{
    size_t index = qb_result_find(arm->result, cell->model, cell->variant, cell->experiment);
    if (index == SIZE_MAX || qb_result_record(arm->result, index, &to->record, err))
        return err->status;
    to->top1 = qb_record_get(&to->record, "top1", QB_U8, 1);
    to->chunk = qb_record_get(&to->record, "chunk", QB_I32, 1);
    to->position = qb_record_get(&to->record, "position", QB_I32, 1);
    return QB_OK;
}

static bool same_array(const struct qb_array *a, const struct qb_array *b)
{
    return a && b && a->count == b->count &&
           (a->count == 0 || memcmp(a->data, b->data, a->count * qb_dtype_size(a->dtype)) == 0);
}

static void count_discordant(const struct arrays *a, const struct arrays *b, struct qb_compare_row *row)
{
    if (!a->top1 || !b->top1 || a->top1->count != b->top1->count || !same_array(a->chunk, b->chunk) ||
        !same_array(a->position, b->position))
        return;
    const uint8_t *x = a->top1->data, *y = b->top1->data;
    for (size_t i = 0; i < a->top1->count; i++) {
        row->a_alone += x[i] && !y[i];
        row->b_alone += y[i] && !x[i];
    }
    row->mcnemar = qb_mcnemar(row->a_alone, row->b_alone);
}

static enum qb_status mcnemar(const struct qb_compare_arm *a, const struct qb_compare_arm *b,
                              const struct qb_baseline_cell *ca, const struct qb_baseline_cell *cb,
                              struct qb_compare_row *row, struct qb_error *err)
{
    struct arrays x = {0}, y = {0};
    if (!read_arrays(a, ca, &x, err) && !read_arrays(b, cb, &y, err))
        count_discordant(&x, &y, row);
    qb_record_free(&x.record);
    qb_record_free(&y.record);
    return err->status;
}

/* ---- a metric ---- */

/* A difference on the scale of the totals: percentage points, or the log. */
static void test(const struct qb_sample *a, const struct qb_sample *b, bool same_inputs, struct qb_compare_row *row)
{
    struct qb_clusters x = {a->sum, a->weight, a->clusters}, y = {b->sum, b->weight, b->clusters};
    struct qb_difference *d = &row->raw;
    if (a->clusters < 2 || b->clusters < 2) {
        note(row, "one cluster: neither interval nor p value");
        return;
    }
    bool tested = same_inputs && qb_difference_paired(&x, &y, 0.95, d);
    if (!tested && same_inputs)
        note(row, "compared unpaired: the arms count different positions");
    if (!tested && !qb_difference_unpaired(&x, &y, 0.95, d)) {
        note(row, "too few clusters for an interval");
        return;
    }
    if (isnan(d->p))
        note(row, "no spread between clusters: neither interval nor p value");
    row->paired = d->paired;
    row->clusters = a->clusters < b->clusters ? a->clusters : b->clusters;
    row->difference = qb_transform_difference(a->transform, d->value);
    row->lo = qb_transform_difference(a->transform, d->lo);
    row->hi = qb_transform_difference(a->transform, d->hi);
    row->p = d->p;
}

static void metric_row(const struct qb_baseline_metric *a, const struct qb_baseline_metric *b, bool same_inputs,
                       struct qb_compare_row *row)
{
    bool totals = a->sample.sum && b->sample.sum && a->sample.transform == b->sample.transform;
    const char *unit = totals ? qb_difference_unit(a->sample.transform, a->unit) : a->unit;
    snprintf(row->metric, sizeof row->metric, "%s", a->name);
    snprintf(row->unit, sizeof row->unit, "%s", a->unit);
    snprintf(row->difference_unit, sizeof row->difference_unit, "%s", unit);
    row->a = a->value;
    row->b = b->value;
    row->a_there = qb_value_there(a->flags);
    row->b_there = qb_value_there(b->flags);
    if (!row->a_there || !row->b_there) {
        note(row, row->a_there ? "B has no value" : row->b_there ? "A has no value" : "neither has a value");
        return;
    }
    if (isnan(a->value) || isnan(b->value)) {
        note(row, "a value is NaN");
        return;
    }
    row->difference = b->value - a->value; /* NaN where both are infinite: how far apart they are is not known */
    if (isinf(a->value) || isinf(b->value)) {
        note(row, isinf(a->value) && isinf(b->value) ? "infinite in both" : "infinite in one");
        return;
    }
    row->testable = totals;
    if (totals)
        test(&a->sample, &b->sample, same_inputs, row);
    else
        note(row, "no test: the metric is no mean over clusters");
    row->flagged = (a->flags | b->flags) & (QB_FLAG_DEGENERATE | QB_FLAG_CONTAMINATED | QB_FLAG_BIASED);
    if ((a->flags | b->flags) & QB_FLAG_DEGENERATE)
        note(row, "degenerate");
    if ((a->flags | b->flags) & QB_FLAG_CONTAMINATED)
        note(row, "contaminated");
    if ((a->flags | b->flags) & QB_FLAG_BIASED)
        note(row, "biased");
}

static enum qb_status compare_cells(struct qb_compare *compare, const struct qb_compare_arm *a,
                                    const struct qb_compare_arm *b, const struct qb_baseline_cell *ca,
                                    const struct qb_baseline_cell *cb, const struct qb_globs *metrics, uint32_t differs,
                                    struct qb_error *err)
{
    bool same_file = a->cells == b->cells; /* then one model's experiment has one input */
    bool same = (ca->inputs[0] || same_file) && strcmp(ca->inputs, cb->inputs) == 0;
    for (size_t i = 0; i < ca->metric_count; i++) {
        const struct qb_baseline_metric *ma = &ca->metrics[i], *mb = qb_baseline_metric_of(cb, ma->name);
        if (!mb || !qb_globs_match(metrics, ma->name))
            continue;
        struct qb_compare_row *row = add_row(compare, err);
        if (!row)
            return err->status;
        row->model = ca->model;
        row->variant = ca->variant;
        row->other = cb->variant;
        row->experiment = ca->experiment;
        row->differs = differs;
        metric_row(ma, mb, same, row);
        if (!same && ma->sample.sum)
            note(row, ca->inputs[0] && cb->inputs[0] ? "unpaired: the inputs differ"
                                                     : "unpaired: the inputs are not recorded");
        if (same && a->result && b->result && strcmp(ma->name, "top1_agreement") == 0 &&
            mcnemar(a, b, ca, cb, row, err))
            return err->status;
    }
    return QB_OK;
}

static enum qb_status adjust(struct qb_compare *compare, struct qb_error *err)
{
    double *p = qb_alloc(compare->count, 2 * sizeof *p, "p values", err);
    if (!p)
        return err->status;
    double *adjusted = p + compare->count;
    for (size_t i = 0; i < compare->count; i++) {
        /* Arms that are equal in every cluster are no test, and would only make the others' p values larger. */
        p[i] = compare->rows[i].raw.identical ? NAN : compare->rows[i].p;
        compare->family += isnan(p[i]) ? 0 : 1;
    }
    bool ok = qb_holm(p, compare->count, adjusted);
    for (size_t i = 0; ok && i < compare->count; i++)
        compare->rows[i].holm = adjusted[i];
    ok = ok && qb_benjamini_hochberg(p, compare->count, adjusted);
    for (size_t i = 0; ok && i < compare->count; i++)
        compare->rows[i].bh = adjusted[i];
    qb_free(p);
    return ok ? QB_OK : qb_fail(err, QB_ERR_MEMORY, "no memory to adjust %zu p values", compare->count);
}

static bool wanted(const struct qb_baseline_cell *cell, const char *variant, const struct qb_only *only)
{
    return (!variant || strcmp(cell->variant, variant) == 0) &&
           qb_only_matches(only, cell->model, cell->variant, cell->experiment);
}

static const struct qb_baseline_cell *partner(const struct qb_baseline_cell *cell, const struct qb_compare_arm *other)
{
    return qb_baseline_find(other->cells, cell->model, other->variant ? other->variant : cell->variant,
                            cell->experiment);
}

/* Both arms' cells that are there and done; `differs` of each pair goes into its rows. */
static enum qb_status compare_pairs(struct qb_compare *compare, const struct qb_compare_arm *a,
                                    const struct qb_compare_arm *b, const struct qb_compare_options *options,
                                    struct qb_error *err)
{
    for (size_t i = 0; i < a->cells->count; i++) {
        const struct qb_baseline_cell *ca = &a->cells->cells[i];
        const struct qb_baseline_cell *cb = partner(ca, b);
        uint32_t differs = 0;
        if (!wanted(ca, a->variant, &options->only))
            continue;
        bool done = cb && ca->state == QB_CELL_DONE && cb->state == QB_CELL_DONE;
        compare->only_a += !cb;
        compare->unfinished += cb && !done;
        if (done && (qb_compare_cell_facts(compare, a->cells == b->cells, ca, cb, &differs, err) ||
                     compare_cells(compare, a, b, ca, cb, &options->metrics, differs, err)))
            return err->status;
    }
    for (size_t i = 0; i < b->cells->count; i++)
        compare->only_b += wanted(&b->cells->cells[i], b->variant, &options->only) && !partner(&b->cells->cells[i], a);
    return QB_OK;
}

enum qb_status qb_compare_run(const struct qb_compare_arm *a, const struct qb_compare_arm *b,
                              const struct qb_compare_options *options, struct qb_compare **compare,
                              struct qb_error *err)
{
    struct qb_compare *made = *compare = qb_alloc(1, sizeof *made, "a comparison", err);
    if (!made)
        return err->status;
    if (!compare_pairs(made, a, b, options, err) && !qb_compare_file_facts(made, a->cells, b->cells, err) &&
        (options->force || !qb_compare_refuse(made, err)))
        adjust(made, err);
    if (err->status) {
        qb_compare_free(made);
        *compare = NULL;
    }
    return err->status;
}

static bool equal(const struct qb_compare_row *row)
{
    return row->a_there == row->b_there && (!row->a_there || row->a == row->b || (isnan(row->a) && isnan(row->b)));
}

void qb_compare_drop_equal(struct qb_compare *compare)
{
    size_t kept = 0;
    for (size_t i = 0; i < compare->count; i++)
        if (!equal(&compare->rows[i]))
            compare->rows[kept++] = compare->rows[i];
    compare->equal = compare->count - kept;
    compare->count = kept;
}

void qb_compare_free(struct qb_compare *compare)
{
    if (compare) {
        qb_free(compare->rows);
        qb_free(compare->facts);
    }
    qb_free(compare);
}
