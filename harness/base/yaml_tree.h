/* What yaml*.c share: making and growing the tree. Private to base/. */
#ifndef QB_YAML_TREE_H
#define QB_YAML_TREE_H

#include "base/yaml.h"

#define QB_YAML_DEPTH_MAX 32
#define QB_YAML_BYTES_MAX ((size_t)4 << 20)

/* Appends child and owns it from then on; on failure it stays the caller's. */
enum qb_status qb_yaml_append(struct qb_yaml *parent, struct qb_yaml *child, struct qb_error *err);
/* Frees a node and what is below it, not the name for messages. */
void qb_yaml_free_node(struct qb_yaml *node);

struct qb_yaml_source {
    const char *text;
    size_t size;
    const char *name; /* of the text, for the parser's own messages */
    const char *file; /* what the nodes keep */
    bool lines;       /* false: nodes get line 0 */
    unsigned depth;   /* nodes above the new one */
};
/* Parses one document into a node under `key` (NULL: none). */
enum qb_status qb_yaml_read(const struct qb_yaml_source *source, const char *key, struct qb_yaml **node,
                            struct qb_error *err);

/* Is the plain scalar null: empty, "~" or "null"? */
bool qb_yaml_is_null(const struct qb_yaml *node);

/* The key of map nearest to `word`, or NULL. */
const char *qb_yaml_nearest_key(const struct qb_yaml *map, const char *word);

#endif
