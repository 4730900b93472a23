/* Inside the conformance suite: the checks about numbers. */
#ifndef QB_CONFORMANCE_VALUES_H
#define QB_CONFORMANCE_VALUES_H

#include "codec/conformance_checks.h"

enum qb_verdict qb_check_edge_values(struct qb_check_case *c);
enum qb_verdict qb_check_idempotence(struct qb_check_case *c);
enum qb_verdict qb_check_tolerance(struct qb_check_case *c);
enum qb_verdict qb_check_lossless(struct qb_check_case *c);
enum qb_verdict qb_check_zero(struct qb_check_case *c);

#endif
