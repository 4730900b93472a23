#include "compute/scratch.h"

#include "base/mem.h"

size_t qb_scratch_room(size_t floats)
{
    /* A quarter more than asked: a sequence that grows token by token must not allocate at every step. */
    return floats + floats / 4 + 16;
}

float *qb_scratch_get(struct qb_scratch *scratch, size_t floats, struct qb_error *err)
{
    scratch->made = (struct qb_made){0};
    if (floats <= scratch->room && scratch->data)
        return scratch->data;
    size_t room = qb_scratch_room(floats);
    float *data = qb_alloc(room, sizeof *data, "working memory", err);
    if (!data)
        return NULL;
    qb_free(scratch->data);
    scratch->data = data;
    scratch->room = room;
    return data;
}

void qb_scratch_free(struct qb_scratch *scratch)
{
    qb_free(scratch->data);
    *scratch = (struct qb_scratch){0};
}
