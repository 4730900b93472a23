/* The published experiments against a second implementation: source_protocols.json was measured with the source's own
 * framework (shared with the protocols); match, top-10 and divergence must agree to the last digit. */
#include "net_support.h"

#include <jansson.h>

#define STEPS 500
#define VOCAB 5000

static struct qb_registry *registry;
static struct qb_pool *pool;
static json_t *golden;

static void begin(void)
{
    registry = support_registry();
    pool = support_pool(1);
    golden = json_load_file("tests/golden/source_protocols.json", JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(golden);
}

static void end(void)
{
    json_decref(golden);
    qb_pool_free(pool);
    qb_registry_free(registry);
}

TestSuite(source, .init = begin, .fini = end);

static json_t *at(const char *part, const char *key)
{
    json_t *value = json_object_get(json_object_get(golden, part), key);
    cr_assert_not_null(value, "%s.%s", part, key);
    return value;
}

static double number(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    cr_assert(json_is_number(value), "%s", key);
    return json_number_value(value);
}

/* One arm of an experiment: 500 free-running tokens with their logits. */
struct arm {
    int32_t tokens[STEPS];
    float *logits; /* [STEPS, VOCAB] */
};

static struct arm *arm_of(struct qb_net *net, const int32_t *prompt, size_t length)
{
    struct qb_error err = {0};
    struct arm *arm = qb_alloc(1, sizeof *arm, "arm", &err);
    arm->logits = qb_alloc(STEPS * VOCAB, sizeof(float), "logits", &err);
    support_greedy(net, prompt, length, STEPS, arm->tokens, arm->logits);
    return arm;
}

static void arm_free(struct arm *arm)
{
    qb_free(arm->logits);
    qb_free(arm);
}

static void near(const char *what, double value, double expected, double relative)
{
    cr_expect(fabs(value - expected) <= relative * fabs(expected), "%s: %.10g, expected %.10g within %g", what, value,
              expected, relative);
}

/* Unbiased, over all steps' logits. */
static double logit_std(const struct arm *arm)
{
    double mean = 0, square = 0, n = (double)STEPS * VOCAB;
    for (size_t i = 0; i < STEPS * VOCAB; i++)
        mean += (double)arm->logits[i] / n;
    for (size_t i = 0; i < STEPS * VOCAB; i++)
        square += ((double)arm->logits[i] - mean) * ((double)arm->logits[i] - mean);
    return sqrt(square / (n - 1));
}

static void same_tokens(const char *what, const int32_t *tokens, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        cr_expect_eq(tokens[i], json_integer_value(json_array_get(list, i)), "%s: token %zu is %d, expected %d", what,
                     i, (int)tokens[i], (int)json_integer_value(json_array_get(list, i)));
}

static void free_running(const char *what, const struct arm *reference, const struct arm *arm, const json_t *expected)
{
    unsigned match = 0, shared = 0;
    long first = -1;
    for (size_t i = 0; i < STEPS; i++) {
        match += reference->tokens[i] == arm->tokens[i];
        first = first < 0 && reference->tokens[i] != arm->tokens[i] ? (long)i : first;
        shared += support_overlap10(reference->logits + i * VOCAB, arm->logits + i * VOCAB, VOCAB);
    }
    cr_expect_float_eq(match / 5.0, number(expected, "match"), 1e-9, "%s: match %g", what, match / 5.0);
    cr_expect_float_eq(shared / 50.0, number(expected, "top10"), 1e-9, "%s: top-10 %g, expected %g", what,
                       shared / 50.0, number(expected, "top10"));
    json_t *divergence = json_object_get(expected, "first_div");
    cr_expect_eq(first, json_is_null(divergence) ? -1 : json_integer_value(divergence), "%s: diverges at %ld", what,
                 first);
    if (json_object_get(expected, "tokens_head"))
        same_tokens(what, arm->tokens, json_object_get(expected, "tokens_head"));
}

/* ---- the chain ---- */

struct chain {
    struct qb_model *model;
    int32_t prompt[20], calibration[1000];
    struct qb_net *reference;
    struct arm *arm;
};

static void chain_begin(struct chain *c)
{
    c->model = support_model("chain", VOCAB, 256, 3, 42);
    struct qb_rng rng = c->model->rng;
    for (size_t i = 0; i < 1000; i++)
        c->calibration[i] = (int32_t)qb_rng_randint(&rng, VOCAB);
    qb_rng_seed(&rng, 123);
    for (size_t i = 0; i < 20; i++)
        c->prompt[i] = (int32_t)qb_rng_randint(&rng, VOCAB);
    c->reference = support_net(c->model, NULL, NULL, pool);
    c->arm = arm_of(c->reference, c->prompt, 20);
}

static void chain_end(struct chain *c)
{
    arm_free(c->arm);
    qb_net_free(c->reference);
    qb_model_free(c->model);
}

static void floats(const char *what, const float *x, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        double expected = json_number_value(json_array_get(list, i));
        cr_expect_float_eq((double)x[i], expected, 4e-7 * fabs(expected), "%s[%zu]: %.9g, expected %.9g", what, i,
                           (double)x[i], expected);
    }
}

Test(source, chain_draws)
{
    struct chain c;
    chain_begin(&c);
    const json_t *rng = at("chain_42_123", "rng");
    const struct qb_tensor *head = qb_model_named(c.model, "head.weight");
    floats("embed", tensor_floats(qb_model_named(c.model, "embed.weight")), json_object_get(rng, "embed_head"));
    floats("linear 0", tensor_floats(qb_model_named(c.model, "layers.0.mlp.up.weight")),
           json_object_get(rng, "linear0_head"));
    floats("head", tensor_floats(head) + head->rows * head->cols - 4, json_object_get(rng, "lm_head_tail"));
    same_tokens("calibration", c.calibration, json_object_get(rng, "calib_head"));
    same_tokens("prompt", c.prompt, at("chain_42_123", "prompt"));
    same_tokens("reference", c.arm->tokens, at("chain_42_123", "ref_tokens_head"));
    bool seen[VOCAB] = {false};
    long unique = 0;
    for (size_t i = 0; i < STEPS; i++) {
        unique += !seen[c.arm->tokens[i]];
        seen[c.arm->tokens[i]] = true;
    }
    cr_expect_eq(unique, json_integer_value(at("chain_42_123", "ref_unique")));
    near("logit std", logit_std(c.arm), json_number_value(at("chain_42_123", "logit_std")), 1e-5);
    chain_end(&c);
}

/* KL and top-1 of the variant fed the reference's tokens. */
static void teacher_forced(const char *what, const struct chain *c, struct qb_net *net, const json_t *expected)
{
    struct qb_error err = {0};
    int32_t tokens[STEPS];
    float *hidden = qb_alloc(STEPS * 256, sizeof *hidden, "hidden", &err);
    float *logits = qb_alloc(STEPS * VOCAB, sizeof *logits, "logits", &err);
    tokens[0] = c->prompt[19];
    memcpy(tokens + 1, c->arm->tokens, (STEPS - 1) * sizeof *tokens);
    MUST(qb_net_forward(net, tokens, 1, STEPS, hidden, &err));
    MUST(qb_net_logits(net, hidden, STEPS, logits, &err));
    double kl = 0, most = 0, top1 = 0;
    for (size_t i = 0; i < STEPS; i++) {
        double one = support_kl(c->arm->logits + i * VOCAB, logits + i * VOCAB, VOCAB);
        kl += one / STEPS;
        most = fmax(most, one);
        top1 += support_argmax(logits + i * VOCAB, VOCAB) == c->arm->tokens[i];
    }
    near("top-1", top1 / 5.0, number(expected, "tf_top1"), 1e-6);
    /* The golden values are sums of p (log p - log q) in double: each log has an ulp of 1.8e-15 (log p = -8.5), which a
     * divergence of 1e-14 shows; a mean of 500 shows less of it. support_kl has no such cancellation. */
    cr_expect_float_eq(kl, number(expected, "tf_kl_mean"), 4e-16, "%s: mean KL %g", what, kl);
    if (json_object_get(expected, "tf_kl_max"))
        cr_expect_float_eq(most, number(expected, "tf_kl_max"), 1.8e-15, "%s: max KL %g", what, most);
    qb_free(hidden);
    qb_free(logits);
}

static void chain_variant(const char *name, const char *key)
{
    struct chain c;
    chain_begin(&c);
    const json_t *expected = at("chain_42_123", key);
    struct qb_variant *variant = support_variant(registry, name);
    struct qb_net *net = support_net(c.model, variant, NULL, pool);
    struct arm *arm = arm_of(net, c.prompt, 20);
    free_running(name, c.arm, arm, expected);
    teacher_forced(name, &c, net, expected);
    arm_free(arm);
    qb_net_free(net);
    qb_variant_free(variant);
    chain_end(&c);
}

Test(source, chain_standard)
{
    chain_variant("legacy-asrun", "qins");
}

Test(source, chain_int8_tensor)
{
    chain_variant("int8-tensor", "int8_tensor");
}

Test(source, chain_int8_channel)
{
    chain_variant("int8-channel", "int8_channel");
}

static void calibrated(const char *name, const char *key)
{
    struct chain c;
    chain_begin(&c);
    const json_t *expected = at("chain_42_123", key);
    struct qb_variant *variant = support_variant(registry, name);
    struct qb_calibration_data data = {c.calibration, 50, 20};
    struct qb_net *net = support_net(c.model, variant, &data, pool);
    const struct qb_net_calibration *found = qb_net_calibration(net);
    near("alpha raw", found->alpha_raw, number(expected, "alpha_raw"), 1e-5);
    near("alpha", found->alpha, number(expected, "alpha"), 1e-5);
    near("logit std FP32", found->logit_std_fp, number(expected, "fp_std"), 1e-5);
    near("logit std QINS", found->logit_std_q, number(expected, "q_std"), 1e-5);
    const json_t *ranges = json_object_get(expected, "scale_ranges");
    cr_assert_eq(found->linears, 5);
    for (size_t i = 0; i < json_array_size(ranges); i++) {
        const json_t *range = json_array_get(ranges, i);
        near("S min", (double)found->scale_min[i], json_number_value(json_array_get(range, 0)), 2e-6);
        near("S max", (double)found->scale_max[i], json_number_value(json_array_get(range, 1)), 2e-6);
    }
    struct arm *arm = arm_of(net, c.prompt, 20);
    free_running(name, c.arm, arm, expected);
    if (json_object_get(expected, "tf_kl_mean"))
        teacher_forced(name, &c, net, expected);
    if (json_object_get(expected, "logit_std"))
        near("logit std", logit_std(arm), number(expected, "logit_std"), 1e-5);
    arm_free(arm);
    qb_net_free(net);
    qb_variant_free(variant);
    chain_end(&c);
}

Test(source, chain_calibrated_range_kept)
{
    calibrated("calibrated-range-kept", "calibrated_range_kept");
}

Test(source, chain_calibrated_as_run)
{
    calibrated("calibrated-asrun", "calibrated_range_lost");
}

/* ---- the transformer ---- */

/* KL over the first 50 positions: prompt and reference tokens in one forward pass, where all see all. */
static void first_fifty(const int32_t *prompt, const struct arm *arm, struct qb_net *reference, struct qb_net *net,
                        const json_t *expected)
{
    enum { N = 50 };
    struct qb_error err = {0};
    int32_t tokens[N];
    memcpy(tokens, prompt, 10 * sizeof *tokens);
    memcpy(tokens + 10, arm->tokens, (N - 10) * sizeof *tokens);
    float *hidden = qb_alloc(N * 256, sizeof *hidden, "hidden", &err);
    float *logits = qb_alloc(2 * N * VOCAB, sizeof *logits, "logits", &err);
    MUST(qb_net_forward(reference, tokens, 1, N, hidden, &err));
    MUST(qb_net_logits(reference, hidden, N, logits, &err));
    MUST(qb_net_forward(net, tokens, 1, N, hidden, &err));
    MUST(qb_net_logits(net, hidden, N, logits + N * VOCAB, &err));
    double kl = 0, most = 0;
    for (size_t i = 0; i < N; i++) {
        double one = support_kl(logits + i * VOCAB, logits + (N + i) * VOCAB, VOCAB);
        kl += one / N;
        most = fmax(most, one);
    }
    near("mean KL", kl, number(expected, "tf_kl_mean"), 2e-4);
    near("max KL", most, number(expected, "tf_kl_max"), 2e-4);
    qb_free(hidden);
    qb_free(logits);
}

Test(source, transformer)
{
    struct qb_model *model = support_model("transformer", VOCAB, 256, 3, 42);
    const json_t *rng = at("transformer_42", "rng");
    const struct qb_tensor *down = qb_model_named(model, "layers.2.mlp.down.weight");
    floats("embed", tensor_floats(&model->tensors[0]), json_object_get(rng, "embed_head"));
    floats("qkv", tensor_floats(qb_model_named(model, "layers.0.attn.qkv.weight")),
           json_object_get(rng, "l0_qkv_head"));
    floats("qkv bias", tensor_floats(qb_model_named(model, "layers.0.attn.qkv.bias")),
           json_object_get(rng, "l0_qkv_bias_head"));
    floats("down", tensor_floats(down) + down->rows * down->cols - 4, json_object_get(rng, "l2_down_tail"));
    int32_t prompt[10];
    for (size_t i = 0; i < 10; i++)
        prompt[i] = (int32_t)qb_rng_randint(&model->rng, VOCAB);
    same_tokens("prompt", prompt, at("transformer_42", "prompt"));
    struct qb_net *reference = support_net(model, NULL, NULL, pool);
    struct arm *arm = arm_of(reference, prompt, 10);
    same_tokens("reference", arm->tokens, at("transformer_42", "ref_tokens_head"));
    static const char *const arms[][2] = {
        {"pattern-a", "qins"}, {"int8-tensor", "int8_tensor"}, {"int8-channel", "int8_channel"}};
    for (size_t v = 0; v < 3; v++) {
        const json_t *expected = at("transformer_42", arms[v][1]);
        struct qb_variant *variant = support_variant(registry, arms[v][0]);
        struct qb_net *net = support_net(model, variant, NULL, pool);
        struct arm *other = arm_of(net, prompt, 10);
        free_running(arms[v][0], arm, other, expected);
        first_fifty(prompt, arm, reference, net, expected);
        arm_free(other);
        qb_net_free(net);
        qb_variant_free(variant);
    }
    arm_free(arm);
    qb_net_free(reference);
    qb_model_free(model);
}
