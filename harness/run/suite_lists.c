#include "run/suite_lists.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "run/suite.h"

static const struct qb_yaml *options_of(const struct qb_yaml *entry)
{
    const struct qb_yaml *options = entry->kind == QB_YAML_MAP ? qb_yaml_get(entry, "options") : NULL;
    return options && options->kind == QB_YAML_MAP ? options : NULL;
}

/* The list in place i, counted over the entry's keys and then its options', where one makes variants; or NULL. */
static const struct qb_yaml *list_at(const struct qb_yaml *entry, size_t i)
{
    const struct qb_yaml *options = options_of(entry);
    const size_t own = entry->kind == QB_YAML_MAP ? entry->count : 0;
    const struct qb_yaml *node = i < own ? entry->children[i] : options->children[i - own];
    const bool may = i >= own || strcmp(node->key, "base") == 0 || strcmp(node->key, "kv") == 0;
    return may && node->kind == QB_YAML_LIST ? node : NULL;
}

static size_t places_of(const struct qb_yaml *entry)
{
    const struct qb_yaml *options = options_of(entry);
    return (entry->kind == QB_YAML_MAP ? entry->count : 0) + (options ? options->count : 0);
}

bool qb_lists_are(const struct qb_yaml *entry)
{
    for (size_t i = 0; i < places_of(entry); i++)
        if (list_at(entry, i))
            return true;
    return false;
}

enum qb_status qb_lists_count(const struct qb_yaml *entry, size_t *count, struct qb_error *err)
{
    *count = 1;
    for (size_t i = 0; i < places_of(entry); i++) {
        const struct qb_yaml *list = list_at(entry, i);
        if (!list)
            continue;
        if (list->count == 0)
            return qb_yaml_fail(list, err, "an empty list makes no variant, expected values");
        for (size_t k = 0; k < list->count; k++)
            if (qb_yaml_expect(list->children[k], QB_YAML_SCALAR, err))
                return err->status;
        if (list->count > QB_SUITE_SIDE_MAX / *count)
            return qb_yaml_fail(list, err, "the lists of this variant make more than %d", QB_SUITE_SIDE_MAX);
        *count *= list->count;
    }
    return QB_OK;
}

/* "-group64" for group:64. */
static void add_name(const char *value, struct qb_text *name)
{
    qb_text_add(name, "%s", name->size ? "-" : "");
    for (; *value; value++)
        if (isalnum((unsigned char)*value) || strchr("-_.", *value))
            qb_text_add(name, "%c", tolower((unsigned char)*value));
}

/* A map like `map` with other children. */
static enum qb_status same_keys(const struct qb_yaml *map, struct qb_yaml *out, struct qb_error *err)
{
    *out = *map;
    out->children = qb_alloc(map->count, sizeof *out->children, "a variant of a list", err);
    if (out->children)
        memcpy(out->children, map->children, map->count * sizeof *out->children);
    return err->status;
}

enum qb_status qb_lists_choose(const struct qb_yaml *entry, const char *name, size_t which,
                               struct qb_lists_choice *choice, struct qb_error *err)
{
    const struct qb_yaml *options = options_of(entry);
    size_t rest = 0; /* variants that the lists behind make */
    if (qb_lists_count(entry, &rest, err) || same_keys(entry, &choice->map, err) ||
        (options && same_keys(options, &choice->options, err)) ||
        !(choice->values = qb_alloc(places_of(entry), sizeof *choice->values, "a variant of a list", err)))
        return err->status;
    qb_text_add(&choice->name, "%s", name);
    for (size_t i = 0; i < entry->count; i++)
        if (entry->children[i] == options)
            choice->map.children[i] = &choice->options;
    for (size_t i = 0; i < places_of(entry); i++) {
        const struct qb_yaml *list = list_at(entry, i);
        if (!list)
            continue;
        rest /= list->count;
        choice->values[i] = *list->children[which / rest % list->count];
        choice->values[i].key = list->key;
        *(i < entry->count ? &choice->map.children[i] : &choice->options.children[i - entry->count]) =
            &choice->values[i];
        add_name(choice->values[i].scalar, &choice->name);
    }
    return choice->name.failed ? qb_fail(err, QB_ERR_MEMORY, "no memory for a variant's name") : QB_OK;
}

void qb_lists_free(struct qb_lists_choice *choice)
{
    qb_free(choice->map.children);
    qb_free(choice->options.children);
    qb_free(choice->values);
    qb_text_free(&choice->name);
}
