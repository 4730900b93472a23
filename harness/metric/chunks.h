/* What the metrics of `teacher-forced` and `kl` share: samples and quantiles over positions that fall into chunks of
 * text. Internal to metric/. */
#ifndef QB_CHUNKS_H
#define QB_CHUNKS_H

#include "metric/parts.h"

/* The share of positions in a state, in percent; fill it by qb_sample_by_chunk. Where a share of exactly 0 or 1 shows
 * no spread, its interval assumes an intra-chunk correlation of at most 0.05. Measured on the source suite's two models
 * with text (20 chunks of 128 positions): -0.003 to 0.015 for top-1 agreement of 95 to 99.9%, at most 0.032 for
 * agreement under 10%. */
extern const struct qb_sample qb_chunk_share;

/* The sample of x[n] by the record's array `chunk`, from the kept entries (keep NULL: all). Takes x; x NULL, no chunks
 * or nothing kept: false. True without totals: memory ran out. */
bool qb_sample_by_chunk(const struct qb_record *record, double *x, const uint8_t *keep, size_t n,
                        struct qb_sample *sample);

/* A mean KL over positions; and x[n] of the kept entries as one. Takes both; keep NULL: memory ran out, which is true
 * without totals. */
extern const struct qb_sample qb_chunk_divergence;
bool qb_divergence_where(const struct qb_record *record, double *x, uint8_t *keep, size_t n, struct qb_sample *sample);

/* keep[n]: 1 at positions whose target the reference can be asked for. Where it masks the target (base/probability.h)
 * its own perplexity would be the mask's depth, and so would every number beside it; what the variant says there
 * decides nothing. Returns how many targets were masked. */
size_t qb_keep_possible(const struct qb_record *record, const int32_t *target, uint8_t *keep, size_t n);

/* Quantile p of the array with its interval over chunks; false when it is missing. */
bool qb_quantile_by_chunk(const struct qb_record *record, const char *name, double p, struct qb_value *value);

/* The largest entry of the array; false when it is missing. */
bool qb_largest_of(const struct qb_record *record, const char *name, struct qb_value *value);

/* Flags degenerate where an arm's distributions are nearly uniform (QB_UNIFORM_SPREAD) at more than half of the
 * positions. Agreement and divergences say little there. */
void qb_uniform_remark(const struct qb_record *record, struct qb_value *value);

#endif
