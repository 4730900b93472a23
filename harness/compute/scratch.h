/* Working memory that is kept between calls and only grows; its content survives no call but as `made`
 * says. One owner, one user at a time. */
#ifndef QB_SCRATCH_H
#define QB_SCRATCH_H

#include <stddef.h>
#include "base/error.h"

/* What a user left in working memory for a next one that takes the same. */
struct qb_made {
    const void *of; /* NULL: nothing */
    int how;        /* the users' own numbers */
};

struct qb_scratch { /* zero-initialise; free with qb_scratch_free */
    float *data;
    size_t room;         /* floats */
    struct qb_made made; /* set by users; nothing from each qb_scratch_get on */
};

/* At least `floats` floats, aligned to 64 bytes; what earlier calls returned is invalid. NULL with err set when memory
 * runs out. */
float *qb_scratch_get(struct qb_scratch *scratch, size_t floats, struct qb_error *err);
/* The floats that it has room for once so many were asked for. */
size_t qb_scratch_room(size_t floats);
void qb_scratch_free(struct qb_scratch *scratch);

#endif
