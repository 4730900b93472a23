/* Figures drawn by gnuplot from a result file alone. Each leaves <name>.dat (the numbers), <name>.gp (how they are
 * drawn; `gnuplot <name>.gp` in that folder draws again), <name>.txt (the caption) and the pictures. */
#ifndef QB_FIGURES_H
#define QB_FIGURES_H

#include <stdbool.h>
#include "store/store.h"

struct qb_figure_options {
    const char *folder;  /* DIR: figures go to DIR/figures, the index to DIR/README.md */
    const char *formats; /* comma-separated of png, svg, pdf; NULL: all three */
    const char *only;    /* one figure's name, or NULL: all */
};

/* Draws every figure that the result has the cells for. Written and left-out figures are listed in `report`, a line
 * each. A figure without data is left out with its reason; with `only` that is an error. gnuplot missing or failing is
 * QB_ERR_IO with what it said; .dat, .gp and .txt are there by then. */
enum qb_status qb_figures_write(const struct qb_result *result, const struct qb_figure_options *options,
                                struct qb_text *report, struct qb_error *err);

/* Names of all figures, NULL-terminated, static. */
const char *const *qb_figure_names(void);

#endif
