/* What a variant encodes of a model: counts by hand, and by the buffers of the net that is made of it. */
#include "net_support.h"
#include "base/yaml.h"
#include "model/effect.h"

static struct qb_error err;
static struct qb_registry *registry;
static struct qb_model *tied, *untied;

static void setup(void)
{
    registry = support_registry();
    tied = support_model("transformer", 100, 32, 2, 42);
    untied = support_model("chain", 100, 32, 2, 42);
    cr_assert(tied->arch.tied_head && !untied->arch.tied_head);
}

static void teardown(void)
{
    qb_model_free(tied);
    qb_model_free(untied);
    qb_registry_free(registry);
}
TestSuite(effect, .init = setup, .fini = teardown);

static struct qb_variant *read_variant(const char *text)
{
    struct qb_yaml *root = NULL;
    struct qb_variant *v = NULL;
    MUST(qb_yaml_parse(text, strlen(text), "my.yaml", &root, &err));
    MUST(qb_variant_read(root, "mine", registry, qb_cpu()->isa, &v, &err));
    qb_yaml_free(root);
    return v;
}

/* H = 32, V = 100. Transformer, 2 layers: qkv 3072, out 1024, up 4096, down 4096; head and embedding one matrix of
 * 3200. Chain: 32 -> 64 -> 64 -> 32 (2048, 4096, 2048), embedding and head 3200 each. QINS: 2 bytes a value and 8 a
 * matrix; INT8 with one scale a matrix: 1 and 4; FP16: 2. */
static const struct {
    const char *text;
    bool chain;
    uint64_t tensors, weights, bytes;
    const char *unbound;
} counted[] = {
    {"base: pattern-a", false, 8, 24576, 2 * 24576 + 8 * 8, ""},
    {"base: pattern-a", true, 3, 8192, 2 * 8192 + 3 * 8, "placement attn.*"},
    {"base: int8-tensor", false, 8, 24576, 24576 + 8 * 4, "placement head"},
    {"base: int8-tensor", true, 4, 11392, 11392 + 4 * 4, "placement attn.*"},
    {"base: fp16", false, 9, 27776, 2 * 27776, ""},
    {"base: legacy", false, 8, 24576, 4 * 24576, ""},
    /* q and k of both layers in FP16, the rest FP32 */
    {"base: calibrated", false, 8, 24576, 2 * 4096 + 4 * 20480, ""},
    {"base: calibrated", true, 3, 8192, 4 * 8192, "placement attn.*, calibration.fp16 attn.q, calibration.fp16 attn.k"},
    {"codec: int8\noptions: {scope: tensor}\nplacement: [attn.v, head, mlp.gate]", false, 2, 2048, 2048 + 2 * 4,
     "placement head, placement mlp.gate"},
    {"codec: int8\noptions: {scope: tensor}\nplacement: [embed, head]", false, 1, 3200, 3200 + 4, ""},
    {"codec: int8\noptions: {scope: tensor}\nplacement: [head]", true, 1, 3200, 3200 + 4, ""},
    {"base: legacy\nplacement: [embed, head]", true, 1, 3200, 4 * 3200, "placement embed"},
    {"base: pattern-a\ntensors: ['layers.0.*', 'embed.*']", false, 4, 12288, 2 * 12288 + 4 * 8, "tensors embed.*"},
    {"base: pattern-a\nplacement: ['mlp.*']\nexcept: ['layers.0.*', '*.attn.*']", false, 2, 8192, 2 * 8192 + 2 * 8,
     "except *.attn.*"},
};

/* Weights and bytes of what the net stores under the variant's codecs. */
static void expect_buffers(const struct qb_model *model, const struct qb_variant *v, const struct qb_effect *effect)
{
    struct qb_net_buffer rows[128];
    struct qb_pool *pool = support_pool(1);
    struct qb_variant plain = *v; /* nothing to estimate */
    plain.calibration.scale = plain.calibration.alpha = false;
    struct qb_net *net = support_net(model, &plain, NULL, pool);
    uint64_t weights = 0, bytes = 0;
    size_t n = qb_net_buffers(net, rows, 128);
    for (size_t i = 0; i < n && i < 128; i++)
        if (strcmp(rows[i].store, "fp32") != 0) {
            weights += rows[i].values;
            bytes += rows[i].bytes;
        }
    if (qb_variant_stores(v)) {
        cr_expect_eq(weights, effect->weights);
        cr_expect_eq(bytes, effect->bytes);
    }
    qb_net_free(net);
    qb_pool_free(pool);
}

Test(effect, counts)
{
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        const struct qb_model *model = counted[i].chain ? untied : tied;
        struct qb_variant *v = read_variant(counted[i].text);
        struct qb_effect effect = {0}, shapes = {0};
        MUST(qb_effect_of(model, v, true, &effect, &err));
        cr_expect_null(effect.refusal, "%s: %s", counted[i].text, effect.refusal);
        cr_expect(effect.tensors == counted[i].tensors && effect.weights == counted[i].weights &&
                      effect.bytes == counted[i].bytes,
                  "%s: %lu, %lu, %lu", counted[i].text, (unsigned long)effect.tensors, (unsigned long)effect.weights,
                  (unsigned long)effect.bytes);
        cr_expect_str_eq(effect.unbound, counted[i].unbound, "%s: '%s'", counted[i].text, effect.unbound);
        /* q and k of 2 layers, 32 x 32 each, where the variant keeps them and the model has them */
        cr_expect_eq(effect.fp16, strcmp(counted[i].text, "base: calibrated") == 0 && !counted[i].chain ? 4096 : 0);
        expect_buffers(model, v, &effect);
        MUST(qb_effect_of(model, v, false, &shapes, &err));
        cr_expect(shapes.weights == effect.weights && shapes.bytes == 0);
        qb_effect_free(&shapes);
        qb_effect_free(&effect);
        qb_variant_free(v);
    }
}

/* A net of such a variant would be FP32, and agree with the reference to the bit. */
Test(effect, what_encodes_nothing_is_refused_with_the_reason)
{
    static const struct {
        const char *text;
        bool chain;
        const char *says;
    } cases[] = {
        {"codec: int8\nplacement: [head]", false,
         "encodes nothing of model 'transformer': placement head: head and embed are one matrix"},
        {"codec: int8\nplacement: [embed]", false, "placement embed: head and embed are one matrix here, name both"},
        {"codec: int8\nplacement: ['attn.*']", true, "placement attn.*: the model has no such matrix"},
        {"base: legacy\nplacement: [embed]", true, "an embedding's rows are looked up"},
        {"base: pattern-a\nplacement: ['mlp.*']\ntensors: ['*.attn.*']", false, "tensors and except leave none of it"},
        {"base: pattern-a\nexcept: ['*']", false, "tensors and except leave none of it"},
        {"base: pattern-a\ntensors: [layers.1.mlp.upp.weight]", false,
         "'layers.1.mlp.upp.weight' in tensors fits no matrix of model 'transformer', the nearest name is "
         "'layers.1.mlp.up.weight'"},
        {"base: pattern-a\ntensors: ['layers.1.*', 'layers.7.*']", false, "'layers.7.*' in tensors fits no matrix"},
        {"base: pattern-a\nexcept: ['layers.0.mlp.dwn.weight']", false,
         "the nearest name is 'layers.0.mlp.down.weight'"}};
    struct qb_pool *pool = support_pool(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct qb_model *model = cases[i].chain ? untied : tied;
        struct qb_variant *v = read_variant(cases[i].text);
        struct qb_effect effect = {0};
        struct qb_net *net = NULL;
        struct qb_error e = {0};
        MUST(qb_effect_of(model, v, false, &effect, &err));
        cr_assert_not_null(effect.refusal, "%s", cases[i].text);
        cr_expect(strstr(effect.refusal, cases[i].says), "%s: %s", cases[i].text, effect.refusal);
        cr_expect_eq(qb_net_create(model, v, pool, &net, &e), QB_ERR_INPUT, "%s", cases[i].text);
        cr_expect(strstr(e.message, cases[i].says), "%s", e.message);
        qb_effect_free(&effect);
        qb_variant_free(v);
    }
    qb_pool_free(pool);
}

Test(effect, unencoded_variants_ask_for_nothing)
{
    static const char *const names[] = {"fp32", "fp32-reordered"};
    struct qb_effect effect = {0};
    for (size_t i = 0; i < 3; i++) {
        struct qb_variant *v = i < 2 ? support_variant(registry, names[i]) : NULL;
        MUST(qb_effect_of(tied, v, true, &effect, &err));
        cr_expect(effect.tensors == 0 && effect.bytes == 0 && !effect.refusal && !*effect.unbound && !*effect.why);
        qb_effect_free(&effect);
        qb_variant_free(v);
    }
}

Test(effect, no_allocation_failure_leaks)
{
    struct qb_variant *v = read_variant("base: int8-tensor\ntensors: ['layers.9.*']");
    size_t live = qb_mem_stats().live_bytes;
    for (long at = 1; at < 100; at++) {
        struct qb_effect effect = {0};
        struct qb_error e = {0};
        qb_mem_fail_at((size_t)at);
        enum qb_status status = qb_effect_of(tied, v, true, &effect, &e);
        qb_mem_fail_at(0);
        qb_effect_free(&effect);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "allocation %ld", at);
        if (!status)
            break;
        cr_assert_eq(status, QB_ERR_MEMORY);
    }
    qb_variant_free(v);
}
