/* The safetensors reader. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "weights/weights_parts.h"

#define HEADER_MAX ((uint64_t)32 << 20) /* the format allows 100 MB, whose JSON would take gigabytes of memory */

static enum qb_status read_shape(const json_t *shape, struct qb_source_tensor *tensor, struct qb_error *err)
{
    size_t elements = 1;
    if (!json_is_array(shape) || json_array_size(shape) > QB_TENSOR_RANK_MAX)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: 'shape' is no list of at most %d sizes", tensor->name,
                       QB_TENSOR_RANK_MAX);
    tensor->rank = json_array_size(shape);
    for (size_t i = 0; i < tensor->rank; i++) {
        const json_t *size = json_array_get(shape, i);
        json_int_t value = json_integer_value(size);
        if (!json_is_integer(size) || value < 1)
            return qb_fail(err, QB_ERR_INPUT, "tensor %s: 'shape' has an entry that is no positive integer",
                           tensor->name);
        tensor->dims[i] = (size_t)value;
        if (__builtin_mul_overflow(elements, tensor->dims[i], &elements) || elements > (size_t)1 << 48)
            return qb_fail(err, QB_ERR_INPUT, "tensor %s: its shape has too many elements", tensor->name);
    }
    tensor->cols = tensor->rank ? tensor->dims[tensor->rank - 1] : 1;
    tensor->rows = elements / tensor->cols;
    return QB_OK;
}

/* The tensor's place in data[data_size], which takes `need` bytes. */
static enum qb_status read_offsets(const json_t *offsets, const uint8_t *data, uint64_t data_size, uint64_t need,
                                   struct qb_source_tensor *tensor, struct qb_error *err)
{
    const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
        json_integer_value(first) < 0 || json_integer_value(last) < json_integer_value(first))
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: 'data_offsets' is no pair [begin, end] with 0 <= begin <= end",
                       tensor->name);
    uint64_t begin = (uint64_t)json_integer_value(first), end = (uint64_t)json_integer_value(last);
    if (end > data_size)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: its data end at byte %" PRIu64 " of %" PRIu64 " in the file",
                       tensor->name, end, data_size);
    if (end - begin != need)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: %" PRIu64 " bytes of data, its shape needs %" PRIu64,
                       tensor->name, end - begin, need);
    tensor->bytes = data + begin;
    tensor->size = need;
    return QB_OK;
}

/* A tensor that a codec encoded lies as bytes, and metadata say what they are. */
static enum qb_status read_encoded(struct qb_weights *weights, const char *encoding, const json_t *shape,
                                   struct qb_source_tensor *tensor, uint64_t *need, struct qb_error *err)
{
    struct qb_source_tensor bytes = {.name = tensor->name};
    if (read_shape(shape, &bytes, err))
        return err->status;
    *need = bytes.rows * bytes.cols;
    return qb_encoding_read(weights, encoding, tensor, &shape, err) || read_shape(shape, tensor, err) ? err->status
                                                                                                      : QB_OK;
}

static enum qb_status read_entry(struct qb_weights *weights, const json_t *metadata, const json_t *entry,
                                 const uint8_t *data, uint64_t data_size, struct qb_source_tensor *tensor,
                                 struct qb_error *err)
{
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: expected an object of dtype, shape and data_offsets",
                       tensor->name);
    const char *word = json_string_value(json_object_get(entry, "dtype"));
    const struct qb_tensor_type *type = word ? qb_tensor_type(word) : NULL;
    const json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    const char *encoding = word && strcmp(word, "U8") == 0 && metadata ? qb_encoding_of(metadata, tensor->name) : NULL;
    uint64_t need = 0;
    /* what is no weight (a mask of GPT-2's) may be of a type that nothing reads */
    const bool known = type && type->block == 1 && (type->codec || weights->source == QB_SOURCE_HUGGINGFACE);
    if (!encoding && !known)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: dtype '%.*s', expected F32, F16 or BF16", tensor->name,
                       QB_UPTO(16, word ? word : "?"));
    if (encoding ? read_encoded(weights, encoding, shape, tensor, &need, err) : read_shape(shape, tensor, err))
        return err->status;
    if (!encoding) {
        tensor->type = type->name;
        need = tensor->rows * tensor->cols * type->bytes;
    }
    return read_offsets(offsets, data, data_size, need, tensor, err);
}

static int by_place(const void *a, const void *b)
{
    const uint8_t *x = (*(const struct qb_source_tensor *const *)a)->bytes;
    const uint8_t *y = (*(const struct qb_source_tensor *const *)b)->bytes;
    return x < y ? -1 : x > y;
}

/* Ordered by place, these tensors must fill the data part without gap or overlap. */
static enum qb_status check_cover(const struct qb_source_tensor *tensors, size_t count, const uint8_t *data,
                                  uint64_t data_size, struct qb_error *err)
{
    const struct qb_source_tensor **order = qb_alloc(count, sizeof *order, "tensor order", err);
    if (!order)
        return err->status;
    for (size_t i = 0; i < count; i++)
        order[i] = &tensors[i];
    qsort(order, count, sizeof *order, by_place);
    uint64_t at = 0;
    for (size_t i = 0; i < count && !err->status; i++) {
        uint64_t begin = (uint64_t)((const uint8_t *)order[i]->bytes - data);
        if (begin != at)
            qb_fail(err, QB_ERR_INPUT, "tensor %s: its data begin at byte %" PRIu64 ", expected %" PRIu64 " (%s)",
                    order[i]->name, begin, at, begin < at ? "overlap" : "gap");
        at = begin + order[i]->size;
    }
    if (!err->status && at != data_size)
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

/* Appends the tensors of a header. */
static enum qb_status read_header(struct qb_weights *weights, json_t *header, const uint8_t *data, uint64_t data_size,
                                  struct qb_error *err)
{
    const json_t *metadata =
        weights->source == QB_SOURCE_OWN ? json_object_get(header, "__metadata__") : NULL; /* which say encodings */
    const size_t first = weights->count;
    const char *name;
    json_t *entry;
    void *larger =
        qb_grow(weights->tensors, first + json_object_size(header), sizeof *weights->tensors, "tensor list", err);
    if (!larger)
        return err->status;
    weights->tensors = larger;
    json_object_foreach(header, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0) {
            if (read_metadata(entry, err))
                return err->status;
            continue;
        }
        struct qb_source_tensor *tensor = &weights->tensors[weights->count++];
        tensor->name = name;
        if (read_entry(weights, metadata, entry, data, data_size, tensor, err))
            return err->status;
    }
    return check_cover(weights->tensors + first, weights->count - first, data, data_size, err);
}

enum qb_status qb_safetensors_read(struct qb_weights *weights, struct qb_error *err)
{
    const struct qb_map *map = &weights->files[weights->file_count - 1].map;
    uint64_t size = 0;
    if (map->size < 8)
        return qb_fail(err, QB_ERR_INPUT, "%zu bytes, too short for a safetensors file", map->size);
    for (size_t i = 0; i < 8; i++)
        size |= (uint64_t)map->data[i] << (8 * i);
    if (size > HEADER_MAX || size > map->size - 8)
        return qb_fail(err, QB_ERR_INPUT, "a header of %" PRIu64 " bytes in a file of %zu, no safetensors file", size,
                       map->size);
    json_error_t json_err;
    json_t *header = qb_json_load((const char *)map->data + 8, (size_t)size, JSON_REJECT_DUPLICATES, &json_err);
    if (!header)
        return qb_fail(err, QB_ERR_INPUT, "header, byte %d: %s", json_err.position, json_err.text);
    weights->headers = weights->headers ? weights->headers : json_array();
    if (json_array_append_new(weights->headers, header)) /* frees it on failure */
        return qb_fail(err, QB_ERR_MEMORY, "no memory for the header");
    if (!json_is_object(header))
        return qb_fail(err, QB_ERR_INPUT, "the header is no object");
    return read_header(weights, header, map->data + 8 + size, map->size - 8 - size, err);
}
