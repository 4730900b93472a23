/* NaN and Inf are failures before any metric. */
#ifndef QB_FINITE_H
#define QB_FINITE_H

#include "base/record.h"

/* The first NaN or Inf of a record's float arrays is QB_ERR_NUMERIC naming array and index; a NaN of nll and
 * reference_nll where target is -1 means "no target". */
enum qb_status qb_record_finite(const struct qb_record *record, struct qb_error *err);

#endif
