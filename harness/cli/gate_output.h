/* Tables, CSV, JSON and Markdown of a gate, and what gate, baseline and compare share. */
#ifndef QB_GATE_OUTPUT_H
#define QB_GATE_OUTPUT_H

#include "cli.h"
#include "gate/gate.h"

/* Console: what did not pass first, then what passed, then the count of verdicts. JSON: an array of rows.
 * failed: of the rows those alone that failed or are inconclusive; counts are of all. */
void qb_gate_print(const struct qb_gate *gate, enum qb_output output, bool failed, struct qb_text *out);

/* "0.001235", "-" where it is not finite. */
const char *qb_short_number(double value, bool there, char text[32]);

/* A number in [low, high]. */
enum qb_status qb_parse_share(const char *flag, const char *text, double low, double high, double *value,
                              struct qb_error *err);

/* --rules FILE, or the shipped default when it is NULL. */
enum qb_status qb_open_rules(const char *path, struct qb_gate_rules **rules, struct qb_error *err);

#endif
