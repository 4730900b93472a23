#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "weights/weights_parts.h"

static const struct qb_tensor_type types[] = {{"F32", 4, "fp32"}, {"F16", 2, "fp16"}, {"BF16", 2, "bf16"}};
#define TYPES (sizeof types / sizeof *types)

const struct qb_tensor_type *qb_tensor_type(const char *name)
{
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

void qb_weights_free(struct qb_weights *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->format_count; i++)
        qb_format_free(&weights->formats[i]);
    json_decref(weights->header);
    qb_file_unmap(&weights->map);
    qb_free(weights->names);
    qb_free(weights->tensors);
    qb_free(weights->by_name);
    qb_free(weights);
}

void qb_weights_drop(const struct qb_weights *weights)
{
    qb_map_drop(weights->map.data, weights->map.size);
}

enum qb_status qb_weights_unchanged(const struct qb_weights *weights, const char *path, struct qb_error *err)
{
    return weights->generated ? QB_OK : qb_map_unchanged(&weights->map, path, err);
}

/* The format of a plugin's defaults, made once; NULL with err set. */
static const struct qb_format *format_of(struct qb_weights *weights, const char *codec,
                                         const struct qb_registry *registry, enum qb_isa isa, struct qb_error *err)
{
    for (size_t i = 0; i < weights->format_count; i++)
        if (strcmp(weights->formats[i].plugin->codec->id, codec) == 0)
            return &weights->formats[i];
    const struct qb_plugin *plugin = registry ? qb_registry_find(registry, codec) : NULL;
    if (!plugin)
        qb_fail(err, QB_ERR_INPUT, "it is read by the codec '%s', which is not loaded", codec);
    else if (!qb_format_make(plugin, NULL, isa, &weights->formats[weights->format_count], err))
        return &weights->formats[weights->format_count++];
    return NULL;
}

enum qb_status qb_weights_formats(struct qb_weights *weights, const struct qb_registry *registry, enum qb_isa isa,
                                  struct qb_error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < weights->count; i++) {
        struct qb_source_tensor *t = &weights->tensors[i];
        if (strcmp(t->type, "F32") == 0 && (uintptr_t)t->bytes % _Alignof(float) == 0)
            continue;
        t->format = format_of(weights, qb_tensor_type(t->type)->codec, registry, isa, err);
        if (!t->format || qb_encoded_size(t->format, t->rows, t->cols, &size, err))
            return qb_wrap(err, "tensor %s of type %s", t->name, t->type);
        if (size != t->size)
            return qb_fail(err, QB_ERR_CODEC, "tensor %s of type %s: %zu bytes, the codec '%s' expects %zu", t->name,
                           t->type, t->size, t->format->plugin->codec->id, size);
    }
    return QB_OK;
}

size_t qb_weights_bytes(const struct qb_weights *weights)
{
    return weights->generated ? 0 : weights->map.size;
}

size_t qb_weights_count(const struct qb_weights *weights)
{
    return weights->count;
}

const struct qb_source_tensor *qb_weights_at(const struct qb_weights *weights, size_t index)
{
    return &weights->tensors[index];
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct qb_source_tensor *const *)a)->name,
                  (*(const struct qb_source_tensor *const *)b)->name);
}

enum qb_status qb_weights_sort(struct qb_weights *weights, struct qb_error *err)
{
    weights->by_name = qb_alloc(weights->count, sizeof *weights->by_name, "tensor order", err);
    if (!weights->by_name)
        return err->status;
    for (size_t i = 0; i < weights->count; i++)
        weights->by_name[i] = &weights->tensors[i];
    qsort(weights->by_name, weights->count, sizeof *weights->by_name, by_name);
    return QB_OK;
}

const struct qb_source_tensor *qb_weights_find(const struct qb_weights *weights, const char *name)
{
    const struct qb_source_tensor key = {.name = name}, *sought = &key;
    struct qb_source_tensor *const *found =
        bsearch(&sought, weights->by_name, weights->count, sizeof *weights->by_name, by_name);
    return found ? *found : NULL;
}

void qb_weights_print_types(const struct qb_weights *weights, struct qb_text *out)
{
    const char *between = "";
    for (size_t k = 0; k < TYPES; k++) {
        size_t count = 0;
        for (size_t i = 0; i < weights->count; i++)
            count += strcmp(weights->tensors[i].type, types[k].name) == 0;
        if (count) {
            qb_text_add(out, "%s%s x %zu", between, types[k].name, count);
            between = ", ";
        }
    }
}

const char *qb_weights_meta(const struct qb_weights *weights, const char *key)
{
    return json_string_value(json_object_get(json_object_get(weights->header, "__metadata__"), key));
}

enum qb_status qb_weights_meta_known(const struct qb_weights *weights, const char *const *known, struct qb_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(weights->header, "__metadata__"), key, value)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return qb_fail(err, QB_ERR_INPUT, "__metadata__: unknown key '%.*s'", QB_UPTO(64, key));
    }
    return QB_OK;
}
