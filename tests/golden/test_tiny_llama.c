/* tiny-llama in FP32 against transformers (tiny_llama_forward.json): token ids, logits, losses and greedy tokens. */
#include "golden_numbers.h"
#include "net_support.h"

#include "base/file.h"
#include "tokenizer/tokenizer.h"

#define FOLDER "data/models/tiny-llama"
enum { MOST = 1152 }; /* tokens of the longest sequence */

static struct qb_pool *pool;
static struct qb_registry *registry;
static struct qb_model *model;
static struct qb_net *net;
static json_t *golden;
static int32_t *ids;
static size_t count;

static void begin(void)
{
    struct qb_error err = {0};
    struct qb_tokenizer *tokenizer;
    char *text;
    size_t size;
    registry = support_registry();
    pool = support_pool(2);
    golden = golden_open("tests/golden/tiny_llama_forward.json");
    MUST(qb_tokenizer_open(FOLDER, &tokenizer, &err));
    MUST(qb_file_read("data/corpus/tiny.heldout", 1 << 20, &text, &size, &err));
    MUST(qb_tokenizer_encode(tokenizer, text, size, QB_ENCODE_AFFIXES, &ids, &count, &err));
    qb_free(text);
    qb_tokenizer_free(tokenizer);
    MUST(qb_model_open(FOLDER, registry, qb_cpu()->isa, &model, &err));
    net = support_net(model, NULL, NULL, pool);
}

static void end(void)
{
    qb_net_free(net);
    qb_model_free(model);
    qb_free(ids);
    json_decref(golden);
    qb_pool_free(pool);
    qb_registry_free(registry);
}

TestSuite(tiny_llama, .init = begin, .fini = end);

static size_t read_ids(const json_t *list, int32_t *out)
{
    size_t n = json_array_size(list);
    cr_assert(n > 0 && n <= MOST);
    for (size_t i = 0; i < n; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n;
}

static void same_ids(const char *what, const int32_t *is, const json_t *due)
{
    int32_t expected[MOST];
    size_t n = read_ids(due, expected);
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(is[i], expected[i], "%s, token %zu: %d, expected %d", what, i, is[i], expected[i]);
}

/* Logits of all positions; the caller's for qb_free. */
static float *logits_of(const int32_t *tokens, size_t n)
{
    struct qb_error err = {0};
    float *hidden = qb_alloc(n * model->arch.hidden, sizeof *hidden, "hidden", &err);
    float *logits = qb_alloc(n * model->arch.vocab, sizeof *logits, "logits", &err);
    cr_assert(hidden && logits);
    MUST(qb_net_forward(net, tokens, 1, n, hidden, &err));
    MUST(qb_net_logits(net, hidden, n, logits, &err));
    qb_free(hidden);
    return logits;
}

static double logsumexp(const float *x)
{
    double max = (double)x[0], sum = 0;
    for (size_t i = 0; i < model->arch.vocab; i++)
        max = fmax(max, (double)x[i]);
    for (size_t i = 0; i < model->arch.vocab; i++)
        sum += exp((double)x[i] - max);
    return max + log(sum);
}

static double loss_of(const float *logits, const int32_t *tokens, size_t at)
{
    const float *row = logits + at * model->arch.vocab;
    return logsumexp(row) - (double)row[tokens[at + 1]];
}

/* One position's logits within 2e-5 of the largest; the digest's sums within that of every logit. */
static void position(const json_t *due, const float *logits)
{
    const size_t vocab = model->arch.vocab;
    const float *row = logits + golden_size(due, "position") * vocab;
    const json_t *sums = json_object_get(due, "digest");
    int32_t top[10];
    float of_top[10];
    double digest[3] = {0}, most = 0;
    cr_assert_eq(read_ids(json_object_get(due, "top10"), top), 10);
    for (size_t i = 0; i < 10; i++)
        of_top[i] = row[top[i]];
    golden_near("top 10", of_top, json_object_get(due, "top10_logits"), 10, 2e-5);
    golden_near("first logits", row, json_object_get(due, "logits_head"), 8, 5e-5);
    for (size_t i = 0; i < vocab; i++) {
        const double x = (double)row[i];
        most = fmax(most, fabs(x));
        digest[0] += x;
        digest[1] += x * x;
        digest[2] += x * cos((double)i);
    }
    for (size_t i = 0; i < 3; i++)
        cr_expect_float_eq(digest[i], json_number_value(json_array_get(sums, i)),
                           2e-5 * most * (double)vocab * (i == 1 ? 2 * most : 1), "sum %zu of the logits", i);
    cr_expect_float_eq(logsumexp(row), golden_number(due, "logsumexp"), 2e-5);
}

static void positions(const json_t *list, const float *logits)
{
    const json_t *due;
    size_t index;
    cr_assert_gt(json_array_size(list), 0);
    json_array_foreach(list, index, due) position(due, logits);
}

Test(tiny_llama, token_ids_are_the_originals)
{
    const json_t *due = json_object_get(golden, "heldout");
    cr_assert_eq(count, golden_size(due, "count"));
    same_ids("the text's begin", ids, json_object_get(due, "first"));
    same_ids("the text's end", ids + count - 32, json_object_get(due, "last"));
}

Test(tiny_llama, logits_and_losses_of_chunks)
{
    const json_t *chunk;
    size_t index;
    cr_assert_eq(json_array_size(json_object_get(golden, "chunks")), 2);
    json_array_foreach(json_object_get(golden, "chunks"), index, chunk)
    {
        int32_t tokens[MOST];
        size_t n = read_ids(json_object_get(chunk, "tokens"), tokens);
        const json_t *losses = json_object_get(chunk, "losses");
        float *logits = logits_of(tokens, n);
        positions(json_object_get(chunk, "positions"), logits);
        cr_assert_eq(json_array_size(losses), n - 1);
        for (size_t i = 0; i + 1 < n; i++)
            cr_expect_float_eq(loss_of(logits, tokens, i), json_number_value(json_array_get(losses, i)), 1e-4,
                               "chunk %zu, loss %zu", index, i);
        qb_free(logits);
    }
}

/* As long as the model's context: late positions turn far, and grouped queries read many keys. */
Test(tiny_llama, the_whole_context)
{
    const json_t *due = json_object_get(golden, "whole"), *last = json_object_get(due, "losses_last");
    const size_t n = golden_size(due, "length");
    double loss = 0;
    cr_assert(n == MOST && count >= n && json_array_size(last) == 16);
    float *logits = logits_of(ids, n); /* the text's own BOS is the chunk's first token */
    positions(json_object_get(due, "positions"), logits);
    for (size_t i = 0; i + 1 < n; i++)
        loss += loss_of(logits, ids, i) / (double)(n - 1);
    for (size_t i = 0; i < 16; i++)
        cr_expect_float_eq(loss_of(logits, ids, n - 17 + i), json_number_value(json_array_get(last, i)), 1e-4,
                           "loss %zu before the last", 15 - i);
    cr_expect_float_eq(loss, golden_number(due, "loss"), 2e-6, "%.9g, expected %.9g", loss, golden_number(due, "loss"));
    qb_free(logits);
}

Test(tiny_llama, greedy_tokens)
{
    const json_t *due;
    size_t index;
    cr_assert_eq(json_array_size(json_object_get(golden, "greedy")), 2);
    json_array_foreach(json_object_get(golden, "greedy"), index, due)
    {
        int32_t prompt[MOST], tokens[MOST];
        size_t n = read_ids(json_object_get(due, "prompt"), prompt);
        size_t steps = json_array_size(json_object_get(due, "tokens"));
        support_greedy(net, prompt, n, steps, tokens, NULL);
        same_ids("greedy", tokens, json_object_get(due, "tokens"));
    }
}
