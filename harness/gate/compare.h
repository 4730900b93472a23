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
    char note[160];
    struct qb_difference raw; /* inside: on the scale of the test */
};

struct qb_compare {
    struct qb_compare_row *rows; /* by model, experiment, variant, metric in the registry's order */
    size_t count, room, family;
};

/* Every cell and metric that both arms have and the globs take. Cells with equal inputs are compared pairwise, others
 * as independent samples. *compare is new, for qb_compare_free. */
enum qb_status qb_compare_run(const struct qb_compare_arm *a, const struct qb_compare_arm *b, const char *only[3],
                              const char *metric, struct qb_compare **compare, struct qb_error *err);
void qb_compare_free(struct qb_compare *compare);

#endif
