/* What this processor can do, and which OpenBLAS core type fits it. */
#ifndef QB_CPU_H
#define QB_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include "base/isa.h"

struct qb_cpu {
    char model[64];     /* "model name" of /proc/cpuinfo */
    char features[256]; /* the flags that matter here, e.g. "avx2 fma f16c avx512f avx512bw ..." */
    unsigned cores;     /* processors this process may run on (sched_getaffinity) */
    enum qb_isa isa;    /* best level this CPU and operating system support */
    bool byte_permutes; /* beyond AVX-512's level: VBMI and VNNI */
    size_t cache;       /* bytes of the last-level cache; 0: the system does not tell */
};

/* Read once, then constant. Where the CPU has AMX, this asks Linux for leave to use it. */
const struct qb_cpu *qb_cpu(void);

/* "portable", "avx2", "avx512", "amx"; and back (false: no such name). */
const char *qb_isa_name(enum qb_isa isa);
bool qb_isa_parse(const char *name, enum qb_isa *isa);

/* The OPENBLAS_CORETYPE that the CPU's features allow: "SKYLAKEX" (AVX-512 F/DQ/CD/BW/VL), "Haswell" (AVX2+FMA),
 * or NULL to leave OpenBLAS's own choice. Debian 12's OpenBLAS 0.3.21 does not know newer CPUs and would take its
 * AVX2 kernels on them. */
const char *qb_blas_coretype(void);

#endif
