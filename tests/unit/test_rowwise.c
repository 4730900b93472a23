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

static void tanh_16(float x[LANES])
{
    vf v;
    memcpy(&v, x, sizeof v);
    tanh_floats(&v);
    memcpy(x, &v, sizeof v);
}

static void sigmoid_16(float x[LANES])
{
    vf v;
    memcpy(&v, x, sizeof v);
    sigmoid_floats(&v);
    memcpy(x, &v, sizeof v);
}

Test(lanes, tanh_within_three_ulp_and_sigmoid_within_four)
{
    double worst[2] = {0, 0};
    for (int i = 0; i < 1000000; i += LANES) {
        float x[LANES], y[2][LANES];
        for (int l = 0; l < LANES; l++)
            y[0][l] = y[1][l] = x[l] = (float)(i + l - 500000) * (12.0f / 500000);
        tanh_16(y[0]);
        sigmoid_16(y[1]);
        for (int l = 0; l < LANES; l++) {
            worst[0] = fmax(worst[0], ulps(y[0][l], tanh((double)x[l])));
            worst[1] = fmax(worst[1], ulps(y[1][l], 1 / (1 + exp(-(double)x[l]))));
        }
    }
    cr_expect_leq(worst[0], 3.0, "tanh is off by %g ulp", worst[0]);
    cr_expect_leq(worst[1], 4.0, "sigmoid is off by %g ulp", worst[1]);
    float edge[LANES] = {0.0f, INFINITY, -INFINITY, NAN, 1e-30f, -1e-30f, 100, -100};
    const double due[2][8] = {{0, 1, -1, NAN, 1e-30, -1e-30, 1, -1}, {0.5, 1, 0, NAN, 0.5, 0.5, 1, 0}};
    for (int which = 0; which < 2; which++) {
        float y[LANES];
        memcpy(y, edge, sizeof y);
        (which ? sigmoid_16 : tanh_16)(y);
        for (int l = 0; l < 8; l++)
            cr_expect(isnan(due[which][l]) ? isnan(y[l]) : fabs((double)y[l] - due[which][l]) <= 1e-36, "%s(%g) is %g",
                      which ? "sigmoid" : "tanh", (double)edge[l], (double)y[l]);
    }
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

/* A kernel of one row on all of y against its plain version on x, relative to what it may be. */
static void expect_each(const char *what, const float *x, const float *y, size_t n, void (*plain)(float *x, size_t n))
{
    for (size_t i = 0; i < n; i++) {
        float one = x[i];
        plain(&one, 1);
        cr_expect_float_eq(y[i], one, 3e-7 * (1 + fabs((double)x[i])) * fmax(1e-3, fabs((double)one)),
                           "%s(%g) is %g, expected %g", what, (double)x[i], (double)y[i], (double)one);
    }
}

static void softcap_ref_20(float *x, size_t n)
{
    qb_softcap_ref(x, n, 20);
}

Test(rowwise, what_the_families_need_agrees_with_the_reference_at_odd_sizes)
{
    enum { N = 35, PARTS_OF_ROW = 3 };
    static float x[N * 257 * PARTS_OF_ROW + 1], y[N * 257 * PARTS_OF_ROW + 1], w[257];
    struct qb_rng rng;
    struct qb_pool *pool = pool_of(2);
    qb_rng_seed(&rng, 11);
    for (size_t k = 0; k < WIDTHS; k++) {
        size_t cols = widths[k], n = N * cols, ld = PARTS_OF_ROW * cols;
        qb_rng_normal(&rng, 0.3f, 4.0f, x, N * ld);
        qb_rng_normal(&rng, 0.0f, 0.3f, w, cols);
        memcpy(y, x, N * ld * sizeof *x);
        qb_rmsnorm(pool, x, N, ld, PARTS_OF_ROW - 1, cols, w, 1, 1e-6f, y);
        for (size_t i = 0; i < N * PARTS_OF_ROW; i++) {
            float due[257];
            memcpy(due, x + i * cols, cols * sizeof *due);
            if (i % PARTS_OF_ROW < PARTS_OF_ROW - 1)
                qb_rmsnorm_ref(x + i * cols, cols, w, 1, 1e-6f, due);
            for (size_t c = 0; c < cols; c++)
                cr_expect_float_eq(y[i * cols + c], due[c], 1e-6 * fmax(1, fabs((double)due[c])), "RMS norm, width %zu",
                                   cols);
        }
        memcpy(y, x, n * sizeof *x);
        qb_activate(pool, qb_kernels()->gelu_tanh, y, N, cols);
        expect_each("GELU by tanh", x, y, n, qb_gelu_tanh_ref);
        memcpy(y, x, n * sizeof *x);
        qb_activate(pool, qb_kernels()->silu, y, N, cols);
        expect_each("SiLU", x, y, n, qb_silu_ref);
        memcpy(y, x, n * sizeof *x);
        qb_softcap(pool, y, N, cols, 20);
        expect_each("soft cap", x, y, n, softcap_ref_20);
        y[n] = 123.0f; /* canary */
        qb_gated(pool, qb_kernels()->relu, x, x + cols, N, cols, ld, y);
        for (size_t i = 0; i < n; i++) {
            const float *row = x + i / cols * ld + i % cols;
            cr_expect_eq(y[i], fmaxf(row[0], 0) * row[cols], "gated, width %zu", cols);
        }
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
        qb_kernels()->softmax(y, n);
        qb_softmax_ref(x, n);
        for (size_t i = 0; i < n; i++)
            cr_expect_float_eq(y[i], x[i], 1e-6 * (double)x[i] + 1e-9, "width %zu: %g, expected %g", n, (double)y[i],
                               (double)x[i]);
        cr_expect_eq(y[n], 5.0f);
    }
    float bad[17] = {1, 2, 3, NAN};
    qb_kernels()->softmax(bad, 17);
    cr_expect(isnan(bad[0]) && isnan(bad[16]), "a NaN makes the row NaN");
    float infinite[3] = {1, INFINITY, 2};
    qb_kernels()->softmax(infinite, 3);
    cr_expect(isnan(infinite[1]));
}

/* Attention over odd shapes, several heads, groups of them and a cache longer than the queries; bitwise over thread
 * counts. `of`: the sizes and options, with the rest filled in here. */
static void attention_case(struct qb_attention of)
{
    struct qb_attention a = of;
    size_t kv_heads = a.kv_heads ? a.kv_heads : a.heads, width = a.heads * a.head_dim, kv_width = kv_heads * a.head_dim;
    size_t row = width + 2 * kv_width, n = a.batch * a.keys * row, outputs = a.batch * a.queries * width;
    float *qkv = calloc(n, sizeof *qkv), *out[3];
    double *scores = calloc(a.keys, sizeof *scores);
    struct qb_rng rng;
    qb_rng_seed(&rng, (uint32_t)(a.queries + a.keys));
    qb_rng_normal(&rng, 0.0f, 1.0f, qkv, n);
    a.q = (struct qb_heads){qkv, row, a.keys * row};
    a.k = (struct qb_heads){qkv + width, row, a.keys * row};
    a.v = (struct qb_heads){qkv + width + kv_width, row, a.keys * row};
    a.out_stride = width;
    a.out_batch_stride = a.queries * width;
    for (unsigned i = 0; i < 3; i++) {
        a.out = out[i] = calloc(outputs, sizeof(float));
        struct qb_scratch scratch = {0};
        struct qb_pool *pool = pool_of(i ? 3 : 1);
        if (i < 2)
            cr_assert_eq(qb_attention(pool, &a, &scratch, &err), QB_OK);
        else
            qb_attention_ref(&a, scores);
        qb_scratch_free(&scratch);
        qb_pool_free(pool);
    }
    cr_expect_eq(memcmp(out[0], out[1], outputs * sizeof(float)), 0, "differs over thread counts");
    for (size_t i = 0; i < outputs; i++)
        cr_assert_float_eq(out[0][i], out[2][i], 3e-6, "%zu x %zu keys, %zu of %zu heads, window %zu: %g, expected %g",
                           a.queries, a.keys, kv_heads, a.heads, a.window, (double)out[0][i], (double)out[2][i]);
    for (unsigned i = 0; i < 3; i++)
        free(out[i]);
    free(qkv);
    free(scores);
}

#define ATTENTION(...) attention_case((struct qb_attention){__VA_ARGS__})

Test(attention, agrees_with_the_reference)
{
    ATTENTION(.batch = 1, .queries = 1, .keys = 1, .heads = 1, .head_dim = 16, .causal = true);
    ATTENTION(.batch = 2, .queries = 5, .keys = 5, .heads = 1, .head_dim = 32);
    ATTENTION(.batch = 3, .queries = 17, .keys = 17, .heads = 4, .head_dim = 8, .causal = true);
    ATTENTION(.batch = 2, .queries = 130, .keys = 130, .heads = 1, .head_dim = 24, .causal = true);
    ATTENTION(.batch = 2, .queries = 129, .keys = 129, .heads = 2, .head_dim = 24);
    ATTENTION(.batch = 3, .queries = 1, .keys = 77, .heads = 1, .head_dim = 64, .causal = true);
    ATTENTION(.batch = 1, .queries = 3, .keys = 300, .heads = 3, .head_dim = 16, .causal = true);
}

Test(attention, groups_windows_and_caps)
{
    for (size_t window = 0; window <= 200; window += window < 2 ? 1 : 66) {
        ATTENTION(.batch = 2, .queries = 101, .keys = 101, .heads = 6, .kv_heads = 2, .head_dim = 8, .causal = true,
                  .window = window);
        ATTENTION(.batch = 2, .queries = 1, .keys = 150, .heads = 9, .kv_heads = 3, .head_dim = 10, .causal = true,
                  .window = window, .softcap = 1.5f);
        ATTENTION(.batch = 1, .queries = 130, .keys = 301, .heads = 2, .head_dim = 8, .causal = true, .window = window,
                  .scale = 0.7f, .softcap = 2);
        ATTENTION(.batch = 1, .queries = 5, .keys = 40, .heads = 130, .kv_heads = 1, .head_dim = 4, .window = window);
    }
}
