#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "base/rng.h"
#include "compute/attention.h"
#include "compute/kernels.h"
#define QB_VECTOR_BYTES 64
#include "compute/lanes.h"
#include "compute/rowwise.h"

static struct qb_error err;

static struct qb_pool *pool_of(unsigned threads)
{
    struct qb_pool *pool = NULL;
    cr_assert_eq(qb_pool_create(threads, &pool, &err), QB_OK, "%s", err.message);
    return pool;
}

/* |a - b| in units of the last place of b. */
static double ulps(float a, double b)
{
    float rounded = (float)b;
    return fabs((double)a - b) / fmax((double)(nextafterf(fabsf(rounded), INFINITY) - fabsf(rounded)), 1e-45);
}

static void exp_16(float x[LANES])
{
    vf v;
    memcpy(&v, x, sizeof v);
    exp_floats(&v);
    memcpy(x, &v, sizeof v);
}

static void erf_16(float x[LANES])
{
    vf v;
    memcpy(&v, x, sizeof v);
    erf_floats(&v);
    memcpy(x, &v, sizeof v);
}

Test(lanes, exp_within_two_ulp)
{
    double worst = 0;
    for (int i = 0; i < 2000000; i += LANES) {
        float x[LANES], y[LANES];
        for (int l = 0; l < LANES; l++)
            y[l] = x[l] = -(float)(i + l) * (87.29f / 2000000);
        exp_16(y);
        for (int l = 0; l < LANES; l++)
            worst = fmax(worst, ulps(y[l], exp((double)x[l])));
    }
    cr_expect_leq(worst, 2.0, "exp is off by %g ulp", worst);
}

Test(lanes, exp_at_the_edges)
{
    float x[LANES] = {0.0f, -0.0f, -1e-30f, -87.2f, -87.4f, -200.0f, -INFINITY, NAN};
    exp_16(x);
    cr_expect_eq(x[0], 1.0f);
    cr_expect_eq(x[1], 1.0f);
    cr_expect_eq(x[2], 1.0f);
    cr_expect_gt(x[3], 0.0f);
    for (int i = 4; i < 7; i++)
        cr_expect_eq(x[i], 0.0f, "entry %d is %g", i, (double)x[i]);
    cr_expect(isnan(x[7]));
}

Test(lanes, erf_within_two_ulp)
{
    double worst = 0;
    for (int i = 0; i < 1000000; i += LANES) {
        float x[LANES], y[LANES];
        for (int l = 0; l < LANES; l++)
            y[l] = x[l] = (float)(i + l - 500000) * (5.0f / 500000);
        erf_16(y);
        for (int l = 0; l < LANES; l++)
            worst = fmax(worst, ulps(y[l], erf((double)x[l])));
    }
    cr_expect_leq(worst, 2.0, "erf is off by %g ulp", worst);
    float edge[LANES] = {0.0f, INFINITY, -INFINITY, NAN, 1e-30f, -1e-30f};
    erf_16(edge);
    cr_expect_eq(edge[0], 0.0f);
    cr_expect_eq(edge[1], 1.0f);
    cr_expect_eq(edge[2], -1.0f);
    cr_expect(isnan(edge[3]));
    cr_expect_float_eq(edge[4], 1.1283792e-30f, 1e-36);
    cr_expect_float_eq(edge[5], -1.1283792e-30f, 1e-36);
}

static const size_t widths[] = {1, 2, 7, 8, 15, 16, 17, 31, 33, 255, 256, 257};
#define WIDTHS (sizeof widths / sizeof *widths)

Test(rowwise, agrees_with_the_reference_at_odd_sizes)
{
    enum { N = 35 };
    static float x[N * 257 + 1], y[N * 257 + 1], w[257], b[257];
    struct qb_rng rng;
    struct qb_pool *pool = pool_of(2);
    qb_rng_seed(&rng, 7);
    for (size_t k = 0; k < WIDTHS; k++) {
        size_t cols = widths[k], n = N * cols;
        qb_rng_normal(&rng, 0.3f, 2.0f, x, n);
        qb_rng_normal(&rng, 1.0f, 0.1f, w, cols);
        qb_rng_normal(&rng, 0.0f, 1.0f, b, cols);
        y[n] = 123.0f; /* canary */
        qb_layernorm(pool, x, N, cols, w, b, 1e-5f, y);
        float expected[257];
        for (size_t r = 0; r < N; r++) {
            qb_layernorm_ref(x + r * cols, 1, cols, w, b, 1e-5f, expected);
            for (size_t i = 0; i < cols; i++)
                cr_expect_float_eq(y[r * cols + i], expected[i], 2e-6, "layer norm, width %zu", cols);
        }
        memcpy(y, x, n * sizeof *x);
        qb_activate(pool, qb_kernels()->gelu, y, N, cols);
        for (size_t i = 0; i < n; i++) {
            float one = x[i];
            qb_gelu_ref(&one, 1);
            cr_expect_float_eq(y[i], one, 3e-7 * fmax(1.0, fabs((double)x[i])), "GELU(%g)", (double)x[i]);
        }
        memcpy(y, x, n * sizeof *x);
        qb_activate(pool, qb_kernels()->relu, y, N, cols);
        for (size_t i = 0; i < n; i++)
            cr_expect_eq(y[i], x[i] < 0 ? 0.0f : x[i]);
        memcpy(y, x, n * sizeof *x);
        qb_add(pool, y, x, N, cols);
        qb_affine(pool, y, N, cols, cols, w, b);
        for (size_t i = 0; i < n; i++)
            cr_expect_eq(y[i], (x[i] + x[i]) * w[i % cols] + b[i % cols]);
        cr_expect_eq(y[n], 123.0f, "written behind the end");
    }
    qb_pool_free(pool);
}

Test(rowwise, relu_keeps_nan)
{
    struct qb_pool *pool = pool_of(1);
    float x[20] = {NAN};
    x[18] = NAN;
    qb_activate(pool, qb_kernels()->relu, x, 1, 20);
    cr_expect(isnan(x[0]) && isnan(x[18]));
    qb_pool_free(pool);
}

Test(rowwise, softmax)
{
    static float x[1001], y[1001];
    struct qb_rng rng;
    qb_rng_seed(&rng, 9);
    for (size_t k = 0; k < WIDTHS; k++) {
        size_t n = widths[k];
        qb_rng_normal(&rng, 0.0f, 4.0f, x, n);
        memcpy(y, x, n * sizeof *x);
        y[n] = 5.0f;
        qb_softmax(y, n);
        qb_softmax_ref(x, n);
        for (size_t i = 0; i < n; i++)
            cr_expect_float_eq(y[i], x[i], 1e-6 * (double)x[i] + 1e-9, "width %zu: %g, expected %g", n, (double)y[i],
                               (double)x[i]);
        cr_expect_eq(y[n], 5.0f);
    }
    float bad[17] = {1, 2, 3, NAN};
    qb_softmax(bad, 17);
    cr_expect(isnan(bad[0]) && isnan(bad[16]), "a NaN makes the row NaN");
    float infinite[3] = {1, INFINITY, 2};
    qb_softmax(infinite, 3);
    cr_expect(isnan(infinite[1]));
}

/* Attention over odd shapes, several heads and a cache longer than the queries; bitwise over thread counts. */
static void attention_case(size_t batch, size_t queries, size_t keys, size_t heads, size_t dim, bool causal)
{
    size_t width = heads * dim, n = batch * keys * 3 * width;
    float *qkv = calloc(n, sizeof *qkv), *out[3];
    double *scores = calloc(keys, sizeof *scores);
    struct qb_rng rng;
    qb_rng_seed(&rng, (uint32_t)(queries + keys));
    qb_rng_normal(&rng, 0.0f, 1.0f, qkv, n);
    struct qb_attention a = {
        .batch = batch, .queries = queries, .keys = keys, .heads = heads, .head_dim = dim, .causal = causal};
    a.q = (struct qb_heads){qkv, 3 * width, keys * 3 * width};
    a.k = (struct qb_heads){qkv + width, 3 * width, keys * 3 * width};
    a.v = (struct qb_heads){qkv + 2 * width, 3 * width, keys * 3 * width};
    a.out_stride = width;
    a.out_batch_stride = queries * width;
    for (unsigned i = 0; i < 3; i++) {
        a.out = out[i] = calloc(batch * queries * width, sizeof(float));
        struct qb_scratch scratch = {0};
        struct qb_pool *pool = pool_of(i ? 3 : 1);
        if (i < 2)
            cr_assert_eq(qb_attention(pool, &a, &scratch, &err), QB_OK);
        else
            qb_attention_ref(&a, scores);
        qb_scratch_free(&scratch);
        qb_pool_free(pool);
    }
    cr_expect_eq(memcmp(out[0], out[1], batch * queries * width * sizeof(float)), 0, "differs over thread counts");
    for (size_t i = 0; i < batch * queries * width; i++)
        cr_assert_float_eq(out[0][i], out[2][i], 3e-6, "%zu x %zu keys: %g, expected %g", queries, keys,
                           (double)out[0][i], (double)out[2][i]);
    for (unsigned i = 0; i < 3; i++)
        free(out[i]);
    free(qkv);
    free(scores);
}

Test(attention, agrees_with_the_reference)
{
    attention_case(1, 1, 1, 1, 16, true);
    attention_case(2, 5, 5, 1, 32, false);
    attention_case(3, 17, 17, 4, 8, true);
    attention_case(2, 130, 130, 1, 24, true);
    attention_case(2, 129, 129, 2, 24, false);
    attention_case(3, 1, 77, 1, 64, true);
    attention_case(1, 3, 300, 3, 16, true);
}
