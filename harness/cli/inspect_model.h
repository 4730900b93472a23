/* What is in a model of any source. */
#ifndef QB_INSPECT_MODEL_H
#define QB_INSPECT_MODEL_H

#include "base/error.h"
#include "base/text.h"
#include "codec/registry.h"

/* Appends where it comes from, family, options, tokenizer, tensors, and bytes by role. What `run`
 * refuses is refused by the same call: then out has the tensors, where they could be read, and what is supported. */
enum qb_status qb_inspect_model(const char *path, const struct qb_registry *registry, enum qb_isa isa,
                                struct qb_text *out, struct qb_error *err);

#endif
