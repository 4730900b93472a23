/* A choice of cells by name: --only MODEL/VARIANT/EXPERIMENT. */
#ifndef QB_ONLY_H
#define QB_ONLY_H

#include <stdbool.h>
#include "base/choice.h"
#include "base/error.h"

struct qb_only {
    char part[3][256]; /* globs (qb_glob) of model, variant and experiment */
};

/* "M/V/E" into its globs; fewer parts: the rest is "*". NULL: "*" for all three. An empty part, a fourth one and one of
 * 256 bytes or more are QB_ERR_INPUT with a message that begins with "--only: "; *only then holds no choice. */
enum qb_status qb_only_parse(const char *text, struct qb_only *only, struct qb_error *err);

/* Does each glob match its name? */
bool qb_only_matches(const struct qb_only *only, const char *model, const char *variant, const char *experiment);

/* The cells that there are, seen one by one; zero-initialise, free with qb_only_cells_free. Names are borrowed. */
struct qb_only_cells {
    struct qb_choice names[3]; /* models, variants, experiments */
    size_t chosen;             /* of the cells seen, those that the choice takes */
};
void qb_only_see(struct qb_only_cells *cells, const struct qb_only *only, const char *model, const char *variant,
                 const char *experiment);
void qb_only_cells_free(struct qb_only_cells *cells);

/* QB_OK when a cell was chosen. Else QB_ERR_INPUT: each part that matches no name on its own, with the nearest one and
 * those that there are; or that no cell fits all three parts together. */
enum qb_status qb_only_check(const struct qb_only *only, const struct qb_only_cells *cells, struct qb_error *err);

#endif
