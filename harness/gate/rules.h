/* Rules of a gate: which metric is tested how, and how much worse it may get (data/gate/, docs/gate.md). */
#ifndef QB_GATE_RULES_H
#define QB_GATE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/yaml.h"
#include "metric/metric.h"

enum qb_gate_test {
    QB_TEST_NON_INFERIORITY, /* a mean over clusters: not worse by more than the margin, at a stated error rate */
    QB_TEST_EXACT,           /* nothing was sampled: worse by more than the margin (0 unless given) is red */
    QB_TEST_IDENTICAL,       /* any difference is red */
    QB_TEST_RATIO,           /* speed, as a ratio to a ceiling of the same run */
    QB_TEST_CEILING,         /* such a ceiling: further from the baseline's than the margin, the machine was disturbed
                                and what later rules test in its cell as ratio says nothing */
    QB_TEST_IGNORE
};

enum { QB_RULE_GLOBS = 32 };
struct qb_gate_rule {
    unsigned line;                                                /* of the file */
    const char *experiment;                                       /* glob */
    const char *variants[QB_RULE_GLOBS], *metrics[QB_RULE_GLOBS]; /* globs, NULL at the end */
    enum qb_gate_test test;
    double relative,
        absolute; /* margin: the larger of relative * |baseline| and absolute; 0: not given. absolute in
                     the metric's unit; a metric that is exp of a mean, or a ratio: relative on its scale */
    bool has_direction;
    enum qb_direction direction; /* instead of the registry's */
    double spread;               /* ratio: standard deviation between runs that is expected beforehand */
};

/* Owned by the caller, freed with qb_gate_rules_free; the rules point into the YAML. */
struct qb_gate_rules {
    struct qb_yaml *root;
    const char *name, *file; /* file: for messages */
    struct qb_gate_rule *rules;
    size_t count;
};

/* Strict: unknown keys, wrong types, margins that a test cannot use, an experiment that measures nothing and a metric
 * that its experiment does not have are errors with file, line, key and the nearest name. */
enum qb_status qb_gate_rules_load(const char *path, struct qb_gate_rules **rules, struct qb_error *err);
enum qb_status qb_gate_rules_parse(const char *text, size_t size, const char *name, struct qb_gate_rules **rules,
                                   struct qb_error *err);
void qb_gate_rules_free(struct qb_gate_rules *rules);

/* The first rule that fits; NULL: none, which is as good as `ignore`. */
const struct qb_gate_rule *qb_gate_rule_for(const struct qb_gate_rules *rules, const char *variant,
                                            const char *experiment, const char *metric);

/* The row of a round trip's encoded bytes: no metric of the registry, but rules name it like one. */
#define QB_GATE_ENCODED "encoded_sha256"
#define QB_GATE_ENCODED_EXPERIMENT "roundtrip"

#define QB_GATE_SPREAD 0.015 /* default of `spread` */

#endif
