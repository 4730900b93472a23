/* How much work a net's passes are, to hold their times against what the machine allows (compute/ceilings.h). */
#ifndef QB_WORK_H
#define QB_WORK_H

#include "compute/ceilings.h"
#include "model/net.h"

struct qb_work {
    double flop_per_token; /* of the matrix products of one token, 2 a weight, the head left out */
    double step_bytes;     /* of weights that a decode step reads, head included: as they are stored, or their kept
                              copies */
};
enum qb_status qb_net_work(struct qb_net *net, struct qb_work *work, struct qb_error *err);

/* FLOP of n tokens of one sequence behind `past` positions: products and attention, the head left out. */
double qb_work_prefill(const struct qb_work *work, const struct qb_arch *arch, double n, double past);

/* Adds the matrices that a prefill multiplies, the head left out. */
void qb_net_products(struct qb_net *net, struct qb_product_ceiling *ceiling);

#endif
