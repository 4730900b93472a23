/* What the arithmetic "fused" does to a trained model's distributions: the KL divergence of its steps from the decoding
 * variant's, beside that of the format itself from FP32. */
#include "registry_fixture.h"

TestSuite(net_fused, .init = registry_begin, .fini = registry_end);

enum { STEPS = 48 };

/* Log-probabilities of x[n] in double. */
static void log_softmax(const float *x, size_t n, double *out)
{
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - most);
    for (size_t i = 0; i < n; i++)
        out[i] = (double)x[i] - most - log(sum);
}

/* logits[STEPS, vocab] of tokens that are read one at a time, as text is generated. */
static float *logits_of(const struct qb_model *model, const struct qb_variant *variant)
{
    const size_t vocab = model->arch.vocab;
    struct qb_pool *pool = support_pool(2);
    struct qb_net *net = support_net((struct qb_model *)(uintptr_t)model, variant, NULL, pool);
    struct qb_decoder *decoder;
    float *logits = calloc(STEPS * vocab, sizeof *logits), *hidden = calloc(model->arch.hidden, sizeof *hidden);
    MUST(qb_decoder_create(net, 1, STEPS, &decoder, &err));
    for (size_t i = 0; i < STEPS; i++) {
        const int32_t token = (int32_t)((i * i * 7 + 13 * i + 5) % vocab);
        MUST(qb_decoder_feed(decoder, &token, 1, hidden, &err));
        MUST(qb_net_logits(net, hidden, 1, logits + i * vocab, &err));
    }
    qb_decoder_free(decoder);
    qb_net_free(net);
    qb_pool_free(pool);
    free(hidden);
    return logits;
}

static double mean_kl(const float *p, const float *q, size_t vocab)
{
    double *a = calloc(vocab, sizeof *a), *b = calloc(vocab, sizeof *b), sum = 0;
    for (size_t i = 0; i < STEPS; i++) {
        log_softmax(p + i * vocab, vocab, a);
        log_softmax(q + i * vocab, vocab, b);
        for (size_t v = 0; v < vocab; v++)
            sum += exp(a[v]) * (a[v] - b[v]);
    }
    free(a);
    free(b);
    return sum / STEPS;
}

static struct qb_variant *variant_with(const char *base, const char *arithmetic)
{
    char text[200];
    snprintf(text, sizeof text, "base: %s\narithmetic: %s\n", base, arithmetic);
    return variant_of(text);
}

/* Fused steps are another arithmetic (their KL is above 0: a test that compared decoding with itself would say nothing)
 * and a small part of what the format does. */
static void expect_small(const struct qb_model *model, const float *fp32, const char *base, double part)
{
    struct qb_variant *forward = variant_with(base, "forward"), *fused = variant_with(base, "fused");
    float *decoded = logits_of(model, forward), *direct = logits_of(model, fused);
    double format = mean_kl(fp32, decoded, model->arch.vocab), own = mean_kl(decoded, direct, model->arch.vocab);
    cr_log_info("%s: format %.3g nat, fused %.3g nat\n", base, format, own);
    cr_expect_neq(memcmp(decoded, direct, STEPS * model->arch.vocab * sizeof *direct), 0, "%s", base);
    cr_expect(fabs(own) <= part * format, "%s: the format costs %.3g nat, the fused steps %.3g", base, format, own);
    free(decoded);
    free(direct);
    qb_variant_free(forward);
    qb_variant_free(fused);
}

Test(net_fused, a_small_part_of_what_the_format_does)
{
    struct qb_model *model = NULL;
    MUST(qb_model_open("data/models/tiny-llama", registry, qb_cpu()->isa, &model, &err));
    float *fp32 = logits_of(model, NULL);
    expect_small(model, fp32, "q8_0", 1e-4);
    expect_small(model, fp32, "q4_0", 1e-4);
    expect_small(model, fp32, "bf16", 1e-4);
    expect_small(model, fp32, "int8-channel", 1e-4);
    expect_small(model, fp32, "pattern-a", 1e-3); /* fixed point */
    expect_small(model, fp32, "pattern-a-packed", 1e-3);
    free(fp32);
    qb_model_free(model);
}

/* Without memory for working copies the same bits come from the stored bytes, and the net says so. */
Test(net_fused, says_where_copies_are_missing)
{
    struct qb_model *model = NULL;
    struct qb_variant *fused = variant_with("q8_0", "fused");
    struct qb_pool *pool = support_pool(2);
    MUST(qb_model_open("data/models/tiny-llama", registry, qb_cpu()->isa, &model, &err));
    const size_t size = STEPS * model->arch.vocab * sizeof(float);
    float *copied = logits_of(model, fused);
    struct qb_net *net = support_net(model, fused, NULL, pool);
    cr_assert(qb_net_fused(net) || qb_cpu()->isa == QB_ISA_PORTABLE);
    cr_expect_eq(qb_net_lacks_copies(net), 0);
    qb_net_free(net);

    void *other = qb_alloc((size_t)64 << 20, 1, "what fills memory", &err);
    qb_mem_limit(qb_mem_stats().live_bytes); /* no single buffer is as large, and no room is left */
    net = support_net(model, fused, NULL, pool);
    cr_expect_eq(qb_net_lacks_copies(net) > 0, qb_net_fused(net));
    float *stored = logits_of(model, fused);
    cr_expect_eq(memcmp(copied, stored, size), 0);
    qb_mem_limit(0);
    qb_net_free(net);
    qb_free(other);
    qb_pool_free(pool);
    free(copied);
    free(stored);
    qb_variant_free(fused);
    qb_model_free(model);
}
