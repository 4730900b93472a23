/* GGUF's key-value pairs: as one JSON object, and long arrays in place. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "weights/gguf_parts.h"

enum { KEYS_MAX = 1024, CONFIG_ARRAY_MAX = 4096 };

enum kind { UNSIGNED, SIGNED, FLOATING, BOOLEAN, TEXT, ARRAY };
/* By their number in the file. */
static const struct value_type {
    const char *name;
    size_t size; /* bytes; of a text and an array the least */
    enum kind kind;
} value_types[] = {{"uint8", 1, UNSIGNED},  {"int8", 1, SIGNED},  {"uint16", 2, UNSIGNED},  {"int16", 2, SIGNED},
                   {"uint32", 4, UNSIGNED}, {"int32", 4, SIGNED}, {"float32", 4, FLOATING}, {"bool", 1, BOOLEAN},
                   {"string", 8, TEXT},     {"array", 12, ARRAY}, {"uint64", 8, UNSIGNED},  {"int64", 8, SIGNED},
                   {"float64", 8, FLOATING}};

struct value {
    const char *text;
    size_t size; /* of text */
    uint64_t bits;
};

bool qb_gguf_is_text(const char *text, size_t size, bool name)
{
    uint32_t point;
    for (size_t at = 0, n; at < size; at += n)
        if (!(n = qb_utf8_sequence(text + at, size - at, &point)) || (name && point == 0))
            return false;
    return true;
}

static enum qb_status ends(const struct qb_cursor *cursor, struct qb_error *err)
{
    return qb_fail(err, QB_ERR_INPUT, "the file of %zu bytes ends within it (from byte %zu on)", cursor->size,
                   cursor->at);
}

static enum qb_status read_type(struct qb_cursor *cursor, const struct value_type **type, struct qb_error *err)
{
    uint64_t number;
    if (!qb_cursor_number(cursor, 4, &number))
        return ends(cursor, err);
    if (number >= sizeof value_types / sizeof *value_types)
        return qb_fail(err, QB_ERR_INPUT, "value type %" PRIu64 ", expected one of 0 to 12", number);
    *type = &value_types[number];
    return QB_OK;
}

static enum qb_status read_value(struct qb_cursor *cursor, const struct value_type *type, struct value *value,
                                 struct qb_error *err)
{
    *value = (struct value){0};
    if (type->kind == TEXT) {
        if (!qb_cursor_text(cursor, &value->text, &value->size))
            return ends(cursor, err);
        if (!qb_gguf_is_text(value->text, value->size, false))
            return qb_fail(err, QB_ERR_INPUT, "the text is no UTF-8");
        return QB_OK;
    }
    if (!qb_cursor_number(cursor, type->size, &value->bits))
        return ends(cursor, err);
    if (type->kind == BOOLEAN && value->bits > 1)
        return qb_fail(err, QB_ERR_INPUT, "a bool of %" PRIu64 ", expected 0 or 1", value->bits);
    return QB_OK;
}

static int64_t signed_of(const struct value_type *type, uint64_t bits)
{
    const uint64_t sign = (uint64_t)1 << (8 * type->size - 1);
    return (int64_t)((bits ^ sign) - sign);
}

static double number_of(const struct value_type *type, uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float single;
    double number;
    memcpy(&single, &low, sizeof single);
    memcpy(&number, &bits, sizeof number);
    return type->kind == FLOATING ? (type->size == 4 ? (double)single : number)
           : type->kind == SIGNED ? (double)signed_of(type, bits)
                                  : (double)bits;
}

/* NaN and Inf, which JSON lacks, are null. */
static json_t *json_of(const struct value_type *type, const struct value *value)
{
    const double number = number_of(type, value->bits);
    if (type->kind == TEXT)
        return json_stringn(value->text, value->size);
    if (type->kind == BOOLEAN)
        return json_boolean(value->bits);
    if (type->kind == FLOATING)
        return isfinite(number) ? json_real(number) : json_null();
    if (type->kind == UNSIGNED && value->bits > INT64_MAX)
        return json_real(number);
    return json_integer(type->kind == SIGNED ? signed_of(type, value->bits) : (json_int_t)value->bits);
}

static enum qb_status read_array_head(struct qb_cursor *cursor, const struct value_type **type, size_t *count,
                                      struct qb_error *err)
{
    uint64_t number;
    if (read_type(cursor, type, err))
        return qb_wrap(err, "array");
    if ((*type)->kind == ARRAY)
        return qb_fail(err, QB_ERR_INPUT, "an array of arrays, expected one of numbers, bools or strings");
    if (!qb_cursor_number(cursor, 8, &number))
        return ends(cursor, err);
    if (number > qb_cursor_left(cursor) / (*type)->size)
        return qb_fail(err, QB_ERR_INPUT, "an array of %" PRIu64 " values of %s, more than the %zu bytes left can hold",
                       number, (*type)->name, qb_cursor_left(cursor));
    *count = (size_t)number;
    return QB_OK;
}

/* *made: the array as JSON, or NULL where it is too long for that. */
static enum qb_status read_array(struct qb_cursor *cursor, json_t **made, struct qb_error *err)
{
    const struct value_type *type;
    struct value value;
    size_t count;
    if (read_array_head(cursor, &type, &count, err))
        return err->status;
    json_t *list = count <= CONFIG_ARRAY_MAX ? json_array() : NULL;
    for (size_t i = 0; i < count; i++) {
        if (read_value(cursor, type, &value, err)) {
            qb_wrap(err, "[%zu]", i);
            break;
        }
        if (list && json_array_append_new(list, json_of(type, &value))) {
            qb_fail(err, QB_ERR_MEMORY, "no memory for an array");
            break;
        }
    }
    if (err->status)
        json_decref(list);
    else
        *made = list;
    return err->status;
}

static enum qb_status set(json_t *object, const char *key, size_t size, json_t *value, struct qb_error *err)
{
    if (json_object_setn_new(object, key, size, value))
        return qb_fail(err, QB_ERR_MEMORY, "no memory for metadata");
    return QB_OK;
}

static enum qb_status read_pair(struct qb_weights *weights, struct qb_cursor *cursor, const char *key, size_t size,
                                struct qb_error *err)
{
    const struct value_type *type;
    struct value value;
    json_t *list = NULL;
    if (json_object_getn(weights->config, key, size) || json_object_getn(weights->arrays, key, size))
        return qb_fail(err, QB_ERR_INPUT, "the key is there twice");
    if (read_type(cursor, &type, err))
        return err->status;
    if (type->kind != ARRAY)
        return read_value(cursor, type, &value, err) ? err->status
                                                     : set(weights->config, key, size, json_of(type, &value), err);
    const json_int_t at = (json_int_t)cursor->at;
    if (read_array(cursor, &list, err) || set(weights->arrays, key, size, json_integer(at), err)) {
        json_decref(list);
        return err->status;
    }
    return list ? set(weights->config, key, size, list, err) : QB_OK;
}

enum qb_status qb_gguf_metadata(struct qb_weights *weights, struct qb_cursor *cursor, uint64_t count,
                                struct qb_error *err)
{
    const char *key;
    size_t size;
    if (count > KEYS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%" PRIu64 " metadata keys, expected at most %d", count, KEYS_MAX);
    weights->config = json_object();
    weights->arrays = json_object();
    if (!weights->config || !weights->arrays)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for metadata");
    for (uint64_t i = 0; i < count; i++) {
        if (!qb_cursor_text(cursor, &key, &size)) {
            ends(cursor, err);
            return qb_wrap(err, "metadata key %" PRIu64 " of %" PRIu64, i + 1, count);
        }
        if (size == 0 || size > UINT16_MAX || !qb_gguf_is_text(key, size, true))
            return qb_fail(err, QB_ERR_INPUT,
                           "metadata key %" PRIu64 " of %" PRIu64 ": expected 1 to 65535 bytes of UTF-8 without NUL",
                           i + 1, count);
        if (read_pair(weights, cursor, key, size, err))
            return qb_wrap(err, "metadata key %.*s", (int)(size < 64 ? size : 64), key);
    }
    return QB_OK;
}

/* The cursor behind the head of the array; false: no such array. */
static bool find_array(const struct qb_weights *weights, const char *key, struct qb_cursor *cursor,
                       const struct value_type **type, size_t *count)
{
    const json_t *at = json_object_get(weights->arrays, key);
    struct qb_error never = {0}; /* the head was read when the file was opened */
    if (!at)
        return false;
    *cursor =
        (struct qb_cursor){weights->files[0].map.data, weights->files[0].map.size, (size_t)json_integer_value(at)};
    return !read_array_head(cursor, type, count, &never);
}

enum qb_array_type qb_weights_array(const struct qb_weights *weights, const char *key, size_t *count)
{
    const struct value_type *type;
    struct qb_cursor cursor;
    *count = 0;
    if (!find_array(weights, key, &cursor, &type, count))
        return QB_ARRAY_NONE;
    return type->kind == TEXT ? QB_ARRAY_TEXT : type->kind == FLOATING ? QB_ARRAY_FLOAT : QB_ARRAY_INT;
}

enum qb_status qb_weights_array_each(const struct qb_weights *weights, const char *key, qb_array_visit visit,
                                     void *context, struct qb_error *err)
{
    const struct value_type *type;
    struct qb_cursor cursor;
    struct value value;
    size_t count;
    if (!find_array(weights, key, &cursor, &type, &count))
        return qb_fail(err, QB_ERR_INPUT, "metadata key %s: expected an array", key);
    for (size_t i = 0; i < count; i++)
        if (read_value(&cursor, type, &value, err) ||
            visit(context, i, value.text, value.size, number_of(type, value.bits), err))
            return err->status;
    return QB_OK;
}
