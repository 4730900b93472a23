/* Linear operators on models that are not FP32, and on codecs that multiply for themselves. */
#include "registry_fixture.h"

#include <sys/mman.h>
#include "base/rng.h"
#include "unit/counting_codec.h"

TestSuite(linear_formats, .init = registry_begin, .fini = registry_end);

#define QKV (QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V)
enum { ROWS = 300, COLS = 129, N = 130 };

/* Random weights that F16 and BF16 hold exactly (7 bits), as FP32 and in `codec`'s format. */
struct twins {
    struct qb_format format;
    struct qb_matrix matrix[2];
    float w[ROWS * COLS], x[N * COLS], y[2][N * ROWS];
};

static struct twins *twins_of(const char *codec)
{
    struct twins *t = calloc(1, sizeof *t);
    struct qb_rng rng;
    qb_rng_seed(&rng, 51);
    qb_rng_normal(&rng, 0.0f, 1.0f, t->x, N * COLS);
    for (size_t i = 0; i < ROWS * COLS; i++)
        t->w[i] = ((float)qb_rng_randint(&rng, 255) - 127.0f) / 1024.0f;
    MUST(qb_format_make(qb_registry_find(registry, codec), NULL, qb_cpu()->isa, &t->format, &err));
    t->matrix[0] = (struct qb_matrix){.name = "layers.0.attn.qkv.weight",
                                      .roles = QKV,
                                      .rows = ROWS,
                                      .cols = COLS,
                                      .bytes = t->w,
                                      .size = sizeof t->w};
    MUST(qb_matrix_encode(&t->matrix[0], 0, ROWS, &t->format, &t->matrix[1], &err));
    return t;
}

static void free_twins(struct twins *t)
{
    qb_free((void *)(uintptr_t)t->matrix[1].bytes);
    qb_format_free(&t->format);
    free(t);
}

/* Every way to use a weight gives the same bits, whichever format the model has it in. */
static void expect_alike(const char *codec, const char *name)
{
    static const size_t ns[] = {1, 7, 40, 41, N};
    struct twins *t = twins_of(codec);
    struct qb_variant *variant = name ? support_variant(registry, name) : NULL;
    struct qb_linear *l[2];
    float rows[2][150 * COLS];
    for (size_t k = 0; k < 2; k++) {
        MUST(qb_linear_create(variant, &t->matrix[k], t->w, &l[k], &err));
        MUST(qb_linear_rows(l[k], 90, 150, rows[k], &err));
    }
    cr_expect_eq(memcmp(rows[0], rows[1], sizeof rows[0]), 0, "%s, %s: rows", codec, name);
    for (size_t i = 0; i < 5; i++)
        for (unsigned threads = 1; threads <= 3; threads += 2)
            for (size_t part = 0; part < 2; part++) {
                struct qb_pool *pool = support_pool(threads);
                size_t row = part ? 90 : 0, count = part ? 150 : ROWS;
                for (size_t k = 0; k < 2; k++)
                    MUST(qb_linear_apply_rows(l[k], pool, t->x, ns[i], row, count, t->y[k], count, true, &err));
                cr_expect_eq(memcmp(t->y[0], t->y[1], ns[i] * count * sizeof(float)), 0, "%s, %s: rows %zu, n %zu",
                             codec, name, row, ns[i]);
                qb_pool_free(pool);
            }
    for (size_t k = 0; k < 2; k++)
        qb_linear_free(l[k]);
    qb_variant_free(variant);
    free_twins(t);
}

Test(linear_formats, a_weight_is_used_in_the_models_format)
{
    static const char *const variants[] = {NULL,        "fp32-reordered", "fp32-split",  "fp32-split2",
                                           "pattern-a", "legacy",         "legacy-both", "calibrated"};
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        expect_alike("fp16", variants[i]);
        expect_alike("bf16", variants[i]);
    }
    struct twins *t = twins_of("bf16");
    struct qb_variant *calibrated = support_variant(registry, "calibrated");
    struct qb_linear *l;
    MUST(qb_linear_create(calibrated, &t->matrix[1], NULL, &l, &err));
    for (size_t i = 0; i < 3; i++) { /* q and k kept in FP16, v as the model has it, which counts as FP32 */
        struct qb_segment_info info = qb_linear_segment(l, i);
        cr_expect_str_eq(info.store, i < 2 ? "fp16" : "fp32");
        cr_expect_str_eq(info.product, "decode+blas");
        cr_expect_eq(info.bytes, i < 2 ? ROWS / 3 * COLS * 2 : 0);
        cr_expect_eq(info.logical_bytes, ROWS / 3 * COLS * (i < 2 ? 2 : 4));
    }
    qb_linear_free(l);
    qb_variant_free(calibrated);
    free_twins(t);
}

/* Held as FP32, a borrowed weight is decoded once, gives the same bits and says what it takes; what is encoded stays.
 */
Test(linear_formats, a_borrowed_weight_can_be_held_as_fp32)
{
    static const char *const variants[] = {NULL, "calibrated", "fp32-reordered", "fp32-split"};
    const size_t copies[] = {ROWS * COLS * 4, ROWS / 3 * COLS * 4, 0, ROWS * COLS * 4}; /* calibrated borrows v alone */
    for (size_t v = 0; v < 4; v++) {
        struct twins *t = twins_of("fp16");
        struct qb_variant *variant = variants[v] ? support_variant(registry, variants[v]) : NULL;
        struct qb_pool *pool = support_pool(1);
        struct qb_linear *l;
        MUST(qb_linear_create(variant, &t->matrix[1], NULL, &l, &err));
        const size_t last = qb_linear_segments(l) - 1;
        cr_expect_eq(qb_linear_segment(l, last).held_bytes, (last ? ROWS / 3 : ROWS) * COLS * 2,
                     "the file's own bytes");
        cr_expect_eq(qb_linear_foreign_bytes(l), copies[v]);
        MUST(qb_linear_apply(l, pool, t->x, N, t->y[0], true, &err));
        MUST(qb_linear_hold_fp32(l, pool, &err));
        MUST(qb_linear_apply(l, pool, t->x, N, t->y[1], true, &err));
        cr_expect_eq(memcmp(t->y[0], t->y[1], sizeof t->y[0]), 0, "variant %zu", v);
        cr_expect_eq(qb_linear_foreign_bytes(l), 0);
        cr_expect_str_eq(qb_linear_segment(l, last).product, v == 2 ? "reversed+blas" : v == 3 ? "split" : "view");
        if (copies[v])
            cr_expect_eq(qb_linear_segment(l, last).held_bytes, copies[v]);
        qb_linear_free(l);
        qb_pool_free(pool);
        qb_variant_free(variant);
        free_twins(t);
    }
}

/* What is decoded at every product can be decoded once, a file's own bytes and a variant's; what is not decoded to
 * values (codes, sums in the opposite order) stays as it is. */
Test(linear_formats, decoding_once_changes_no_bit)
{
    static const char *const variants[] = {NULL, "pattern-a-packed", "calibrated", "fp32-reordered"};
    static const size_t copies[] = {ROWS, ROWS, ROWS, 0}; /* rows; calibrated: Q and K in FP16, v as the file has it */
    for (size_t v = 0; v < 4; v++) {
        struct twins *t = twins_of("fp16");
        struct qb_variant *variant = variants[v] ? support_variant(registry, variants[v]) : NULL;
        struct qb_pool *pool = support_pool(1);
        struct qb_linear *l;
        MUST(qb_linear_create(variant, &t->matrix[1], NULL, &l, &err));
        cr_expect_eq(qb_linear_decoded_bytes(l), copies[v] * COLS * 4, "variant %zu: %zu", v,
                     qb_linear_decoded_bytes(l));
        MUST(qb_linear_apply(l, pool, t->x, 3, t->y[0], true, &err));
        qb_linear_keep_decoded(l);
        MUST(qb_linear_apply(l, pool, t->x, 3, t->y[1], true, &err));
        cr_expect_eq(memcmp(t->y[0], t->y[1], 3 * ROWS * sizeof(float)), 0, "variant %zu", v);
        cr_expect_eq(qb_linear_decoded_bytes(l), 0);
        qb_linear_free(l);
        qb_pool_free(pool);
        qb_variant_free(variant);
        free_twins(t);
    }
}

/* Another operator's copy serves as an own one would, row block by row block, and is not copied again. */
Test(linear_formats, operators_share_what_is_held_as_fp32)
{
    struct twins *t = twins_of("fp16");
    struct qb_variant *variant = support_variant(registry, "calibrated");
    struct qb_pool *pool = support_pool(1);
    struct qb_linear *held, *l;
    MUST(qb_linear_create(NULL, &t->matrix[1], NULL, &held, &err));
    MUST(qb_linear_create(variant, &t->matrix[1], NULL, &l, &err));
    MUST(qb_linear_hold_fp32(held, pool, &err));
    MUST(qb_linear_apply(l, pool, t->x, N, t->y[0], true, &err));
    const size_t before = qb_mem_stats().live_bytes;
    qb_linear_share_fp32(l, held);
    cr_expect_eq(qb_mem_stats().live_bytes, before);
    MUST(qb_linear_apply(l, pool, t->x, N, t->y[1], true, &err));
    cr_expect_eq(memcmp(t->y[0], t->y[1], sizeof t->y[0]), 0);
    cr_expect_eq(qb_linear_foreign_bytes(l), 0);
    cr_expect_str_eq(qb_linear_segment(l, 2).product, "view");
    cr_expect_eq(qb_linear_segment(l, 2).held_bytes, ROWS / 3 * COLS * 4);
    qb_linear_free(l);
    qb_linear_free(held);
    qb_pool_free(pool);
    qb_variant_free(variant);
    free_twins(t);
}

/* A head of 64 MB as FP32: in neither arm does anything come near a copy. */
Test(linear_formats, a_wide_head_needs_no_fp32_copy)
{
    enum { HEAD = 16384, WIDTH = 1024, POSITIONS = 300 };
    const size_t size = (size_t)HEAD * WIDTH * 2, quarter = size / 2;
    uint16_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    float *x = calloc((size_t)POSITIONS * WIDTH, sizeof *x), *y = malloc((size_t)POSITIONS * HEAD * sizeof *y);
    struct qb_pool *pool = support_pool(2);
    struct qb_format fp16;
    MUST(qb_format_make(qb_registry_find(registry, "fp16"), NULL, qb_cpu()->isa, &fp16, &err));
    for (size_t i = 0; i < HEAD; i++)
        bytes[i * WIDTH + i % WIDTH] = 0x3c00; /* 1 */
    for (size_t i = 0; i < (size_t)POSITIONS * WIDTH; i++)
        x[i] = (float)(i % WIDTH);
    const struct qb_matrix matrix = {.name = "head.weight",
                                     .roles = QB_ROLE_HEAD,
                                     .rows = HEAD,
                                     .cols = WIDTH,
                                     .format = &fp16,
                                     .bytes = bytes,
                                     .size = size,
                                     .mapped = true};
    struct qb_variant *encoded = support_variant(registry, "int8-channel");
    struct qb_variant *const arms[] = {NULL, encoded};
    size_t before = qb_mem_stats().live_bytes, peak = qb_mem_stats().peak_bytes;
    for (size_t arm = 0; arm < 2; arm++) {
        struct qb_linear *l;
        MUST(qb_linear_create(arms[arm], &matrix, NULL, &l, &err));
        size_t own = qb_linear_segment(l, 0).bytes;
        cr_expect_eq(own > 0, arm == 1);
        for (size_t n = 1; n <= POSITIONS; n += POSITIONS - 1)
            MUST(qb_linear_apply(l, pool, x, n, y, true, &err));
        MUST(qb_linear_rows(l, HEAD - 1, 1, x, &err));
        for (size_t i = 0; i < HEAD; i++)
            cr_assert_float_eq(y[i], (float)(i % WIDTH), 0.01 * WIDTH);
        size_t most = qb_mem_stats().peak_bytes;
        cr_expect(most > peak && most < before + own + quarter, "arm %zu: %zu bytes at most, %zu before", arm, most,
                  before);
        qb_linear_free(l);
        for (size_t i = 0; i < WIDTH; i++)
            x[i] = (float)i;
    }
    munmap(bytes, size);
    free(x);
    free(y);
    qb_variant_free(encoded);
    qb_format_free(&fp16);
    qb_pool_free(pool);
}

/* pattern-a of the counting codec. */
static struct qb_variant counting_variant(const struct qb_variant *base)
{
    struct qb_variant variant = *base;
    variant.weights = counting_format;
    variant.placement = QB_ROLE_MLP_UP | QB_ROLE_MLP_DOWN;
    return variant;
}

Test(linear_formats, a_net_multiplies_by_the_codecs_own_product)
{
    enum { LENGTH = 9, HIDDEN = 32 };
    struct qb_model *model = support_model("transformer", 100, HIDDEN, 2, 7);
    struct qb_variant *base = support_variant(registry, "pattern-a"), variant = counting_variant(base);
    struct qb_pool *pool = support_pool(2);
    int32_t tokens[LENGTH] = {3, 1, 4, 1, 5, 9, 2, 6, 5};
    float hidden[2][LENGTH * HIDDEN];
    for (size_t own = 0; own < 2; own++) {
        counting_codec.gemv = own ? counting_gemv : NULL;
        counting_codec.gemm_tile = own ? counting_gemm : NULL;
        struct qb_net *net = support_net(model, &variant, NULL, pool);
        counted.decodes = counted.sizes = 0;
        MUST(qb_net_forward(net, tokens, 1, LENGTH, hidden[own], &err));
        cr_expect_eq(counted.gemms, own ? 4 : 0, "%d products in 2 layers", counted.gemms);
        MUST(qb_net_forward(net, tokens, 1, 1, hidden[own] + (LENGTH - 1) * HIDDEN, &err));
        cr_expect_eq(counted.gemvs, own ? 4 : 0, "%d products in 2 layers", counted.gemvs);
        cr_expect_eq(counted.decodes == 0, own);
        cr_expect_eq(counted.sizes, 0, "%d sizes asked for", counted.sizes);
        qb_net_free(net);
    }
    for (size_t i = 0; i < LENGTH * HIDDEN; i++)
        cr_expect_float_eq(hidden[0][i], hidden[1][i], 1e-4);
    qb_model_free(model);
    qb_variant_free(base);
    qb_pool_free(pool);
}

Test(linear_formats, what_is_encoded_is_checked_when_it_is_made)
{
    struct twins *t = twins_of("fp32");
    struct qb_variant *base = support_variant(registry, "pattern-a"), variant = counting_variant(base);
    struct qb_pool *pool = support_pool(2);
    struct qb_linear *l = NULL;
    float row[COLS];
    t->matrix[0].roles = QB_ROLE_MLP_UP;
    size_t live = qb_mem_stats().live_bytes;
    counted.nan_row = ROWS - 1;
    cr_expect_eq(qb_linear_create(&variant, &t->matrix[0], NULL, &l, &err), QB_ERR_NUMERIC);
    cr_expect(strstr(err.message, "codec 'counting': decode of 300 x 129: element (299, 0)"), "%s", err.message);
    cr_expect_eq(qb_mem_stats().live_bytes, live);
    counted.nan_row = SIZE_MAX;
    err = (struct qb_error){0};
    MUST(qb_linear_create(&variant, &t->matrix[0], NULL, &l, &err));
    counted.rows_decoded = 0;
    counted.sizes = 0;
    MUST(qb_linear_rows(l, 17, 1, row, &err));
    cr_expect_eq(counted.rows_decoded, 1, "a lookup decodes its row alone");
    counted.rows_decoded = 0;
    MUST(qb_linear_apply(l, pool, t->x, N, t->y[0], true, &err));
    cr_expect_eq(counted.rows_decoded, ROWS, "%ld rows", counted.rows_decoded);
    cr_expect_eq(counted.sizes, 0, "%d sizes asked for", counted.sizes);
    variant.cache = true;
    qb_linear_free(l);
    MUST(qb_linear_create(&variant, &t->matrix[0], NULL, &l, &err));
    counted.rows_decoded = 0;
    for (size_t n = 1; n < 5; n++)
        MUST(qb_linear_apply(l, pool, t->x, n, t->y[0], true, &err));
    cr_expect_eq(counted.rows_decoded, ROWS, "once for all: %ld rows", counted.rows_decoded);
    qb_linear_free(l);
    qb_variant_free(base);
    qb_pool_free(pool);
    free_twins(t);
}

/* ---- products of encoded weights as they lie ---- */

static struct qb_variant *fused_variant(const char *text)
{
    struct qb_yaml *root = NULL;
    struct qb_variant *variant = NULL;
    MUST(qb_yaml_parse(text, strlen(text), "fused.yaml", &root, &err));
    MUST(qb_variant_read(root, "fused", registry, qb_cpu()->isa, &variant, &err));
    qb_yaml_free(root);
    return variant;
}

/* Largest distance of y from the same operator's products by decoding, over the largest of these. */
static double distance(const float *y, const float *decoded, size_t n)
{
    double most = 0, apart = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)decoded[i]));
        apart = fmax(apart, fabs((double)y[i] - (double)decoded[i]));
    }
    return apart / most;
}

/* Few inputs are multiplied by the bytes as they lie, within rounding of what decoding gives and not bit for bit (a
 * test that could not tell the two apart would say nothing); many are decoded, to the same bits. */
static void expect_fused(const char *base, double least, double most)
{
    enum { WIDE = 352, FEW = 8 };
    static float w[ROWS * WIDE], x[(FEW + 1) * WIDE], y[3][(FEW + 1) * ROWS];
    char text[2][200];
    struct qb_rng rng;
    struct qb_variant *variants[2];
    struct qb_linear *l[2];
    struct qb_matrix matrix = {.name = "layers.0.attn.qkv.weight", .roles = QKV, .rows = ROWS, .cols = WIDE};
    qb_rng_seed(&rng, 52);
    qb_rng_normal(&rng, 0.0f, 0.05f, w, ROWS * WIDE);
    qb_rng_normal(&rng, 0.0f, 1.0f, x, (FEW + 1) * WIDE);
    matrix.bytes = w;
    matrix.size = sizeof w;
    for (size_t k = 0; k < 2; k++) {
        snprintf(text[k], sizeof text[k], "%s\nplacement: [attn.*]\narithmetic: %s\n", base, k ? "fused" : "forward");
        variants[k] = fused_variant(text[k]);
        MUST(qb_linear_create(variants[k], &matrix, NULL, &l[k], &err));
        cr_expect_str_eq(qb_linear_segment(l[k], 0).product, k ? "fused" : "decode+blas", "%s", base);
    }
    struct qb_pool *one = support_pool(1), *three = support_pool(3);
    for (size_t n = 1; n <= FEW + 1; n++) {
        MUST(qb_linear_apply(l[0], one, x, n, y[0], false, &err));
        MUST(qb_linear_apply(l[1], one, x, n, y[1], false, &err));
        MUST(qb_linear_apply(l[1], three, x, n, y[2], false, &err));
        cr_expect_eq(memcmp(y[1], y[2], n * ROWS * sizeof(float)), 0, "%s: three threads, n %zu", base, n);
        double apart = distance(y[1], y[0], n * ROWS);
        if (n > FEW)
            cr_expect_eq(apart, 0, "%s: %zu inputs are decoded", base, n);
        else
            cr_expect(apart >= least && apart <= most, "%s: n %zu: %g", base, n, apart);
        MUST(qb_linear_apply_rows(l[1], three, x, n, 90, 150, y[2], 150, false, &err));
        for (size_t i = 0; i < n && n <= FEW; i++)
            cr_expect_eq(memcmp(y[2] + i * 150, y[1] + i * ROWS + 90, 150 * sizeof(float)), 0, "%s: rows, n %zu", base,
                         n);
    }
    float rows[2][3 * WIDE];
    for (size_t k = 0; k < 2; k++)
        MUST(qb_linear_rows(l[k], 100, 3, rows[k], &err));
    cr_expect_eq(memcmp(rows[0], rows[1], sizeof rows[0]), 0, "%s: rows that are looked up are decoded", base);
    for (size_t k = 0; k < 2; k++) {
        qb_linear_free(l[k]);
        qb_variant_free(variants[k]);
    }
    qb_pool_free(one);
    qb_pool_free(three);
}

Test(linear_formats, a_fused_variant_multiplies_the_bytes_as_they_lie)
{
    expect_fused("codec: fp32", 1e-9, 1e-6);
    expect_fused("codec: fp16", 1e-9, 1e-6);
    expect_fused("codec: bf16", 1e-9, 1e-6);
    expect_fused("codec: int8", 1e-9, 1e-6);
    expect_fused("codec: int8\noptions: {scope: row}", 1e-9, 1e-6);
    expect_fused("codec: q8_0", 1e-9, 1e-6);
    expect_fused("codec: q4_0", 1e-9, 1e-6);
    expect_fused("codec: int8\noptions: {scope: \"group:64\"}", 1e-9, 1e-6);
    expect_fused("codec: e4m3", 1e-9, 1e-6);
    expect_fused("codec: mxfp8_e5m2", 1e-9, 1e-6);
    expect_fused("codec: codebook8", 1e-9, 1e-6);
    expect_fused("codec: nf4", 1e-9, 1e-6);
    expect_fused("codec: iq4_nl", 1e-9, 1e-6);
    expect_fused("codec: mxfp4", 1e-9, 1e-6);
    /* fixed point: 2^-16 of the largest weight and input */
    expect_fused("codec: qinsc", 1e-7, 1e-4);
    expect_fused("codec: qinsc\noptions: {scope: tensor}", 1e-7, 1e-4);
    expect_fused("codec: qinsc\noptions: {scope: \"group:64\"}", 1e-7, 1e-4);
    expect_fused("codec: qinsc\noptions: {scope: \"group:64\", range: fp16, linear: 48, octaves: 2, zero: true}", 1e-7,
                 1e-4);
    expect_fused("codec: e2m5", 1e-7, 1e-4);
    expect_fused("codec: qins8", 1e-7, 1e-4);
    expect_fused("codec: qins8\noptions: {layout: source}", 1e-7, 1e-4);
}

/* An FP32 model's own bytes are as well; many inputs are multiplied as without it, to the bit. */
Test(linear_formats, a_fused_variant_reads_fp32_as_it_lies)
{
    struct twins *t = twins_of("bf16");
    struct qb_variant *variant = fused_variant("codec: int8\nplacement: [mlp.up]\narithmetic: fused\n");
    struct qb_pool *pool = support_pool(2);
    struct qb_linear *l[2];
    MUST(qb_linear_create(NULL, &t->matrix[0], NULL, &l[0], &err));
    MUST(qb_linear_create(variant, &t->matrix[0], NULL, &l[1], &err));
    cr_expect_str_eq(qb_linear_segment(l[0], 0).product, "view");
    cr_expect_str_eq(qb_linear_segment(l[1], 0).product, "fused");
    for (size_t n = 8; n <= 9; n++) {
        for (size_t k = 0; k < 2; k++)
            MUST(qb_linear_apply(l[k], pool, t->x, n, t->y[k], false, &err));
        double apart = distance(t->y[1], t->y[0], n * ROWS);
        cr_expect(n == 8 ? apart > 0 && apart < 1e-6 : apart == 0, "n %zu: %g", n, apart);
    }
    qb_linear_free(l[0]);
    qb_linear_free(l[1]);
    qb_pool_free(pool);
    qb_variant_free(variant);
    free_twins(t);
}

/* Under it the model's own bytes are, too, where there is a kernel; held as FP32 they no longer are. */
Test(linear_formats, a_fused_variant_reads_the_models_own_bytes)
{
    struct twins *t = twins_of("bf16");
    struct qb_variant *variant = fused_variant("codec: int8\nplacement: [attn.q]\narithmetic: fused\n");
    struct qb_pool *pool = support_pool(1);
    struct qb_linear *l;
    MUST(qb_linear_create(variant, &t->matrix[1], NULL, &l, &err));
    for (size_t i = 0; i < 3; i++)
        cr_expect_str_eq(qb_linear_segment(l, i).product, "fused");
    MUST(qb_linear_hold_fp32(l, pool, &err));
    for (size_t i = 0; i < 3; i++)
        cr_expect_str_eq(qb_linear_segment(l, i).product, i == 0 ? "fused" : "view");
    MUST(qb_linear_apply(l, pool, t->x, 1, t->y[0], false, &err));
    qb_linear_free(l);
    qb_pool_free(pool);
    qb_variant_free(variant);
    free_twins(t);
}
