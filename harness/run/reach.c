#include "run/reach.h"

#include "base/mem.h"

enum qb_status qb_run_reach(const struct qb_effect *effect, struct qb_reach *reach, struct qb_error *err)
{
    *reach = (struct qb_reach){.known = true,
                               .tensors = effect->tensors,
                               .weights = effect->weights,
                               .bytes = effect->bytes,
                               .codec_tensors = effect->codec_tensors,
                               .codec_weights = effect->codec_weights,
                               .otherwise_tensors = effect->otherwise_tensors,
                               .otherwise_weights = effect->otherwise_weights};
    if ((reach->unbound = qb_strdup(effect->unbound, err)) && effect->otherwise &&
        (reach->codec = qb_strdup(effect->codec, err)))
        reach->otherwise = qb_strdup(effect->otherwise, err);
    return err->status;
}
