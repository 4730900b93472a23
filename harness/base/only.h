/* A choice of cells by name: --only MODEL/VARIANT/EXPERIMENT. */
#ifndef QB_ONLY_H
#define QB_ONLY_H

#include <stdbool.h>
#include "base/error.h"

struct qb_only {
    char part[3][256]; /* globs (qb_glob) of model, variant and experiment */
};

/* "M/V/E" into its globs; fewer parts: the rest is "*". NULL: "*" for all three. An empty part, a fourth one and one of
 * 256 bytes or more are QB_ERR_INPUT with a message that begins with "--only: "; *only then holds no choice. */
enum qb_status qb_only_parse(const char *text, struct qb_only *only, struct qb_error *err);

/* Does each glob match its name? */
bool qb_only_matches(const struct qb_only *only, const char *model, const char *variant, const char *experiment);

#endif
