/* --set: values from the command line put into a tree. */
#include "base/yaml_tree.h"

#include <string.h>
#include "base/mem.h"

struct setting {
    const char *path, *text; /* whole, for messages */
    const char *file;        /* of the tree */
};

/* Replaces or appends the child `key` of map. index == map->count: append. */
static enum qb_status put(const struct setting *set, struct qb_yaml *map, size_t index, const char *key, unsigned depth,
                          struct qb_error *err)
{
    struct qb_yaml_source source = {.text = set->text,
                                    .size = strlen(set->text),
                                    .name = "the value",
                                    .file = set->file,
                                    .lines = false,
                                    .depth = depth};
    struct qb_yaml *node = NULL;
    if (qb_yaml_read(&source, key, &node, err))
        return qb_wrap(err, "--set %s", set->path);
    if (index < map->count) {
        qb_yaml_free_node(map->children[index]);
        map->children[index] = node;
    } else if (qb_yaml_append(map, node, err)) {
        qb_yaml_free_node(node);
    }
    return err->status;
}

static enum qb_status missing(const struct setting *set, const struct qb_yaml *map, const char *key,
                              struct qb_error *err)
{
    const char *nearest = qb_yaml_nearest_key(map, key);
    qb_fail(err, QB_ERR_INPUT, "no key '%s' in '%s'", key, map->key ? map->key : map->file);
    if (nearest)
        qb_fail(err, QB_ERR_INPUT, "%s, did you mean '%s'?", err->message, nearest);
    return qb_wrap(err, "--set %s", set->path);
}

static size_t index_of(const struct qb_yaml *map, const char *key)
{
    size_t i = 0;
    while (i < map->count && strcmp(map->children[i]->key, key) != 0)
        i++;
    return i;
}

static enum qb_status set_in(const struct setting *set, struct qb_yaml *map, const char *rest, unsigned depth,
                             bool check, struct qb_error *err);

/* Sets what is at map->children[index] or below it; index == map->count: a new last key. */
static enum qb_status set_child(const struct setting *set, struct qb_yaml *map, size_t index, const char *key,
                                const char *rest, unsigned depth, bool check, struct qb_error *err)
{
    if (rest)
        return set_in(set, map->children[index], rest, depth + 1, check, err);
    if (!check)
        return put(set, map, index, key, depth, err);
    /* The trial run parses the value into a map of its own, so that a mistake in it leaves the tree as it was. */
    struct qb_yaml trial = {.kind = QB_YAML_MAP};
    put(set, &trial, 0, key, depth, err);
    for (size_t i = 0; i < trial.count; i++)
        qb_yaml_free_node(trial.children[i]);
    qb_free(trial.children);
    return err->status;
}

/* `depth`: levels above map's children. */
static enum qb_status set_in(const struct setting *set, struct qb_yaml *map, const char *rest, unsigned depth,
                             bool check, struct qb_error *err)
{
    char key[256];
    size_t length = strcspn(rest, ".");
    if (length == 0 || length >= sizeof key)
        return qb_fail(err, QB_ERR_INPUT, "--set %s: expected names with one dot between them", set->path);
    memcpy(key, rest, length);
    key[length] = '\0';
    rest = rest[length] ? rest + length + 1 : NULL;
    if (map->kind != QB_YAML_MAP)
        return qb_fail(err, QB_ERR_INPUT, "--set %s: '%s' is to be set in '%s', which is no map", set->path, key,
                       map->key ? map->key : map->file);
    if (strcmp(key, "*") != 0) {
        size_t index = index_of(map, key);
        if (index == map->count && rest)
            return missing(set, map, key, err);
        return set_child(set, map, index, key, rest, depth, check, err);
    }
    if (map->count == 0)
        return qb_fail(err, QB_ERR_INPUT, "--set %s: '*' finds nothing in an empty map", set->path);
    for (size_t i = 0; i < map->count; i++)
        if (set_child(set, map, i, map->children[i]->key, rest, depth, check, err))
            return err->status;
    return QB_OK;
}

enum qb_status qb_yaml_set(struct qb_yaml *root, const char *path, const char *text, struct qb_error *err)
{
    struct setting set = {.path = path, .text = text, .file = root->file};
    if (!set_in(&set, root, path, 1, true, err))
        set_in(&set, root, path, 1, false, err);
    return err->status;
}
