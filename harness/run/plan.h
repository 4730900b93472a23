/* The plan: every cell of a suite in the order in which cells start. */
#ifndef QB_PLAN_H
#define QB_PLAN_H

#include "base/hash.h"
#include "base/only.h"
#include "run/suite.h"

#define QB_PLAN_NONE ((size_t)-1)

struct qb_plan_cell {
    size_t model, experiment; /* indices into the suite */
    size_t variant;           /* QB_PLAN_NONE: the reference */
    size_t reference;         /* index of the cell whose record this one reads, or QB_PLAN_NONE */
    bool selected;            /* by --only */
    bool exclusive;
};

/* Cells grouped by model, a model's references first, then variant by variant, whose cells share a net; exclusive ones
 * in a second round at the end. */
struct qb_plan {
    struct qb_plan_cell *cells;
    size_t count, selected;
};

/* A reference is selected with the cells that read it. A choice that selects nothing and a plan over limits.cells are
 * errors. */
enum qb_status qb_plan_make(const struct qb_suite *suite, const struct qb_only *only, struct qb_plan *plan,
                            struct qb_error *err);
void qb_plan_free(struct qb_plan *plan);

/* "model/variant/experiment". */
void qb_plan_label(const struct qb_suite *suite, const struct qb_plan_cell *cell, struct qb_text *out);
const char *qb_plan_variant_name(const struct qb_suite *suite, const struct qb_plan_cell *cell);

/* What a measured time depends on beside what every result does. */
struct qb_key_machine {
    const char *cpu, *features; /* qb_cpu() */
    unsigned cores, threads;    /* that the run may use; compute threads a worker */
};

/* The version of what computes (scripts/compute_version.sh), 64 hexadecimal digits; the build makes this function. */
const char *qb_compute_version(void);

/* What a cell's content key covers beside the suite. */
struct qb_key_context {
    const struct qb_model *model;
    const struct qb_inputs *inputs;
    enum qb_isa isa;
    const char *blas, *blas_core;  /* qb_blas_config(), qb_blas_core() */
    const char *computes;          /* qb_compute_version() */
    struct qb_key_machine machine; /* strings may be NULL */
};
/* SHA-256 over all that a cell's result depends on: names, model bytes, variant, plugins, experiment and options,
 * inputs, seed, what computes, BLAS and its core, ISA level; of a timed (exclusive) cell over the machine as well. Not
 * over -j, for timed cells run alone, and of other cells not over threads, on which no array depends. */
enum qb_status qb_plan_key(const struct qb_suite *suite, const struct qb_plan_cell *cell,
                           const struct qb_key_context *context, char key[QB_HASH_HEX], struct qb_error *err);

#endif
