#include "compute/kernels.h"

#include <pthread.h>
#include "base/cpu.h"

static void (*const levels[])(struct qb_kernels *) = {[QB_ISA_PORTABLE] = qb_kernels_portable,
                                                      [QB_ISA_AVX2] = qb_kernels_avx2,
                                                      [QB_ISA_AVX512] = qb_kernels_avx512,
                                                      [QB_ISA_AMX] = qb_kernels_amx};
enum { LEVELS = sizeof levels / sizeof *levels };

static struct qb_kernels tables[LEVELS];
static const struct qb_kernels *chosen;

static void fill(void)
{
    for (int isa = 0; isa <= (int)qb_cpu()->isa; isa++) {
        if (isa > 0)
            tables[isa] = tables[isa - 1];
        levels[isa](&tables[isa]);
        chosen = &tables[isa];
    }
}

const struct qb_kernels *qb_kernels_at(enum qb_isa isa)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill);
    return &tables[isa];
}

const struct qb_kernels *qb_kernels(void)
{
    qb_kernels_at(QB_ISA_PORTABLE);
    return chosen;
}

void qb_kernels_use(enum qb_isa isa)
{
    chosen = qb_kernels_at(isa);
}
