/* What the gate_*.c files share. Internal to gate/. */
#ifndef QB_GATE_PARTS_H
#define QB_GATE_PARTS_H

#include "gate/gate.h"

/* A cell of both sides that is fit for comparison. */
struct qb_gate_pair {
    const struct qb_gate_options *options;
    const struct qb_baseline *result, *baseline;
    const struct qb_baseline_cell *now, *then;
    bool same_inputs;  /* both recorded and equal: positions correspond */
    const char *other; /* why speed cannot be compared ("other machine: ..."); NULL: it can */
};

enum { QB_GATE_CLUSTERS_MIN = 5, QB_GATE_SPREAD_DF = 8, QB_GATE_RUNS_MAX = 64 /* further ones are not looked at */ };

/* A new row of a cell (NULL: of none) without a verdict; NULL: no memory. */
struct qb_gate_row *qb_gate_add_row(struct qb_gate *gate, const struct qb_baseline_cell *cell, const char *metric,
                                    struct qb_error *err);

/* Adds a row for each rule that decides nothing of what either side measured, and for each whose list of variants or
 * metrics names some that it decides nothing of. */
enum qb_status qb_gate_unmatched_rows(struct qb_gate *gate, const struct qb_baseline *result,
                                      const struct qb_baseline *baseline, const struct qb_gate_options *options,
                                      struct qb_error *err);

/* Sets verdict and reason. */
void qb_gate_decide(struct qb_gate_row *row, enum qb_gate_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The cell's own row: missing, failed, changed. True: its metrics are to be compared. */
bool qb_gate_cell_row(struct qb_gate_pair *pair, struct qb_gate_row *row);

/* A metric's row. `now` NULL: the result lacks it. The verdict of a row with `tested` set is still open. */
void qb_gate_metric_row(const struct qb_gate_pair *pair, const struct qb_gate_rule *rule,
                        const struct qb_baseline_metric *then, const struct qb_baseline_metric *now,
                        struct qb_gate_row *row);
void qb_gate_ratio_row(const struct qb_gate_pair *pair, const struct qb_gate_rule *rule,
                       const struct qb_baseline_metric *then, const struct qb_baseline_metric *now,
                       struct qb_gate_row *row);
/* A ceiling of a speed cell: pass near the baseline's, else inconclusive. */
void qb_gate_ceiling_row(const struct qb_gate_rule *rule, const struct qb_baseline_metric *then,
                         const struct qb_baseline_metric *now, struct qb_gate_row *row);
/* The bytes of the encoded tensors. */
void qb_gate_tensor_row(const struct qb_gate_pair *pair, struct qb_gate_row *row);

/* The direction by rule or registry. */
enum qb_direction qb_gate_direction(const struct qb_gate_rule *rule, const struct qb_baseline_metric *metric);

#endif
