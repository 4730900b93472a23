#define QB_VECTOR_BYTES 32
#include "compute/kernels_logits.h"
#include "compute/kernels_rows.h"

void qb_kernels_avx2(struct qb_kernels *kernels)
{
    set_rows(kernels);
    set_logits(kernels);
}
