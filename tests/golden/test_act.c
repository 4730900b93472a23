/* tiny-llama with encoded activations between layers against transformers (act_forward.json), in one pass and in steps
 * over a KV cache. */
#include "golden_llama.h"

enum { LENGTH = 8, HEAD = 12 };

static void begin(void)
{
    golden_llama_begin("tests/golden/act_forward.json");
}

TestSuite(act_golden, .init = begin, .fini = golden_llama_end);

static double at(const json_t *rows, size_t i, size_t k)
{
    return json_number_value(json_array_get(json_array_get(rows, i), k));
}

static double logsumexp(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i]);
    return log(sum);
}

/* The largest difference of logits of all positions from the golden ones. */
static double compare(const char *name, struct qb_net *net, const float *hidden, const json_t *due)
{
    struct qb_error err = {0};
    const size_t vocab = model->arch.vocab, width = model->arch.hidden;
    float *logits = qb_alloc(LENGTH * vocab, sizeof *logits, "logits", &err);
    double worst = 0;
    MUST(qb_net_logits(net, hidden, LENGTH, logits, &err));
    for (size_t p = 0; p < LENGTH; p++) {
        for (size_t k = 0; k < HEAD; k++) {
            cr_expect_float_eq((double)hidden[p * width + k], at(json_object_get(due, "hidden"), p, k), 1e-4,
                               "%s, hidden [%zu, %zu]", name, p, k);
            worst = fmax(worst, fabs((double)logits[p * vocab + k] - at(json_object_get(due, "logits"), p, k)));
        }
        double sum = json_number_value(json_array_get(json_object_get(due, "logsumexp"), p));
        worst = fmax(worst, fabs(logsumexp(logits + p * vocab, vocab) - sum));
    }
    qb_free(logits);
    return worst;
}

/* No number was near enough to a border between two codes to fall on its other side here, so that the logits agree as
 * those of FP32 do: to 1e-4. What the format changes is a hundred times that at least, so a layer left out, or one too
 * many, would be seen. */
static void variant(const char *name)
{
    struct qb_error err = {0};
    const json_t *due = json_object_get(json_object_get(golden, "variants"), name);
    struct qb_variant *v = support_variant(registry, name);
    struct qb_net *net = support_net(model, v, NULL, pool);
    const size_t width = model->arch.hidden;
    int32_t tokens[LENGTH];
    float *hidden = qb_alloc(LENGTH * width, sizeof *hidden, "hidden", &err);
    struct qb_kv *kv = NULL;
    cr_assert_eq(json_array_size(json_object_get(due, "tokens")), LENGTH);
    for (size_t i = 0; i < LENGTH; i++)
        tokens[i] = (int32_t)json_integer_value(json_array_get(json_object_get(due, "tokens"), i));
    MUST(qb_net_forward(net, tokens, 1, LENGTH, hidden, &err));
    double worst = compare(name, net, hidden, due);
    cr_expect_leq(worst, 1e-4, "%s: %g", name, worst);
    MUST(qb_net_kv(net, 1, LENGTH, 0, &kv, &err));
    for (size_t i = 0, n = 1; i < LENGTH; i += n, n = i == 1 ? 3 : 2) {
        n = n < LENGTH - i ? n : LENGTH - i;
        const struct qb_step step = {.tokens = tokens + i, .batch = 1, .n = n, .kept = n};
        MUST(qb_net_step(net, kv, &step, hidden + i * width, &err));
    }
    worst = compare(name, net, hidden, due);
    cr_expect_leq(worst, 1e-4, "%s, in steps: %g", name, worst);
    cr_expect_geq(json_number_value(json_object_get(due, "change")), 1e-2);
    qb_kv_free(kv);
    qb_free(hidden);
    qb_net_free(net);
    qb_variant_free(v);
}

Test(act_golden, int8)
{
    variant("act-int8");
}

Test(act_golden, q8_0)
{
    variant("act-q8_0");
}
