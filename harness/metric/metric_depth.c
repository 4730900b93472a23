/* Metrics of `depth`: how an error grows from layer to layer. */
#include <math.h>
#include "metric/parts.h"

/* Mean over positions of one layer of array[layers, positions]; NaN when there is one. */
static double layer_mean(const struct qb_array *array, size_t layer)
{
    const float *row = (const float *)array->data + layer * array->dims[1];
    double sum = 0;
    for (size_t i = 0; i < array->dims[1]; i++)
        sum += (double)row[i];
    return sum / (double)array->dims[1];
}

static const struct qb_array *errors_of(const struct qb_record *record, const char *name)
{
    const struct qb_array *array = qb_record_get(record, name, QB_F32, 2);
    return array && array->count > 0 ? array : NULL;
}

static bool over_positions(struct qb_value *value, double number, size_t n)
{
    value->value = number;
    value->n = n;
    return qb_no_interval(value, "positions of one sequence depend on each other");
}

static bool error_first(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *a = errors_of(record, "accumulated_error");
    return a && over_positions(value, layer_mean(a, 0), a->dims[1]);
}

static bool error_last(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *a = errors_of(record, "accumulated_error");
    return a && over_positions(value, layer_mean(a, a->dims[0] - 1), a->dims[1]);
}

/* Absent where no layer erred: 0 / 0 says nothing. */
static bool growth_ratio(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *a = errors_of(record, "accumulated_error");
    if (!a)
        return false;
    double first = layer_mean(a, 0), last = layer_mean(a, a->dims[0] - 1);
    if (first == 0 && last == 0)
        return false;
    return over_positions(value, last / first, a->dims[1]);
}

static bool local_error_mean(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *a = errors_of(record, "local_error");
    double sum = 0;
    for (size_t layer = 0; a && layer < a->dims[0]; layer++)
        sum += layer_mean(a, layer);
    return a && over_positions(value, sum / (double)a->dims[0], a->count);
}

static bool layers(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *a = errors_of(record, "accumulated_error");
    return a && qb_exact(value, (double)a->dims[0], a->dims[0]);
}

const struct qb_metric qb_metrics_depth[] = {
    {.name = "error_first",
     .experiment = "depth",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "|h_variant - h_fp32| / |h_fp32| after the first layer; mean over positions",
     .compute = error_first},
    {.name = "error_last",
     .experiment = "depth",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "the same after the last layer, errors accumulated",
     .compute = error_last},
    {.name = "growth_ratio",
     .experiment = "depth",
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "error_last over error_first",
     .compute = growth_ratio},
    {.name = "local_error_mean",
     .experiment = "depth",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "error a layer adds when fed the reference's input; mean over layers and positions",
     .compute = local_error_mean},
    {.name = "layers",
     .experiment = "depth",
     .unit = "layers",
     .direction = QB_NEUTRAL,
     .description = "layers measured",
     .compute = layers},
    {0},
};
