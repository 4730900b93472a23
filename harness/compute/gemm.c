#include "compute/gemm.h"

#include <cblas.h>
#include <pthread.h>
#include <string.h>
#include "base/splitmix.h"
#include "compute/kernels.h"
#include "compute/linear.h"

enum { FEW_ROWS = 40 }; /* of A: for these and fewer, small kernels */

static bool cuts_freely, has_gemv;

static size_t at_most(size_t value, size_t bound)
{
    return value < bound ? value : bound;
}

static void count_tiles(struct qb_gemm_plan *plan)
{
    plan->tiles_m = (plan->m + plan->tile_m - 1) / plan->tile_m;
    plan->tiles_n = (plan->n + plan->tile_n - 1) / plan->tile_n;
}

/* OpenBLAS has a kernel without packing for small products, with C of at most 1200 entries and m n k <= 10^6 on
 * AVX-512; for a few rows of x (decode, small batches) it is up to four times as fast as the packing one, so B is cut
 * into panels that fit it. Measured (SkylakeX, 0.3.21): worth it up to about 40 rows. Above, tiles are large enough to
 * pay for the packing. */
static struct qb_gemm_plan plan_of_shape(size_t m, size_t n, size_t k)
{
    struct qb_gemm_plan plan = {.m = m, .n = n, .k = k, .tile_m = 512, .tile_n = 512};
    if (m == 1) {
        plan.tile_n = 128; /* gemv: memory-bound, any panel does */
    } else if (m <= FEW_ROWS) {
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
    count_tiles(&plan);
    return plan;
}

/* ---- finer tiles ---- */

/* Sides and cuts that no block of a kernel divides, more columns than are packed at once, and no tile so small that
 * another kernel takes it. */
static void ask_openblas(void)
{
    enum { M = 131, N = 149, K = 401 };
    static const size_t cuts[][2] = {{M, 75}, {67, N}, {66, 76}, {M, 50}};
    static float a[M * K], b[N * K], whole[M * N], c[M * N];
    uint64_t state = 1;
    for (size_t i = 0; i < (M + N) * K; i++)
        *(i < M * K ? &a[i] : &b[i - M * K]) = (float)(qb_splitmix_next(&state) >> 40) - 0x1p23f;
    qb_gemm_one_nt(M, N, K, 1.0f, a, K, b, K, whole, N);
    cuts_freely = true;
    for (size_t t = 0; t < sizeof cuts / sizeof *cuts; t++) {
        struct qb_gemm_plan plan = {.m = M, .n = N, .k = K, .tile_m = cuts[t][0], .tile_n = cuts[t][1]};
        count_tiles(&plan);
        for (size_t i = 0; i < plan.tiles_m * plan.tiles_n; i++) {
            const size_t row = i % plan.tiles_m, panel = i / plan.tiles_m;
            qb_gemm_tile(&plan, row, panel, a, K, b + panel * plan.tile_n * K, c, N);
        }
        cuts_freely = cuts_freely && memcmp(whole, c, sizeof c) == 0;
    }
}

bool qb_gemm_cuts_freely(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ask_openblas);
    return cuts_freely;
}

static size_t smallest_tile(const struct qb_gemm_plan *plan)
{
    return (plan->m - (plan->tiles_m - 1) * plan->tile_m) * (plan->n - (plan->tiles_n - 1) * plan->tile_n);
}

/* What the busiest thread computes, packing counted: in a tile of 512 x 512 it takes 8% (measured). */
static size_t longest(const struct qb_gemm_plan *plan, unsigned threads)
{
    size_t tiles = plan->tiles_m * plan->tiles_n;
    return (tiles + threads - 1) / threads * (plan->tile_m * plan->tile_n + 20 * (plan->tile_m + plan->tile_n));
}

static size_t part_of(size_t size, size_t parts)
{
    return ((size + parts - 1) / parts + 15) / 16 * 16;
}

/* Tiles so that all threads end together: 576 columns are 512 and 64 by their shape, and two threads take as long for
 * that as one nearly does. Every tile stays one of the packing kernel's. */
static void cut_for(unsigned threads, struct qb_gemm_plan *plan)
{
    enum { PARTS = 16, LEAST = 64, SMALL = 1200 };
    size_t best = longest(plan, threads);
    const struct qb_gemm_plan whole = *plan;
    if (smallest_tile(&whole) <= SMALL)
        return;
    for (size_t i = 1; i <= PARTS; i++)
        for (size_t j = 1; j <= PARTS; j++) {
            struct qb_gemm_plan cut = whole;
            cut.tile_m = part_of(whole.m, i * whole.tiles_m);
            cut.tile_n = part_of(whole.n, j * whole.tiles_n);
            if (cut.tile_m < LEAST || cut.tile_n < LEAST)
                break;
            count_tiles(&cut);
            if (smallest_tile(&cut) > SMALL && longest(&cut, threads) < best) {
                best = longest(&cut, threads);
                *plan = cut;
            }
        }
}

struct qb_gemm_plan qb_gemm_plan(size_t m, size_t n, size_t k, unsigned threads)
{
    struct qb_gemm_plan plan = plan_of_shape(m, n, k);
    if (m == 1 && threads > 1 && qb_gemm_streams()) { /* whole fours; as many rows for every thread */
        size_t share = (n + threads - 1) / threads, parts = (share + plan.tile_n - 1) / plan.tile_n;
        plan.tile_n = part_of(share, parts);
        count_tiles(&plan);
    }
    if (m > FEW_ROWS && threads > 1 && qb_gemm_cuts_freely())
        cut_for(threads, &plan);
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

/* ---- one row of A ---- */

/* Is the kernel gemv bit for bit OpenBLAS's sgemv, of the core type that this process runs? Row lengths of all kinds:
 * with columns that make no 8, no 16, and more than one sum of columns. */
static void try_gemv(void)
{
    enum { ROWS = 12, COLS = QB_GEMV_COLS + 1004 };
    static const size_t lengths[] = {16, 20, 28, 192, 196, 576, 1000, QB_GEMV_COLS, COLS};
    static float x[COLS], b[ROWS * COLS];
    float ours[ROWS], theirs[ROWS];
    uint64_t state = 2;
    for (size_t i = 0; i < (ROWS + 1) * COLS; i++)
        *(i < COLS ? &x[i] : &b[i - COLS]) = (float)(qb_splitmix_next(&state) >> 40) - 0x1p23f;
    has_gemv = true;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        qb_gemm_one_nt(1, ROWS, lengths[i], 1.0f, x, lengths[i], b, lengths[i], theirs, ROWS);
        qb_kernels()->gemv(b, ROWS, lengths[i], x, ours);
        has_gemv = has_gemv && memcmp(ours, theirs, sizeof ours) == 0;
    }
}

bool qb_gemm_streams(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (qb_kernels() == qb_kernels_at(QB_ISA_PORTABLE)) /* by libm's fused multiply-add: slow */
        return false;
    pthread_once(&once, try_gemv);
    return has_gemv;
}

void qb_gemv(size_t n, size_t k, const float *a, const float *b, float *c)
{
    size_t fours = k >= 16 && k % 4 == 0 && qb_gemm_streams() ? n / 4 * 4 : 0; /* the rest have a kernel of their own */
    if (fours)
        qb_kernels()->gemv(b, fours, k, a, c);
    if (fours < n)
        qb_gemm_one_nt(1, n - fours, k, 1.0f, a, k, b + fours * k, k, c + fours, n);
}

struct product {
    struct qb_gemm_plan plan;
    const float *a, *b;
    float *c;
    size_t lda, ldc;
};

/* Brings b[n] into cache in one stream, which is faster than the small kernel's four short ones. */
static void read_through(const float *b, size_t n)
{
    enum { LINE = 16 }; /* floats */
    for (size_t i = 0; i < n; i += LINE)
        (void)*(const volatile float *)&b[i];
}

static void run_tile(void *context, size_t index, unsigned worker)
{
    const struct product *p = context;
    (void)worker;
    size_t i = index % p->plan.tiles_m, j = index / p->plan.tiles_m;
    if (p->plan.m > 1 && p->plan.m <= FEW_ROWS)
        read_through(p->b + j * p->plan.tile_n * p->plan.k,
                     at_most(p->plan.tile_n, p->plan.n - j * p->plan.tile_n) * p->plan.k);
    if (p->plan.m == 1)
        qb_gemv(at_most(p->plan.tile_n, p->plan.n - j * p->plan.tile_n), p->plan.k, p->a,
                p->b + j * p->plan.tile_n * p->plan.k, p->c + j * p->plan.tile_n);
    else
        qb_gemm_tile(&p->plan, i, j, p->a, p->lda, p->b + j * p->plan.tile_n * p->plan.k, p->c, p->ldc);
}

void qb_gemm_nt(struct qb_pool *pool, size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                float *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    struct product product = {qb_gemm_plan(m, n, k, qb_pool_threads(pool)), a, b, c, lda, ldc};
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
