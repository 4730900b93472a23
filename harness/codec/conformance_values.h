/* Inside the conformance suite: the checks about numbers. */
#ifndef QB_CONFORMANCE_VALUES_H
#define QB_CONFORMANCE_VALUES_H

#include "codec/conformance_checks.h"

enum qb_verdict qb_check_edge_values(struct qb_check_case *c);
enum qb_verdict qb_check_idempotence(struct qb_check_case *c);
enum qb_verdict qb_check_tolerance(struct qb_check_case *c);
enum qb_verdict qb_check_lossless(struct qb_check_case *c);
enum qb_verdict qb_check_zero(struct qb_check_case *c);

/* How far decoded values are from x, in the terms of struct qb_codec_tolerance (floor_fraction is read from `promise`
 * and copied). All values must be finite. */
struct qb_codec_tolerance qb_measure_tolerance(const float *x, const float *decoded, size_t n,
                                               const struct qb_codec_tolerance *promise);

#endif
