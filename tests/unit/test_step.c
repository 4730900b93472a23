/* One step, however the positions are cut into blocks, whichever are kept and however q, k and v are stored. */
#include "registry_fixture.h"

enum { BATCH = 3, LENGTH = 13, WIDEST = 256 };

static int32_t tokens[BATCH * LENGTH];
static float whole[BATCH * LENGTH * WIDEST], hidden[BATCH * LENGTH * WIDEST];

static void begin(void)
{
    registry_begin();
    support_tokens(tokens, BATCH * LENGTH, 3);
}

static void end(void)
{
    registry_end();
}

TestSuite(step, .init = begin, .fini = end);

/* Positions [first, first + count) of `whole` against the last `count` of what a step kept. */
static void expect_rows(const char *what, size_t width, size_t first, size_t count)
{
    for (size_t s = 0; s < BATCH; s++)
        for (size_t i = 0; i < count * width; i++) {
            double is = (double)hidden[s * count * width + i];
            double due = (double)whole[(s * LENGTH + first) * width + i];
            cr_assert_leq(fabs(is - due), 1e-5 * (1 + fabs(due)), "%s: sequence %zu, position %zu: %g, expected %g",
                          what, s, first + i / width, is, due);
        }
}

static void step_over(struct qb_net *net, struct qb_kv *kv, size_t first, size_t n, size_t kept)
{
    int32_t block[BATCH * LENGTH];
    for (size_t s = 0; s < BATCH; s++)
        memcpy(block + s * n, tokens + s * LENGTH + first, n * sizeof *block);
    MUST(qb_net_step(net, kv, &(struct qb_step){.tokens = block, .batch = BATCH, .n = n, .kept = kept}, hidden, &err));
}

/* Blocks of the given sizes (0-terminated) against one step over all; `kept` positions of each block, at most all. */
static void blocks_agree(struct qb_net *net, const size_t *sizes, size_t kept)
{
    const struct qb_model *model = qb_net_model(net);
    struct qb_kv *kv = NULL;
    MUST(qb_net_kv(net, BATCH, LENGTH, 0, &kv, &err));
    size_t layers = model->arch.attention ? model->arch.layers : 0;
    cr_expect_eq(qb_kv_bytes(kv), layers * 2 * BATCH * LENGTH * model->arch.hidden * sizeof(float));
    size_t first = 0;
    for (size_t i = 0; sizes[i]; first += sizes[i++]) {
        size_t count = kept < sizes[i] ? kept : sizes[i];
        cr_expect_eq(kv->length, first);
        step_over(net, kv, first, sizes[i], count);
        expect_rows(model->name, model->arch.hidden, first + sizes[i] - count, count);
    }
    cr_expect_eq(kv->length, LENGTH);
    qb_kv_free(kv);
}

static void model_agrees(const struct qb_model *model, const char *variant_name)
{
    static const size_t sizes[][LENGTH + 1] = {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {3, 5, 5}, {9, 1, 3}, {13}};
    struct qb_variant *variant = variant_name ? support_variant(registry, variant_name) : NULL;
    struct qb_pool *pool = support_pool(2);
    struct qb_net *net = support_net(model, variant, NULL, pool);
    MUST(qb_net_forward(net, tokens, BATCH, LENGTH, whole, &err));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t kept = 1; kept <= LENGTH; kept += kept < 3 ? 1 : LENGTH - 3)
            blocks_agree(net, sizes[i], kept);
    qb_net_free(net);
    qb_pool_free(pool);
    qb_variant_free(variant);
}

Test(step, blocks_of_any_size_give_what_one_step_gives)
{
    struct qb_model *transformer = support_small("transformer", true), *chain = support_small("chain", false);
    struct qb_model *trained = NULL; /* with positions and norms before each half of a layer */
    MUST(qb_model_open("data/models/kjv-transformer.safetensors", registry, qb_cpu()->isa, &trained, &err));
    model_agrees(transformer, NULL);
    model_agrees(transformer, "pattern-a");
    model_agrees(trained, NULL);
    model_agrees(trained, "int8-channel");
    model_agrees(chain, NULL);
    qb_model_free(transformer);
    qb_model_free(chain);
    qb_model_free(trained);
}

Test(step, kept_positions_are_the_last_of_all)
{
    for (int causal = 0; causal < 2; causal++) {
        struct qb_model *model = support_small("transformer", causal);
        struct qb_pool *pool = support_pool(1);
        struct qb_net *net = support_net(model, NULL, NULL, pool);
        MUST(qb_net_forward(net, tokens, BATCH, LENGTH, whole, &err));
        for (size_t kept = 1; kept <= LENGTH; kept += 4) {
            step_over(net, NULL, 0, LENGTH, kept);
            expect_rows("without a past", 24, LENGTH - kept, kept);
        }
        qb_net_free(net);
        qb_pool_free(pool);
        qb_model_free(model);
    }
}

/* Sequences of a step that keeps them apart against steps of one each, to the bit: 20 positions and 60, 7 and 21 are
 * products by other kernels or in other tiles. */
static void apart_agrees(const struct qb_model *model, const char *variant_name)
{
    enum { MOST = 20 };
    static const size_t cuts[][2] = {{MOST, MOST}, {MOST, 7}, {7, 1}};
    int32_t text[BATCH * MOST];
    float *alone = malloc(BATCH * MOST * WIDEST * sizeof *alone),
          *together = malloc(BATCH * MOST * WIDEST * sizeof *alone);
    struct qb_variant *variant = variant_name ? support_variant(registry, variant_name) : NULL;
    struct qb_pool *pool = support_pool(2);
    struct qb_net *net = support_net(model, variant, NULL, pool);
    support_tokens(text, BATCH * MOST, 4);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        const size_t n = cuts[i][0], kept = cuts[i][1], size = kept * model->arch.hidden;
        struct qb_step step = {.tokens = text, .batch = 1, .n = n, .kept = kept};
        for (size_t s = 0; s < BATCH; s++, step.tokens += n)
            MUST(qb_net_step(net, NULL, &step, alone + s * size, &err));
        step = (struct qb_step){.tokens = text, .batch = BATCH, .n = n, .kept = kept, .apart = true};
        MUST(qb_net_step(net, NULL, &step, together, &err));
        cr_expect_eq(memcmp(alone, together, BATCH * size * sizeof *alone), 0, "%s, %s: %zu of %zu positions",
                     model->name, variant_name ? variant_name : "FP32", kept, n);
    }
    qb_net_free(net);
    qb_pool_free(pool);
    qb_variant_free(variant);
    free(alone);
    free(together);
}

Test(step, sequences_apart_are_those_of_steps_of_one)
{
    static const char *const variants[] = {NULL,     "q8_0",    "pattern-a-packed", "int8-tensor",
                                           "legacy", "kv-q8_0", "fp32-split",       "fp32-split2"};
    struct qb_model *trained = NULL, *llama = NULL, *chain = support_small("chain", false);
    MUST(qb_model_open("data/models/kjv-transformer.safetensors", registry, qb_cpu()->isa, &trained, &err));
    MUST(qb_model_open("data/models/tiny-llama", registry, qb_cpu()->isa, &llama, &err));
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        apart_agrees(trained, variants[i]);
        apart_agrees(llama, variants[i]);
    }
    apart_agrees(chain, NULL);
    qb_model_free(trained);
    qb_model_free(llama);
    qb_model_free(chain);
}

/* The model with each fused qkv as three tensors. Borrows the weights. */
static struct qb_model apart(const struct qb_model *model)
{
    struct qb_model split = *model;
    const uint32_t kinds = QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V;
    split.tensors = qb_alloc(3 * model->tensor_count, sizeof *split.tensors, "tensors", &err);
    split.tensor_count = 0;
    for (size_t t = 0; t < model->tensor_count; t++) {
        const struct qb_tensor *from = &model->tensors[t];
        bool vector = from->roles & QB_ROLE_BIAS;
        for (uint32_t i = 0, count = from->roles & kinds ? 3 : 1; i < count; i++) {
            struct qb_tensor *to = &split.tensors[split.tensor_count++];
            *to = *from;
            if (count == 1)
                continue;
            snprintf(to->name, sizeof to->name, "layers.%d.attn.%c.%s", from->layer, "qkv"[i], vector ? "bias" : "w");
            to->roles = (from->roles & ~kinds) | (uint32_t)QB_ROLE_ATTN_Q << i;
            *(vector ? &to->cols : &to->rows) /= 3;
            to->size /= 3;
            to->bytes = (const char *)from->bytes + i * to->size;
        }
    }
    return split;
}

Test(step, q_k_and_v_may_be_tensors_of_their_own)
{
    for (int causal = 0; causal < 2; causal++) {
        struct qb_model *model = support_small("transformer", causal), split = apart(model);
        struct qb_pool *pool = support_pool(1);
        struct qb_net *fused = support_net(model, NULL, NULL, pool), *net = support_net(&split, NULL, NULL, pool);
        cr_expect_null(qb_net_linear(fused, 1 + 2 * 4, NULL));
        cr_expect_not_null(qb_net_linear(net, 2 * 6, NULL));
        cr_expect_null(qb_net_linear(net, 1 + 2 * 6, NULL));
        MUST(qb_net_forward(fused, tokens, BATCH, LENGTH, whole, &err));
        for (size_t kept = 1; kept <= LENGTH; kept += LENGTH - 1) {
            step_over(net, NULL, 0, LENGTH, kept);
            expect_rows("three operators", 24, LENGTH - kept, kept);
        }
        if (causal)
            blocks_agree(net, (const size_t[]){4, 1, 8, 0}, LENGTH);
        qb_net_free(fused);
        qb_net_free(net);
        qb_pool_free(pool);
        qb_free(split.tensors);
        qb_model_free(model);
    }
}

/* Entry j of side `side` of position p of sequence s. */
static float entry(size_t side, size_t s, size_t p, size_t j)
{
    return (float)(1000 * side + 100 * s + 10 * p + j);
}

/* n positions from `first` on of every sequence, k and v in rows of 10 floats, as a fused product leaves them. */
static void append(struct qb_kv *kv, size_t layer, size_t first, size_t n)
{
    float rows[3 * 4 * 10] = {0};
    for (size_t i = 0; i < 3 * n * 6; i++) {
        size_t s = i / 6 / n, p = i / 6 % n, j = i % 3, side = i / 3 % 2;
        rows[(s * n + p) * 10 + 4 + side * 3 + j] = entry(side, s, first + p, j);
    }
    const struct qb_heads k = {rows + 4, 10, n * 10}, v = {rows + 7, 10, n * 10};
    MUST(qb_kv_append(kv, layer, n, k, v, &err));
}

Test(kv, each_sequence_keeps_its_own_positions)
{
    struct qb_kv *kv = NULL;
    err = (struct qb_error){0};
    const struct qb_kv_shape shape = {.layers = 2, .batch = 3, .capacity = 4, .heads = 1, .head_dim = 3};
    MUST(qb_kv_create(&shape, NULL, &kv, &err));
    cr_expect_eq(qb_kv_bytes(kv), 2 * 2 * 3 * 4 * 3 * sizeof(float));
    append(kv, 0, 7, 3); /* a step that failed later: the next one writes over it */
    append(kv, 0, 0, 1);
    append(kv, 1, 0, 1);
    qb_kv_advance(kv, 1);
    append(kv, 0, 1, 3);
    append(kv, 1, 1, 3);
    qb_kv_advance(kv, 3);
    for (size_t i = 0; i < 2 * 2 * 3 * 4 * 3; i++) {
        size_t layer = i / 72, side = i / 36 % 2, s = i / 12 % 3, p = i / 3 % 4, j = i % 3;
        struct qb_kv_view view;
        qb_kv_view(kv, layer, &view);
        const struct qb_heads *of = side ? &view.v : &view.k;
        cr_expect_eq(of->data[s * of->batch_stride + p * of->stride + j], entry(side, s, p, j));
    }
    const struct qb_heads any = {(const float[3]){0}, 3, 0};
    cr_expect_eq(qb_kv_append(kv, 0, 1, any, any, &err), QB_ERR_INTERNAL, "it is full");
    err = (struct qb_error){0};
    cr_expect_eq(qb_kv_append(kv, 2, 0, any, any, &err), QB_ERR_INTERNAL, "no such layer");
    qb_kv_free(kv);
}

/* A filled cache has its length, whatever it held before, and a step behind it attends to all of it. */
Test(step, a_decoder_is_filled_to_any_length)
{
    struct qb_model *model = NULL;
    MUST(qb_model_open("data/models/tiny-llama", registry, QB_ISA_PORTABLE, &model, &err));
    struct qb_variant *variant = support_variant(registry, "kv-q8_0");
    struct qb_pool *pool = support_pool(1);
    struct qb_net *net = support_net(model, variant, NULL, pool);
    struct qb_decoder *decoder = NULL;
    MUST(qb_decoder_create(net, 1, 100, &decoder, &err));
    float first[WIDEST], again[WIDEST], shorter[WIDEST];
    cr_assert_leq(model->arch.hidden, WIDEST);
    static const struct {
        size_t length;
        bool first;
    } fills[] = {{99, true}, {20, false}, {99, false}};
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        float *out = fills[i].first ? first : fills[i].length == 20 ? shorter : again;
        size_t held = 100;
        MUST(qb_decoder_fill(decoder, fills[i].length, &err));
        MUST(qb_decoder_feed(decoder, tokens, 1, out, &err));
        MUST(qb_decoder_rewind(decoder, &held, &err));
        cr_expect_eq(held, fills[i].length + 1);
    }
    cr_expect_eq(memcmp(first, again, model->arch.hidden * sizeof *first), 0, "the same numbers each time");
    cr_expect_neq(memcmp(first, shorter, model->arch.hidden * sizeof *first), 0);
    cr_expect_eq(qb_decoder_fill(decoder, 101, &err), QB_ERR_INTERNAL, "more than it has room for");
    qb_decoder_free(decoder);
    qb_net_free(net);
    qb_pool_free(pool);
    qb_variant_free(variant);
    qb_model_free(model);
}

static void refused(struct qb_net *net, struct qb_kv *kv, struct qb_step step, enum qb_status status, const char *text)
{
    struct qb_error e = {0};
    cr_expect_eq(qb_net_step(net, kv, &step, hidden, &e), status, "%s", e.message);
    cr_expect(strstr(e.message, text), "%s", e.message);
}

Test(step, what_cannot_be_a_step_is_refused_and_leaves_no_trace)
{
    struct qb_model *model = support_small("transformer", true), *open = support_small("transformer", false);
    struct qb_pool *pool = support_pool(1);
    struct qb_net *net = support_net(model, NULL, NULL, pool), *all = support_net(open, NULL, NULL, pool);
    struct qb_kv *kv = NULL;
    const float bias[BATCH * 2] = {0};
    const int32_t wrong[BATCH * 2] = {1, 1, 1, 1, 1, 50};
    MUST(qb_net_forward(net, tokens, BATCH, LENGTH, whole, &err));
    MUST(qb_net_kv(net, BATCH, LENGTH, 0, &kv, &err));
    step_over(net, kv, 0, 4, 1);
    refused(net, kv, (struct qb_step){.tokens = tokens, .batch = BATCH, .n = 2}, QB_ERR_INTERNAL, "keeps 0");
    refused(net, kv, (struct qb_step){.tokens = tokens, .batch = BATCH, .n = 2, .kept = 3}, QB_ERR_INTERNAL, "keeps 3");
    refused(net, kv, (struct qb_step){.tokens = tokens, .batch = BATCH, .n = 2, .kept = 1, .key_bias = bias},
            QB_ERR_INTERNAL, "a step");
    refused(net, kv, (struct qb_step){.tokens = tokens, .batch = 2, .n = 2, .kept = 1}, QB_ERR_INTERNAL, "room");
    refused(net, kv, (struct qb_step){.tokens = tokens, .batch = BATCH, .n = 10, .kept = 1}, QB_ERR_INTERNAL, "room");
    refused(net, kv, (struct qb_step){.tokens = wrong, .batch = BATCH, .n = 2, .kept = 1}, QB_ERR_INPUT, "position 5");
    model->arch.context = 6;
    refused(net, kv, (struct qb_step){.tokens = tokens, .batch = BATCH, .n = 3, .kept = 1}, QB_ERR_INPUT, "context");
    model->arch.context = 0;
    cr_expect_eq(kv->length, 4);
    step_over(net, kv, 4, 9, 9);
    expect_rows("after refusals", 24, 4, 9);
    qb_kv_free(kv);
    cr_expect_eq(qb_net_kv(all, BATCH, LENGTH, 0, &kv, &err), QB_ERR_INTERNAL, "older positions would change");
    qb_net_free(net);
    qb_net_free(all);
    qb_pool_free(pool);
    qb_model_free(model);
    qb_model_free(open);
}
