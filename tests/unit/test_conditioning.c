/* Variants that change weights before they encode them (rotate, input_scale): whole models, and what is refused. */
#include "compute/linear.h"
#include "model/effect.h"
#include "registry_fixture.h"

TestSuite(conditioning, .init = registry_begin, .fini = registry_end);

enum { VOCAB = 50, CONTEXTS = 3, LENGTH = 10, POSITIONS = CONTEXTS * LENGTH };

static int32_t tokens[POSITIONS];
static const struct qb_calibration_data data = {tokens, CONTEXTS, LENGTH};

/* logits[POSITIONS, VOCAB] of the model under a variant (NULL: FP32) on other tokens than data's. */
static void logits_of(const struct qb_model *model, const char *text, unsigned threads, float *logits)
{
    int32_t read[POSITIONS];
    float hidden[POSITIONS * 64];
    struct qb_pool *pool = support_pool(threads);
    struct qb_variant *v = text ? variant_of(text) : NULL;
    support_tokens(tokens, POSITIONS, 4);
    support_tokens(read, POSITIONS, 5);
    struct qb_net *net = support_net(model, v, &data, pool);
    cr_assert_leq(model->arch.hidden, 64);
    MUST(qb_net_forward(net, read, CONTEXTS, LENGTH, hidden, &err));
    MUST(qb_net_logits(net, hidden, POSITIONS, logits, &err));
    qb_net_free(net);
    qb_variant_free(v);
    qb_pool_free(pool);
}

static double apart(const float *a, const float *b)
{
    double most = 0, off = 0;
    for (size_t i = 0; i < (size_t)POSITIONS * VOCAB; i++) {
        most = fmax(most, fabs((double)a[i]));
        off = fmax(off, fabs((double)a[i] - (double)b[i]));
    }
    return off / most;
}

/* A codec that loses nothing: the logits are FP32's within 2e-5 of the largest, whatever is done before. */
Test(conditioning, without_a_loss_the_logits_are_fp32s)
{
    static const char *const keys[] = {"rotate: hadamard", "input_scale: {rule: awq, alpha: 0.7}", "input_scale: awq",
                                       "input_scale: smoothquant", "rotate: hadamard, input_scale: smoothquant"};
    static const char *const placements[] = {"['attn.*', 'mlp.*', embed, head]", "['attn.*', 'mlp.*']",
                                             "[attn.q, mlp.down]"};
    static float plain[POSITIONS * VOCAB], changed[POSITIONS * VOCAB];
    static const char *const generators[] = {"transformer", "chain"};
    for (size_t g = 0; g < 2; g++) {
        struct qb_model *model = support_small(generators[g], true);
        logits_of(model, NULL, 1, plain);
        for (size_t p = 0; p < (g ? 1 : 3); p++)
            for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
                char text[200];
                snprintf(text, sizeof text, "{codec: fp32, placement: %s, %s}", placements[p], keys[k]);
                logits_of(model, text, 1, changed);
                double off = apart(plain, changed);
                cr_expect_lt(off, 2e-5, "%s, %s: %g", generators[g], text, off);
                if (k != 2) /* the search finds no error to lessen, and leaves the weights alone */
                    cr_expect_gt(off, 0, "%s, %s: nothing was done", generators[g], text);
            }
        qb_model_free(model);
    }
}

Test(conditioning, equal_bits_for_any_number_of_threads)
{
    static float one[POSITIONS * VOCAB], three[POSITIONS * VOCAB];
    static const char text[] = "{codec: int8, options: {scope: row}, placement: ['attn.*', 'mlp.*', embed, head], "
                               "rotate: hadamard, input_scale: awq, compensate: gptq}";
    struct qb_model *model = support_small("transformer", true);
    logits_of(model, text, 1, one);
    logits_of(model, text, 3, three);
    cr_expect_eq(memcmp(one, three, sizeof one), 0);
    qb_model_free(model);
}

/* Scales come from the inputs of all positions; an embedding that is no head takes none. */
Test(conditioning, every_matrix_with_inputs_has_scales)
{
    struct qb_model *model = support_model("transformer", VOCAB, 32, 2, 3);
    struct qb_variant *v = variant_of("{codec: int8, placement: ['attn.*', 'mlp.*', embed, head], input_scale: awq}");
    struct qb_pool *pool = support_pool(1);
    support_tokens(tokens, POSITIONS, 4);
    struct qb_net *net = support_net(model, v, &data, pool);
    const struct qb_tensor *tensor;
    size_t bytes = 0, due = 0, count = 0;
    for (size_t i = 0; qb_net_linear(net, i, &tensor); i++) {
        double alpha;
        const bool takes = tensor->roles != QB_ROLE_EMBED;
        cr_expect_eq(qb_linear_input_scale(qb_net_linear(net, i, NULL), &alpha) != NULL, takes, "%s", tensor->name);
        due += takes ? tensor->cols * sizeof(float) : 0;
        count++;
    }
    cr_assert_gt(count, 8);
    struct qb_net_buffer rows[200];
    size_t n = qb_net_buffers(net, rows, 200);
    for (size_t i = 0; i < n; i++)
        bytes += strcmp(rows[i].tensor, "input_scale") == 0 ? rows[i].bytes : 0;
    cr_expect_eq(bytes, due);
    struct qb_effect effect = {0};
    size_t stored = 0;
    MUST(qb_effect_of(model, v, true, &effect, &err));
    for (size_t i = 0; i < n; i++)
        stored += strcmp(rows[i].store, "int8") == 0 || strcmp(rows[i].tensor, "input_scale") == 0 ? rows[i].bytes : 0;
    cr_expect_eq(effect.bytes, stored, "%zu, expected %zu", (size_t)effect.bytes, stored);
    qb_effect_free(&effect);
    qb_net_free(net);
    qb_pool_free(pool);
    qb_variant_free(v);
    qb_model_free(model);
}

Test(conditioning, a_variant_without_contexts_is_refused)
{
    struct qb_model *model = support_model("transformer", VOCAB, 32, 2, 3);
    struct qb_variant *v = variant_of("{codec: int8, placement: ['mlp.*'], input_scale: smoothquant}");
    struct qb_pool *pool = support_pool(1);
    struct qb_net *net = NULL;
    struct qb_error e = {0};
    cr_expect(v->takes_contexts && !v->calibrated);
    cr_expect_eq(qb_net_prepare(model, v, NULL, pool, &net, &e), QB_ERR_INPUT);
    cr_expect_not_null(strstr(e.message, "needs calibration contexts"), "%s", e.message);
    qb_variant_free(v);
    v = variant_of("{codec: int8, placement: ['mlp.*'], rotate: hadamard}");
    cr_expect_not(v->takes_contexts);
    qb_variant_free(v);
    qb_pool_free(pool);
    qb_model_free(model);
}

Test(conditioning, a_request_without_effect_is_told)
{
    static const struct {
        const char *generator;
        size_t hidden;
        const char *keys, *unbound;
    } cases[] = {{"transformer", 30, "placement: [attn.q], rotate: hadamard", ""},
                 {"transformer", 25, "placement: [attn.q], rotate: hadamard", "rotate hadamard"},
                 {"chain", 32, "placement: [embed], input_scale: awq", "input_scale awq"},
                 {"chain", 32, "placement: [embed, mlp.up], input_scale: awq", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        struct qb_model *model = support_model(cases[i].generator, VOCAB, cases[i].hidden, 2, 3);
        struct qb_effect effect = {0};
        snprintf(text, sizeof text, "{codec: int8, %s}", cases[i].keys);
        struct qb_variant *v = variant_of(text);
        MUST(qb_effect_of(model, v, false, &effect, &err));
        cr_expect_str_eq(effect.unbound, cases[i].unbound, "%s: %s", text, effect.unbound);
        qb_effect_free(&effect);
        qb_variant_free(v);
        qb_model_free(model);
    }
}

/* A variant without the keys, or with none, is what it was. */
Test(conditioning, none_is_no_key)
{
    struct qb_variant *a = variant_of("{codec: int8, placement: ['mlp.*']}");
    struct qb_variant *b =
        variant_of("{codec: int8, placement: ['mlp.*'], rotate: none, input_scale: none, compensate: none}");
    cr_expect_str_eq(a->canonical, b->canonical);
    cr_expect_null(strstr(a->canonical, "rotate"));
    cr_expect_not(b->takes_contexts);
    qb_variant_free(b);
    b = variant_of("{codec: int8, placement: ['mlp.*'], rotate: hadamard, input_scale: awq}");
    cr_expect_not_null(strstr(b->canonical, " rotate=hadamard input_scale=awq alpha=search"), "%s", b->canonical);
    qb_variant_free(b);
    qb_variant_free(a);
}

Test(conditioning, what_makes_no_sense_is_refused)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{rotate: hadamard}", "has no effect without a codec"},
        {"{input_scale: awq}", "has no effect without a codec"},
        {"{compensate: gptq}", "has no effect without a codec"},
        {"{codec: int8, placement: ['mlp.*'], compensate: all}", "expected one of none, gptq"},
        {"{codec: qins8, placement: ['mlp.*'], path: domain, compensate: gptq}", "only path: decode has it"},
        {"{codec: int8, placement: ['mlp.*'], rotate: sideways}", "expected one of none, hadamard"},
        {"{codec: int8, placement: ['mlp.*'], input_scale: gptq}", "expected one of none, awq, smoothquant"},
        {"{codec: int8, placement: ['mlp.*'], input_scale: {alpha: 0.5}}", "expected awq or smoothquant"},
        {"{codec: int8, placement: ['mlp.*'], input_scale: {rule: awq, alpha: 1.5}}", "1.5"},
        {"{codec: int8, placement: ['mlp.*'], input_scale: {rule: smoothquant, alpha: search}}", "search"},
        {"{codec: int8, placement: ['mlp.*'], input_scale: {rule: none, alpha: 0.5}}", "has no effect without a rule"},
        {"{codec: int8, placement: ['mlp.*'], input_scale: {rule: awq, beta: 1}}", "beta"},
        {"{codec: qins8, placement: ['mlp.*'], path: domain, rotate: hadamard}", "only path: decode has it"},
        {"{codec: qins8, placement: ['mlp.*'], path: domain, input_scale: awq}", "only path: decode has it"},
        {"{codec: int8, placement: ['mlp.*'], rotate: hadamard, calibration: {scale: true}}", "do not go together"},
        {"{codec: int8, placement: ['mlp.*'], input_scale: awq, calibration: {fp16: [attn.q]}}", "do not go together"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_yaml *root = NULL;
        struct qb_variant *v = NULL;
        struct qb_error e = {0};
        MUST(qb_yaml_parse(cases[i].text, strlen(cases[i].text), "my.yaml", &root, &err));
        cr_expect_eq(qb_variant_read(root, "mine", registry, QB_ISA_PORTABLE, &v, &e), QB_ERR_INPUT, "%s",
                     cases[i].text);
        cr_expect_not_null(strstr(e.message, cases[i].says), "%s: %s", cases[i].text, e.message);
        cr_expect_not_null(strstr(e.message, "my.yaml:1"), "%s", e.message);
        qb_yaml_free(root);
    }
}
