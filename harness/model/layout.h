/* Which tensors an architecture has: one list for the generator, the file reader and the writer. */
#ifndef QB_LAYOUT_H
#define QB_LAYOUT_H

#include "model/model.h"

/* The architectures as options; name "transformer" or "chain". vocab, hidden, layers and context are left 0 in the
 * source's form (no positions, all see all, no block norm). NULL: no such architecture. */
const struct qb_arch *qb_arch_find(const char *name);

/* The tensors of arch in canonical order, without data: *tensors is a new array for qb_free. inner[layers] is the width
 * that each layer's first mlp matrix makes (a chain's last must be arch->hidden). biased_head: an untied head has a
 * bias. */
enum qb_status qb_layout_make(const struct qb_arch *arch, const size_t *inner, bool biased_head,
                              struct qb_tensor **tensors, size_t *count, struct qb_error *err);

/* A model around an architecture's tensors: allocates their data (zeros). Free with qb_model_free. */
enum qb_status qb_model_make(const char *name, const char *origin, const struct qb_arch *arch, const size_t *inner,
                             bool biased_head, struct qb_model **model, struct qb_error *err);

/* Fills model->sha256 from the architecture and all tensors. */
enum qb_status qb_model_seal(struct qb_model *model, struct qb_error *err);

#endif
