/* A variant's others: some roles in other codecs. Each tensor is stored as a variant of that codec alone stores it. */
#include "unit/experiment_bench.h"
#include "compute/linear.h"
#include "model/effect.h"
#include "registry_fixture.h"

TestSuite(others, .init = fixture_begin, .fini = fixture_end);

static const char mixed[] = "{codec: int8, options: {scope: row}, placement: ['mlp.*'], others: [{codec: fp16, "
                            "placement: [attn.q, attn.k]}, {codec: q8_0, placement: [attn.o]}]}";

/* The rows of a tensor of that role are stored in `codec`, with the bytes that it alone makes; "fp32": not at all. */
static void expect_stored(struct qb_net *net, uint32_t role, const char *codec)
{
    const struct qb_tensor *tensor;
    size_t seen = 0;
    for (size_t i = 0; qb_net_linear(net, i, &tensor); i++) {
        struct qb_linear *linear = qb_net_linear(net, i, NULL);
        for (size_t s = 0; s < qb_linear_segments(linear); s++) {
            const struct qb_segment_info info = qb_linear_segment(linear, s);
            if (!(info.roles & role))
                continue;
            seen++;
            cr_expect_str_eq(info.store, codec, "%s", tensor->name);
            if (!info.format)
                continue;
            const struct qb_matrix source = qb_tensor_matrix(tensor);
            struct qb_matrix due;
            MUST(qb_matrix_encode(&source, info.row, info.rows, info.format, &due, &err));
            cr_expect(info.bytes == due.size && memcmp(info.encoded, due.bytes, due.size) == 0, "%s", tensor->name);
            qb_free((void *)(uintptr_t)due.bytes);
        }
    }
    cr_expect_eq(seen, 2, "a tensor in each of two layers");
}

Test(others, each_role_is_stored_in_its_codec)
{
    registry_begin();
    struct qb_model *model = support_model("transformer", 50, 32, 2, 3);
    struct qb_variant *v = variant_of(mixed);
    struct qb_pool *pool = support_pool(1);
    struct qb_net *net = support_net(model, v, NULL, pool);
    expect_stored(net, QB_ROLE_ATTN_Q, "fp16");
    expect_stored(net, QB_ROLE_ATTN_K, "fp16");
    expect_stored(net, QB_ROLE_ATTN_V, "fp32");
    expect_stored(net, QB_ROLE_ATTN_O, "q8_0");
    expect_stored(net, QB_ROLE_MLP_UP, "int8");
    expect_stored(net, QB_ROLE_MLP_DOWN, "int8");
    struct qb_effect effect = {0};
    MUST(qb_effect_of(model, v, true, &effect, &err));
    /* of each layer: q and k 2 x 32 x 32, out 32 x 32 in blocks of 32 values and 34 bytes, up and down 128 x 32 */
    cr_expect_eq(effect.weights, 2 * (2048 + 1024 + 8192));
    cr_expect_eq(effect.bytes, 2 * (2 * 2048 + 32 * 34 + 8192 + 4 * (128 + 32)));
    cr_expect_eq(effect.tensors, 8);
    cr_expect_str_eq(effect.unbound, "");
    qb_effect_free(&effect);
    qb_net_free(net);
    qb_variant_free(v);
    v = variant_of("{codec: int8, placement: [mlp.up], others: [{codec: fp16, placement: [mlp.gate, 'attn.*']}]}");
    MUST(qb_effect_of(model, v, true, &effect, &err));
    cr_expect_str_eq(effect.unbound, "others mlp.gate");
    qb_effect_free(&effect);
    qb_variant_free(v);
    qb_pool_free(pool);
    qb_model_free(model);
    registry_end();
}

/* Which codec is the variant's own and which is another is a matter of words. */
Test(others, the_order_of_words_changes_no_bit)
{
    static const char *const texts[] = {
        "{codec: int8, options: {scope: row}, placement: ['mlp.*'], others: [{codec: fp16, placement: ['attn.*']}]}",
        "{codec: fp16, placement: ['attn.*'], others: [{codec: int8, options: {scope: row}, placement: ['mlp.*']}]}",
        "{codec: int8, options: {scope: row}, placement: ['mlp.*']}"};
    registry_begin();
    struct qb_model *model = support_model("transformer", 50, 32, 2, 3);
    struct qb_pool *pool = support_pool(1);
    static const int32_t tokens[6] = {4, 8, 15, 16, 23, 42};
    float hidden[3][6 * 32];
    for (size_t i = 0; i < 3; i++) {
        struct qb_variant *v = variant_of(texts[i]);
        struct qb_net *net = support_net(model, v, NULL, pool);
        MUST(qb_net_forward(net, tokens, 1, 6, hidden[i], &err));
        qb_net_free(net);
        qb_variant_free(v);
    }
    cr_expect_eq(memcmp(hidden[0], hidden[1], sizeof hidden[0]), 0);
    cr_expect_neq(memcmp(hidden[0], hidden[2], sizeof hidden[0]), 0, "attention is stored, too");
    qb_pool_free(pool);
    qb_model_free(model);
    registry_end();
}

/* H = 32: a layer has qkv 96 x 32, out 32 x 32, up and down 4096 values each. */
Test(others, roundtrip_counts_what_is_in_another_codec)
{
    struct bench b = bench_open(
        "name: s\nmodels:\n"
        "  transformer: {generator: transformer, vocab: 60, hidden: 32, layers: 2, prompt: {random: 6, seed: 1}}\n"
        "variants:\n"
        "  - {name: mixed, codec: int8, options: {scope: row}, placement: ['mlp.*'], others: [{codec: fp16, placement: "
        "[attn.q, attn.k]}, {codec: q8_0, placement: [attn.o]}]}\n"
        "experiments: {roundtrip: {}}\n",
        0);
    struct qb_record record = {0};
    bench_run(&b, 0, &record);
    const struct qb_array *all = qb_record_get(&record, "tensor_values", QB_I64, 1);
    const struct qb_array *others = qb_record_get(&record, "tensor_other_values", QB_I64, 1);
    const struct qb_array *codes = qb_record_get(&record, "code_count", QB_I64, 1);
    int64_t stored = 0, elsewhere = 0, coded = 0;
    cr_assert(all && others && codes);
    for (size_t i = 0; i < all->count; i++) {
        stored += ((const int64_t *)all->data)[i];
        elsewhere += ((const int64_t *)others->data)[i];
    }
    for (size_t i = 0; i < codes->count; i++)
        coded += ((const int64_t *)codes->data)[i];
    cr_expect_eq(stored, 2 * (2048 + 1024 + 8192));
    cr_expect_eq(elsewhere, 2 * (2048 + 1024));
    cr_expect_eq(coded, 2 * 8192);
    qb_record_free(&record);
    bench_close(&b);
}
