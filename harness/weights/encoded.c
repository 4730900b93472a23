/* Tensors that a codec encoded, in a safetensors file of our own layout: docs/models.md, "Encoded tensors". */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/text_format.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "codec/options.h"
#include "weights/weights_parts.h"

#define KEY QB_ENCODED_KEY

/* {"codec": ..., "version": ..., "shape": [...], "options": ...} and no more; NULL with err set. */
static json_t *parse(const char *text, struct qb_error *err)
{
    json_error_t json_err;
    json_t *encoding = qb_json_load(text, strlen(text), JSON_REJECT_DUPLICATES, &json_err);
    if (json_is_object(encoding) && json_object_size(encoding) == 4 &&
        json_is_string(json_object_get(encoding, "codec")) && json_is_string(json_object_get(encoding, "version")) &&
        json_is_array(json_object_get(encoding, "shape")) && json_is_string(json_object_get(encoding, "options")))
        return encoding;
    qb_fail(err, QB_ERR_INPUT, "expected an object of codec, version, shape and options");
    json_decref(encoding);
    return NULL;
}

const char *qb_encoding_of(const json_t *metadata, const char *name)
{
    struct qb_text key = {0};
    qb_text_add(&key, "%s%s", KEY, name);
    const char *text = key.failed ? NULL : json_string_value(json_object_get(metadata, key.data));
    qb_text_free(&key);
    return text;
}

enum qb_status qb_encoding_read(struct qb_weights *weights, const char *text, struct qb_source_tensor *tensor,
                                const json_t **shape, struct qb_error *err)
{
    json_t *encoding = parse(text, err);
    if (!encoding)
        return qb_wrap(err, "__metadata__: %s%s", KEY, tensor->name);
    if (!weights->encodings && !(weights->encodings = json_object()))
        qb_fail(err, QB_ERR_MEMORY, "no memory for the list of encodings");
    if (json_object_set_new(weights->encodings, tensor->name, encoding)) /* frees it on failure */
        return err->status ? err->status : qb_fail(err, QB_ERR_MEMORY, "no memory for an encoding");
    tensor->type = json_string_value(json_object_get(encoding, "codec"));
    *shape = json_object_get(encoding, "shape");
    return QB_OK;
}

enum qb_status qb_encoding_format(const struct qb_weights *weights, const struct qb_source_tensor *tensor,
                                  const struct qb_plugin *plugin, enum qb_isa isa, struct qb_format *format,
                                  struct qb_error *err)
{
    const json_t *encoding = json_object_get(weights->encodings, tensor->name);
    const char *version = json_string_value(json_object_get(encoding, "version"));
    const json_t *options = json_object_get(encoding, "options");
    struct qb_yaml *map = NULL;
    if (strcmp(version, plugin->codec->version) != 0)
        return qb_fail(err, QB_ERR_INPUT, "encoded by version %.*s of '%s', the one that is loaded is %s",
                       QB_UPTO(32, version), plugin->codec->id, plugin->codec->version);
    if (!qb_yaml_parse(json_string_value(options), json_string_length(options), "options", &map, err))
        qb_format_make(plugin, map, isa, format, err);
    qb_yaml_free(map);
    return err->status;
}

bool qb_encoding_same(const struct qb_weights *weights, const char *a, const char *b)
{
    const json_t *first = json_object_get(weights->encodings, a), *second = json_object_get(weights->encodings, b);
    static const char *const keys[] = {"codec", "version", "options"};
    for (size_t i = 0; i < 3; i++)
        if (!json_equal(json_object_get(first, keys[i]), json_object_get(second, keys[i])))
            return false;
    return true;
}

void qb_encoding_print(const struct qb_format *format, size_t rows, size_t cols, struct qb_text *out)
{
    const struct qb_codec *codec = format->plugin->codec;
    struct qb_text options = {0};
    qb_text_add(&options, "{");
    for (size_t i = 0; i < format->value_count; i++) {
        qb_text_add(&options, "%s%s: ", i ? ", " : "", codec->options[i].name);
        qb_option_print(&codec->options[i], &format->values[i], &options);
    }
    qb_text_add(&options, "}");
    qb_text_add(out, "{\"codec\":\"%s\",\"version\":", codec->id);
    qb_json_string(out, codec->version);
    qb_text_add(out, ",\"shape\":[%zu,%zu],\"options\":", rows, cols);
    qb_json_string(out, options.data);
    qb_text_add(out, "}");
    out->failed = out->failed || options.failed;
    qb_text_free(&options);
}
