/* A baseline: what one or several result files of a suite measured, in the form that a gate compares and that lies in
 * git. Result files and baseline files read into the same struct, so that either can stand on both sides. */
#ifndef QB_BASELINE_H
#define QB_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "metric/metric.h"
#include "store/store.h"

/* The median over repeats of a ratio taken within one run, with its 95% interval (NaN: none, or none to be relied on,
 * for the run was biased). */
struct qb_baseline_run {
    double value, lo, hi;
};

struct qb_baseline_metric {
    char name[40], unit[16];
    enum qb_direction direction;
    double value;            /* of several runs: the geometric mean of those with an interval; none where `flags` say so
                                (qb_value_there) */
    uint32_t flags;          /* of several runs: all of theirs, but biased only when each is */
    struct qb_sample sample; /* sum NULL: the metric is no mean over clusters. From a file: kind, icc, unit unset */
    struct qb_baseline_run *runs; /* speed: one a result file; NULL for other experiments */
    size_t run_count;
};

struct qb_baseline_codec {
    char *id, *version, sha256[QB_HASH_HEX];
};

/* An encoded tensor's bytes (roundtrip). */
struct qb_baseline_tensor {
    char *name, sha256[QB_HASH_HEX];
};

struct qb_baseline_cell {
    char *model, *variant, *experiment;
    enum qb_cell_state state;
    char *message;                                       /* failed or skipped: why */
    char inputs[QB_HASH_HEX], model_sha256[QB_HASH_HEX]; /* "": not recorded */
    char tokenizer_sha256[QB_HASH_HEX];                  /* "": the model has none, or it is not recorded */
    char *options, *definition;                          /* the experiment's options; the variant, canonical */
    enum qb_floor floor;                                 /* that the definition makes it */
    uint64_t encoded_weights;           /* of the model; 0: none, or not known (an older program's file) */
    struct qb_baseline_codec *codecs;   /* those that the definition names, by id */
    struct qb_baseline_tensor *tensors; /* in the file's order */
    struct qb_baseline_metric *metrics; /* in the registry's order */
    size_t codec_count, tensor_count, metric_count;
};

struct qb_baseline {
    char *path;            /* for messages */
    char *program, *suite; /* version that measured, the suite's name; "" when not known */
    /* What speed depends on: of the timed cells, or of the file when it has none; "" where it is not said, and where
     * the timed cells are of several machines, of which `mixed` names two (else NULL). */
    char *cpu, *isa, *threads, *blas_core;
    char *mixed;
    size_t runs;      /* result files behind the speed metrics */
    bool interrupted; /* the run stopped before all of its cells had run; not kept in a baseline file */
    bool forced;      /* accepted against a refusal, for this reason: */
    char *reason;
    bool edited;                    /* the file's digest is not that of its content */
    struct qb_baseline_cell *cells; /* by model, experiment, variant */
    size_t count;
};

/* Reads all cells of a result file but the references, with every metric; arrays are read for the cluster totals.
 * *baseline is new, for qb_baseline_free. */
enum qb_status qb_baseline_from_result(const struct qb_result *result, struct qb_baseline **baseline,
                                       struct qb_error *err);
/* Adds the speed metrics of another run of the same suite. Differing cells, inputs, models, options, codecs, variants
 * or machines are errors that name the cell, and so are timed cells of several machines in one file. */
enum qb_status qb_baseline_add_run(struct qb_baseline *baseline, const struct qb_baseline *more, struct qb_error *err);

/* Reads FILE: a result file (HDF5) or a baseline (JSON), told apart by content. */
enum qb_status qb_baseline_load(const char *path, struct qb_baseline **baseline, struct qb_error *err);

/* Reads baseline JSON (at most QB_BASELINE_MAX bytes): unknown or missing keys, wrong types, sizes and totals that are
 * not finite are errors with file, place and expectation. A digest that does not fit sets `edited`. */
#define QB_BASELINE_MAX ((size_t)64 << 20)
enum qb_status qb_baseline_parse(const char *text, size_t size, const char *name, struct qb_baseline **baseline,
                                 struct qb_error *err);
/* The JSON of a baseline, a line a metric, its digest last: the SHA-256 of the text before it. */
void qb_baseline_print(const struct qb_baseline *baseline, struct qb_text *out);
/* Replaces path with that JSON once it has been read back: what a stranger's result holds may be nothing that a
 * baseline takes (a hash that is none), which is QB_ERR_INPUT, and the file stays as it was. */
enum qb_status qb_baseline_save(const struct qb_baseline *baseline, const char *path, struct qb_error *err);

void qb_baseline_free(struct qb_baseline *baseline);

/* By model, experiment, variant: the order of `cells`, which the readers establish. */
int qb_baseline_order(const struct qb_baseline_cell *a, const struct qb_baseline_cell *b);
void qb_baseline_sort(struct qb_baseline *baseline);
/* The model's cell in this experiment that is the floor, or NULL; the first by name where there are several. */
const struct qb_baseline_cell *qb_baseline_floor(const struct qb_baseline *baseline, const char *model,
                                                 enum qb_floor floor, const char *experiment);
/* The cell, or NULL; a cell's metric, or NULL. */
const struct qb_baseline_cell *qb_baseline_find(const struct qb_baseline *baseline, const char *model,
                                                const char *variant, const char *experiment);
const struct qb_baseline_metric *qb_baseline_metric_of(const struct qb_baseline_cell *cell, const char *name);

/* Frees a metric's content and takes it out of the cell. */
void qb_baseline_drop(struct qb_baseline_cell *cell, size_t metric);

#endif
