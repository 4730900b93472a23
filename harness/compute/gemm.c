#include "compute/gemm.h"

#include <cblas.h>
#include "compute/linear.h"

static size_t at_most(size_t value, size_t bound)
{
    return value < bound ? value : bound;
}

/* OpenBLAS has a kernel without packing for small products, with C of at most 1200 entries and m n k <= 10^6 on
 * AVX-512; for a few rows of x (decode, small batches) it is up to four times as fast as the packing one, so B is cut
 * into panels that fit it. Measured (SkylakeX, 0.3.21): worth it up to about 40 rows. Above, tiles are large enough to
 * pay for the packing. */
struct qb_gemm_plan qb_gemm_plan(size_t m, size_t n, size_t k)
{
    struct qb_gemm_plan plan = {.m = m, .n = n, .k = k, .tile_m = 512, .tile_n = 512};
    if (m == 1) {
        plan.tile_n = 128; /* gemv: memory-bound, any panel does */
    } else if (m <= 40) {
        size_t fit = at_most(1200 / m, 1000000 / (m * k));
        size_t panel = 512;
        while (panel > fit && panel > 16)
            panel /= 2;
        if (panel <= fit)
            plan.tile_n = panel;
    } else if (m > plan.tile_m) {
        size_t parts = (m + plan.tile_m - 1) / plan.tile_m; /* even parts: no thin rest */
        plan.tile_m = ((m + parts - 1) / parts + 15) / 16 * 16;
    }
    plan.tile_m = at_most(plan.tile_m, m);
    plan.tile_n = at_most(plan.tile_n, n);
    plan.tiles_m = (m + plan.tile_m - 1) / plan.tile_m;
    plan.tiles_n = (n + plan.tile_n - 1) / plan.tile_n;
    return plan;
}

void qb_gemm_one_nt(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                    float *c, size_t ldc)
{
    if (m == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (blasint)n, (blasint)k, alpha, b, (blasint)ldb, a, 1, 0.0f, c, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)m, (blasint)n, (blasint)k, alpha, a, (blasint)lda,
                    b, (blasint)ldb, 0.0f, c, (blasint)ldc);
}

void qb_gemm_one_nn(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                    size_t ldc)
{
    if (m == 1)
        cblas_sgemv(CblasRowMajor, CblasTrans, (blasint)k, (blasint)n, 1.0f, b, (blasint)ldb, a, 1, 0.0f, c, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1.0f, a,
                    (blasint)lda, b, (blasint)ldb, 0.0f, c, (blasint)ldc);
}

void qb_gemm_tile(const struct qb_gemm_plan *plan, size_t i, size_t j, const float *a, size_t lda, const float *b_panel,
                  float *c, size_t ldc)
{
    size_t row = i * plan->tile_m, column = j * plan->tile_n;
    qb_gemm_one_nt(at_most(plan->tile_m, plan->m - row), at_most(plan->tile_n, plan->n - column), plan->k, 1.0f,
                   a + row * lda, lda, b_panel, plan->k, c + row * ldc + column, ldc);
}

struct product {
    struct qb_gemm_plan plan;
    const float *a, *b;
    float *c;
    size_t lda, ldc;
};

static void run_tile(void *context, size_t index, unsigned worker)
{
    const struct product *p = context;
    (void)worker;
    size_t i = index % p->plan.tiles_m, j = index / p->plan.tiles_m;
    qb_gemm_tile(&p->plan, i, j, p->a, p->lda, p->b + j * p->plan.tile_n * p->plan.k, p->c, p->ldc);
}

void qb_gemm_nt(struct qb_pool *pool, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    struct product product = {qb_gemm_plan(m, n, k), a, b, c, lda, ldc};
    qb_pool_run(pool, product.plan.tiles_m * product.plan.tiles_n, run_tile, &product);
}

void qb_sgemm_nt(struct qb_pool *pool, size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                 size_t ldc)
{
    qb_gemm_nt(pool, m, n, k, a, k, b, c, ldc);
}

void qb_gemm_nt_ref(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t l = 0; l < k; l++)
                sum += (double)a[i * k + l] * (double)b[j * k + l];
            c[i * n + j] = (float)sum;
        }
}

void qb_blas_init(void)
{
    enum { N = 128 }; /* large enough for the kernel that needs working memory */
    const float a[N * N] = {1};
    float c[N * N];
    openblas_set_num_threads(1);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1.0f, a, N, a, N, 0.0f, c, N);
}

const char *qb_blas_config(void)
{
    return openblas_get_config();
}

const char *qb_blas_core(void)
{
    return openblas_get_corename();
}
