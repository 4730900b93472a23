/* Variants as a whole net computes them: tensors chosen by name, stored weights under coded activations, arithmetic in
 * another order. */
#include "registry_fixture.h"

#include "base/rng.h"

enum { VOCAB = 60, H = 32, LAYERS = 3, LENGTH = 11 };

static struct qb_model *model;
static int32_t tokens[2 * LENGTH];

static void begin(void)
{
    struct qb_rng rng;
    registry_begin();
    model = support_model("transformer", VOCAB, H, LAYERS, 5);
    for (size_t t = 0; t < model->tensor_count; t++) /* large enough for the layers to matter */
        for (size_t i = 0; i < model->tensors[t].rows * model->tensors[t].cols; i++)
            tensor_floats(&model->tensors[t])[i] *= model->tensors[t].roles & QB_ROLE_NORM ? 1.0f : 8.0f;
    qb_rng_seed(&rng, 6);
    for (size_t i = 0; i < 2 * LENGTH; i++)
        tokens[i] = (int32_t)qb_rng_randint(&rng, VOCAB);
}

static void end(void)
{
    qb_model_free(model);
    registry_end();
}

TestSuite(net_variants, .init = begin, .fini = end);

static struct qb_variant *read_variant(const char *text)
{
    struct qb_yaml *root = NULL;
    struct qb_variant *v = NULL;
    MUST(qb_yaml_parse(text, strlen(text), "my.yaml", &root, &err));
    MUST(qb_variant_read(root, "mine", registry, qb_cpu()->isa, &v, &err));
    qb_yaml_free(root);
    return v;
}

/* The rows of qb_net_buffers that a codec stores, as "name=bytes" each. */
static void stored(const struct qb_variant *variant, char out[512])
{
    struct qb_pool *pool = support_pool(1);
    struct qb_net *net = support_net(model, variant, NULL, pool);
    struct qb_net_buffer rows[64];
    size_t n = qb_net_buffers(net, rows, 64), at = 0;
    cr_assert_leq(n, 64);
    out[0] = '\0';
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].store, "fp32") != 0)
            at += (size_t)snprintf(out + at, 512 - at, "%s%s=%zu", at ? " " : "", rows[i].tensor, rows[i].bytes);
    qb_net_free(net);
    qb_pool_free(pool);
}

/* Bytes by hand: QINS takes 2 bytes a value and 8 for its range. H = 32: qkv 96 x 32, out 32 x 32, up 128 x 32. */
Test(net_variants, names_choose_exactly_their_tensors)
{
    static const char *const cases[][2] = {
        {"base: pattern-a\ntensors: [layers.1.mlp.up.weight]\n", "layers.1.mlp.up.weight=8200"},
        {"base: pattern-a\ntensors: ['layers.[02].attn.*']\n",
         "layers.0.attn.qkv.weight=6152 layers.0.attn.out.weight=2056 layers.2.attn.qkv.weight=6152 "
         "layers.2.attn.out.weight=2056"},
        {"base: pattern-a\nexcept: ['*.mlp.*', 'layers.0.*']\n",
         "layers.1.attn.qkv.weight=6152 layers.1.attn.out.weight=2056 layers.2.attn.qkv.weight=6152 "
         "layers.2.attn.out.weight=2056"},
        {"base: pattern-a\ntensors: ['layers.1.*']\nexcept: ['*.down.*', '*.qkv.*']\n",
         "layers.1.attn.out.weight=2056 layers.1.mlp.up.weight=8200"},
        {"base: pattern-a\nplacement: [attn.v, mlp.up]\ntensors: ['layers.2.*']\n",
         "layers.2.attn.qkv.weight=2056 layers.2.mlp.up.weight=8200"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char found[512];
        struct qb_variant *v = read_variant(cases[i][0]);
        stored(v, found);
        cr_expect_str_eq(found, cases[i][1], "%s: %s", cases[i][0], found);
        qb_variant_free(v);
    }
}

Test(net_variants, names_restrict_fp16_roles_too)
{
    char found[512];
    struct qb_variant *v = read_variant("base: pattern-a\ntensors: ['layers.1.attn.*']\n"
                                        "calibration: {fp16: [attn.q, attn.k]}\n");
    stored(v, found); /* 32 x 32 in FP16 twice, then v and out in QINS */
    cr_expect_str_eq(found,
                     "layers.1.attn.qkv.weight=2048 layers.1.attn.qkv.weight=2048 layers.1.attn.qkv.weight=2056 "
                     "layers.1.attn.out.weight=2056",
                     "%s", found);
    qb_variant_free(v);
}

Test(net_variants, names_that_leave_nothing_are_an_error)
{
    static const char *const texts[] = {"base: pattern-a\ntensors: [layers.7.mlp.up.weight]\n",
                                        "base: pattern-a\nexcept: ['*']\n",
                                        "base: pattern-a\nplacement: [head]\ntensors: ['layers.*']\n"};
    struct qb_pool *pool = support_pool(1);
    size_t live = qb_mem_stats().live_bytes;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct qb_variant *v = read_variant(texts[i]);
        struct qb_net *net = NULL;
        err = (struct qb_error){0};
        cr_expect_eq(qb_net_create(model, v, pool, &net, &err), QB_ERR_INPUT);
        cr_expect(strstr(err.message, "tensors") && strstr(err.message, "mine"), "%s", err.message);
        qb_variant_free(v);
        cr_expect_eq(qb_mem_stats().live_bytes, live);
        err = (struct qb_error){0};
    }
    qb_pool_free(pool);
}

static void hidden_of(const struct qb_model *m, const struct qb_variant *v, unsigned threads, float *hidden)
{
    struct qb_pool *pool = support_pool(threads);
    struct qb_net *net = support_net(m, v, NULL, pool);
    MUST(qb_net_forward(net, tokens, 2, LENGTH, hidden, &err));
    qb_net_free(net);
    qb_pool_free(pool);
}

Test(net_variants, stored_is_the_path_on_weights_that_were_rounded_beforehand)
{
    struct qb_variant *both = read_variant("base: legacy\nstored: true\n"),
                      *legacy = support_variant(registry, "legacy");
    struct qb_model *rounded = support_model("transformer", VOCAB, H, LAYERS, 5);
    float a[2 * LENGTH * H], b[2 * LENGTH * H], c[2 * LENGTH * H];
    uint8_t *bytes = qb_alloc(4 * 4 * H * H, 2, "test", &err);
    for (size_t t = 0; t < model->tensor_count; t++) {
        const struct qb_tensor *from = &model->tensors[t];
        float *to = tensor_floats(&rounded->tensors[t]);
        size_t size;
        memcpy(to, tensor_floats(from), from->rows * from->cols * sizeof *to);
        if (!(from->roles & legacy->placement) || (from->roles & (QB_ROLE_BIAS | QB_ROLE_NORM)))
            continue;
        MUST(qb_encoded_size(&legacy->weights, from->rows, from->cols, &size, &err));
        cr_assert_leq(size, qb_size_of(bytes));
        MUST(qb_encode(&legacy->weights, from->rows, from->cols, tensor_floats(from), bytes, size, &err));
        MUST(qb_decode(&legacy->weights, from->rows, from->cols, bytes, size, 0, from->rows, to, &err));
    }
    hidden_of(model, both, 1, a);
    hidden_of(rounded, legacy, 1, b);
    hidden_of(model, legacy, 1, c);
    cr_expect_eq(memcmp(a, b, sizeof a), 0);
    cr_expect_neq(memcmp(a, c, sizeof a), 0, "nothing was rounded");
    qb_free(bytes);
    qb_model_free(rounded);
    qb_variant_free(both);
    qb_variant_free(legacy);
}

Test(net_variants, reversed_arithmetic_differs_from_fp32_by_rounding_alone)
{
    struct qb_variant *reversed = support_variant(registry, "fp32-reordered");
    float fp32[2 * LENGTH * H], first[2 * LENGTH * H], again[2 * LENGTH * H], size = 0, worst = 0;
    hidden_of(model, NULL, 1, fp32);
    hidden_of(model, reversed, 1, first);
    for (unsigned threads = 2; threads <= 4; threads++) {
        hidden_of(model, reversed, threads, again);
        cr_expect_eq(memcmp(first, again, sizeof first), 0, "%u threads", threads);
    }
    for (size_t i = 0; i < 2 * LENGTH * H; i++) {
        size = fmaxf(size, fabsf(fp32[i]));
        worst = fmaxf(worst, fabsf(fp32[i] - first[i]));
    }
    cr_expect_gt(worst, 0, "the sums are in the same order");
    cr_expect_lt(worst, 1e-4f * size, "%g of %g", (double)worst, (double)size);
    struct qb_pool *pool = support_pool(2);
    struct qb_net *net = support_net(model, reversed, NULL, pool), *plain = support_net(model, NULL, NULL, pool);
    float x[2 * LENGTH * H], y[2 * LENGTH * H], logits[2][VOCAB];
    MUST(qb_net_embed(net, tokens, 2, LENGTH, x, &err));
    MUST(qb_net_embed(plain, tokens, 2, LENGTH, y, &err));
    cr_expect_eq(memcmp(x, y, sizeof x), 0, "an embedding is looked up, not summed");
    MUST(qb_net_logits(net, fp32, 1, logits[0], &err));
    MUST(qb_net_logits(plain, fp32, 1, logits[1], &err));
    cr_expect_neq(memcmp(logits[0], logits[1], sizeof *logits), 0, "the head's sums are in the same order");
    for (size_t i = 0; i < VOCAB; i++)
        cr_expect_float_eq(logits[0][i], logits[1][i], 1e-4f * size);
    qb_net_free(net);
    qb_net_free(plain);
    qb_pool_free(pool);
    qb_variant_free(reversed);
}

/* Layer by layer is the forward pass, and raw logits with alpha in place are the logits. */
Test(net_variants, the_steps_make_the_whole)
{
    struct qb_variant *v = support_variant(registry, "calibrated-stored");
    struct qb_pool *pool = support_pool(2);
    const struct qb_calibration_data data = {tokens, 2, LENGTH};
    struct qb_net *net = support_net(model, v, &data, pool);
    float whole[LENGTH * H], x[LENGTH * H], y[LENGTH * H], logits[2][LENGTH * VOCAB];
    MUST(qb_net_forward(net, tokens, 1, LENGTH, whole, &err));
    MUST(qb_net_embed(net, tokens, 1, LENGTH, x, &err));
    for (size_t l = 0; l < LAYERS; l++) {
        MUST(qb_net_block(net, l, x, 1, LENGTH, y, &err));
        memcpy(x, y, sizeof x);
    }
    MUST(qb_net_finish(net, x, LENGTH, &err));
    cr_expect_eq(memcmp(x, whole, sizeof x), 0);
    MUST(qb_net_logits(net, x, LENGTH, logits[0], &err));
    MUST(qb_net_raw_logits(net, x, LENGTH, logits[1], &err));
    cr_expect_neq(qb_net_calibration(net)->alpha, 1.0);
    cr_expect_neq(memcmp(logits[0], logits[1], sizeof *logits), 0);
    qb_net_scale_logits(net, LENGTH, logits[1]);
    cr_expect_eq(memcmp(logits[0], logits[1], sizeof *logits), 0);
    qb_net_free(net);
    qb_pool_free(pool);
    qb_variant_free(v);
}
