#include "registry_fixture.h"

#include "base/rng.h"
#include "compute/kernels.h"
#include "compute/gemm.h"

TestSuite(linear, .init = registry_begin, .fini = registry_end);

static float *normal(size_t n, uint32_t seed)
{
    struct qb_rng rng;
    float *x = qb_alloc(n, sizeof *x, "test", &err);
    qb_rng_seed(&rng, seed);
    qb_rng_normal(&rng, 0.0f, 0.05f, x, n);
    return x;
}

Test(linear, product_is_the_same_for_any_number_of_threads)
{
    static const size_t ms[] = {1, 3, 32, 257, 510}, ns[] = {256, 512, 768, 1024, 5000};
    float *a = normal(510 * 1024, 1), *b = normal(5000 * 1024, 2);
    float *c[3];
    struct qb_pool *pools[3];
    for (unsigned t = 0; t < 3; t++) {
        pools[t] = support_pool(t + 1);
        c[t] = qb_alloc(510 * 5000, sizeof(float), "test", &err);
    }
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++)
            for (size_t k = 256; k <= 1024; k *= 4) {
                for (unsigned t = 0; t < 3; t++)
                    qb_sgemm_nt(pools[t], ms[i], ns[j], k, a, b, c[t], ns[j]);
                for (unsigned t = 1; t < 3; t++)
                    cr_expect_eq(memcmp(c[0], c[t], ms[i] * ns[j] * sizeof(float)), 0, "%zu x %zu x %zu, %u threads",
                                 ms[i], ns[j], k, t + 1);
            }
    for (unsigned t = 0; t < 3; t++) {
        qb_free(c[t]);
        qb_pool_free(pools[t]);
    }
    qb_free(a);
    qb_free(b);
}

/* Tiles are cut finer for several threads only where that moves no bit: then every shape, at tiles of every size that
 * they may have, against those of the shape alone. */
Test(linear, finer_tiles_are_used_where_they_move_no_bit_alone)
{
    static const size_t shapes[][3] = {
        {41, 600, 70}, {255, 577, 129}, {512, 192, 576}, {510, 1536, 401}, {1100, 96, 33}};
    float *a = normal(1100 * 576, 8), *b = normal(1536 * 576, 9);
    float *whole = qb_alloc(1100 * 1536, 4, "test", &err), *c = qb_alloc(1100 * 1536, 4, "test", &err);
    const bool freely = qb_gemm_cuts_freely();
    size_t finer = 0;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        const struct qb_gemm_plan plain = qb_gemm_plan(m, n, k, 1);
        for (unsigned threads = 1; threads <= 16; threads++) {
            const struct qb_gemm_plan plan = qb_gemm_plan(m, n, k, threads);
            finer += plan.tiles_m * plan.tiles_n > plain.tiles_m * plain.tiles_n;
            cr_assert_geq(plan.tiles_m * plan.tile_m, m);
            cr_assert_geq(plan.tiles_n * plan.tile_n, n);
            for (size_t i = 0; i < plain.tiles_m; i++)
                for (size_t j = 0; j < plain.tiles_n; j++)
                    qb_gemm_tile(&plain, i, j, a, k, b + j * plain.tile_n * k, whole, n);
            memset(c, 0xff, m * n * sizeof *c);
            for (size_t i = 0; i < plan.tiles_m; i++)
                for (size_t j = 0; j < plan.tiles_n; j++)
                    qb_gemm_tile(&plan, i, j, a, k, b + j * plan.tile_n * k, c, n);
            cr_expect_eq(memcmp(whole, c, m * n * sizeof *c), 0, "%zu x %zu x %zu, %u threads: tiles of %zu x %zu", m,
                         n, k, threads, plan.tile_m, plan.tile_n);
        }
    }
    cr_expect_eq(finer > 0, freely, "%zu plans are finer", finer);
    qb_free(a);
    qb_free(b);
    qb_free(whole);
    qb_free(c);
}

/* Rows of all lengths, more than the kernel sums at once among them, and numbers of rows that are no fours. */
Test(linear, one_input_gives_the_bits_of_openblas)
{
    static const size_t ks[] = {1, 4, 8, 15, 16, 20, 24, 36, 100, 129, 576, 1536, 4092, 4096, 4100, 8192, 9004};
    float *a = normal(9004, 10), *b = normal(135 * 9004, 11), ours[135], theirs[135];
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
        for (size_t n = 1; n <= 135; n += n < 9 ? 1 : 42) {
            qb_gemv(n, ks[i], a, b, ours);
            qb_gemm_one_nt(1, n, ks[i], 1.0f, a, ks[i], b, ks[i], theirs, n);
            cr_expect_eq(memcmp(ours, theirs, n * sizeof *ours), 0, "%zu rows of %zu", n, ks[i]);
        }
    const char *core = qb_blas_core();
    if (strcmp(core, "SkylakeX") == 0 || strcmp(core, "Haswell") == 0 || strcmp(core, "Zen") == 0)
        cr_expect(qb_gemm_streams(), "the kernel has not the bits of %s", core);
    qb_free(a);
    qb_free(b);
}

Test(linear, product_agrees_with_the_reference_at_odd_sizes)
{
    static const size_t sizes[][3] = {{1, 1, 1},     {1, 129, 7}, {2, 513, 33}, {3, 600, 17},
                                      {40, 65, 100}, {41, 70, 9}, {63, 513, 5}, {513, 33, 31}};
    struct qb_pool *pool = support_pool(2);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2], ld = n + 3;
        float *a = normal(m * k + 16, 3), *b = normal(n * k + 16, 4);
        float *c = qb_alloc(m * ld, sizeof *c, "test", &err), *expected = qb_alloc(m * n, sizeof *c, "test", &err);
        for (size_t i = 0; i < m * ld; i++)
            c[i] = 77.0f;
        qb_sgemm_nt(pool, m, n, k, a, b, c, ld);
        qb_gemm_nt_ref(m, n, k, a, b, expected);
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++)
                cr_assert_float_eq(c[i * ld + j], expected[i * n + j], 1e-5, "%zu x %zu x %zu", m, n, k);
            for (size_t j = n; j < ld; j++)
                cr_assert_eq(c[i * ld + j], 77.0f, "written between the rows");
        }
        qb_free(a);
        qb_free(b);
        qb_free(c);
        qb_free(expected);
    }
    qb_pool_free(pool);
}

#define QKV (QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V)

static struct qb_linear *linear_of(const struct qb_variant *variant, const float *w, const float *b, size_t rows,
                                   size_t cols, uint32_t roles)
{
    struct qb_linear *linear = NULL;
    const struct qb_matrix matrix = {.name = "layers.0.test.weight",
                                     .bytes = w,
                                     .size = rows * cols * sizeof *w,
                                     .rows = rows,
                                     .cols = cols,
                                     .roles = roles};
    MUST(qb_linear_create(variant, &matrix, b, &linear, &err));
    return linear;
}

Test(linear, cached_and_uncached_agree_bit_for_bit)
{
    enum { ROWS = 300, COLS = 129 };
    struct qb_variant *plain = support_variant(registry, "pattern-a"),
                      *cached = support_variant(registry, "pattern-a-cached");
    float *w = normal(ROWS * COLS, 5), *b = normal(ROWS, 6), *x = normal(700 * COLS, 7);
    float *y[2] = {qb_alloc(700 * ROWS, 4, "test", &err), qb_alloc(700 * ROWS, 4, "test", &err)};
    struct qb_linear *l[2] = {linear_of(plain, w, b, ROWS, COLS, QB_ROLE_MLP_UP),
                              linear_of(cached, w, b, ROWS, COLS, QB_ROLE_MLP_UP)};
    static const size_t ns[] = {1, 2, 5, 16, 33, 41, 257, 700};
    for (size_t i = 0; i < 8; i++)
        for (unsigned threads = 1; threads <= 3; threads++) {
            struct qb_pool *pool = support_pool(threads);
            MUST(qb_linear_apply(l[0], pool, x, ns[i], y[0], true, &err));
            MUST(qb_linear_apply(l[1], pool, x, ns[i], y[1], true, &err));
            cr_expect_eq(memcmp(y[0], y[1], ns[i] * ROWS * 4), 0, "%zu positions, %u threads", ns[i], threads);
            qb_pool_free(pool);
        }
    cr_expect_str_eq(qb_linear_segment(l[0], 0).product, "decode+blas");
    cr_expect_str_eq(qb_linear_segment(l[1], 0).product, "view", "once decoded, a cached operator decodes no more");
    struct qb_segment_info info = qb_linear_segment(l[1], 0);
    cr_expect_eq(info.cache_bytes, ROWS * COLS * 4);
    cr_expect_eq(info.bytes, ROWS * COLS * 2 + 8, "%zu", info.bytes);
    cr_expect_str_eq(info.store, "qins8");
    for (size_t i = 0; i < 2; i++) {
        qb_linear_free(l[i]);
        qb_free(y[i]);
    }
    qb_free(w);
    qb_free(b);
    qb_free(x);
    qb_variant_free(plain);
    qb_variant_free(cached);
}

/* What the operator should compute, from the codec's own functions and plain loops. */
static void expect_operator(const char *name, bool code_w, bool code_x, float scale)
{
    enum { N = 3, ROWS = 24, COLS = 40 };
    struct qb_variant *v = support_variant(registry, name);
    struct qb_pool *pool = support_pool(2);
    float *w = normal(ROWS * COLS, 8), *b = normal(ROWS, 9), *x = normal(N * COLS, 10);
    float w2[ROWS * COLS], x2[N * COLS], expected[N * ROWS], y[N * ROWS], s[ROWS];
    uint8_t bytes[4 * ROWS * COLS];
    size_t size;
    memcpy(w2, w, sizeof w2);
    memcpy(x2, x, sizeof x2);
    if (v->path == QB_PATH_DECODE || code_w) {
        MUST(qb_encoded_size(&v->weights, ROWS, COLS, &size, &err));
        MUST(qb_encode(&v->weights, ROWS, COLS, w, bytes, size, &err));
        MUST((code_w ? qb_coordinates : qb_decode)(&v->weights, ROWS, COLS, bytes, size, 0, ROWS, w2, &err));
    }
    for (size_t i = 0; code_x && i < N; i++) {
        MUST(qb_encoded_size(&v->activations, 1, COLS, &size, &err));
        MUST(qb_encode(&v->activations, 1, COLS, x + i * COLS, bytes, size, &err));
        MUST(qb_coordinates(&v->activations, 1, COLS, bytes, size, 0, 1, x2 + i * COLS, &err));
    }
    qb_gemm_nt_ref(N, ROWS, COLS, x2, w2, expected);
    struct qb_linear *l = linear_of(v, w, b, ROWS, COLS, QB_ROLE_MLP_UP);
    for (size_t i = 0; i < ROWS; i++)
        s[i] = scale;
    if (scale != 1.0f)
        MUST(qb_linear_set_scale(l, s, &err));
    MUST(qb_linear_apply(l, pool, x, N, y, true, &err));
    cr_expect(qb_linear_encoded(l), "%s", name);
    for (size_t i = 0; i < N * ROWS; i++)
        cr_expect_float_eq(y[i], scale * expected[i] + b[i % ROWS], 2e-6, "%s: %g", name, (double)y[i]);
    float part[N * 5];
    MUST(qb_linear_apply_rows(l, pool, x, N, 3, 5, part, 5, false, &err));
    for (size_t i = 0; i < N * 5; i++)
        cr_expect_float_eq(part[i], scale * expected[i / 5 * ROWS + 3 + i % 5], 2e-6, "%s: a range of rows", name);
    qb_linear_free(l);
    qb_free(w);
    qb_free(b);
    qb_free(x);
    qb_pool_free(pool);
    qb_variant_free(v);
}

Test(linear, paths)
{
    expect_operator("pattern-a", false, false, 1.0f);
    expect_operator("pattern-a", false, false, 1.5f);
    expect_operator("int8-channel", false, false, 1.0f);
    expect_operator("legacy", false, true, 1.0f);
    expect_operator("legacy", false, true, 0.75f);
    expect_operator("legacy-weights", true, false, 1.0f);
    expect_operator("legacy-both", true, true, 1.0f);
}

Test(linear, a_fused_tensor_is_cut_only_where_blocks_differ)
{
    enum { ROWS = 12, COLS = 8 };
    float *w = normal(ROWS * COLS, 11), *x = normal(2 * COLS, 12), y[2 * ROWS], one[ROWS], v[4 * COLS];
    struct qb_pool *pool = support_pool(1);
    struct qb_variant *whole = support_variant(registry, "pattern-a"), *cut = support_variant(registry, "calibrated");
    struct qb_linear *l = linear_of(whole, w, NULL, ROWS, COLS, QKV);
    cr_expect_eq(qb_linear_segments(l), 1);
    qb_linear_free(l);
    l = linear_of(cut, w, NULL, ROWS, COLS, QKV);
    cr_assert_eq(qb_linear_segments(l), 3);
    cr_expect_str_eq(qb_linear_segment(l, 0).store, "fp16");
    cr_expect_str_eq(qb_linear_segment(l, 1).store, "fp16");
    cr_expect_str_eq(qb_linear_segment(l, 2).store, "fp32");
    cr_expect_eq(qb_linear_segment(l, 2).roles, QB_ROLE_ATTN_V);
    cr_expect_eq(qb_linear_segment(l, 2).logical_bytes, 4 * COLS * 4);
    MUST(qb_linear_rows(l, 8, 4, v, &err));
    cr_expect_eq(memcmp(v, w + 8 * COLS, sizeof v), 0, "v is the model's own");
    for (size_t i = 0; i < ROWS; i++)
        one[i] = 2.0f;
    MUST(qb_linear_set_scale(l, one, &err));
    cr_expect_eq(qb_linear_scale(l)[0], 1.0f, "FP16 rows take no S");
    cr_expect_eq(qb_linear_scale(l)[8], 2.0f);
    MUST(qb_linear_apply(l, pool, x, 2, y, true, &err));
    for (size_t i = 0; i < 8; i++) { /* q and k: plain x, weights rounded to 11 bits */
        double sum = 0;
        for (size_t j = 0; j < COLS; j++)
            sum += (double)x[j] * (double)w[i * COLS + j];
        cr_expect_float_eq(y[i], sum, 1e-5);
    }
    qb_linear_free(l);
    l = linear_of(NULL, w, NULL, ROWS, COLS, QKV);
    cr_expect_not(qb_linear_encoded(l));
    cr_expect_eq(qb_linear_segment(l, 0).bytes, 0);
    qb_linear_free(l);
    qb_free(w);
    qb_free(x);
    qb_pool_free(pool);
    qb_variant_free(whole);
    qb_variant_free(cut);
}

Test(linear, a_tied_embedding_is_encoded_when_both_uses_are_placed)
{
    float *w = normal(20 * 8, 13), rows[16];
    struct qb_variant *head = support_variant(registry, "int8-tensor"), *both = support_variant(registry, "fp16");
    struct qb_linear *l = linear_of(head, w, NULL, 20, 8, QB_ROLE_EMBED | QB_ROLE_HEAD);
    cr_expect_not(qb_linear_encoded(l));
    MUST(qb_linear_rows(l, 3, 2, rows, &err));
    cr_expect_eq(memcmp(rows, w + 24, sizeof rows), 0);
    qb_linear_free(l);
    l = linear_of(both, w, NULL, 20, 8, QB_ROLE_EMBED | QB_ROLE_HEAD);
    cr_expect(qb_linear_encoded(l));
    cr_expect_eq(qb_linear_segment(l, 0).bytes, 20 * 8 * 2);
    MUST(qb_linear_rows(l, 18, 2, rows, &err));
    for (size_t i = 0; i < 16; i++)
        cr_expect_float_eq(rows[i], w[18 * 8 + i], 5e-4 * fabs((double)w[18 * 8 + i]));
    cr_expect_eq(qb_linear_rows(l, 19, 2, rows, &err), QB_ERR_INTERNAL);
    qb_linear_free(l);
    qb_free(w);
    qb_variant_free(head);
    qb_variant_free(both);
}

/* Sums in the other order: bitwise the FP32 operator on weights and inputs that were turned round beforehand, for any
 * number of threads; from the forward sums it differs by rounding alone, and does. */
Test(linear, reversed_arithmetic)
{
    enum { ROWS = 300, COLS = 257, N = 130 };
    static const size_t ns[] = {1, 7, 40, N};
    struct qb_variant *v = support_variant(registry, "fp32-reordered");
    float *w = normal(ROWS * COLS, 21), *b = normal(ROWS, 22), *x = normal(N * COLS, 23);
    float *wr = normal(ROWS * COLS, 0), *xr = normal(N * COLS, 0), row[COLS];
    float *y[3];
    double *bound = qb_alloc(ROWS * N, sizeof *bound, "test", &err), worst = 0;
    float *exact = qb_alloc(ROWS * N, sizeof *exact, "test", &err);
    for (size_t i = 0; i < 3; i++)
        y[i] = qb_alloc(ROWS * N, sizeof(float), "test", &err);
    for (size_t i = 0; i < ROWS * COLS; i++)
        wr[i] = w[i / COLS * COLS + COLS - 1 - i % COLS];
    for (size_t i = 0; i < N * COLS; i++)
        xr[i] = x[i / COLS * COLS + COLS - 1 - i % COLS];
    for (size_t i = 0; i < N; i++)
        for (size_t r = 0; r < ROWS; r++)
            for (size_t c = 0; c < COLS; c++)
                bound[i * ROWS + r] += fabs((double)x[i * COLS + c] * (double)w[r * COLS + c]);
    struct qb_linear *l[] = {linear_of(v, w, b, ROWS, COLS, QB_ROLE_MLP_UP),
                             linear_of(NULL, wr, b, ROWS, COLS, QB_ROLE_MLP_UP),
                             linear_of(NULL, w, b, ROWS, COLS, QB_ROLE_MLP_UP)};
    for (size_t k = 0; k < 4; k++)
        for (unsigned threads = 1; threads <= 3; threads++) {
            struct qb_pool *pool = support_pool(threads);
            MUST(qb_linear_apply(l[0], pool, x, ns[k], y[0], true, &err));
            MUST(qb_linear_apply(l[1], pool, xr, ns[k], y[1], true, &err));
            MUST(qb_linear_apply(l[2], pool, x, ns[k], y[2], true, &err));
            cr_expect_eq(memcmp(y[0], y[1], ns[k] * ROWS * 4), 0, "%zu positions, %u threads", ns[k], threads);
            cr_expect_neq(memcmp(y[0], y[2], ns[k] * ROWS * 4), 0, "%zu positions: the same order", ns[k]);
            qb_pool_free(pool);
        }
    qb_gemm_nt_ref(N, ROWS, COLS, x, w, exact);
    for (size_t i = 0; i < N * ROWS; i++)
        worst = fmax(worst, fabs((double)y[0][i] - (double)b[i % ROWS] - (double)exact[i]) / bound[i]);
    cr_expect_lt(worst, COLS * 6e-8, "%g: more than the rounding of %d sums", worst, COLS);
    MUST(qb_linear_rows(l[0], 17, 1, row, &err));
    cr_expect_eq(memcmp(row, w + 17 * COLS, sizeof row), 0, "a lookup is no sum");
    struct qb_segment_info info = qb_linear_segment(l[0], 0);
    cr_expect(info.bytes == 0 && info.logical_bytes == ROWS * COLS * 4 && strcmp(info.store, "fp32") == 0);
    cr_expect_not(qb_linear_encoded(l[0]));
    for (size_t i = 0; i < 3; i++) {
        qb_linear_free(l[i]);
        qb_free(y[i]);
    }
    float *const buffers[] = {w, b, x, wr, xr, exact};
    for (size_t i = 0; i < 6; i++)
        qb_free(buffers[i]);
    qb_free(bound);
    qb_variant_free(v);
}

/* calibrated-stored without its calibration: rounded weights times the activations' codes. */
Test(linear, stored_weights_under_coded_activations)
{
    enum { N = 50, ROWS = 48, COLS = 40 };
    struct qb_variant *stored = support_variant(registry, "legacy"), *legacy = support_variant(registry, "legacy");
    struct qb_pool *pool = support_pool(2);
    float *w = normal(ROWS * COLS, 31), *b = normal(ROWS, 32), *x = normal(N * COLS, 33), rounded[ROWS * COLS];
    float y[2][N * ROWS];
    uint8_t bytes[4 * ROWS * COLS];
    size_t size;
    stored->stored = true;
    MUST(qb_encoded_size(&stored->weights, ROWS, COLS, &size, &err));
    MUST(qb_encode(&stored->weights, ROWS, COLS, w, bytes, size, &err));
    MUST(qb_decode(&stored->weights, ROWS, COLS, bytes, size, 0, ROWS, rounded, &err));
    for (int cache = 0; cache < 2; cache++) {
        stored->cache = cache;
        struct qb_linear *a = linear_of(stored, w, b, ROWS, COLS, QB_ROLE_MLP_UP);
        struct qb_linear *l = linear_of(legacy, rounded, b, ROWS, COLS, QB_ROLE_MLP_UP);
        MUST(qb_linear_apply(a, pool, x, N, y[0], true, &err));
        MUST(qb_linear_apply(l, pool, x, N, y[1], true, &err));
        cr_expect_eq(memcmp(y[0], y[1], sizeof y[0]), 0, "cache %d", cache);
        cr_expect_str_eq(qb_linear_segment(a, 0).store, "qins8");
        cr_expect_eq(qb_linear_segment(a, 0).bytes, size);
        cr_expect_eq(qb_linear_segment(a, 0).cache_bytes, cache ? ROWS * COLS * 4 : 0);
        qb_linear_free(l);
        l = linear_of(legacy, w, b, ROWS, COLS, QB_ROLE_MLP_UP);
        MUST(qb_linear_apply(l, pool, x, N, y[1], true, &err));
        cr_expect_neq(memcmp(y[0], y[1], sizeof y[0]), 0, "the weights are not rounded");
        qb_linear_free(l);
        qb_linear_free(a);
    }
    qb_free(w);
    qb_free(b);
    qb_free(x);
    qb_pool_free(pool);
    qb_variant_free(stored);
    qb_variant_free(legacy);
}

Test(linear, nan_activations_and_failing_memory_are_errors)
{
    float *w = normal(16 * 8, 14), *x = normal(8, 15), y[16];
    struct qb_pool *pool = support_pool(1);
    struct qb_variant *v = support_variant(registry, "legacy-both");
    struct qb_linear *l = NULL;
    const struct qb_matrix matrix = {
        .name = "layers.0.mlp.up.weight", .bytes = w, .rows = 16, .cols = 8, .roles = QB_ROLE_MLP_UP};
    size_t live = qb_mem_stats().live_bytes, n = 0;
    for (enum qb_status status = QB_ERR_MEMORY; status == QB_ERR_MEMORY && n < 20;) {
        struct qb_error e = {0};
        qb_mem_fail_at(++n);
        status = qb_linear_create(v, &matrix, NULL, &l, &e);
        if (!status) {
            status = qb_linear_apply(l, pool, x, 1, y, true, &e);
            qb_linear_free(l);
        }
        qb_mem_fail_at(0);
        cr_expect(!status || status == QB_ERR_MEMORY, "%s", e.message);
        cr_expect_eq(qb_mem_stats().live_bytes, live, "leak when allocation %zu fails", n);
    }
    cr_expect_gt(n, 2);
    MUST(qb_linear_create(v, &matrix, NULL, &l, &err));
    x[5] = NAN;
    cr_expect_neq(qb_linear_apply(l, pool, x, 1, y, true, &err), QB_OK);
    qb_linear_free(l);
    qb_free(w);
    qb_free(x);
    qb_pool_free(pool);
    qb_variant_free(v);
}

/* Products of BF16 terms: what a position gives is the same bits whatever the number of positions, of threads and the
 * rows asked for, from floats and from a format; within what is declared, and not the FP32 operator's bits. */
Test(linear, split_arithmetic)
{
    enum { ROWS = 300, COLS = 257, N = 130 };
    static const size_t ns[] = {1, 7, 40, N};
    static const char *const products[] = {"split", "split", "split", "split2", "split2", "view"};
    struct qb_variant *variants[] = {support_variant(registry, "fp32-split"),
                                     variant_of("{arithmetic: split}"),
                                     variant_of("{codec: fp16, placement: ['mlp.*'], arithmetic: split}"),
                                     support_variant(registry, "fp32-split2"),
                                     variant_of("{codec: fp16, placement: ['mlp.*'], arithmetic: split2}"),
                                     NULL};
    float *w = normal(ROWS * COLS, 21), *b = normal(ROWS, 22), *x = normal(N * COLS, 23);
    float *y[6], part[N * 50];
    for (size_t i = 0; i < ROWS * COLS; i++) /* FP16 holds it */
        w[i] = roundf(w[i] * 256) / 256;
    for (size_t v = 0; v < 6; v++) {
        struct qb_linear *l = linear_of(variants[v], w, b, ROWS, COLS, QB_ROLE_MLP_UP);
        cr_expect_str_eq(qb_linear_segment(l, 0).product, products[v]);
        y[v] = normal(ROWS * N, 0);
        MUST(qb_linear_apply(l, support_pool(2), x, N, y[v], true, &err));
        for (size_t k = 0; k < 4 && v < 5; k++)
            for (unsigned threads = 1; threads <= 3; threads++) {
                struct qb_pool *pool = support_pool(threads);
                float *again = normal(ROWS * N, 0);
                MUST(qb_linear_apply(l, pool, x, ns[k], again, true, &err));
                cr_expect_eq(memcmp(y[v < 3 ? 0 : 3], again, ns[k] * ROWS * sizeof *again), 0,
                             "%zu positions, %u threads", ns[k], threads);
                MUST(qb_linear_apply_rows(l, pool, x, ns[k], 131, 50, part, 50, true, &err));
                for (size_t i = 0; i < ns[k]; i++)
                    cr_expect_eq(memcmp(y[v < 3 ? 0 : 3] + i * ROWS + 131, part + i * 50, 50 * sizeof *part), 0);
                qb_pool_free(pool);
            }
    }
    cr_expect_neq(memcmp(y[0], y[5], ROWS * N * sizeof *w), 0);
    cr_expect_neq(memcmp(y[3], y[5], ROWS * N * sizeof *w), 0);
    cr_expect_neq(memcmp(y[0], y[3], ROWS * N * sizeof *w), 0);
    for (size_t i = 0; i < N; i++)
        for (size_t r = 0; r < ROWS; r++) {
            double sum = 0, size = 0;
            for (size_t c = 0; c < COLS; c++) {
                sum += (double)x[i * COLS + c] * (double)w[r * COLS + c];
                size += fabs((double)x[i * COLS + c] * (double)w[r * COLS + c]);
            }
            sum += (double)b[r];
            for (size_t terms = 2; terms <= 3; terms++)
                cr_expect_leq(fabs((double)y[terms == 3 ? 0 : 3][i * ROWS + r] - sum),
                              QB_SPLIT_TOLERANCE(terms, 9) * size + fabs(sum) * 0x1p-23);
        }
}

/* Operators that take the same inputs one after the other take the terms that the first made of them, to the same bits:
 * where they are told so, and where these are still there and theirs. Inputs that change although they are said not to
 * show that nothing is split again. */
Test(linear, inputs_are_split_once_for_all_that_take_them)
{
    enum { ROWS = 70, COLS = 65, N = 40 };
    struct qb_variant *variants[] = {support_variant(registry, "fp32-split2"), support_variant(registry, "fp32-split2"),
                                     support_variant(registry, "fp32-split"), NULL};
    float *w = normal(ROWS * COLS, 31), *x = normal(N * COLS, 32), *y = normal(N * ROWS, 0);
    float *one = normal(N * ROWS, 0), *two = normal(N * ROWS, 0);
    struct qb_pool *pool = support_pool(2);
    struct qb_scratch scratch = {0};
    struct qb_linear *l[4];
    for (size_t i = 0; i < 4; i++) {
        l[i] = linear_of(variants[i], w, NULL, ROWS, COLS, QB_ROLE_MLP_UP);
        MUST(qb_linear_apply(l[i], pool, x, N, i == 1 ? one : y, false, &err)); /* working memory of its own */
        qb_linear_share_scratch(l[i], &scratch);
    }
    for (size_t other = 0; other < 4; other++) { /* between the two: nothing, another number of terms, FP32 */
        MUST(qb_linear_apply(l[2], pool, x, N, two, false, &err)); /* the largest of them: nothing moves from here on */
        MUST(qb_linear_apply_each(l[0], pool, x, N, 0, false, 0, ROWS, y, ROWS, false, &err));
        cr_expect_eq(memcmp(y, one, N * ROWS * sizeof *y), 0);
        if (other == 2 || other == 3)
            MUST(qb_linear_apply_each(l[other], pool, x, N, 0, true, 0, ROWS, y, ROWS, false, &err));
        if (other == 2)
            cr_expect_eq(memcmp(y, two, N * ROWS * sizeof *y), 0, "terms of another number are not taken");
        MUST(qb_linear_apply_each(l[1], pool, x, N, 0, true, 0, ROWS, y, ROWS, false, &err));
        cr_expect_eq(memcmp(y, one, N * ROWS * sizeof *y), 0, "case %zu", other);
        for (int again = 1; again >= 0; again--) {
            x[3] += 1;
            MUST(qb_linear_apply_each(l[1], pool, x, N, 0, again, 0, ROWS, y, ROWS, false, &err));
            cr_expect_eq(memcmp(y, one, N * ROWS * sizeof *y) == 0, again, "split anew: %d", !again);
            x[3] -= 1;
        }
    }
    for (size_t i = 0; i < 4; i++) {
        qb_linear_free(l[i]);
        qb_variant_free(variants[i]);
    }
    qb_scratch_free(&scratch);
    qb_pool_free(pool);
    qb_free(w);
    qb_free(x);
    qb_free(y);
    qb_free(one);
    qb_free(two);
}
