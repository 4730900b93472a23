#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "weights/weights_parts.h"

enum { FORMATS_MAX = 64 };

void qb_weights_free(struct qb_weights *weights)
{
    if (!weights)
        return;
    for (size_t i = 0; i < weights->format_count; i++) {
        qb_format_free(weights->formats[i].format);
        qb_free(weights->formats[i].format);
    }
    for (size_t i = 0; i < weights->file_count; i++) {
        qb_file_unmap(&weights->files[i].map);
        qb_free(weights->files[i].path);
    }
    json_decref(weights->headers);
    json_decref(weights->config);
    json_decref(weights->arrays);
    json_decref(weights->encodings);
    qb_free(weights->formats);
    qb_free(weights->files);
    qb_free(weights->names);
    qb_free(weights->tensors);
    qb_free(weights->by_name);
    qb_free(weights);
}

enum qb_status qb_weights_add_file(struct qb_weights *weights, const char *path, size_t size,
                                   struct qb_weights_file **file, struct qb_error *err)
{
    struct qb_weights_file *larger =
        qb_grow(weights->files, weights->file_count + 1, sizeof *larger, "list of files", err);
    if (!larger)
        return err->status;
    weights->files = larger;
    struct qb_weights_file *new = &larger[weights->file_count];
    if (path ? qb_file_map(path, &new->map, err) : qb_memory_map(size, "weights", &new->map, err))
        return err->status;
    weights->file_count++;
    *file = new;
    new->path = path ? qb_strdup(path, err) : NULL;
    return err->status;
}

enum qb_source qb_weights_source(const struct qb_weights *weights)
{
    return weights->source;
}

const struct json_t *qb_weights_config(const struct qb_weights *weights)
{
    return weights->config;
}

void qb_weights_drop(const struct qb_weights *weights)
{
    for (size_t i = 0; i < weights->file_count; i++)
        qb_map_drop(weights->files[i].map.data, weights->files[i].map.size);
}

enum qb_status qb_weights_unchanged(const struct qb_weights *weights, struct qb_error *err)
{
    for (size_t i = 0; i < weights->file_count && !err->status; i++)
        if (weights->files[i].path)
            qb_map_unchanged(&weights->files[i].map, weights->files[i].path, err);
    return err->status;
}

static bool is_encoded(const struct qb_weights *weights, const struct qb_source_tensor *tensor)
{
    return json_object_get(weights->encodings, tensor->name) != NULL;
}

/* The format in use that reads the tensor, or NULL. */
static const struct qb_format *find_format(const struct qb_weights *weights, const char *codec, const char *encoded)
{
    for (size_t i = 0; i < weights->format_count; i++) {
        const struct qb_weights_format *known = &weights->formats[i];
        if (strcmp(known->format->plugin->codec->id, codec) == 0 && !known->encoded == !encoded &&
            (!encoded || qb_encoding_same(weights, known->encoded, encoded)))
            return known->format;
    }
    return NULL;
}

/* The format that reads the tensor, made once; NULL with err set. */
static const struct qb_format *format_of(struct qb_weights *weights, const struct qb_source_tensor *tensor,
                                         const struct qb_registry *registry, enum qb_isa isa, struct qb_error *err)
{
    const bool encoded = is_encoded(weights, tensor);
    const char *codec = encoded ? tensor->type : qb_tensor_type(tensor->type)->codec;
    const struct qb_format *known = find_format(weights, codec, encoded ? tensor->name : NULL);
    if (known)
        return known;
    const struct qb_plugin *plugin = registry ? qb_registry_find(registry, codec) : NULL;
    if (!plugin) {
        qb_fail(err, QB_ERR_INPUT, "it is read by the codec '%.*s', which is not loaded", QB_UPTO(64, codec));
        return NULL;
    }
    if (weights->format_count == FORMATS_MAX) {
        qb_fail(err, QB_ERR_INPUT, "the file uses more than %d different formats", FORMATS_MAX);
        return NULL;
    }
    struct qb_weights_format *larger =
        qb_grow(weights->formats, weights->format_count + 1, sizeof *larger, "list of formats", err);
    struct qb_format *new = larger ? qb_alloc(1, sizeof *new, "format", err) : NULL;
    weights->formats = larger ? larger : weights->formats;
    if (!new || (encoded ? qb_encoding_format(weights, tensor, plugin, isa, new, err)
                         : qb_format_make(plugin, NULL, isa, new, err))) {
        qb_free(new);
        return NULL;
    }
    weights->formats[weights->format_count++] = (struct qb_weights_format){new, encoded ? tensor->name : NULL};
    return new;
}

enum qb_status qb_weights_formats(struct qb_weights *weights, const struct qb_registry *registry, enum qb_isa isa,
                                  struct qb_error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < weights->count; i++) {
        struct qb_source_tensor *t = &weights->tensors[i];
        if (!is_encoded(weights, t) && !qb_tensor_type(t->type)->codec) {
            t->bytes = NULL;
            t->size = 0;
            continue;
        }
        if (!is_encoded(weights, t) && strcmp(t->type, "F32") == 0 && (uintptr_t)t->bytes % _Alignof(float) == 0)
            continue;
        t->format = format_of(weights, t, registry, isa, err);
        if (!t->format || qb_encoded_size(t->format, t->rows, t->cols, &size, err))
            return qb_wrap(err, "tensor %s of type %s", t->name, t->type);
        if (size != t->size)
            return qb_fail(err, is_encoded(weights, t) ? QB_ERR_INPUT : QB_ERR_CODEC,
                           "tensor %s of type %s: %zu bytes, the codec '%s' expects %zu", t->name, t->type, t->size,
                           t->format->plugin->codec->id, size);
    }
    return QB_OK;
}

size_t qb_weights_bytes(const struct qb_weights *weights)
{
    size_t bytes = 0;
    for (size_t i = 0; i < weights->file_count; i++)
        bytes += weights->files[i].path ? weights->files[i].map.size : 0;
    return bytes;
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
    for (size_t i = 1; i < weights->count; i++)
        if (strcmp(weights->by_name[i - 1]->name, weights->by_name[i]->name) == 0)
            return qb_fail(err, QB_ERR_INPUT, "tensor %s is there twice", weights->by_name[i]->name);
    return QB_OK;
}

const struct qb_source_tensor *qb_weights_find(const struct qb_weights *weights, const char *name)
{
    const struct qb_source_tensor key = {.name = name}, *sought = &key;
    struct qb_source_tensor *const *found =
        bsearch(&sought, weights->by_name, weights->count, sizeof *weights->by_name, by_name);
    return found ? *found : NULL;
}

/* Appends "NAME x COUNT" where there are any; was anything appended? */
static bool print_count(const struct qb_weights *weights, const char *type, const char *between, struct qb_text *out)
{
    size_t count = 0;
    for (size_t i = 0; i < weights->count; i++)
        count += strcmp(weights->tensors[i].type, type) == 0;
    if (count)
        qb_text_add(out, "%s%.*s x %zu", between, QB_UPTO(64, type), count);
    return count > 0;
}

void qb_weights_print_types(const struct qb_weights *weights, struct qb_text *out)
{
    const struct qb_tensor_type *type;
    const char *codecs[FORMATS_MAX], *between = "";
    size_t codec_count = 0;
    for (size_t i = 0; (type = qb_tensor_type_at(i)); i++)
        if (print_count(weights, type->name, between, out))
            between = ", ";
    for (size_t i = 0, k; i < weights->count && codec_count < FORMATS_MAX; i++) {
        if (!is_encoded(weights, &weights->tensors[i]))
            continue;
        for (k = 0; k < codec_count && strcmp(codecs[k], weights->tensors[i].type) != 0; k++)
            ;
        if (k < codec_count)
            continue;
        codecs[codec_count++] = weights->tensors[i].type;
        print_count(weights, weights->tensors[i].type, between, out);
        between = ", ";
    }
}

/* Of our own layout; NULL: none. */
static json_t *metadata(const struct qb_weights *weights)
{
    return weights->source == QB_SOURCE_OWN ? json_object_get(json_array_get(weights->headers, 0), "__metadata__")
                                            : NULL;
}

const char *qb_weights_meta(const struct qb_weights *weights, const char *key)
{
    return json_string_value(json_object_get(metadata(weights), key));
}

const char *qb_weights_license(const struct qb_weights *weights)
{
    const char *told = qb_weights_meta(weights, "license");
    return told ? told : json_string_value(json_object_get(qb_weights_config(weights), "general.license"));
}

enum qb_status qb_weights_meta_known(const struct qb_weights *weights, const char *const *known, struct qb_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(metadata(weights), key, value)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        const size_t prefix = strlen(QB_ENCODED_KEY);
        if (!known[i] &&
            (strncmp(key, QB_ENCODED_KEY, prefix) != 0 || !json_object_get(weights->encodings, key + prefix)))
            return qb_fail(err, QB_ERR_INPUT, "__metadata__: unknown key '%.*s'", QB_UPTO(64, key));
    }
    return QB_OK;
}
