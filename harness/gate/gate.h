/* The gate: a result against a baseline, cell by cell and metric by metric. Nothing here depends on time, thread count
 * or the order of cells in a file. How it decides, and at which error rates: docs/gate.md. */
#ifndef QB_GATE_H
#define QB_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include "gate/baseline.h"
#include "gate/rules.h"
#include "base/only.h"
#include "metric/stats.h"

enum qb_gate_verdict {
    QB_GATE_PASS,
    QB_GATE_FAIL,
    QB_GATE_INCONCLUSIVE,
    QB_GATE_NEW,
    QB_GATE_UNMATCHED, /* a rule that matched nothing, or a name in it that did not */
    QB_GATE_VERDICTS
};
/* "pass", "fail", "inconclusive", "new", "unmatched" */
const char *qb_gate_verdict_name(enum qb_gate_verdict verdict);

struct qb_gate_row {
    const char *model, *variant, *experiment; /* borrowed from the result or the baseline */
    char metric[40];                          /* "cell": about a whole cell; "rule": about a rule */
    char unit[16];                            /* of value and baseline */
    char worse_unit[16];                      /* of worse, lo, hi, margin, detectable */
    enum qb_gate_verdict verdict;
    char reason[400];
    double baseline, value; /* may be infinite, or NaN */
    bool has_baseline, has_value;
    double worse;  /* the difference, positive where the result is worse, infinite where one side is; NaN: none */
    double lo, hi; /* its bounds, each one-sided at the level that the verdict needs of it; NaN: none */
    /* Confidence of the bounds. The row fails exactly where lo is beyond the margin: lo's level is 1 - alpha, adjusted
     * over the family by Holm's method; it passes exactly where hi is within: 1 - alpha. NaN: nothing was sampled. */
    double lo_level, hi_level;
    double margin;          /* what it may be; NaN: no margin */
    double detectable;      /* the smallest worsening that this test finds with a power of 80%; NaN */
    double p_worse, p_holm; /* of H0 "worse <= margin", and adjusted over the gate's family; NaN: not tested */
    double p_not_worse;     /* of H0 "worse >= margin" */
    size_t clusters;        /* the smaller arm's */
    bool paired;
    /* Inside: the difference as the test sees it (share, mean, log), which `worse` etc. are told from. */
    bool tested;
    enum qb_transform scale;        /* QB_EXP: differences of logs */
    struct qb_difference raw, test; /* test: against its bound; the same but for a relative margin */
    double raw_margin, bound;
};

struct qb_gate_options {
    const struct qb_gate_rules *rules;
    double alpha;      /* in (0, 0.5) */
    bool fresh_inputs; /* changed inputs are compared as independent samples instead of being red */
    struct qb_only only;
};

/* Does `only` choose the cell? */
bool qb_gate_wants(const struct qb_gate_options *options, const struct qb_baseline_cell *cell);

struct qb_gate {
    /* By model, experiment, variant, then "cell" and the metrics in the registry's order; "rule" rows at the end. */
    struct qb_gate_row *rows;
    size_t count;
    size_t compared; /* rows that hold a metric against the baseline: 0 is no pass, whatever else stands there */
    size_t verdicts[QB_GATE_VERDICTS];
    size_t family; /* tests that Holm's adjustment is over */
    double alpha;
};
#define QB_GATE_POWER 0.8

/* Compares; *gate is new, for qb_gate_free, and borrows names from both. An edited baseline gives one row, a failure.
 */
enum qb_status qb_gate_run(const struct qb_baseline *result, const struct qb_baseline *baseline,
                           const struct qb_gate_options *options, struct qb_gate **gate, struct qb_error *err);
void qb_gate_free(struct qb_gate *gate);

/* Reports. JUnit: a testsuite a model and experiment, a testcase a row; inconclusive is skipped, with its reason. */
void qb_gate_junit(const struct qb_gate *gate, struct qb_text *out);
/* A summary line, what did not pass, then what passed folded away. */
void qb_gate_markdown_report(const struct qb_gate *gate, struct qb_text *out);
/* "worse by 0.003 [0.001, 0.005] nat, margin 0.002, finds 0.004": what a row says in numbers; "" without a
 * difference. */
void qb_gate_numbers(const struct qb_gate_row *row, struct qb_text *out);
/* "12 pass, 1 fail, 0 inconclusive, 2 new, 3 unmatched" */
void qb_gate_summary(const struct qb_gate *gate, struct qb_text *out);

/* ---- accepting ---- */

/* Why a result may not become a baseline without force, a line each, appended to out: failed cells, values that are not
 * finite, gated values that are degenerate, unresolved, contaminated or biased in every run, and timed cells of several
 * machines. Returns how many. */
size_t qb_baseline_refusals(const struct qb_baseline *baseline, const struct qb_gate_rules *rules, struct qb_text *out);
/* Keeps what a rule tests: metrics without a rule are dropped. */
void qb_baseline_keep_gated(struct qb_baseline *baseline, const struct qb_gate_rules *rules);
/* What a new baseline would replace by another measurement under the old names, a line each, appended to out: cells and
 * gated metrics that are gone, and another model, tokenizer, input, option, variant definition, or other encoded bytes
 * under the same codec version. Returns how many; 0: nothing that needs a reason. */
size_t qb_baseline_replaced(const struct qb_baseline *from, const struct qb_baseline *to, struct qb_text *out);
/* What moved from one baseline to another, a line each; returns how many. */
size_t qb_baseline_moved(const struct qb_baseline *from, const struct qb_baseline *to, struct qb_text *out);

#endif
