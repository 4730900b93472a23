/* What baselines and gate reports write beyond base/text_format.h, appended to a growing buffer. */
#ifndef QB_GATE_JSON_WRITE_H
#define QB_GATE_JSON_WRITE_H

#include <stdbool.h>
#include "base/text.h"

/* qb_json_number, but -0 is "-0.0": it reads back as a real with its sign. */
void qb_gate_json_number(struct qb_text *out, double value, bool there);
/* Text for XML 1.0, in attributes and content alike: markup is escaped, and what XML cannot hold (control characters,
 * bytes that are no UTF-8) becomes '?'. */
void qb_gate_xml(struct qb_text *out, const char *text);
/* Text for a cell of a Markdown table: one line, bars and markup escaped. */
void qb_gate_markdown(struct qb_text *out, const char *text);

#endif
