/* Metrics of `depth`: how an error grows from layer to layer. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "metric/parts.h"

/* Means over positions of the relative error of layers[from..to). Positions of one sequence depend on each other; the
 * array `sequence` says which are of one, without it all are. */
static bool over_layers(const struct qb_record *record, const char *name, size_t from, size_t to,
                        struct qb_sample *sample)
{
    const struct qb_array *array = qb_record_get(record, name, QB_F32, 2);
    if (!array || array->count == 0)
        return false;
    size_t layers = array->dims[0], n = array->dims[1];
    const int32_t *sequence = qb_shaped(record, "sequence", QB_I32, n, 0);
    struct qb_error err = {0};
    double *x = qb_alloc(n, sizeof *x, "errors of positions", &err);
    int32_t *one = sequence ? NULL : qb_alloc(n, sizeof *one, "sequences", &err);
    bool there = true; /* without totals: memory ran out */
    from = from < layers ? from : layers - 1;
    to = to < layers ? to : layers;
    for (size_t layer = from; x && layer < to; layer++)
        for (size_t i = 0; i < n; i++)
            x[i] += (double)((const float *)array->data)[layer * n + i] / (double)(to - from);
    *sample = (struct qb_sample){.kind = QB_KIND_REAL, .unit = "sequences", .nonnegative = true};
    if (x && (sequence || one))
        there = qb_sample_fill(sample, x, sequence ? sequence : one, NULL, n);
    qb_free(one);
    qb_free(x);
    return there;
}

static bool error_first(const struct qb_record *record, struct qb_sample *sample)
{
    return over_layers(record, "accumulated_error", 0, 1, sample);
}

/* After layer `layer`, from 1; absent in models of fewer layers. */
static bool error_after(const struct qb_record *record, size_t layer, struct qb_sample *sample)
{
    const struct qb_array *array = qb_record_get(record, "accumulated_error", QB_F32, 2);
    return array && array->dims[0] >= layer && over_layers(record, "accumulated_error", layer - 1, layer, sample);
}

static bool error_layer_3(const struct qb_record *record, struct qb_sample *sample)
{
    return error_after(record, 3, sample);
}

static bool error_layer_10(const struct qb_record *record, struct qb_sample *sample)
{
    return error_after(record, 10, sample);
}

static bool error_last(const struct qb_record *record, struct qb_sample *sample)
{
    return over_layers(record, "accumulated_error", SIZE_MAX, SIZE_MAX, sample);
}

static bool local_error_mean(const struct qb_record *record, struct qb_sample *sample)
{
    return over_layers(record, "local_error", 0, SIZE_MAX, sample);
}

/* A ratio of means over the same positions: the first layer's error is its weight. Where that is 0 there is no such
 * ratio; a later layer's error then makes it Inf, and no error at all leaves it absent. */
static bool growth_ratio(const struct qb_record *record, struct qb_value *value)
{
    struct qb_sample first = {0}, last = {0};
    bool there = error_first(record, &first) && error_last(record, &last);
    double below = 0, above = 0;
    size_t exact = 0; /* sequences without an error in the first layer */
    for (size_t i = 0; there && i < first.clusters && i < last.clusters; i++) {
        below += first.sum[i];
        above += last.sum[i];
        exact += first.sum[i] == 0;
    }
    if (there && (!first.sum || !last.sum)) {
        qb_no_memory(value);
    } else if (exact > 0) {
        value->value = above / below;
        value->n = last.n;
        if (below == 0 && above == 0)
            qb_absent(value, "no error in the first layer nor in the last");
        else
            qb_no_interval(value, "%zu of %zu sequences have no error in the first layer", exact, first.clusters);
    } else if (there) {
        memcpy(last.weight, first.sum, first.clusters * sizeof *last.weight);
        qb_sample_value(&last, NAN, value);
    }
    qb_sample_free(&first);
    qb_sample_free(&last);
    return there;
}

static bool layers(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *a = qb_record_get(record, "accumulated_error", QB_F32, 2);
    return a && a->count > 0 && qb_exact(value, (double)a->dims[0], a->dims[0]);
}

const struct qb_metric qb_metrics_depth[] = {
    {.name = "error_first",
     .experiment = "depth",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "|h_variant - h_fp32| / |h_fp32| after the first layer; mean over positions",
     .sample = error_first,
     .has_identity = true,
     .identity = 0},
    {.name = "error_layer_3",
     .experiment = "depth",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "the same after the third layer, errors accumulated",
     .sample = error_layer_3,
     .has_identity = true,
     .identity = 0},
    {.name = "error_layer_10",
     .experiment = "depth",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "the same after the tenth layer, errors accumulated",
     .sample = error_layer_10,
     .has_identity = true,
     .identity = 0},
    {.name = "error_last",
     .experiment = "depth",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "the same after the last layer, errors accumulated",
     .sample = error_last,
     .has_identity = true,
     .identity = 0},
    {.name = "growth_ratio",
     .experiment = "depth",
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "error_last over error_first",
     .compute = growth_ratio,
     .infinite = true},
    {.name = "local_error_mean",
     .experiment = "depth",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "error a layer adds when fed the reference's input; mean over layers and positions",
     .sample = local_error_mean,
     .has_identity = true,
     .identity = 0},
    {.name = "layers",
     .experiment = "depth",
     .unit = "layers",
     .direction = QB_NEUTRAL,
     .description = "layers measured",
     .compute = layers},
    {0},
};
