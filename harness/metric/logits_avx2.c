#define QB_VECTOR_BYTES 32
#include "metric/logits_lanes.h"

const struct qb_logits_kernels qb_logits_avx2 = QB_LOGITS_TABLE;
