/* Inside of the attribute experiment: the reference that every variation of a variant is compared with (judge), the
 * factorial over the variant's parts, and single tensors. */
#ifndef QB_ATTRIBUTE_H
#define QB_ATTRIBUTE_H

#include "forced.h"

/* The FP32 run on the text. */
struct judge {
    const struct qb_cell_env *env;
    struct qb_net *fp32;
    struct qb_forced text;
    size_t positions; /* compared, of all chunks */
    float *hidden;    /* final hidden states of the compared positions [positions, H] */
    float *kept;      /* their logits [positions, vocab], where they are small enough to be kept; else NULL */
    float *p, *q;     /* logits of a block */
};
/* Close it also on failure. */
enum qb_status judge_open(const struct qb_cell_env *env, struct judge *judge, struct qb_error *err);
void judge_close(struct judge *judge);

/* KL(reference || net) of the first `positions` compared positions, whose final hidden states under net are given:
 * plain[positions] without net's alpha, scaled[positions] with it; either may be NULL. Logits are made in the blocks of
 * teacher-forced, so that the same net gives the same bits there. A KL that is not finite is QB_ERR_NUMERIC. */
enum qb_status judge_kl(struct judge *judge, struct qb_net *net, const float *hidden, size_t positions, double *plain,
                        double *scaled, struct qb_error *err);

/* The parts of a variant that can be switched off one by one; bits of a mask, in the order of qb_factor_names. */
enum {
    FACTOR_STORAGE = 1u << 0, /* weights are rounded by the codec */
    FACTOR_DOMAIN = 1u << 1,  /* products are made of coordinates */
    FACTOR_SCALE = 1u << 2,   /* S */
    FACTOR_ALPHA = 1u << 3,   /* alpha */
    FACTOR_FP16 = 1u << 4     /* calibration.fp16_roles */
};
/* Those that the variant has and that reach something of the model: no factor is a request without effect (a chain has
 * no Q and K to keep in FP16), which would read as a part that costs nothing. Coordinates of weights (domain weights or
 * both) exist of encoded weights alone: rounding is then part of the domain and no factor of its own. */
unsigned factors_of(const struct qb_variant *variant, const struct qb_model *model);

/* The variant with only these of its factors; borrows everything from it. Decoded weights are kept, which changes no
 * bit. */
struct qb_variant factors_keep(const struct qb_variant *variant, unsigned factors);

/* Arrays combination[C], kl[C, N], alpha[C]: all combinations of the variant's factors, "none" first, all of them last,
 * each calibrated anew. S and alpha have nothing to correct where weights and domain are FP32's and are 1 there. */
enum qb_status factors_run(struct judge *judge, struct qb_record *out, struct qb_error *err);

/* Arrays swap_*, role*, all_kl: placed tensors rounded one at a time, role by role, all together, everything else
 * FP32; with order_chunks > 0 order* as well, on that many chunks. */
enum qb_status swap_run(struct judge *judge, size_t order_chunks, struct qb_record *out, struct qb_error *err);

#endif
