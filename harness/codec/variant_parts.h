/* Inside of variant.h: the files of variants (variant_files.c), their keys (variant.c), placement and names of tensors
 * (placement.c). variant_make.c makes variants of all that. */
#ifndef QB_VARIANT_PARTS_H
#define QB_VARIANT_PARTS_H

#include "codec/overlay.h"
#include "codec/variant.h"

#define VARIANT_BASES 8

/* The files that a variant builds on, alive while it is read. */
struct variant_bases {
    struct qb_yaml *roots[VARIANT_BASES];
    size_t count;
    struct qb_overlay overlay;
};

/* own's keys over its base's, recursively, and the kv of the variant that `kv` may name; *map borrows from own and
 * bases. */
enum qb_status variant_resolve(const struct qb_yaml *own, struct variant_bases *bases, const struct qb_yaml **map,
                               struct qb_error *err);
void variant_bases_free(struct variant_bases *bases);

/* Everything but name, summary, canonical and place. */
enum qb_status variant_fill(const struct qb_yaml *map, const struct qb_registry *registry, enum qb_isa isa,
                            struct qb_variant *variant, struct qb_error *err);

/* A list of roles or globs, ored into *mask. Only weights can be placed: a glob passes over other roles, a name of one
 * is an error. */
enum qb_status variant_read_roles(const struct qb_yaml *list, uint32_t *mask, struct qb_error *err);
/* A list of globs of tensor names or of roles (NULL: none) into a new list, to be freed also on failure. */
enum qb_status variant_read_names(const struct qb_yaml *list, char ***names, struct qb_error *err);
void variant_free_names(char **names);

/* Is it [a-z0-9-_.], at most 64 characters? */
bool variant_name_fits(const char *name);
/* The file of a built-in. */
enum qb_status variant_load(const char *name, struct qb_yaml **root, struct qb_error *err);

#endif
