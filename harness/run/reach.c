#include "run/reach.h"

#include "base/mem.h"

enum qb_status qb_run_reach(const struct qb_effect *effect, struct qb_reach *reach, struct qb_error *err)
{
    *reach = (struct qb_reach){true, effect->tensors, effect->weights, effect->bytes, qb_strdup(effect->unbound, err)};
    return err->status;
}
