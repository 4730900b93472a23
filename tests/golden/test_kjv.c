/* The two King James models in FP32 against PyTorch (kjv_forward.json): hidden states, logits, losses and greedy
 * tokens. */
#include "net_support.h"

#include <jansson.h>
#include "base/file.h"
#include "tokenizer/tokenizer.h"

static struct qb_pool *pool;
static struct qb_registry *registry;
static json_t *golden;
static int32_t *ids;

static void begin(void)
{
    struct qb_error err = {0};
    struct qb_tokenizer *tokenizer;
    char *text;
    size_t size, count;
    registry = support_registry();
    pool = support_pool(2);
    golden = json_load_file("tests/golden/kjv_forward.json", JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(golden);
    MUST(qb_tokenizer_open("data/models/kjv.tokenizer.json", &tokenizer, &err));
    MUST(qb_file_read("data/corpus/kjv.heldout", 1 << 20, &text, &size, &err));
    MUST(qb_tokenizer_encode(tokenizer, text, size, 0, &ids, &count, &err));
    cr_assert_geq(count, 2560);
    qb_free(text);
    qb_tokenizer_free(tokenizer);
}

static void end(void)
{
    qb_free(ids);
    json_decref(golden);
    qb_pool_free(pool);
    qb_registry_free(registry);
}

TestSuite(kjv, .init = begin, .fini = end);

static void floats(const char *what, const float *x, const json_t *list, double tolerance)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        double expected = json_number_value(json_array_get(list, i));
        cr_expect_float_eq((double)x[i], expected, tolerance, "%s[%zu]: %.9g, expected %.9g", what, i, (double)x[i],
                           expected);
    }
}

static double logsumexp(const float *x, size_t n)
{
    double max = (double)x[0], sum = 0;
    for (size_t i = 0; i < n; i++)
        max = fmax(max, (double)x[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum);
}

/* Hidden states are of size 1 and logits of size 10, FP32 with sums of some hundred terms: 2e-5 and 1e-4. */
static void chunk(struct qb_net *net, const json_t *chunk)
{
    struct qb_error err = {0};
    enum { N = 64 };
    int32_t tokens[N];
    size_t vocab = qb_net_model(net)->arch.vocab, width = qb_net_model(net)->arch.hidden, index;
    float *hidden = qb_alloc(N * width, sizeof *hidden, "hidden", &err);
    float *logits = qb_alloc(N * vocab, sizeof *logits, "logits", &err);
    const json_t *position;
    for (size_t i = 0; i < N; i++)
        tokens[i] = (int32_t)json_integer_value(json_array_get(json_object_get(chunk, "tokens"), i));
    MUST(qb_net_forward(net, tokens, 1, N, hidden, &err));
    MUST(qb_net_logits(net, hidden, N, logits, &err));
    json_array_foreach(json_object_get(chunk, "positions"), index, position)
    {
        size_t p = (size_t)json_integer_value(json_object_get(position, "position"));
        const float *row = logits + p * vocab;
        floats("hidden", hidden + p * width, json_object_get(position, "hidden_head"), 2e-5);
        floats("logits", row, json_object_get(position, "logits_head"), 1e-4);
        float top[10];
        for (size_t i = 0; i < 10; i++)
            top[i] = row[json_integer_value(json_array_get(json_object_get(position, "top10"), i))];
        floats("top 10", top, json_object_get(position, "top10_logits"), 1e-4);
        cr_expect_float_eq(logsumexp(row, vocab), json_number_value(json_object_get(position, "logsumexp")), 2e-5);
    }
    qb_free(hidden);
    qb_free(logits);
}

static void losses(struct qb_net *net, const json_t *expected)
{
    struct qb_error err = {0};
    enum { CHUNKS = 10, N = 256 };
    size_t vocab = qb_net_model(net)->arch.vocab, width = qb_net_model(net)->arch.hidden;
    float *hidden = qb_alloc(CHUNKS * N * width, sizeof *hidden, "hidden", &err);
    float *logits = qb_alloc(CHUNKS * N * vocab, sizeof *logits, "logits", &err);
    MUST(qb_net_forward(net, ids, CHUNKS, N, hidden, &err));
    MUST(qb_net_logits(net, hidden, CHUNKS * N, logits, &err));
    for (size_t c = 0; c < CHUNKS; c++) {
        double loss = 0;
        for (size_t i = c * N; i + 1 < (c + 1) * N; i++)
            loss += (logsumexp(logits + i * vocab, vocab) - (double)logits[i * vocab + (size_t)ids[i + 1]]) / (N - 1);
        double value = json_number_value(json_array_get(json_object_get(expected, "chunk_losses"), c));
        cr_expect_float_eq(loss, value, 2e-6, "chunk %zu: loss %.9g, expected %.9g", c, loss, value);
    }
    qb_free(hidden);
    qb_free(logits);
}

static void greedy(struct qb_net *net, const json_t *expected)
{
    int32_t prompt[32], tokens[60];
    for (size_t i = 0; i < 32; i++)
        prompt[i] = (int32_t)json_integer_value(json_array_get(json_object_get(expected, "prompt"), i));
    support_greedy(net, prompt, 32, 60, tokens, NULL);
    for (size_t i = 0; i < 60; i++)
        cr_expect_eq(tokens[i], json_integer_value(json_array_get(json_object_get(expected, "tokens"), i)), "step %zu",
                     i);
}

static void whole(const char *name)
{
    struct qb_error err = {0};
    struct qb_model *model = NULL;
    char path[256];
    snprintf(path, sizeof path, "data/models/%s.safetensors", name);
    MUST(qb_model_open(path, registry, qb_cpu()->isa, &model, &err));
    struct qb_net *net = support_net(model, NULL, NULL, pool);
    const json_t *expected = json_object_get(golden, name);
    for (size_t i = 0; i < 2; i++) {
        chunk(net, json_array_get(json_object_get(expected, "chunks"), i));
        greedy(net, json_array_get(json_object_get(expected, "greedy"), i));
    }
    losses(net, json_object_get(expected, "perplexity_10x256"));
    qb_net_free(net);
    qb_model_free(model);
}

Test(kjv, transformer)
{
    whole("kjv-transformer");
}

Test(kjv, chain)
{
    whole("kjv-chain");
}
