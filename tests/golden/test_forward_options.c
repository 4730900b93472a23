/* Tiny models with the options of the families against transformers (forward_options.json, by make_blocks.py): logits
 * of whole sequences, in blocks and step by step, however tensors are fused and whatever threads there are. */
#include <stdlib.h>
#include <string.h>
#include "golden_model.h"

enum { LENGTH = 26, VOCAB = 37, WIDTH = 48 };
/* Of the largest logit. transformers in float32 is up to 1.8e-6 from itself in float64 on these models. */
#define BOUND 4e-6

static json_t *golden;
static struct qb_error err;
static int32_t tokens[LENGTH];

static void begin(void)
{
    golden = golden_open("tests/golden/forward_options.json");
    err = (struct qb_error){0};
    qb_blas_init();
    for (size_t i = 0; i < LENGTH; i++)
        tokens[i] = (int32_t)json_integer_value(json_array_get(json_object_get(golden, "tokens"), i));
}

static void end(void)
{
    json_decref(golden);
}

TestSuite(forward_options, .init = begin, .fini = end);

static const json_t *model_json(size_t i)
{
    return json_array_get(json_object_get(golden, "models"), i);
}

enum { MODELS = 9 };

/* Logits at the rows that the golden file has, of hidden states of all positions. */
static void expect_logits(const char *what, struct qb_net *net, const json_t *one, const float *hidden)
{
    const json_t *rows = json_object_get(one, "rows");
    const size_t width = qb_net_model(net)->arch.hidden;
    float logits[3 * VOCAB];
    char name[96];
    snprintf(name, sizeof name, "%s, %s", qb_net_model(net)->name, what);
    cr_assert_eq(json_array_size(rows), 3);
    for (size_t i = 0; i < 3; i++) {
        size_t row = (size_t)json_integer_value(json_array_get(rows, i));
        MUST(qb_net_logits(net, hidden + row * width, 1, logits + i * VOCAB, &err));
    }
    golden_near(name, logits, json_object_get(one, "logits"), sizeof logits / sizeof *logits, BOUND);
}

/* Blocks of `block` positions over a KV cache. */
static void in_blocks(struct qb_net *net, size_t block, float *hidden)
{
    struct qb_kv *kv = NULL;
    const struct qb_arch *arch = &qb_net_model(net)->arch;
    MUST(qb_net_kv(net, 1, LENGTH, 0, &kv, &err));
    cr_expect_eq(qb_kv_bytes(kv), arch->layers * 2 * LENGTH * arch->kv_heads * arch->head_dim * sizeof(float));
    for (size_t i = 0; i < LENGTH; i += block) {
        size_t n = block < LENGTH - i ? block : LENGTH - i;
        struct qb_step step = {.tokens = tokens + i, .batch = 1, .n = n, .kept = n};
        MUST(qb_net_step(net, kv, &step, hidden + i * arch->hidden, &err));
    }
    qb_kv_free(kv);
}

Test(forward_options, logits_are_those_of_transformers)
{
    float hidden[LENGTH * WIDTH];
    struct qb_pool *pool = support_pool(2);
    cr_assert_eq(json_array_size(json_object_get(golden, "models")), MODELS);
    for (size_t m = 0; m < MODELS; m++) {
        struct qb_model *model = golden_model(model_json(m));
        struct qb_net *net = support_net(model, NULL, NULL, pool);
        MUST(qb_net_forward(net, tokens, 1, LENGTH, hidden, &err));
        expect_logits("at once", net, model_json(m), hidden);
        in_blocks(net, 1, hidden);
        expect_logits("step by step", net, model_json(m), hidden);
        in_blocks(net, 7, hidden);
        expect_logits("in blocks", net, model_json(m), hidden);
        qb_net_free(net);
        golden_model_free(model);
    }
    qb_pool_free(pool);
}

Test(forward_options, threads_change_no_bit_and_kept_positions_are_the_last)
{
    static float hidden[LENGTH * WIDTH], first[LENGTH * WIDTH], last[2 * 2 * WIDTH];
    int32_t twice[2 * LENGTH];
    memcpy(twice, tokens, sizeof tokens);
    memcpy(twice + LENGTH, tokens, sizeof tokens);
    for (size_t m = 0; m < MODELS; m++) {
        struct qb_model *model = golden_model(model_json(m));
        const size_t width = model->arch.hidden;
        const struct qb_step end = {.tokens = twice, .batch = 2, .n = LENGTH, .kept = 2};
        for (unsigned threads = 1; threads <= 3; threads++) {
            struct qb_pool *pool = support_pool(threads);
            struct qb_net *net = support_net(model, NULL, NULL, pool);
            MUST(qb_net_forward(net, tokens, 1, LENGTH, threads > 1 ? hidden : first, &err));
            MUST(qb_net_step(net, NULL, &end, last, &err));
            cr_expect(threads == 1 || memcmp(hidden, first, LENGTH * width * sizeof *first) == 0, "%s: %u threads",
                      model->name, threads);
            for (size_t k = 0; k < 2 * 2 * width; k++)
                cr_assert_float_eq(last[k], first[(LENGTH - 2) * width + k % (2 * width)], 2e-5,
                                   "%s: the last two of sequence %zu", model->name, k / (2 * width));
            qb_net_free(net);
            qb_pool_free(pool);
        }
        golden_model_free(model);
    }
}

/* The first model's queries and keys in the order of GGUF's llama: row 2i of a head is the other's row i, row 2i + 1
 * its row i + half. */
Test(forward_options, pairs_of_permuted_rows_are_halves)
{
    float hidden[LENGTH * WIDTH];
    struct qb_pool *pool = support_pool(1);
    struct qb_model *model = golden_model(model_json(0));
    const size_t dim = model->arch.head_dim;
    for (size_t t = 0; t < model->tensor_count; t++) {
        const struct qb_tensor *tensor = &model->tensors[t];
        if (tensor->roles != QB_ROLE_ATTN_Q && tensor->roles != QB_ROLE_ATTN_K)
            continue;
        float *old = qb_alloc(tensor->rows * tensor->cols, sizeof *old, "rows", &err);
        memcpy(old, tensor->bytes, tensor->size);
        for (size_t row = 0; row < tensor->rows; row++) {
            size_t in = row % dim, from = row - in + (in % 2 ? dim / 2 : 0) + in / 2;
            memcpy(tensor_floats(tensor) + row * tensor->cols, old + from * tensor->cols, tensor->cols * sizeof *old);
        }
        qb_free(old);
    }
    model->arch.rope[0].pairs = model->arch.rope[1].pairs = true;
    struct qb_net *net = support_net(model, NULL, NULL, pool);
    MUST(qb_net_forward(net, tokens, 1, LENGTH, hidden, &err));
    expect_logits("permuted", net, model_json(0), hidden);
    qb_net_free(net);
    golden_model_free(model);
    qb_pool_free(pool);
}

/* phi3's qkv and gate with up are fused, their blocks unequal and equal. */
Test(forward_options, a_variant_reaches_one_block_of_unequal_ones)
{
    struct qb_registry *registry = support_registry();
    struct qb_pool *pool = support_pool(1);
    struct qb_variant *variant = support_variant(registry, "pattern-a");
    struct qb_model *model = golden_model(model_json(3));
    const struct qb_arch *arch = &model->arch;
    struct qb_net_buffer rows[64];
    variant->placement = QB_ROLE_ATTN_K | QB_ROLE_MLP_GATE;
    struct qb_net *net = support_net(model, variant, NULL, pool);
    size_t count = qb_net_buffers(net, rows, 64), encoded = 0;
    cr_assert_leq(count, 64);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].store, "fp32") != 0) {
            size_t due = rows[i].roles == QB_ROLE_ATTN_K ? arch->kv_heads * arch->head_dim : 40;
            cr_expect_eq(rows[i].values, due * arch->hidden, "%s: %zu values", rows[i].tensor, rows[i].values);
            encoded++;
        }
    cr_expect_eq(encoded, 2 * arch->layers, "%zu blocks", encoded);
    qb_net_free(net);
    golden_model_free(model);
    qb_variant_free(variant);
    qb_pool_free(pool);
    qb_registry_free(registry);
}

/* Rotary positions tell equal tokens apart, also where positions see later ones. */
Test(forward_options, a_decoder_whose_positions_see_later_ones)
{
    float whole[LENGTH * WIDTH], last[WIDTH];
    struct qb_pool *pool = support_pool(1);
    struct qb_model *model = golden_model(model_json(0));
    struct qb_decoder *decoder = NULL;
    int32_t same[LENGTH] = {3, 5, 3, 3, 5, 3, 7, 3};
    model->arch.causal = false;
    struct qb_net *net = support_net(model, NULL, NULL, pool);
    MUST(qb_decoder_create(net, 1, 8, &decoder, &err));
    MUST(qb_decoder_feed(decoder, same, 8, last, &err));
    MUST(qb_net_forward(net, same, 1, 8, whole, &err));
    for (size_t i = 0; i < model->arch.hidden; i++)
        cr_assert_float_eq(last[i], whole[7 * model->arch.hidden + i], 2e-5);
    qb_decoder_free(decoder);
    qb_net_free(net);
    golden_model_free(model);
    qb_pool_free(pool);
}

/* Longrope chooses by what the cache may hold: all of its steps agree with the pass over as many positions. */
Test(forward_options, longrope_is_of_the_length_that_a_sequence_may_reach)
{
    float whole[LENGTH * WIDTH], part[LENGTH * WIDTH];
    struct qb_pool *pool = support_pool(1);
    struct qb_model *model = golden_model(model_json(3));
    struct qb_net *net = support_net(model, NULL, NULL, pool);
    const size_t width = model->arch.hidden, original = model->arch.rope[0].original_context;
    cr_assert(model->arch.rope[0].scaling == QB_ROPE_LONGROPE && original < LENGTH && original > 4);
    in_blocks(net, 4, part);
    MUST(qb_net_forward(net, tokens, 1, LENGTH, whole, &err));
    for (size_t i = 0; i < LENGTH * width; i++)
        cr_assert_float_eq(part[i], whole[i], 2e-5);
    MUST(qb_net_forward(net, tokens, 1, original, part, &err));
    double most = 0;
    for (size_t i = 0; i < original * width; i++)
        most = fmax(most, fabs((double)part[i] - (double)whole[i]));
    cr_expect_gt(most, 1e-3, "a shorter sequence takes the short factors");
    qb_net_free(net);
    golden_model_free(model);
    qb_pool_free(pool);
}

/* What the experiments build on: layers one by one, and variants with S and alpha, whose operators are found by what
 * the net uses. */
static void expect_layers(struct qb_net *net)
{
    static float whole[LENGTH * WIDTH], x[LENGTH * WIDTH], y[LENGTH * WIDTH];
    const struct qb_model *model = qb_net_model(net);
    const size_t size = LENGTH * model->arch.hidden * sizeof *x;
    MUST(qb_net_forward(net, tokens, 1, LENGTH, whole, &err));
    MUST(qb_net_embed(net, tokens, 1, LENGTH, x, &err));
    for (size_t layer = 0; layer < qb_net_layers(net); layer++) {
        MUST(qb_net_block(net, layer, x, 1, LENGTH, y, &err));
        memcpy(x, y, size);
    }
    MUST(qb_net_finish(net, x, LENGTH, &err));
    cr_expect_eq(memcmp(x, whole, size), 0, "%s: layer by layer", model->name);
}

static void expect_variant(const struct qb_model *model, const struct qb_variant *variant, struct qb_pool *pool)
{
    static float whole[LENGTH * WIDTH], part[LENGTH * WIDTH];
    const struct qb_calibration_data data = {tokens, 1, LENGTH};
    struct qb_net *net = support_net(model, variant, &data, pool);
    size_t encoded = 0;
    for (size_t i = 0; qb_net_linear(net, i, NULL); i++)
        encoded += qb_linear_encoded(qb_net_linear(net, i, NULL));
    if (variant->calibration.scale)
        cr_expect_eq(qb_net_calibration(net)->linears, encoded, "%s, %s: S of %zu operators, %zu are encoded",
                     model->name, variant->name, qb_net_calibration(net)->linears, encoded);
    cr_expect_geq(encoded, 4 * model->arch.layers, "%s, %s: %zu operators", model->name, variant->name, encoded);
    expect_layers(net);
    in_blocks(net, 5, part);
    MUST(qb_net_forward(net, tokens, 1, LENGTH, whole, &err));
    /* where activations are encoded, a difference in the last place can be another code */
    for (size_t i = 0; variant->path == QB_PATH_DECODE && i < LENGTH * model->arch.hidden; i++)
        cr_assert_float_eq(part[i], whole[i], 2e-5 * fmax(1, fabs((double)whole[i])), "%s, %s: in blocks", model->name,
                           variant->name);
    qb_net_free(net);
}

Test(forward_options, every_variant_runs_layer_by_layer_and_in_blocks)
{
    static const char *const names[] = {"pattern-a", "int8-channel", "calibrated", "fp16"};
    struct qb_registry *registry = support_registry();
    struct qb_pool *pool = support_pool(2);
    for (size_t m = 0; m < MODELS; m++) {
        struct qb_model *model = golden_model(model_json(m));
        struct qb_net *net = support_net(model, NULL, NULL, pool);
        expect_layers(net);
        qb_net_free(net);
        for (size_t v = 0; v < sizeof names / sizeof *names; v++) {
            struct qb_variant *variant = support_variant(registry, names[v]);
            expect_variant(model, variant, pool);
            qb_variant_free(variant);
        }
        golden_model_free(model);
    }
    qb_pool_free(pool);
    qb_registry_free(registry);
}
