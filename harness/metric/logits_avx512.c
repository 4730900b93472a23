#define QB_VECTOR_BYTES 64
#include "metric/logits_lanes.h"

const struct qb_logits_kernels qb_logits_avx512 = QB_LOGITS_TABLE;
