/* What the figure writers share; only figure*.c include this. A writer turns cells into numbered data blocks, gnuplot
 * variables and a caption; the drawing itself is in reports/figures/<name>.gp. */
#ifndef QB_FIGURE_H
#define QB_FIGURE_H

#include <stdbool.h>
#include <stddef.h>
#include "store/store.h"
#include "tool.h"

struct qb_ledger;

struct qb_figure {
    const struct qb_ledger *ledger; /* evaluated on the result; borrowed; NULL: the run measures no published number */
    struct qb_text data;            /* becomes <name>.dat */
    struct qb_text variables;       /* gnuplot assignments, put before the template */
    struct qb_text caption;         /* plain text */
    size_t blocks;                  /* data blocks so far; the next one's index */
    const char *script;             /* reports/figures/<script>.gp draws it; NULL: <name>.gp */
    double width;                   /* inches: QB_FIGURE_WIDE (0 counts as it) or QB_FIGURE_NARROW */
    struct qb_text shortened;       /* names that were shortened, as the caption's end has them */
    size_t shortened_count;
    struct qb_text coinciding; /* curves that lie on one another, likewise */
    char missing[256];         /* why there is nothing to draw; "" when there is */
};
#define QB_FIGURE_WIDE 7.0   /* inches: both columns of a two-column page */
#define QB_FIGURE_NARROW 3.4 /* one column */

struct qb_figure_kind {
    const char *name, *title;
    enum qb_status (*fill)(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err);
};

/* Starts a data block (index figure->blocks): a comment line and the separation that gnuplot wants. */
void qb_figure_block(struct qb_figure *figure, const char *comment);

/* name = value for the template. */
void qb_figure_number(struct qb_figure *figure, const char *name, double value);
/* An element of an array "name": array names are declared by qb_figure_array(count) first. */
void qb_figure_array(struct qb_figure *figure, const char *name, size_t count);
void qb_figure_set(struct qb_figure *figure, const char *name, size_t index, const char *text); /* index from 1 */
void qb_figure_set_number(struct qb_figure *figure, const char *name, size_t index, double value);

/* ---- names (figure_names.c) ---- */

/* Line types in style.gp of a figure's variants: the built-ins have fixed ones, others one of 24 by their name, or the
 * next that no other of the figure has. types[count]. */
void qb_figure_linetypes(const char *const *variants, size_t count, unsigned *types);
/* A built-in's short name for keys ("INT8 per channel"); another variant's own name. */
const char *qb_figure_label(const char *variant);
bool qb_figure_builtin(const char *variant);
/* The shipped formats of a KV cache, for qb_select. */
extern const char *const qb_figure_caches[];

/* A name that fits: itself up to `most` (at least 12) letters of average width, else its start, an ellipsis and a
 * number in brackets that the end of the caption resolves. Writes to `out`. */
enum { QB_FIGURE_NAME = 128, QB_FIGURE_VARIANT_CHARS = 23, QB_FIGURE_MODEL_CHARS = 22 };
void qb_figure_short(struct qb_figure *figure, const char *name, size_t most, char out[QB_FIGURE_NAME]);

/* ---- what is drawn ---- */

/* The models with at least one finished cell of `experiment`, and the variants to draw: those of `wanted` (names,
 * NULL-terminated) that were run, then others that are no built-ins, at most `most`. */
enum { QB_FIGURE_MODELS = 6, QB_FIGURE_VARIANTS = 12 };
struct qb_selection {
    const char *models[QB_FIGURE_MODELS];
    size_t model_count;
    const char *variants[QB_FIGURE_VARIANTS];
    enum qb_floor floors[QB_FIGURE_VARIANTS]; /* of the variants */
    size_t variant_count;
    const char *experiment;
    struct qb_text left_out; /* "pattern-a-cached, legacy-both": run and not drawn */
};
void qb_select(const struct qb_result *result, const char *experiment, const char *const *wanted, size_t most,
               struct qb_selection *selection);
/* The same of what reads a text: of teacher-forced, or of a run without it of kl; selection->experiment says which. */
void qb_select_text(const struct qb_result *result, const char *const *wanted, size_t most,
                    struct qb_selection *selection);
/* Says that a model is not drawn: "model x (why)". */
void qb_selection_lacks(struct qb_selection *selection, const char *model, const char *why);
/* Takes model `m` out again and says so. */
void qb_selection_drop(struct qb_selection *selection, size_t m, const char *why);
/* Sentence for the caption on what was not drawn; nothing when all was. Frees the selection's text. */
void qb_selection_end(struct qb_selection *selection, struct qb_figure *figure);

/* nmodels, nvariants, and the arrays models[], labels[], types[] (line types), floors[] (1: one of the three floors) of
 * a selection. */
void qb_figure_axes(struct qb_figure *figure, const struct qb_selection *selection);

/* The curves of one panel, a block a variant, through `fill`, which appends a cell's rows (false: it lacks the arrays;
 * a row of NaN stands for it). Sets voids[m * nvariants + v] (declared by the caller with qb_figure_curves) where
 * `metric` is flagged degenerate, void_panels[m] where every curve is, and notes curves with equal rows. */
typedef bool (*qb_curve)(const struct qb_record *record, struct qb_figure *figure, void *context, struct qb_error *err);
void qb_figure_curves(struct qb_figure *figure, const struct qb_selection *selection);
void qb_figure_panel(const struct qb_result *result, struct qb_figure *figure, const struct qb_selection *selection,
                     size_t m, const char *experiment, const char *metric, qb_curve fill, void *context,
                     struct qb_error *err);

/* Panel m's logarithmic axis in whole powers of ten around [least, most], both over 0 (else any decade): elements m + 1
 * of the arrays decades_from and decades_to, declared by qb_figure_decade_arrays. */
void qb_figure_decade_arrays(struct qb_figure *figure, size_t panels);
void qb_figure_decades(struct qb_figure *figure, size_t m, double least, double most);

/* Is no cell before cell `at` of its model? */
bool qb_figure_begins_model(const struct qb_result *result, size_t at);

/* What the three floors of a model cost: QB_FLOOR_ARITHMETIC, QB_FLOOR_FP16, QB_FLOOR_BF16. NaN: not run. */
enum { QB_FIGURE_FLOORS = 3 };
void qb_figure_floors(const struct qb_result *result, const char *model, const char *experiment, const char *metric,
                      double out[QB_FIGURE_FLOORS]);

/* Arrays of a finished cell; false when the cell is missing or not done. err is set for a file that cannot be read. */
bool qb_figure_record(const struct qb_result *result, const char *model, const char *variant, const char *experiment,
                      struct qb_record *record, struct qb_error *err);

/* " Flagged degenerate (why): source-chain; Pattern A on kjv-chain." for the caption: models all of whose drawn cells
 * are flagged by name alone, others cell by cell. Nothing when none is. */
void qb_figure_say_flagged(const struct qb_result *result, struct qb_figure *figure,
                           const struct qb_selection *selection, const char *experiment, const char *metric,
                           uint32_t flag, const char *sentence);
/* Says of the drawn cells which are contaminated, then ends the selection. */
void qb_figure_end(const struct qb_result *result, struct qb_figure *figure, struct qb_selection *s,
                   const char *experiment, const char *metric);

/* ---- drawing ---- */

/* A gnuplot process on a file of a folder, started from there; several may run at once. */
struct qb_gnuplot {
    struct qb_tool tool;
};
enum qb_status qb_gnuplot_start(struct qb_gnuplot *run, const char *folder, const char *file, struct qb_error *err);
/* Waits for it; QB_ERR_IO with what it said on failure. */
enum qb_status qb_gnuplot_finish(struct qb_gnuplot *run, const char *folder, const char *file, struct qb_error *err);

/* QB_ERR_IO when gnuplot left <name>.<format> (of tex: <name>-tex.tex and <name>-tex.pdf) without its end. */
enum qb_status qb_picture_whole(const char *folder, const char *name, const char *format, struct qb_error *err);

/* Makes <name>.tex, for \input{figures/<name>}, of what gnuplot left as <name>-tex.tex; the picture without its text
 * stays as <name>-tex.pdf. */
enum qb_status qb_figure_tex(const char *folder, const char *name, struct qb_error *err);

#endif
