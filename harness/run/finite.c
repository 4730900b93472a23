#include "run/finite.h"

#include <math.h>
#include <string.h>

/* Index of the first entry that is not finite; count when there is none. targets: entries whose NaN is meant. */
static size_t first_nonfinite(const struct qb_array *array, const int32_t *targets)
{
    for (size_t i = 0; i < array->count; i++) {
        double x = array->dtype == QB_F32 ? (double)((const float *)array->data)[i] : ((const double *)array->data)[i];
        if (!isfinite(x) && !(isnan(x) && targets && targets[i] == -1))
            return i;
    }
    return array->count;
}

enum qb_status qb_record_finite(const struct qb_record *record, struct qb_error *err)
{
    const struct qb_array *target = qb_record_get(record, "target", QB_I32, 1);
    for (size_t a = 0; a < record->count; a++) {
        const struct qb_array *array = &record->arrays[a];
        if (array->dtype != QB_F32 && array->dtype != QB_F64)
            continue;
        bool optional = strcmp(array->name, "nll") == 0 || strcmp(array->name, "reference_nll") == 0;
        bool fits = target && target->count == array->count;
        size_t i = first_nonfinite(array, optional && fits ? target->data : NULL);
        if (i < array->count) {
            double x =
                array->dtype == QB_F32 ? (double)((const float *)array->data)[i] : ((const double *)array->data)[i];
            return qb_fail(err, QB_ERR_NUMERIC, "array '%s' has %s at index %zu of %zu", array->name,
                           isnan(x) ? "NaN" : "Inf", i, array->count);
        }
    }
    return QB_OK;
}
