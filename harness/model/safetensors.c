#include "model/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "model/half.h"

#define HEADER_MAX ((uint64_t)100 * 1000 * 1000) /* the format's own limit */
#define RANK_MAX 8

struct tensor {
    struct qb_st_info info;
    const uint8_t *data;
    uint64_t begin, end; /* in the data part */
};

struct qb_safetensors {
    char *path;
    struct qb_map map;
    json_t *header; /* owns names and metadata */
    struct tensor *tensors;
    size_t count;
};

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}};

static size_t dtype_size(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].size;
    return 0;
}

static enum qb_status read_shape(const json_t *shape, struct qb_st_info *info, struct qb_error *err)
{
    if (!json_is_array(shape) || json_array_size(shape) > RANK_MAX)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: 'shape' is no list of at most %d sizes", info->name, RANK_MAX);
    info->rank = json_array_size(shape);
    info->elements = 1;
    for (size_t i = 0; i < info->rank; i++) {
        const json_t *size = json_array_get(shape, i);
        json_int_t value = json_integer_value(size);
        if (!json_is_integer(size) || value < 1)
            return qb_fail(err, QB_ERR_INPUT, "tensor %s: 'shape' has an entry that is no positive integer",
                           info->name);
        info->dims[i] = (size_t)value;
        if (__builtin_mul_overflow(info->elements, info->dims[i], &info->elements) || info->elements > (size_t)1 << 48)
            return qb_fail(err, QB_ERR_INPUT, "tensor %s: its shape has too many elements", info->name);
    }
    return QB_OK;
}

static enum qb_status read_offsets(const json_t *offsets, uint64_t data_size, struct tensor *tensor,
                                   struct qb_error *err)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    const char *name = tensor->info.name;
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: 'data_offsets' is no pair [begin, end] with 0 <= begin <= end",
                       name);
    tensor->begin = (uint64_t)json_integer_value(begin);
    tensor->end = (uint64_t)json_integer_value(end);
    uint64_t need = tensor->info.elements * dtype_size(tensor->info.dtype);
    if (tensor->end > data_size)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: its data end at byte %" PRIu64 " of %" PRIu64 " in the file",
                       name, tensor->end, data_size);
    if (tensor->end - tensor->begin != need)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: %" PRIu64 " bytes of data, its shape needs %" PRIu64, name,
                       tensor->end - tensor->begin, need);
    return QB_OK;
}

static enum qb_status read_entry(const char *name, const json_t *entry, uint64_t data_size, struct tensor *tensor,
                                 struct qb_error *err)
{
    tensor->info.name = name;
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: expected an object of dtype, shape and data_offsets", name);
    tensor->info.dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!tensor->info.dtype || dtype_size(tensor->info.dtype) == 0)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: dtype '%.*s', expected F32, F16 or BF16", name,
                       QB_UPTO(16, tensor->info.dtype ? tensor->info.dtype : "?"));
    if (read_shape(json_object_get(entry, "shape"), &tensor->info, err) != QB_OK)
        return err->status;
    return read_offsets(json_object_get(entry, "data_offsets"), data_size, tensor, err);
}

static int by_begin(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Ordered by offset, the tensors must fill the data part without gap or overlap. */
static enum qb_status check_cover(struct qb_safetensors *file, uint64_t data_size, struct qb_error *err)
{
    const struct tensor **order = qb_alloc(file->count, sizeof *order, "tensor order", err);
    if (!order)
        return err->status;
    for (size_t i = 0; i < file->count; i++)
        order[i] = &file->tensors[i];
    qsort(order, file->count, sizeof *order, by_begin);
    uint64_t at = 0;
    for (size_t i = 0; i < file->count && err->status == QB_OK; i++) {
        if (order[i]->begin != at)
            qb_fail(err, QB_ERR_INPUT, "tensor %s: its data begin at byte %" PRIu64 ", expected %" PRIu64 " (%s)",
                    order[i]->info.name, order[i]->begin, at, order[i]->begin < at ? "overlap" : "gap");
        at = order[i]->end;
    }
    if (err->status == QB_OK && at != data_size)
        qb_fail(err, QB_ERR_INPUT, "%" PRIu64 " bytes behind the last tensor's data", data_size - at);
    qb_free(order);
    return err->status;
}

static enum qb_status read_metadata(const json_t *metadata, struct qb_error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return qb_fail(err, QB_ERR_INPUT, "__metadata__ is no object");
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value)
    {
        if (!json_is_string(value))
            return qb_fail(err, QB_ERR_INPUT, "__metadata__: the value of '%s' is no text", key);
    }
    return QB_OK;
}

static enum qb_status read_header(struct qb_safetensors *file, uint64_t data_at, struct qb_error *err)
{
    uint64_t data_size = file->map.size - data_at;
    const char *name;
    json_t *entry;
    file->tensors = qb_alloc(json_object_size(file->header), sizeof *file->tensors, "tensor list", err);
    if (!file->tensors)
        return err->status;
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            if (read_metadata(entry, err) != QB_OK)
                return err->status;
            continue;
        }
        struct tensor *tensor = &file->tensors[file->count++];
        if (read_entry(name, entry, data_size, tensor, err) != QB_OK)
            return err->status;
        tensor->data = file->map.data + data_at + tensor->begin;
    }
    return check_cover(file, data_size, err);
}

static enum qb_status parse(struct qb_safetensors *file, struct qb_error *err)
{
    uint64_t header = 0;
    if (file->map.size < 8)
        return qb_fail(err, QB_ERR_INPUT, "%zu bytes, too short for a safetensors file", file->map.size);
    for (size_t i = 0; i < 8; i++)
        header |= (uint64_t)file->map.data[i] << (8 * i);
    if (header > HEADER_MAX || header > file->map.size - 8)
        return qb_fail(err, QB_ERR_INPUT, "a header of %" PRIu64 " bytes in a file of %zu, no safetensors file", header,
                       file->map.size);
    json_error_t json_err;
    file->header = json_loadb((const char *)file->map.data + 8, (size_t)header, JSON_REJECT_DUPLICATES, &json_err);
    if (!file->header)
        return qb_fail(err, QB_ERR_INPUT, "header, byte %d: %s", json_err.position, json_err.text);
    if (!json_is_object(file->header))
        return qb_fail(err, QB_ERR_INPUT, "the header is no object");
    return read_header(file, 8 + header, err);
}

enum qb_status qb_safetensors_open(const char *path, struct qb_safetensors **file, struct qb_error *err)
{
    struct qb_safetensors *new = qb_alloc(1, sizeof *new, "safetensors file", err);
    if (!new)
        return err->status;
    new->path = qb_strdup(path, err);
    if (new->path && qb_file_map(path, &new->map, err) == QB_OK &&parse(new, err) != QB_OK)
        qb_wrap(err, "%s", path);
    if (err->status != QB_OK) {
        qb_safetensors_close(new);
        return err->status;
    }
    *file = new;
    return QB_OK;
}

void qb_safetensors_close(struct qb_safetensors *file)
{
    if (!file)
        return;
    json_decref(file->header);
    qb_file_unmap(&file->map);
    qb_free(file->tensors);
    qb_free(file->path);
    qb_free(file);
}

size_t qb_safetensors_bytes(const struct qb_safetensors *file)
{
    return file->map.size;
}

size_t qb_safetensors_count(const struct qb_safetensors *file)
{
    return file->count;
}

struct qb_st_info qb_safetensors_info(const struct qb_safetensors *file, size_t index)
{
    return file->tensors[index].info;
}

const char *qb_safetensors_meta(const struct qb_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

enum qb_status qb_safetensors_meta_known(const struct qb_safetensors *file, const char *const *known,
                                         struct qb_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(file->header, "__metadata__"), key, value)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return qb_fail(err, QB_ERR_INPUT, "%s: __metadata__: unknown key '%.*s'", file->path, QB_UPTO(64, key));
    }
    return QB_OK;
}

static float element(const uint8_t *at, const char *dtype)
{
    if (dtype[0] == 'F' && dtype[1] == '3') {
        float value;
        uint32_t bits = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    uint16_t bits = (uint16_t)(at[0] | at[1] << 8);
    return dtype[0] == 'F' ? half_to_float(bits) : bfloat_to_float(bits);
}

enum qb_status qb_safetensors_read(const struct qb_safetensors *file, size_t index, float *out, struct qb_error *err)
{
    const struct tensor *tensor = &file->tensors[index];
    size_t size = dtype_size(tensor->info.dtype);
    for (size_t i = 0; i < tensor->info.elements; i++) {
        out[i] = element(tensor->data + i * size, tensor->info.dtype);
        if (!isfinite(out[i]))
            return qb_fail(err, QB_ERR_INPUT, "%s: tensor %s: element %zu is %s", file->path, tensor->info.name, i,
                           isnan(out[i]) ? "NaN" : "infinite");
    }
    return QB_OK;
}
