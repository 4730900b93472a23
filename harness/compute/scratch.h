/* Working memory that is kept between calls and only grows; its content never survives a call. One owner, one user at
 * a time. */
#ifndef QB_SCRATCH_H
#define QB_SCRATCH_H

#include <stddef.h>
#include "base/error.h"

struct qb_scratch { /* zero-initialise; free with qb_scratch_free */
    float *data;
    size_t room; /* floats */
};

/* At least `floats` floats, aligned to 64 bytes; what earlier calls returned is invalid. NULL with err set when memory
 * runs out. */
float *qb_scratch_get(struct qb_scratch *scratch, size_t floats, struct qb_error *err);
/* The floats that it has room for once so many were asked for. */
size_t qb_scratch_room(size_t floats);
void qb_scratch_free(struct qb_scratch *scratch);

#endif
