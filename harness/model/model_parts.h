/* Inside of model.h: how a model is put together from an architecture and a source of weights. */
#ifndef QB_MODEL_PARTS_H
#define QB_MODEL_PARTS_H

#include "model/model.h"

/* A model of this architecture over `weights`, which it owns from here on, also on failure. Its tensors must be there
 * in their shapes, and nothing else. inner: as of qb_arch_tensors. Every value is read once: NaN and Inf are refused,
 * the hash is taken, vectors are kept; what was read is dropped from the resident set. */
enum qb_status qb_model_make(const char *name, const char *origin, const struct qb_arch *arch, const size_t *inner,
                             struct qb_weights *weights, struct qb_model **model, struct qb_error *err);

#endif
