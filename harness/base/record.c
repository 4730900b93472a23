#include "base/record.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"

size_t qb_dtype_size(enum qb_dtype dtype)
{
    switch (dtype) {
    case QB_F32:
    case QB_I32:
        return 4;
    case QB_F64:
    case QB_I64:
        return 8;
    case QB_U8:
        return 1;
    case QB_TEXT:
        return sizeof(char *);
    }
    return 0;
}

static enum qb_status check_shape(const char *name, enum qb_dtype dtype, int rank, const size_t *dims, size_t *count,
                                  struct qb_error *err)
{
    if (name[0] == '\0' || name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
        return qb_fail(err, QB_ERR_INTERNAL, "array '%s': a name is made of a-z, 0-9 and _", name);
    if (rank < 0 || rank > QB_RANK_MAX || (dtype == QB_TEXT && rank != 1))
        return qb_fail(err, QB_ERR_INTERNAL, "array '%s': rank %d, expected %s", name, rank,
                       dtype == QB_TEXT ? "1 for a list of texts" : "0 to 4");
    if (qb_dtype_size(dtype) == 0)
        return qb_fail(err, QB_ERR_INTERNAL, "array '%s': no such type %d", name, (int)dtype);
    *count = 1;
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(*count, dims[i], count))
            return qb_fail(err, QB_ERR_MEMORY, "array '%s': more entries than memory can address", name);
    return QB_OK;
}

static void free_array(struct qb_array *array)
{
    if (array->dtype == QB_TEXT && array->data)
        for (size_t i = 0; i < array->count; i++)
            qb_free(((char **)array->data)[i]);
    qb_free(array->data);
    qb_free(array->name);
    qb_free(array->unit);
    qb_free(array->description);
}

void *qb_record_add(struct qb_record *record, const char *name, enum qb_dtype dtype, int rank, const size_t *dims,
                    const char *unit, const char *description, struct qb_error *err)
{
    struct qb_array array = {.dtype = dtype, .rank = rank};
    if (check_shape(name, dtype, rank, dims, &array.count, err))
        return NULL;
    if (qb_record_find(record, name)) {
        qb_fail(err, QB_ERR_INTERNAL, "array '%s': there already", name);
        return NULL;
    }
    struct qb_array *arrays = qb_grow(record->arrays, record->count + 1, sizeof *arrays, "a record", err);
    if (!arrays)
        return NULL;
    record->arrays = arrays;
    for (int i = 0; i < rank; i++)
        array.dims[i] = dims[i];
    if (!(array.name = qb_strdup(name, err)) || !(array.unit = qb_strdup(unit, err)) ||
        !(array.description = qb_strdup(description, err)) ||
        !(array.data = qb_alloc(array.count, qb_dtype_size(dtype), name, err))) {
        free_array(&array);
        return NULL;
    }
    record->arrays[record->count++] = array;
    return array.data;
}

enum qb_status qb_record_f64(struct qb_record *record, const char *name, double value, const char *unit,
                             const char *description, struct qb_error *err)
{
    double *data = qb_record_add(record, name, QB_F64, 0, NULL, unit, description, err);
    if (!data)
        return err->status;
    *data = value;
    return QB_OK;
}

enum qb_status qb_record_i64(struct qb_record *record, const char *name, int64_t value, const char *unit,
                             const char *description, struct qb_error *err)
{
    int64_t *data = qb_record_add(record, name, QB_I64, 0, NULL, unit, description, err);
    if (!data)
        return err->status;
    *data = value;
    return QB_OK;
}

enum qb_status qb_record_text(struct qb_record *record, const char *name, const char *const *values, size_t count,
                              const char *description, struct qb_error *err)
{
    char **data = qb_record_add(record, name, QB_TEXT, 1, &count, "1", description, err);
    if (!data)
        return err->status;
    for (size_t i = 0; i < count; i++)
        if (!(data[i] = qb_clean_copy(values[i], QB_CLEAN_LINE, err))) {
            free_array(&record->arrays[--record->count]);
            return err->status;
        }
    return QB_OK;
}

const struct qb_array *qb_record_find(const struct qb_record *record, const char *name)
{
    for (size_t i = 0; i < record->count; i++)
        if (strcmp(record->arrays[i].name, name) == 0)
            return &record->arrays[i];
    return NULL;
}

const struct qb_array *qb_record_get(const struct qb_record *record, const char *name, enum qb_dtype dtype, int rank)
{
    const struct qb_array *array = qb_record_find(record, name);
    return array && array->dtype == dtype && array->rank == rank ? array : NULL;
}

double qb_record_scalar(const struct qb_record *record, const char *name, double otherwise)
{
    const struct qb_array *array = qb_record_find(record, name);
    if (!array || array->rank != 0)
        return otherwise;
    switch (array->dtype) {
    case QB_F32:
        return (double)*(const float *)array->data;
    case QB_F64:
        return *(const double *)array->data;
    case QB_I32:
        return (double)*(const int32_t *)array->data;
    case QB_I64:
        return (double)*(const int64_t *)array->data;
    case QB_U8:
        return (double)*(const uint8_t *)array->data;
    case QB_TEXT:
        break;
    }
    return otherwise;
}

void qb_record_free(struct qb_record *record)
{
    for (size_t i = 0; i < record->count; i++)
        free_array(&record->arrays[i]);
    qb_free(record->arrays);
    *record = (struct qb_record){0};
}
