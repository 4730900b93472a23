/* A choice of cells by name: --only MODEL/VARIANT/EXPERIMENT, one or several. */
#ifndef QB_ONLY_H
#define QB_ONLY_H

#include <stdbool.h>
#include "base/choice.h"
#include "base/error.h"

struct qb_only_globs {
    char part[3][256]; /* globs (qb_glob) of model, variant and experiment */
};

/* What any of the globs takes; none: every cell. Zero-initialise. */
struct qb_only {
    struct qb_only_globs any[QB_GLOBS_MAX];
    size_t count;
};

/* Adds "M/V/E"; fewer parts: the rest is "*". An empty part, a fourth one, one of 256 bytes or more and more than
 * QB_GLOBS_MAX are QB_ERR_INPUT with a message that begins with "--only: "; *only is then as it was. */
enum qb_status qb_only_add(struct qb_only *only, const char *text, struct qb_error *err);

/* Does one of them match all three names? */
bool qb_only_matches(const struct qb_only *only, const char *model, const char *variant, const char *experiment);

/* Can any of them match a cell of this model? */
bool qb_only_model(const struct qb_only *only, const char *model);

/* Appends "M/V/E", several with a comma between. */
void qb_only_print(const struct qb_only *only, struct qb_text *out);

/* The cells that there are, seen one by one; zero-initialise, free with qb_only_cells_free. Names are borrowed. */
struct qb_only_cells {
    struct qb_choice names[3];   /* models, variants, experiments */
    size_t chosen[QB_GLOBS_MAX]; /* of the cells seen, those that each of the choice takes */
};
void qb_only_see(struct qb_only_cells *cells, const struct qb_only *only, const char *model, const char *variant,
                 const char *experiment);
void qb_only_cells_free(struct qb_only_cells *cells);

/* QB_OK when each of the choice takes a cell. Else QB_ERR_INPUT, of the first that takes none: each part that matches
 * no name on its own, with the nearest one and those that there are; or that no cell fits all three parts together. */
enum qb_status qb_only_check(const struct qb_only *only, const struct qb_only_cells *cells, struct qb_error *err);

#endif
