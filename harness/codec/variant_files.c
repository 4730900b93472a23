/* The files of variants: the shipped ones by name, and those that a variant builds on. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/data_path.h"
#include "base/mem.h"
#include "codec/variant_parts.h"

static const char *const known_keys[] = {
    "name",        "summary",     "order",      "base",   "codec",       "options",    "otherwise",
    "activations", "path",        "domain",     "stored", "cache",       "placement",  "tensors",
    "except",      "calibration", "arithmetic", "kv",     "act",         "others",     "fraction",
    "multiply",    "point",       "form",       "rotate", "input_scale", "compensate", NULL};

bool variant_name_fits(const char *name)
{
    return *name && strlen(name) <= 64 && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0' &&
           *name != '.';
}

/* ---- shipped ones ---- */

static enum qb_status unknown_variant(const char *name, struct qb_error *err)
{
    char **names = NULL;
    if (qb_variant_names(&names, err))
        return err->status;
    const char *near = qb_nearest(name, (const char *const *)names);
    qb_fail(err, QB_ERR_INPUT, "no variant '%.*s'%s%s%s", QB_UPTO(64, name),
            near ? ", did you mean '" : ", `qinsbench list variants` shows them", near ? near : "", near ? "'?" : "");
    for (size_t i = 0; names[i]; i++)
        qb_free(names[i]);
    qb_free(names);
    return err->status;
}

enum qb_status variant_load(const char *name, struct qb_yaml **root, struct qb_error *err)
{
    char relative[128], path[4096];
    struct qb_error missing = {0};
    if (!variant_name_fits(name))
        return unknown_variant(name, err);
    snprintf(relative, sizeof relative, "variants/%s.yaml", name);
    if (qb_data_path(relative, path, &missing))
        return unknown_variant(name, err);
    if (qb_yaml_load(path, root, err))
        return err->status;
    const struct qb_yaml *own = qb_yaml_get(*root, "name");
    const char *text = "";
    if (!own)
        qb_yaml_fail(*root, err, "expected a map with the key 'name'");
    else if (!qb_yaml_text(own, &text, err) && strcmp(text, name) != 0)
        qb_yaml_fail(own, err, "'%s', expected '%s' as the file is named", text, name);
    if (err->status) {
        qb_yaml_free(*root);
        *root = NULL;
    }
    return err->status;
}

struct entry {
    char *name;
    int64_t order;
};

static int by_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int is_variant(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return size > 5 && size < 70 && strcmp(entry->d_name + size - 5, ".yaml") == 0 && entry->d_name[0] != '.';
}

static enum qb_status read_entry(const char *file, struct entry *entry, struct qb_error *err)
{
    char name[72];
    struct qb_yaml *root = NULL;
    snprintf(name, sizeof name, "%.*s", (int)strlen(file) - 5, file);
    if (variant_load(name, &root, err))
        return err->status;
    const struct qb_yaml *order = qb_yaml_get(root, "order");
    if (!order)
        qb_yaml_fail(root, err, "expected the key 'order': the place in lists");
    else if (!qb_yaml_int(order, 0, 1000000, &entry->order, err))
        entry->name = qb_strdup(name, err);
    qb_yaml_free(root);
    return err->status;
}

enum qb_status qb_variant_names(char ***names, struct qb_error *err)
{
    char folder[4096];
    struct dirent **files = NULL;
    struct entry *entries = NULL;
    char **list = NULL;
    size_t read = 0;
    if (qb_data_path("variants", folder, err))
        return err->status;
    int found = scandir(folder, &files, is_variant, alphasort);
    if (found < 0)
        return qb_fail(err, QB_ERR_IO, "%s: %s", folder, strerror(errno));
    size_t count = (size_t)found;
    entries = qb_alloc(count, sizeof *entries, "variant list", err);
    list = entries ? qb_alloc(count + 1, sizeof *list, "variant list", err) : NULL;
    while (list && read < count && !read_entry(files[read]->d_name, &entries[read], err))
        read++;
    if (!err->status) {
        qsort(entries, count, sizeof *entries, by_order);
        for (size_t i = 0; i < count; i++)
            list[i] = entries[i].name;
        *names = list;
    } else {
        for (size_t i = 0; i < read; i++)
            qb_free(entries[i].name);
        qb_free(list);
    }
    for (size_t i = 0; i < count; i++)
        free(files[i]);
    free(files);
    qb_free(entries);
    return err->status;
}

/* ---- bases ---- */

static void variant_drop_key(struct qb_yaml *map, const char *key)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->children[i]->key, key) != 0)
            map->children[kept++] = map->children[i];
    map->count = kept;
}

/* own over base, options and otherwise of the same codec alone, with options and calibration merged key by key. */
static const struct qb_yaml *merge(struct qb_overlay *overlay, const struct qb_yaml *own, const struct qb_yaml *base,
                                   struct qb_error *err)
{
    const struct qb_yaml *map = qb_overlay_merge(overlay, own, base, err);
    if (!map || map == own)
        return map;
    const struct qb_yaml *codec = qb_yaml_get(own, "codec"), *base_codec = qb_yaml_get(base, "codec");
    bool same =
        !codec || (base_codec && codec->scalar && base_codec->scalar && strcmp(codec->scalar, base_codec->scalar) == 0);
    static const char *const nested[] = {"options", "calibration"};
    for (size_t i = same ? 0 : 1; i < 2; i++) {
        const struct qb_yaml *mine = qb_yaml_get(own, nested[i]), *theirs = qb_yaml_get(base, nested[i]);
        if (!mine || !theirs || mine->kind != QB_YAML_MAP || theirs->kind != QB_YAML_MAP)
            continue;
        const struct qb_yaml *both = qb_overlay_merge(overlay, mine, theirs, err);
        if (!both)
            return NULL;
        qb_overlay_replace(map, both);
    }
    static const char *const of_codec[] = {"options", "otherwise"};
    for (size_t i = 0; i < 2; i++)
        if (!same && !qb_yaml_get(own, of_codec[i]))
            variant_drop_key((struct qb_yaml *)(uintptr_t)map, of_codec[i]);
    return map;
}

/* The keys of the shipped variant that `node` names, resolved; `what`: how the error calls the node. */
static enum qb_status resolve_named(const struct qb_yaml *node, const char *what, struct variant_bases *bases,
                                    const struct qb_yaml **map, struct qb_error *err)
{
    const char *text;
    if (qb_yaml_text(node, &text, err))
        return err->status;
    if (bases->count == VARIANT_BASES)
        return qb_yaml_fail(node, err, "more than %d variants built on one another", VARIANT_BASES);
    struct qb_yaml **root = &bases->roots[bases->count];
    if (variant_load(text, root, err))
        return qb_wrap(err, "%s:%u: key %s", node->file, node->line, what);
    bases->count++;
    return variant_resolve(*root, bases, map, err);
}

/* kv: NAME, the kv of that variant, in the place of the name; *map becomes a copy. */
static enum qb_status resolve_kv(struct variant_bases *bases, const struct qb_yaml **map, struct qb_error *err)
{
    static const struct qb_yaml nothing = {.kind = QB_YAML_MAP};
    const struct qb_yaml *name = qb_yaml_get(*map, "kv"), *other, *kv;
    if (!name || name->kind != QB_YAML_SCALAR)
        return QB_OK;
    if (resolve_named(name, "'kv', a map or the name of a variant", bases, &other, err))
        return err->status;
    if (!(kv = qb_yaml_get(other, "kv")))
        return qb_yaml_fail(name, err, "variant '%s' has no kv, expected one that has, or a map", name->scalar);
    const struct qb_yaml *copy = qb_overlay_merge(&bases->overlay, *map, &nothing, err);
    if (!copy)
        return err->status;
    qb_overlay_replace(copy, kv);
    *map = copy;
    return QB_OK;
}

enum qb_status variant_resolve(const struct qb_yaml *own, struct variant_bases *bases, const struct qb_yaml **map,
                               struct qb_error *err)
{
    if (qb_yaml_expect(own, QB_YAML_MAP, err) || qb_yaml_known(own, known_keys, err))
        return err->status;
    *map = own;
    const struct qb_yaml *name = qb_yaml_get(own, "base"), *base;
    if (!name)
        return resolve_kv(bases, map, err);
    if (resolve_named(name, "'base'", bases, &base, err))
        return err->status;
    *map = merge(&bases->overlay, own, base, err);
    return *map ? resolve_kv(bases, map, err) : err->status;
}

void variant_bases_free(struct variant_bases *bases)
{
    for (size_t i = 0; i < bases->count; i++)
        qb_yaml_free(bases->roots[i]);
    qb_overlay_free(&bases->overlay);
}
