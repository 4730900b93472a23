/* The GGUF reader, versions 2 and 3 in little-endian order. */
#include <inttypes.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "weights/gguf_parts.h"

enum { DIMS_MAX = 4, ALIGNMENT = 32 };
#define INFO_BYTES ((size_t)8 + 1 + 4 + 4 + 8) /* of a tensor's entry, at least */

bool qb_gguf_begins(const struct qb_map *map)
{
    return map->size >= 4 && memcmp(map->data, "GGUF", 4) == 0;
}

static enum qb_status read_counts(struct qb_cursor *cursor, uint64_t *tensors, uint64_t *pairs, struct qb_error *err)
{
    uint64_t version;
    qb_cursor_take(cursor, 4);
    if (!qb_cursor_number(cursor, 4, &version) || !qb_cursor_number(cursor, 8, tensors) ||
        !qb_cursor_number(cursor, 8, pairs))
        return qb_fail(err, QB_ERR_INPUT, "%zu bytes, too short for a GGUF file's head of 24", cursor->size);
    if (version == (uint64_t)2 << 24 || version == (uint64_t)3 << 24)
        return qb_fail(err, QB_ERR_INPUT, "a GGUF file in big-endian order, expected little-endian");
    if (version != 2 && version != 3)
        return qb_fail(err, QB_ERR_INPUT, "GGUF version %" PRIu64 ", expected 2 or 3", version);
    return QB_OK;
}

/* GGUF names the fastest dimension first. */
static enum qb_status read_shape(struct qb_cursor *cursor, struct qb_source_tensor *tensor, struct qb_error *err)
{
    uint64_t rank, size, elements = 1;
    if (!qb_cursor_number(cursor, 4, &rank) || rank > DIMS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "expected at most %d dimensions within the file", DIMS_MAX);
    tensor->rank = (size_t)rank;
    for (size_t i = 0; i < tensor->rank; i++) {
        if (!qb_cursor_number(cursor, 8, &size) || size == 0)
            return qb_fail(err, QB_ERR_INPUT, "dimension %zu: expected a size over 0 within the file", i + 1);
        if (__builtin_mul_overflow(elements, size, &elements) || elements > (uint64_t)1 << 48)
            return qb_fail(err, QB_ERR_INPUT, "its shape has too many elements");
        tensor->dims[tensor->rank - 1 - i] = (size_t)size;
    }
    tensor->cols = tensor->rank ? tensor->dims[tensor->rank - 1] : 1;
    tensor->rows = (size_t)elements / tensor->cols;
    return QB_OK;
}

static enum qb_status read_type(struct qb_cursor *cursor, struct qb_source_tensor *tensor, struct qb_error *err)
{
    uint64_t number;
    if (!qb_cursor_number(cursor, 4, &number))
        return qb_fail(err, QB_ERR_INPUT, "the file ends before its type");
    const struct qb_tensor_type *type = qb_tensor_type_numbered((uint32_t)number);
    if (!type)
        return qb_fail(err, QB_ERR_INPUT, "its type is number %" PRIu64 ", which is not known here", number);
    if (!type->codec)
        return qb_fail(err, QB_ERR_INPUT, "its type is %s, which nothing here reads", type->name);
    if (tensor->cols % type->block)
        return qb_fail(err, QB_ERR_INPUT, "rows of %zu values, expected a multiple of %s's block of %zu", tensor->cols,
                       type->name, type->block);
    tensor->type = type->name;
    tensor->size = tensor->rows * (tensor->cols / type->block) * type->bytes;
    return QB_OK;
}

/* `at`: where the last tensor's data ended in the data part, padded; moved behind this one's. */
static enum qb_status read_info(struct qb_cursor *cursor, char name[QB_GGUF_NAME_MAX + 1], size_t alignment,
                                struct qb_source_tensor *tensor, uint64_t *at, struct qb_error *err)
{
    const char *text;
    size_t size;
    uint64_t offset;
    if (!qb_cursor_text(cursor, &text, &size))
        return qb_fail(err, QB_ERR_INPUT, "the file ends within its name");
    if (size == 0 || size > QB_GGUF_NAME_MAX || !qb_gguf_is_text(text, size, true))
        return qb_fail(err, QB_ERR_INPUT, "expected a name of 1 to %d bytes of UTF-8 without NUL", QB_GGUF_NAME_MAX);
    memcpy(name, text, size);
    tensor->name = name;
    if (read_shape(cursor, tensor, err) || read_type(cursor, tensor, err))
        return qb_wrap(err, "tensor %s", name);
    if (!qb_cursor_number(cursor, 8, &offset))
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: the file ends before its offset", name);
    if (offset != *at)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: its data begin at %" PRIu64 ", expected %" PRIu64 " (%s)", name,
                       offset, *at, offset < *at ? "overlap" : "gap");
    if (__builtin_add_overflow(offset, tensor->size + alignment - 1, at))
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: its data end beyond any file", name);
    *at -= *at % alignment;
    return QB_OK;
}

static enum qb_status read_alignment(const struct qb_weights *weights, size_t *alignment, struct qb_error *err)
{
    const json_t *value = json_object_get(weights->config, "general.alignment");
    const json_int_t number = json_integer_value(value);
    *alignment = ALIGNMENT;
    if (!value)
        return QB_OK;
    if (number < 1 || number > 1 << 20 || (number & (number - 1)))
        return qb_fail(err, QB_ERR_INPUT, "metadata key general.alignment: expected a power of two up to 2^20");
    *alignment = (size_t)number;
    return QB_OK;
}

static enum qb_status read_infos(struct qb_weights *weights, struct qb_cursor *cursor, uint64_t count, size_t alignment,
                                 struct qb_error *err)
{
    uint64_t at = 0;
    if (count > qb_cursor_left(cursor) / INFO_BYTES)
        return qb_fail(err, QB_ERR_INPUT, "%" PRIu64 " tensors, more than the file of %zu bytes can hold", count,
                       cursor->size);
    weights->names = qb_alloc((size_t)count, sizeof *weights->names, "tensor names", err);
    weights->tensors = qb_alloc((size_t)count, sizeof *weights->tensors, "tensor list", err);
    if (err->status)
        return err->status;
    for (; weights->count < count; weights->count++)
        if (read_info(cursor, weights->names[weights->count], alignment, &weights->tensors[weights->count], &at, err))
            return qb_wrap(err, "entry %zu of %" PRIu64, weights->count + 1, count);
    return QB_OK;
}

/* The data lie one behind the other, each padded; the padding of the last may be missing. */
static enum qb_status place_data(struct qb_weights *weights, struct qb_cursor *cursor, size_t alignment,
                                 struct qb_error *err)
{
    size_t at = (cursor->at + alignment - 1) & ~(alignment - 1), end = at;
    for (size_t i = 0; i < weights->count; i++) {
        struct qb_source_tensor *tensor = &weights->tensors[i];
        if (__builtin_add_overflow(at, tensor->size, &end) || end > cursor->size)
            return qb_fail(err, QB_ERR_INPUT, "tensor %s: its %zu bytes of data begin at byte %zu of a file of %zu",
                           tensor->name, tensor->size, at, cursor->size);
        tensor->bytes = cursor->bytes + at;
        at = (end + alignment - 1) & ~(alignment - 1);
    }
    if (cursor->size > at && weights->count)
        return qb_fail(err, QB_ERR_INPUT, "%zu bytes behind the last tensor's data", cursor->size - at);
    return QB_OK;
}

enum qb_status qb_gguf_read(struct qb_weights *weights, struct qb_error *err)
{
    const struct qb_map *map = &weights->files[0].map;
    struct qb_cursor cursor = {map->data, map->size, 0};
    uint64_t tensors = 0, pairs = 0;
    size_t alignment;
    weights->source = QB_SOURCE_GGUF;
    if (read_counts(&cursor, &tensors, &pairs, err) || qb_gguf_metadata(weights, &cursor, pairs, err) ||
        read_alignment(weights, &alignment, err))
        return err->status;
    weights->metadata_end = cursor.at;
    const json_int_t parts = json_integer_value(json_object_get(weights->config, "split.count"));
    if (parts > 1)
        return qb_fail(err, QB_ERR_INPUT, "metadata key split.count: a part of a model in %lld files; merge them first",
                       (long long)parts);
    return read_infos(weights, &cursor, tensors, alignment, err) || place_data(weights, &cursor, alignment, err) ||
                   qb_weights_sort(weights, err)
               ? err->status
               : QB_OK;
}

enum qb_status qb_weights_save_metadata(const struct qb_weights *weights, const char *path, struct qb_error *err)
{
    if (weights->source != QB_SOURCE_GGUF)
        return qb_fail(err, QB_ERR_INTERNAL, "no GGUF file to take metadata from");
    uint8_t *bytes = qb_alloc(weights->metadata_end, 1, "metadata", err);
    if (!bytes)
        return err->status;
    memcpy(bytes, weights->files[0].map.data, weights->metadata_end);
    memset(bytes + 8, 0, 8); /* the number of tensors */
    qb_file_replace(path, bytes, weights->metadata_end, err);
    qb_free(bytes);
    return err->status;
}
