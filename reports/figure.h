/* What the figure writers share; only figure*.c include this. A writer turns cells into numbered data blocks, gnuplot
 * variables and a caption; the drawing itself is in reports/figures/<name>.gp. */
#ifndef QB_FIGURE_H
#define QB_FIGURE_H

#include <stdbool.h>
#include <stddef.h>
#include "store/store.h"

struct qb_figure {
    struct qb_text data;      /* becomes <name>.dat */
    struct qb_text variables; /* gnuplot assignments, put before the template */
    struct qb_text caption;   /* plain text */
    size_t blocks;            /* data blocks so far; the next one's index */
    char missing[256];        /* why there is nothing to draw; "" when there is */
};

struct qb_figure_kind {
    const char *name, *title;
    enum qb_status (*fill)(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err);
};
extern const struct qb_figure_kind qb_figure_controlled, qb_figure_match, qb_figure_kl, qb_figure_depth,
    qb_figure_memory, qb_figure_speed, qb_figure_linearity, qb_figure_codes;

/* Starts a data block (index figure->blocks): a comment line and the separation that gnuplot wants. */
void qb_figure_block(struct qb_figure *figure, const char *comment);

/* name = "text" or name = value for the template, the text quoted for gnuplot. */
void qb_figure_text(struct qb_figure *figure, const char *name, const char *text);
void qb_figure_number(struct qb_figure *figure, const char *name, double value);
/* An element of an array "name": array names are declared by qb_figure_array(count) first. */
void qb_figure_array(struct qb_figure *figure, const char *name, size_t count);
void qb_figure_set(struct qb_figure *figure, const char *name, size_t index, const char *text); /* index from 1 */
void qb_figure_set_number(struct qb_figure *figure, const char *name, size_t index, double value);

/* ---- how variants look, the same in every figure ---- */

/* Line type of a variant in style.gp: the built-ins have fixed ones, others take those from 20 on in order of
 * appearance. */
unsigned qb_figure_linetype(const char *variant);
const char *qb_figure_label(const char *variant); /* a short name for keys, e.g. "INT8 per channel" */

/* The models with at least one finished cell of `experiment`, and the variants to draw: those of `wanted` (names,
 * NULL-terminated) that were run, then others that are no built-ins, at most `most`. */
enum { QB_FIGURE_MODELS = 6, QB_FIGURE_VARIANTS = 9 };
struct qb_selection {
    const char *models[QB_FIGURE_MODELS];
    size_t model_count;
    const char *variants[QB_FIGURE_VARIANTS];
    size_t variant_count;
    struct qb_text left_out; /* "pattern-a-cached, legacy-both": run and not drawn */
};
void qb_select(const struct qb_result *result, const char *experiment, const char *const *wanted, size_t most,
               struct qb_selection *selection);
/* Sentence for the caption on what was not drawn; nothing when all was. Frees the selection's text. */
void qb_selection_end(struct qb_selection *selection, struct qb_figure *figure);

/* nmodels, nvariants, and the arrays models[], labels[], types[] (line types) of a selection. */
void qb_figure_axes(struct qb_figure *figure, const struct qb_selection *selection);

/* Arrays of a finished cell; false when the cell is missing or not done. err is set for a file that cannot be read. */
bool qb_figure_record(const struct qb_result *result, const char *model, const char *variant, const char *experiment,
                      struct qb_record *record, struct qb_error *err);

/* "source-chain, kjv-chain": the models whose cells of all drawn variants are flagged degenerate, appended to out. */
void qb_figure_degenerates(const struct qb_result *result, const struct qb_selection *selection, const char *experiment,
                           const char *metric, struct qb_text *out);

/* Is the value of this cell flagged degenerate? */
bool qb_figure_degenerate(const struct qb_result *result, const char *model, const char *variant,
                          const char *experiment, const char *metric);

/* Runs gnuplot on a file of `folder`, from there; QB_ERR_IO with its stderr on failure. */
enum qb_status qb_gnuplot(const char *folder, const char *file, struct qb_error *err);

#endif
