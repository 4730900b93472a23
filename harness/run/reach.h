/* What a variant encodes, from the model's room (effect) to the result file's (reach). */
#ifndef QB_RUN_REACH_H
#define QB_RUN_REACH_H

#include "model/effect.h"
#include "store/store.h"

/* Fills a zeroed reach with copies; freed with its cell. */
enum qb_status qb_run_reach(const struct qb_effect *effect, struct qb_reach *reach, struct qb_error *err);

#endif
