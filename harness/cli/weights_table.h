/* How a model's weights are stored, by role. */
#ifndef QB_WEIGHTS_TABLE_H
#define QB_WEIGHTS_TABLE_H

#include "cli.h"
#include "model/convert.h"

/* A line each: role, codec, tensors, weights, bits a weight, bytes; where something was encoded its SQNR. */
void qb_weights_table(const struct qb_converted *rows, size_t count, enum qb_output output, struct qb_text *out);

#endif
