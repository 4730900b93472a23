/* A variant's kv in the forward pass: with and without a kv, at once and step by step, and where there is nothing to
 * keep. */
#include "net_steps.h"

#include "model/decoder.h"
#include "model/effect.h"

TestSuite(kv_variants, .init = net_steps_begin, .fini = net_steps_end);

static float largest_difference(const float *a, const float *b, size_t n)
{
    float worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = fmaxf(worst, fabsf(a[i] - b[i]));
    return worst;
}

/* Steps of 1 to 7 positions over a kv agree with all positions at once, and differ from FP32 by at least `least` of the
 * largest entry, at most `most`. */
static void changes(const char *text, float least, float most)
{
    struct qb_model *model = support_small("transformer", true);
    struct qb_variant *v = variant_of(text);
    struct qb_net *net = support_net(model, v, NULL, pool), *plain = support_net(model, NULL, NULL, pool);
    static float whole[BATCH * LENGTH * H], fp32[BATCH * LENGTH * H], hidden[BATCH * LENGTH * H], x[BATCH * LENGTH * H];
    float size = 0;
    MUST(qb_net_forward(net, tokens, BATCH, LENGTH, whole, &err));
    MUST(qb_net_forward(plain, tokens, BATCH, LENGTH, fp32, &err));
    for (size_t i = 0; i < BATCH * LENGTH * H; i++)
        size = fmaxf(size, fabsf(fp32[i]));
    float change = largest_difference(whole, fp32, BATCH * LENGTH * H) / size;
    cr_expect(change >= least && change <= most, "%s: changes by %g", text, (double)change);
    net_steps(net, 1, x);
    cr_expect_leq(largest_difference(x, whole, BATCH * LENGTH * H) / size, 1e-5f, "%s: step by step", text);
    for (size_t l = 0; l < 2; l++) {
        MUST(l ? QB_OK : qb_net_embed(net, tokens, BATCH, LENGTH, x, &err));
        MUST(qb_net_block(net, l, x, BATCH, LENGTH, hidden, &err));
        memcpy(x, hidden, sizeof x);
    }
    MUST(qb_net_finish(net, x, BATCH * LENGTH, &err));
    cr_expect_eq(memcmp(x, whole, sizeof x), 0, "%s: layer by layer", text);
    qb_net_free(net);
    qb_net_free(plain);
    qb_variant_free(v);
    qb_model_free(model);
}

Test(kv_variants, what_is_kept_is_seen_in_every_way_through_the_net)
{
    changes("{kv: {keys: fp32, values: fp32, block: 4, rotate: true}}", 0, 1e-5f);
    changes("{kv: {keys: fp16}}", 1e-6f, 1e-2f);
    changes("{kv: {values: {codec: int8, options: {scope: row}}}}", 1e-4f, 0.1f);
    changes(
        "{kv: {keys: {codec: qins8, options: {scope: row}}, values: {codec: int8, options: {scope: row}}, block: 5}}",
        1e-4f, 0.3f);
    changes("{base: int8-channel, kv: {keys: {codec: int8, options: {scope: row}}, block: 8, rotate: true}}", 1e-3f,
            0.3f);
}

Test(kv_variants, rotation_spreads_an_outlier)
{
    /* one entry of a head that dwarfs the others takes all of an INT8 scale, unless it is spread */
    struct qb_model *model = support_small("transformer", true);
    for (size_t t = 0; t < model->tensor_count; t++)
        if (strstr(model->tensors[t].name, "attn.qkv.weight"))
            for (size_t i = 0; i < H; i++)
                tensor_floats(&model->tensors[t])[2 * H * H + i] *= 300; /* the first row of V */
    static float hidden[3][BATCH * LENGTH * H];
    const char *const texts[] = {"{}", "{kv: {values: {codec: int8, options: {scope: row}}}}",
                                 "{kv: {values: {codec: int8, options: {scope: row}}, rotate: true}}"};
    for (size_t i = 0; i < 3; i++) {
        struct qb_variant *v = variant_of(texts[i]);
        struct qb_net *net = support_net(model, v, NULL, pool);
        MUST(qb_net_forward(net, tokens, BATCH, LENGTH, hidden[i], &err));
        qb_net_free(net);
        qb_variant_free(v);
    }
    float plain = largest_difference(hidden[0], hidden[1], BATCH * LENGTH * H);
    float rotated = largest_difference(hidden[0], hidden[2], BATCH * LENGTH * H);
    cr_expect_gt(plain, 0);
    cr_expect_lt(rotated, plain, "%g, %g", (double)rotated, (double)plain);
    qb_model_free(model);
}

/* What a request comes to on a model: its unbound entries, or why no cell may run. */
static void expect_effect(const struct qb_model *model, const char *text, const char *unbound, const char *refusal)
{
    struct qb_variant *v = variant_of(text);
    struct qb_effect effect = {0};
    MUST(qb_effect_of(model, v, true, &effect, &err));
    cr_expect_str_eq(effect.unbound, unbound);
    cr_expect(refusal ? effect.refusal && strstr(effect.refusal, refusal) : !effect.refusal, "%s",
              effect.refusal ? effect.refusal : "none");
    cr_expect_eq(effect.kv, !*unbound);
    qb_effect_free(&effect);
    qb_variant_free(v);
}

Test(kv_variants, a_request_without_effect_is_said)
{
    struct qb_model *chain = support_small("chain", true), *open = support_small("transformer", false);
    struct qb_model *model = support_small("transformer", true);
    expect_effect(chain, "{kv: {keys: fp16}}", "kv.keys fp16", "has no attention");
    expect_effect(open, "{kv: {values: fp16}}", "kv.values fp16", "see later ones");
    expect_effect(open, "{codec: fp16, placement: ['attn.*'], kv: {values: fp16}}", "kv.values fp16", NULL);
    expect_effect(model, "{kv: {keys: fp16}}", "", NULL);
    expect_effect(model, "{kv: {keys: fp16, values: q8_0}}", "", "kv.values: q8_0 takes no rows of 8");
    qb_model_free(chain);
    qb_model_free(open);
    qb_model_free(model);
}

Test(kv_variants, a_position_takes_what_its_format_takes)
{
    struct qb_model *model = support_small("transformer", true);
    struct qb_variant *v = variant_of("{kv: {keys: fp16, values: {codec: int8, options: {scope: row}}}}");
    struct qb_net *net = support_net(model, v, NULL, pool);
    struct qb_decoder *decoder = NULL;
    MUST(qb_decoder_create(net, 1, 10, &decoder, &err));
    cr_expect_eq(qb_decoder_position_bytes(decoder), 2 * (24 * 2 + 24 + 3 * 4), "2 layers; 3 heads of 8");
    qb_decoder_free(decoder);
    qb_net_free(net);
    qb_variant_free(v);
    qb_model_free(model);
}
