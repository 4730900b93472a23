/* Figures drawn by gnuplot from a result file alone. Each leaves <name>.dat (the numbers), <name>.gp (how they are
 * drawn; `gnuplot <name>.gp` in that folder draws again), <name>.txt (the caption) and the pictures.
 *
 * Format tex is for LaTeX: \input{figures/<name>} in a document with graphicx and color (or xcolor) draws the lines
 * from <name>-tex.pdf and sets all text in the document's font. A document that lies elsewhere says first where the
 * folder is: \newcommand{\qbfigures}{../figures/}. */
#ifndef QB_FIGURES_H
#define QB_FIGURES_H

#include <stdbool.h>
#include "store/store.h"

struct qb_ledger;
struct qb_figure_options {
    const struct qb_ledger *ledger; /* where published numbers come from; borrowed; NULL: none are drawn */
    const char *folder;             /* DIR: figures go to DIR/figures, the index to DIR/README.md */
    const char *formats;            /* comma-separated of png, svg, pdf, tex; NULL: the first three */
    const char *only;               /* one figure's name, or NULL: all */
};

/* The figures that were drawn, in order: what the report's pages show. Free with qb_figure_list_free. */
struct qb_figure_list {
    struct qb_drawn_figure {
        char name[32];  /* "kl": files DIR/figures/<name>.{png,svg,pdf,tex,dat,gp,txt} */
        char title[96]; /* "KL divergence from FP32" */
        char *caption;  /* plain text, one paragraph, qb_alloc'ed */
        double width;   /* inches: 7.0 fits both columns of a two-column page, 3.4 one */
    } * items;
    size_t count;
    struct qb_figure_left_out {
        char name[32];
        char why[256];
    } * left_out; /* qb_alloc'ed too */
    size_t left_out_count;
};
void qb_figure_list_free(struct qb_figure_list *list); /* the content */

/* Draws every figure that the result has the cells for. Written and left-out figures are listed in `report`, a line
 * each, and in `list` unless it is NULL (zeroed by the caller). A figure without data is left out with its reason; with
 * `only` that is an error. gnuplot missing or failing is QB_ERR_IO with what it said; .dat, .gp and .txt are there by
 * then. */
enum qb_status qb_figures_write(const struct qb_result *result, const struct qb_figure_options *options,
                                struct qb_figure_list *list, struct qb_text *report, struct qb_error *err);

/* Names of all figures, NULL-terminated, static. */
const char *const *qb_figure_names(void);

#endif
