/* A variant's act: what a layer hands to the next is kept encoded, in every way through the net, and where there is
 * nothing to hand on. */
#include "net_steps.h"

#include "model/effect.h"

TestSuite(act, .init = net_steps_begin, .fini = net_steps_end);

static double size_of_change(const float *a, const float *b)
{
    double change = 0, size = 0;
    for (size_t i = 0; i < SIZE; i++) {
        change = fmax(change, fabs((double)a[i] - (double)b[i]));
        size = fmax(size, fabs((double)b[i]));
    }
    return change / size;
}

/* What comes of it differs from FP32 by at least `least` of the largest entry, at most `most`; one step over a kv, and
 * layer by layer, give the same bits; steps agree to what FP32's arithmetic leaves, a code that it tips over apart. */
static void changes(const char *generator, const char *text, double least, double most, double tipped)
{
    struct qb_model *model = support_small(generator, true);
    struct qb_variant *v = variant_of(text);
    struct qb_net *net = support_net(model, v, NULL, pool), *plain = support_net(model, NULL, NULL, pool);
    static float whole[SIZE], fp32[SIZE], x[BATCH * LENGTH * 4 * H], y[BATCH * LENGTH * 4 * H];
    MUST(qb_net_forward(net, tokens, BATCH, LENGTH, whole, &err));
    MUST(qb_net_forward(plain, tokens, BATCH, LENGTH, fp32, &err));
    double change = size_of_change(whole, fp32);
    cr_expect(change >= least && change <= most, "%s: changes by %g", text, change);
    net_steps(net, 0, x);
    cr_expect_eq(memcmp(x, whole, sizeof whole), 0, "%s: a step of all positions", text);
    net_steps(net, 1, x);
    cr_expect_leq(size_of_change(x, whole), tipped, "%s: step by step", text);
    MUST(qb_net_embed(net, tokens, BATCH, LENGTH, x, &err));
    for (size_t l = 0; l < qb_net_layers(net); l++) {
        MUST(qb_net_block(net, l, x, BATCH, LENGTH, y, &err));
        memcpy(x, y, sizeof x);
    }
    MUST(qb_net_finish(net, x, BATCH * LENGTH, &err));
    cr_expect_eq(memcmp(x, whole, sizeof whole), 0, "%s: layer by layer", text);
    qb_net_free(net);
    qb_net_free(plain);
    qb_variant_free(v);
    qb_model_free(model);
}

Test(act, what_is_handed_on_is_seen_in_every_way_through_the_net)
{
    changes("transformer", "{act: fp32}", 0, 0, 1e-5);
    changes("transformer", "{act: fp16}", 1e-6, 1e-2, 1e-3);
    changes("transformer", "{act: {codec: int8, options: {scope: row}}}", 1e-4, 0.1, 0.05);
    changes("transformer", "{act: {codec: qins8, options: {scope: row, layout: packed}}}", 1e-4, 0.3, 0.05);
    changes("chain", "{act: {codec: int8, options: {scope: row}}}", 1e-4, 0.1, 0.05);
    changes("transformer",
            "{base: int8-channel, act: {codec: int8, options: {scope: row}}, kv: {values: {codec: int8, options: "
            "{scope: row}}}}",
            1e-4, 0.3, 0.05);
    changes("transformer", "{base: legacy, act: {codec: int8, options: {scope: row}}}", 1e-2, 4, 0.3);
}

/* A position is a matrix of its own: a scope over the whole of it is its row's, and it comes out the same whatever
 * else the step has. */
Test(act, a_position_is_encoded_by_itself)
{
    struct qb_model *model = support_small("transformer", true);
    static float hidden[2][SIZE];
    const char *const texts[] = {"{act: {codec: int8, options: {scope: tensor}}}",
                                 "{act: {codec: int8, options: {scope: row}}}"};
    for (size_t i = 0; i < 2; i++) {
        struct qb_variant *v = variant_of(texts[i]);
        struct qb_net *net = support_net(model, v, NULL, pool);
        MUST(qb_net_forward(net, tokens, BATCH, LENGTH, hidden[i], &err));
        qb_net_free(net);
        qb_variant_free(v);
    }
    cr_expect_eq(memcmp(hidden[0], hidden[1], sizeof hidden[0]), 0);
    qb_model_free(model);
}

/* The last layer's output, which the final norm takes, is not handed to a layer: block 1 of 2 is FP32's. */
Test(act, the_last_layer_hands_nothing_on)
{
    struct qb_model *model = support_small("transformer", true);
    struct qb_variant *v = variant_of("{act: {codec: int8, options: {scope: row}}}");
    struct qb_net *net = support_net(model, v, NULL, pool), *plain = support_net(model, NULL, NULL, pool);
    static float in[SIZE], out[2][SIZE];
    MUST(qb_net_embed(plain, tokens, BATCH, LENGTH, in, &err));
    for (size_t layer = 0; layer < 2; layer++) {
        MUST(qb_net_block(plain, layer, in, BATCH, LENGTH, out[0], &err));
        MUST(qb_net_block(net, layer, in, BATCH, LENGTH, out[1], &err));
        cr_expect_eq(memcmp(out[0], out[1], sizeof out[0]) != 0, layer == 0, "layer %zu", layer);
    }
    qb_net_free(net);
    qb_net_free(plain);
    qb_variant_free(v);
    qb_model_free(model);
}

static void expect_effect(const struct qb_model *model, const char *text, const char *unbound, const char *refusal)
{
    struct qb_variant *v = variant_of(text);
    struct qb_effect effect = {0};
    MUST(qb_effect_of(model, v, true, &effect, &err));
    cr_expect_str_eq(effect.unbound, unbound);
    cr_expect(refusal ? effect.refusal && strstr(effect.refusal, refusal) : !effect.refusal, "%s",
              effect.refusal ? effect.refusal : "none");
    cr_expect_eq(effect.act, !*unbound);
    qb_effect_free(&effect);
    qb_variant_free(v);
}

Test(act, a_request_without_effect_is_said)
{
    struct qb_model *one = support_model("transformer", 50, 24, 1, 3), *two = support_small("transformer", true);
    struct qb_model *chain = support_small("chain", true);
    expect_effect(one, "{act: fp16}", "act fp16", "the model has one layer");
    expect_effect(one, "{codec: fp16, placement: ['attn.*'], act: fp16}", "act fp16", NULL);
    expect_effect(two, "{act: fp16}", "", NULL);
    expect_effect(chain, "{act: fp16}", "", NULL);
    expect_effect(two, "{act: q8_0}", "", "act: q8_0 takes no rows of 24, the width behind layer 0");
    struct qb_variant *v = variant_of("{act: q8_0}");
    struct qb_net *net = NULL;
    cr_expect_eq(qb_net_create(two, v, pool, &net, &err), QB_ERR_INPUT);
    qb_variant_free(v);
    qb_model_free(one);
    qb_model_free(two);
    qb_model_free(chain);
}

static void expect_bytes(const struct qb_model *model, const char *text, size_t bytes)
{
    struct qb_variant *v = variant_of(text);
    struct qb_net *net = support_net(model, v, NULL, pool);
    cr_expect_eq(qb_net_act_bytes(net), bytes, "%s: %zu", text, qb_net_act_bytes(net));
    qb_net_free(net);
    qb_variant_free(v);
}

Test(act, a_position_takes_what_its_format_takes)
{
    struct qb_model *one = support_model("transformer", 50, 24, 1, 3), *two = support_small("transformer", true);
    struct qb_model *chain = support_small("chain", true);
    expect_bytes(two, "{}", 24 * 4);
    expect_bytes(two, "{act: fp16}", 24 * 2);
    expect_bytes(two, "{act: {codec: int8, options: {scope: row}}}", 24 + 4);
    expect_bytes(chain, "{act: {codec: int8, options: {scope: row}}}", 48 + 4);
    expect_bytes(one, "{}", 0);
    qb_model_free(one);
    qb_model_free(two);
    qb_model_free(chain);
}

/* `factor` on what leads out of layer 0 at position 5 of the first sequence, which no other position sees: its token
 * is its own, and what of it attention gives to later ones is not scaled. */
static void refused(const char *generator, const char *text, float factor, const char *say)
{
    struct qb_model *model = support_small(generator, true);
    int32_t own[8] = {1, 2, 3, 4, 5, 49, 7, 8};
    struct qb_variant *v = variant_of(text);
    const struct qb_tensor *embed = qb_model_tensor(model, QB_ROLE_EMBED, -1);
    for (size_t i = 0; i < H; i++)
        tensor_floats(embed)[49 * H + i] = factor * (i % 2 ? 1.0f : -1.0f);
    struct qb_net *net = support_net(model, v, NULL, pool);
    static float hidden[8 * 4 * H];
    cr_expect_eq(qb_net_forward(net, own, 1, 8, hidden, &err), QB_ERR_NUMERIC, "%s", text);
    cr_expect(strstr(err.message, say), "'%s' lacks '%s'", err.message, say);
    err = (struct qb_error){0};
    struct qb_kv *kv = NULL;
    MUST(qb_net_kv(net, 1, 8, 0, &kv, &err));
    const struct qb_step first = {.tokens = own, .batch = 1, .n = 3, .kept = 1};
    const struct qb_step second = {.tokens = own + 3, .batch = 1, .n = 5, .kept = 3};
    MUST(qb_net_step(net, kv, &first, hidden, &err));
    cr_expect_eq(qb_net_step(net, kv, &second, hidden, &err), QB_ERR_NUMERIC, "%s", text);
    cr_expect(strstr(err.message, say), "a step: '%s' lacks '%s'", err.message, say);
    err = (struct qb_error){0};
    qb_kv_free(kv);
    qb_net_free(net);
    qb_variant_free(v);
    qb_model_free(model);
}

Test(act, what_no_format_holds_is_refused_with_layer_and_position)
{
    refused("transformer", "{act: fp16}", 1e5f, "behind layer 0, position 5");
    refused("chain", "{act: {codec: int8, options: {scope: row}}}", 3e38f, "behind layer 0, position 5");
}
