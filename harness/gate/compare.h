/* The differences between two result files, cell by cell, or between two variants of one. Nothing is judged against a
 * margin: each difference has an interval and a p value, adjusted over the table. */
#ifndef QB_COMPARE_H
#define QB_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include "gate/baseline.h"
#include "gate/gate.h"

/* One arm: a loaded file, and the variant that stands for it when two variants of a run are compared. */
struct qb_compare_arm {
    const struct qb_baseline *cells;
    const struct qb_result *result; /* for raw arrays; NULL: no McNemar's test */
    const char *variant;            /* NULL: each variant against itself */
};

/* Something beside the variant in which arms differ. MODEL, TOKENIZER, OPTIONS: another subject, no comparison; the
 * others are said: DEFINITION of a variant under one name, PLACEMENT how many weights each encodes. */
enum qb_compare_kind {
    QB_COMPARE_MODEL,
    QB_COMPARE_TOKENIZER,
    QB_COMPARE_OPTIONS,
    QB_COMPARE_INPUTS,
    QB_COMPARE_PLACEMENT,
    QB_COMPARE_DEFINITION,
    QB_COMPARE_CODEC,
    QB_COMPARE_PROGRAM, /* of the files as wholes, and MACHINE */
    QB_COMPARE_MACHINE
};
/* "inputs,codec": the words of the bits 1 << kind, in the order above, appended to out. */
void qb_compare_kinds(uint32_t kinds, struct qb_text *out);

struct qb_compare_row {
    const char *model, *variant, *experiment; /* of arm a; borrowed */
    const char *other;                        /* arm b's variant */
    char metric[40], unit[16];
    double a, b;
    bool a_there, b_there; /* false: that arm has no value */
    char difference_unit[16];
    double difference, lo, hi; /* b - a, with its 95% interval; in percent of a for exp of a mean; NaN: none */
    double p, holm, bh;        /* two-sided, of no difference; NaN: not tested */
    double mcnemar;            /* exact, positions taken for independent (top1_agreement); NaN: not applicable */
    uint64_t a_alone, b_alone; /* positions where only that arm agrees with the reference */
    size_t clusters;
    bool paired, testable; /* testable: a mean over clusters */
    bool flagged;          /* degenerate, contaminated or biased in an arm: the note says which */
    char note[160];
    uint32_t differs;         /* bits 1 << kind: in what the two cells differ */
    struct qb_difference raw; /* inside: on the scale of the test */
};

/* A difference beside the variant, or that a file does not say. */
struct qb_compare_fact {
    enum qb_compare_kind kind;
    char subject[216];   /* model, model/experiment, variant or codec */
    char a[240], b[240]; /* what each arm has, around the first difference; "not recorded" */
    bool refused;        /* the arms measured different things */
    size_t cells;        /* pairs that it concerns; 0: the files as a whole */
};

struct qb_compare {
    struct qb_compare_row *rows; /* by model, experiment, variant, metric in the registry's order */
    size_t count, family;
    struct qb_compare_fact *facts;
    size_t fact_count;
    size_t only_a, only_b; /* chosen cells that one arm lacks, and so are left out */
    size_t equal;          /* rows that qb_compare_drop_equal left out */
    size_t unfinished;     /* chosen cells that failed or were skipped in either arm */
};

struct qb_compare_options {
    struct qb_only only;
    struct qb_globs metrics;
    bool force; /* compare what is no comparison all the same; the facts still say it */
};

/* Every cell and metric that both arms have and the globs take. Cells with equal inputs are compared pairwise, others
 * as independent samples. Without `force`, arms whose model bytes, tokenizer or experiment options differ are
 * QB_ERR_INPUT that names them. *compare is new, for qb_compare_free. */
enum qb_status qb_compare_run(const struct qb_compare_arm *a, const struct qb_compare_arm *b,
                              const struct qb_compare_options *options, struct qb_compare **compare,
                              struct qb_error *err);

/* Leaves out the rows in which both arms have the same value, or neither has one; what is adjusted over the whole table
 * stays as it is. */
void qb_compare_drop_equal(struct qb_compare *compare);

/* "inputs of tiny/greedy differ: 12ab... in A, 34cd... in B (3 cells)" */
void qb_compare_say(const struct qb_compare_fact *fact, struct qb_text *out);
void qb_compare_free(struct qb_compare *compare);

#endif
