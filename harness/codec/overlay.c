#include "codec/overlay.h"

#include <string.h>
#include "base/mem.h"

static struct qb_yaml *mutable(const struct qb_yaml *node)
{
    return (struct qb_yaml *)(uintptr_t)node; /* children lists hold plain pointers; nothing here writes through them */
}

const struct qb_yaml *qb_overlay_merge(struct qb_overlay *overlay, const struct qb_yaml *own,
                                       const struct qb_yaml *base, struct qb_error *err)
{
    if (!own || !base)
        return own ? own : base;
    if (overlay->count == QB_OVERLAY_NODES) {
        qb_fail(err, QB_ERR_INPUT, "%s:%u: too many variants built on one another", own->file, own->line);
        return NULL;
    }
    struct qb_yaml *map = qb_alloc(1, sizeof *map, "merged map", err);
    if (!map)
        return NULL;
    overlay->nodes[overlay->count++] = map;
    *map = *own;
    map->count = 0;
    map->children = qb_alloc(own->count + base->count, sizeof *map->children, "merged map", err);
    if (!map->children)
        return NULL;
    for (size_t i = 0; i < own->count; i++)
        map->children[map->count++] = own->children[i];
    for (size_t i = 0; i < base->count; i++)
        if (!qb_yaml_get(own, base->children[i]->key))
            map->children[map->count++] = base->children[i];
    return map;
}

void qb_overlay_replace(const struct qb_yaml *map, const struct qb_yaml *node)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->children[i]->key, node->key) == 0)
            map->children[i] = mutable(node);
}

void qb_overlay_free(struct qb_overlay *overlay)
{
    for (size_t i = 0; i < overlay->count; i++) {
        qb_free(overlay->nodes[i]->children);
        qb_free(overlay->nodes[i]);
    }
    overlay->count = 0;
}
