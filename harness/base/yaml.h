/* YAML (libyaml) as a tree whose nodes know their file and line, with strict typed reading. Duplicate keys,
 * anchors/aliases, tags, several documents, depth over 32 and files over 4 MiB are errors. */
#ifndef QB_YAML_H
#define QB_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum qb_yaml_kind { QB_YAML_SCALAR, QB_YAML_MAP, QB_YAML_LIST };

struct qb_yaml {
    enum qb_yaml_kind kind;
    char *key;    /* the key under which a map holds this node; NULL elsewhere */
    char *scalar; /* QB_YAML_SCALAR: its text; a quoted scalar is never a number, boolean or null */
    bool quoted;
    struct qb_yaml **children; /* map: in file order, each with its key; list: its items */
    size_t count;
    const char *file; /* name for messages; owned by the root */
    unsigned line;    /* from 1; 0: set on the command line */
};

/* The caller frees the root with qb_yaml_free (NULL is fine), which frees the tree. */
enum qb_status qb_yaml_load(const char *path, struct qb_yaml **root, struct qb_error *err);
enum qb_status qb_yaml_parse(const char *text, size_t size, const char *name, struct qb_yaml **root,
                             struct qb_error *err);
void qb_yaml_free(struct qb_yaml *root);

/* The child under key, or NULL. */
const struct qb_yaml *qb_yaml_get(const struct qb_yaml *map, const char *key);

/* Typed readers: an error names file, line, key, what was expected and what was found. */
enum qb_status qb_yaml_text(const struct qb_yaml *node, const char **value, struct qb_error *err);
enum qb_status qb_yaml_int(const struct qb_yaml *node, int64_t min, int64_t max, int64_t *value, struct qb_error *err);
enum qb_status qb_yaml_double(const struct qb_yaml *node, double min, double max, double *value, struct qb_error *err);
enum qb_status qb_yaml_bool(const struct qb_yaml *node, bool *value,
                            struct qb_error *err); /* true|false|on|off|yes|no */
enum qb_status qb_yaml_expect(const struct qb_yaml *node, enum qb_yaml_kind kind, struct qb_error *err);

/* Every key of map must be in known (NULL-terminated); the error suggests the nearest. */
enum qb_status qb_yaml_known(const struct qb_yaml *map, const char *const *known, struct qb_error *err);

/* "file:line: key 'k': <formatted>" as QB_ERR_INPUT, for errors found above the parser. */
enum qb_status qb_yaml_fail(const struct qb_yaml *node, struct qb_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --set models.source-chain.seed=7: sets the node at a dotted path to the YAML value `text` (a scalar or flow
 * collection), creating the last key where it is missing; the maps on the way must exist. A path component may be
 * '*' for every child of a map. Keys that contain dots cannot be named. A failure leaves the
 * tree as it was, except QB_ERR_MEMORY, which may leave '*' set in some maps only. */
enum qb_status qb_yaml_set(struct qb_yaml *root, const char *path, const char *text, struct qb_error *err);

/* The tree as canonical flow YAML (maps in file order), for content keys and provenance; append to a qb_text. */
struct qb_text;
void qb_yaml_print(const struct qb_yaml *node, struct qb_text *out);

#endif
