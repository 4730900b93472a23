/* Metrics of `predict`: candidates for what tells a variant's KL, a number each for the whole model. Ratios of errors
 * to signal are averaged over weights, so that a weight counts the same whatever the size of its values, inputs or
 * outputs. The text is fixed and every value is counted: there is nothing to have an interval. */
#include <math.h>
#include "metric/parts.h"

/* -10 log10 of the mean over weights of error / signal. A weight without an error counts 0, whatever its signal. */
static bool mean_ratio(const struct qb_record *record, const char *signal_name, const char *error_name,
                       struct qb_value *value)
{
    const struct qb_array *signal = qb_record_get(record, signal_name, QB_F64, 1);
    const double *error = signal ? qb_shaped(record, error_name, QB_F64, signal->count, 0) : NULL;
    double mean = 0;
    for (size_t i = 0; error && i < signal->count; i++)
        mean += error[i] == 0 ? 0 : error[i] / ((const double *)signal->data)[i] / (double)signal->count;
    return error && qb_exact(value, mean == 0 ? INFINITY : -10 * log10(mean), signal->count);
}

static bool weight_sqnr(const struct qb_record *record, struct qb_value *value)
{
    return mean_ratio(record, "signal_power", "error_power", value);
}

static bool weighted_sqnr(const struct qb_record *record, struct qb_value *value)
{
    return mean_ratio(record, "weighted_signal_power", "weighted_error_power", value);
}

static bool output_sqnr(const struct qb_record *record, struct qb_value *value)
{
    return mean_ratio(record, "output_power", "output_error_power", value);
}

static bool relative_rms(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *nonzero = qb_record_get(record, "nonzero_values", QB_I64, 1);
    const double *power = nonzero ? qb_shaped(record, "relative_power", QB_F64, nonzero->count, 0) : NULL;
    double sum = 0, count = 0;
    for (size_t i = 0; power && i < nonzero->count; i++) {
        sum += power[i];
        count += (double)((const int64_t *)nonzero->data)[i];
    }
    if (!power)
        return false;
    if (count == 0)
        return qb_absent(value, "every weight is 0");
    return qb_exact(value, sqrt(sum / count), nonzero->count);
}

const struct qb_metric qb_metrics_predict[] = {
    {.name = "weight_sqnr_db",
     .experiment = "predict",
     .unit = "dB",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "-10 log10 of error over signal, its mean over weights; inf when exact",
     .compute = weight_sqnr,
     .infinite = true},
    {.name = "weighted_sqnr_db",
     .experiment = "predict",
     .unit = "dB",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "the same, each input channel weighted by its mean square on the calibration text",
     .compute = weighted_sqnr,
     .infinite = true},
    {.name = "output_sqnr_db",
     .experiment = "predict",
     .unit = "dB",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "-10 log10 of |y - Wx|^2 over |Wx|^2 on FP32's inputs of the calibration text, its mean over "
                    "weights",
     .compute = output_sqnr,
     .infinite = true},
    {.name = "relative_rms",
     .experiment = "predict",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "root of the mean squared relative error over all weights != 0",
     .compute = relative_rms,
     .has_identity = true,
     .identity = 0},
    {0},
};
