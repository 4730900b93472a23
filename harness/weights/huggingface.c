/* A Hugging Face folder: config.json, and safetensors in one file or in shards with an index. */
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "base/path.h"
#include "weights/weights_parts.h"

#define WHOLE "model.safetensors"
#define INDEX WHOLE ".index.json"

static enum qb_status read_file(struct qb_weights *weights, const char *path, struct qb_error *err)
{
    struct qb_weights_file *file;
    if (qb_weights_add_file(weights, path, 0, &file, err))
        return err->status;
    return qb_safetensors_read(weights, err) ? qb_wrap(err, "%s", path) : QB_OK;
}

/* Reads a shard and keeps of it what the map takes from it. */
static enum qb_status read_shard(struct qb_weights *weights, const char *folder, const char *shard, const json_t *map,
                                 struct qb_error *err)
{
    const size_t first = weights->count;
    char *path = qb_path_join(folder, shard, err);
    if (!path || read_file(weights, path, err))
        goto out;
    size_t kept = first;
    for (size_t i = first; i < weights->count; i++) {
        const char *from = json_string_value(json_object_get(map, weights->tensors[i].name));
        if (!from) {
            qb_fail(err, QB_ERR_INPUT, "%s: tensor %s is not in %s", path, weights->tensors[i].name, INDEX);
            goto out;
        }
        if (strcmp(from, shard) == 0)
            weights->tensors[kept++] = weights->tensors[i];
    }
    weights->count = kept;
out:
    qb_free(path);
    return err->status;
}

static bool is_plain(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Every shard that the map names, once. */
static enum qb_status read_shards(struct qb_weights *weights, const char *folder, json_t *map, struct qb_error *err)
{
    json_t *seen = json_object(), *shard;
    const char *name;
    json_object_foreach(map, name, shard)
    {
        const char *file = json_string_value(shard);
        if (!file || !is_plain(file))
            qb_fail(err, QB_ERR_INPUT, "weight_map: tensor %s: expected the name of a file in this folder", name);
        else if (json_object_get(seen, file))
            continue;
        else if (json_object_set_new(seen, file, json_true()))
            qb_fail(err, QB_ERR_MEMORY, "no memory for the list of shards");
        else
            read_shard(weights, folder, file, map, err);
        if (err->status)
            break;
    }
    json_decref(seen);
    return err->status;
}

static enum qb_status check_complete(const struct qb_weights *weights, json_t *map, struct qb_error *err)
{
    const char *name;
    json_t *shard;
    json_object_foreach(map, name, shard)
    {
        if (!qb_weights_find(weights, name))
            return qb_fail(err, QB_ERR_INPUT, "weight_map: tensor %s is not in %s", name, json_string_value(shard));
    }
    return QB_OK;
}

static enum qb_status read_index(struct qb_weights *weights, const char *folder, const char *path, struct qb_error *err)
{
    json_t *index = NULL;
    if (qb_json_read_object(path, &index, err))
        goto out;
    json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0)
        qb_fail(err, QB_ERR_INPUT, "%s: weight_map: expected the shard of each tensor", path);
    else if (read_shards(weights, folder, map, err) || qb_weights_sort(weights, err) ||
             check_complete(weights, map, err))
        qb_wrap(err, "%s", path);
out:
    json_decref(index);
    return err->status;
}

enum qb_status qb_huggingface_read(struct qb_weights *weights, const char *folder, struct qb_error *err)
{
    char *config = qb_path_join(folder, "config.json", err), *whole = qb_path_join(folder, WHOLE, err),
         *index = qb_path_join(folder, INDEX, err);
    weights->source = QB_SOURCE_HUGGINGFACE;
    if (err->status || qb_json_read_object(config, &weights->config, err))
        goto out;
    if (qb_file_exists(whole)) {
        if (!read_file(weights, whole, err))
            qb_weights_sort(weights, err);
    } else if (qb_file_exists(index)) {
        read_index(weights, folder, index, err);
    } else {
        qb_fail(err, QB_ERR_INPUT, "%s: expected " WHOLE " or " INDEX " beside config.json", folder);
    }
out:
    qb_free(config);
    qb_free(whole);
    qb_free(index);
    return err->status;
}
