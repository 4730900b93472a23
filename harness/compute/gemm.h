/* The FP32 matrix product in tiles, each one single-threaded BLAS call. Which tiles a product is cut into depends on
 * its shape alone, and on the number of threads where OpenBLAS's kernel gives a value the same bits in every tile: the
 * same bits come out for any number of threads and in any order of the tiles. */
#ifndef QB_GEMM_H
#define QB_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include "base/threads.h"

struct qb_gemm_plan {
    size_t m, n, k;
    size_t tile_m, tile_n;   /* rows of A and of B a tile takes; the last ones may be smaller */
    size_t tiles_m, tiles_n; /* how many */
};
/* The tiles of C[m, n] = A[m, k] B[n, k]^T for that many threads; 1: those of the shape. m, n, k >= 1. */
struct qb_gemm_plan qb_gemm_plan(size_t m, size_t n, size_t k, unsigned threads);

/* Does OpenBLAS's packing kernel, of the core type that this process runs, give a value the same bits in whatever tile
 * it is? Tried out on a product, once: SkylakeX's does, Haswell's and Zen's do not. */
bool qb_gemm_cuts_freely(void);

/* Tile (i, j) of the plan. a, lda: all of A; b: row j * tile_n of B (so that a caller may have that panel alone),
 * contiguous with k columns; c: all of C, row stride ldc. */
void qb_gemm_tile(const struct qb_gemm_plan *plan, size_t i, size_t j, const float *a, size_t lda, const float *b_panel,
                  float *c, size_t ldc);

/* The whole product over the pool, as qb_sgemm_nt, for rows of A that lie lda apart. */
void qb_gemm_nt(struct qb_pool *pool, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                float *c, size_t ldc);

/* c[n] = B[n, k] a[k] on one thread: the bits of OpenBLAS's sgemv. Where the kernel gemv (kernels.h) has them, which is
 * tried out once for the core type that this process runs, it reads B, at the rate of memory; what it does not cover
 * (k not a multiple of 4, the rows that make no four) and other core types are OpenBLAS's own. */
void qb_gemv(size_t n, size_t k, const float *a, const float *b, float *c);
bool qb_gemm_streams(void); /* whether it does, at all */

/* C = alpha A B^T and C = A B on one thread: the products inside attention. B[n, k] or B[k, n]. */
void qb_gemm_one_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                    float *c, size_t ldc);
void qb_gemm_one_nn(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                    size_t ldc);

/* C[m, n] = A[m, k] B[n, k]^T by plain loops in double: the reference that tests compare with. */
void qb_gemm_nt_ref(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);

#endif
