/* What baselines and gate reports write beyond base/text_format.h, appended to a growing buffer. */
#ifndef QB_GATE_JSON_WRITE_H
#define QB_GATE_JSON_WRITE_H

#include <stdbool.h>
#include "base/text.h"

/* qb_json_number, but -0 is "-0.0": it reads back as a real with its sign. */
void qb_gate_json_number(struct qb_text *out, double value, bool there);

#endif
