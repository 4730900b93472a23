/* What is recorded of a position at which two arms read the same tokens: how their next-token distributions differ, and
 * whether either is right. Shared by teacher-forced and kl, whose metrics are the same. */
#ifndef QB_POSITIONS_H
#define QB_POSITIONS_H

#include <stddef.h>
#include <stdint.h>
#include "base/record.h"
#include "base/threads.h"
#include "common.h"

/* Arrays of a record, all [count]; what each holds says qb_positions_add. */
struct qb_positions {
    size_t count;
    int32_t *chunk, *position, *target, *top, *reference_top;
    double *kl, *nll, *reference_nll, *top1_share, *top10_share, *hit, *reference_hit;
    uint8_t *top1, *overlap;
    float *max_diff, *logit_std, *margin, *reference_p, *spread, *reference_spread;
};

/* Adds the arrays of n positions to `out`, which owns them. The caller fills chunk, position and target. */
enum qb_status qb_positions_add(size_t n, struct qb_positions *r, struct qb_record *out, struct qb_error *err);

/* What is found of a position from the reference's logits alone. */
struct qb_reference_row {
    struct qb_row_stats stats;
    float std; /* of the logits, improbable ones left out */
};

/* known[n] from the reference's logits p[n, vocab] of positions [first, first + n). Logits that are not finite are
 * QB_ERR_NUMERIC. */
enum qb_status qb_positions_reference(struct qb_pool *pool, const float *p, size_t vocab, size_t first, size_t n,
                                      struct qb_reference_row *known, struct qb_error *err);

/* Positions [first, first + n), whose targets are filled in, from the logits p[n, vocab] of the reference, of which
 * qb_positions_reference found known[n] (NULL: found here), and q[n, vocab] of the variant. Logits that are not finite
 * are QB_ERR_NUMERIC. */
enum qb_status qb_positions_block(struct qb_pool *pool, const float *p, const struct qb_reference_row *known,
                                  const float *q, size_t vocab, size_t first, size_t n, struct qb_positions *r,
                                  struct qb_error *err);

#endif
