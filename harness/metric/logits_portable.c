#define QB_VECTOR_BYTES 16
#include "metric/logits_lanes.h"

const struct qb_logits_kernels qb_logits_portable = QB_LOGITS_TABLE;
