/* A variant's keys over those of its base: a map node whose children are borrowed from both trees. */
#ifndef QB_OVERLAY_H
#define QB_OVERLAY_H

#include "base/yaml.h"

#define QB_OVERLAY_NODES 32

struct qb_overlay { /* zero-initialise; free with qb_overlay_free */
    struct qb_yaml *nodes[QB_OVERLAY_NODES];
    size_t count;
};

/* A map with own's children and those of base whose keys own lacks; own's file, line and key. Either may be NULL; both
 * NULL gives NULL. The trees must outlive the overlay. NULL with err set on failure. */
const struct qb_yaml *qb_overlay_merge(struct qb_overlay *overlay, const struct qb_yaml *own,
                                       const struct qb_yaml *base, struct qb_error *err);

/* Puts node in the place of the child of map (a result of qb_overlay_merge) with the same key. */
void qb_overlay_replace(const struct qb_yaml *map, const struct qb_yaml *node);

void qb_overlay_free(struct qb_overlay *overlay);

#endif
