/* Metrics of `roundtrip`: decode(encode(x)) against x, over every value of the model's placed tensors and over
 * generated inputs. Every value is counted, so there is nothing to have an interval. */
#include <math.h>
#include <string.h>
#include "metric/parts.h"

/* 10 log10(signal / error). Without an error the round trip is exact and the ratio +Inf, whatever the signal; an error
 * over no signal at all is -Inf. */
static bool sqnr(double signal, double error, size_t n, struct qb_value *value)
{
    return qb_exact(value, error == 0 ? INFINITY : 10 * log10(signal / error), n);
}

static double sum(const double *x, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += x[i];
    return total;
}

static const struct qb_array *tensors_of(const struct qb_record *record, const char *name)
{
    const struct qb_array *array = qb_record_get(record, name, QB_F64, 1);
    return array && array->count > 0 ? array : NULL;
}

static bool sqnr_db(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *signal = tensors_of(record, "signal_power");
    const double *error = signal ? qb_shaped(record, "error_power", QB_F64, signal->count, 0) : NULL;
    return error && sqnr(sum(signal->data, signal->count), sum(error, signal->count), signal->count, value);
}

static bool sqnr_of_input(const struct qb_record *record, const char *input, struct qb_value *value)
{
    const struct qb_array *names = qb_record_get(record, "input", QB_TEXT, 1);
    size_t count = names ? names->count : 0;
    const double *signal = qb_shaped(record, "input_signal_power", QB_F64, count, 0);
    const double *error = qb_shaped(record, "input_error_power", QB_F64, count, 0);
    for (size_t i = 0; signal && error && i < count; i++)
        if (strcmp(((char *const *)names->data)[i], input) == 0)
            return sqnr(signal[i], error[i], 1, value);
    return false;
}

static bool sqnr_gaussian(const struct qb_record *record, struct qb_value *value)
{
    return sqnr_of_input(record, "gaussian", value);
}

static bool sqnr_laplace(const struct qb_record *record, struct qb_value *value)
{
    return sqnr_of_input(record, "laplace", value);
}

static bool sqnr_student_t5(const struct qb_record *record, struct qb_value *value)
{
    return sqnr_of_input(record, "student_t5", value);
}

static bool sqnr_log_uniform(const struct qb_record *record, struct qb_value *value)
{
    return sqnr_of_input(record, "log_uniform", value);
}

static bool sqnr_uniform(const struct qb_record *record, struct qb_value *value)
{
    return sqnr_of_input(record, "uniform", value);
}

/* The largest entry; NaN when there is one. */
static bool largest(const struct qb_record *record, const char *name, struct qb_value *value)
{
    const struct qb_array *array = tensors_of(record, name);
    double top = -INFINITY;
    for (size_t i = 0; array && i < array->count; i++) {
        double x = ((const double *)array->data)[i];
        top = isnan(x) || x > top ? x : top;
        if (isnan(x))
            break;
    }
    return array && qb_exact(value, top, array->count);
}

static bool max_abs_error(const struct qb_record *record, struct qb_value *value)
{
    return largest(record, "max_abs_error", value);
}

/* Relative errors are of values that are not 0. A tensor without such a value that does not come back as zeros has an
 * error over nothing: +Inf, as its SQNR is -Inf. */
static bool relative_error(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *signal = tensors_of(record, "signal_power");
    const double *error = signal ? qb_shaped(record, "max_abs_error", QB_F64, signal->count, 0) : NULL;
    if (!largest(record, "max_relative_error", value))
        return false;
    for (size_t i = 0; error && i < signal->count && !isnan(value->value); i++)
        if (((const double *)signal->data)[i] == 0 && error[i] > 0) {
            qb_note(value, "a tensor of zeros does not decode to zeros");
            value->value = INFINITY;
            return true;
        }
    return true;
}

static bool codes_used(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *codes = qb_record_get(record, "code_count", QB_I64, 1);
    size_t used = 0;
    for (size_t i = 0; codes && i < codes->count; i++)
        used += ((const int64_t *)codes->data)[i] > 0;
    if (!codes || codes->count == 0)
        return false;
    qb_note(value, "of %zu in the histogram", codes->count);
    return qb_exact(value, (double)used, codes->count);
}

const struct qb_metric qb_metrics_roundtrip[] = {
    {.name = "sqnr_db",
     .experiment = "roundtrip",
     .unit = "dB",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "signal to quantisation noise over all placed tensors; inf when exact",
     .compute = sqnr_db,
     .infinite = true},
    {.name = "max_abs_error",
     .experiment = "roundtrip",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "largest |decoded - x| over all placed tensors",
     .compute = max_abs_error,
     .has_identity = true,
     .identity = 0},
    {.name = "relative_error",
     .experiment = "roundtrip",
     .unit = "1",
     .direction = QB_LOWER_IS_BETTER,
     .description = "largest |decoded - x| / |x| over non-zero values of all placed tensors; inf when zeros alone do "
                    "not come back",
     .compute = relative_error,
     .infinite = true,
     .has_identity = true,
     .identity = 0},
    {.name = "sqnr_db_gaussian",
     .experiment = "roundtrip",
     .unit = "dB",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "SQNR on Gaussian input",
     .compute = sqnr_gaussian,
     .infinite = true},
    {.name = "sqnr_db_laplace",
     .experiment = "roundtrip",
     .unit = "dB",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "SQNR on Laplace input",
     .compute = sqnr_laplace,
     .infinite = true},
    {.name = "sqnr_db_student_t5",
     .experiment = "roundtrip",
     .unit = "dB",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "SQNR on Student's t input with 5 degrees of freedom",
     .compute = sqnr_student_t5,
     .infinite = true},
    {.name = "sqnr_db_log_uniform",
     .experiment = "roundtrip",
     .unit = "dB",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "SQNR on log-uniform input",
     .compute = sqnr_log_uniform,
     .infinite = true},
    {.name = "sqnr_db_uniform",
     .experiment = "roundtrip",
     .unit = "dB",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "SQNR on uniform input",
     .compute = sqnr_uniform,
     .infinite = true},
    {.name = "codes_used",
     .experiment = "roundtrip",
     .unit = "codes",
     .direction = QB_NEUTRAL,
     .description = "distinct code values that the model's tensors use",
     .compute = codes_used},
    {0},
};
