/* What a step needs, computed, against what is counted in the buffers once it went through: every family, variants of
 * every kind, batches and depths. And what a cache holds as it fills. */
#include "registry_fixture.h"

#include <sys/mman.h>
#include "model/net.h"

static struct qb_pool *pool;

static void begin(void)
{
    registry_begin();
    pool = support_pool(2);
}

static void end(void)
{
    qb_pool_free(pool);
    registry_end();
}

TestSuite(working, .init = begin, .fini = end, .timeout = 300);

static const char *const variants[] = {
    NULL,
    "{codec: qins8, options: {layout: packed}, path: decode, placement: ['attn.*', 'mlp.*', head]}",
    "{codec: qins8, path: domain, placement: ['mlp.*']}",
    "{codec: q8_0, placement: ['attn.*'], otherwise: fp16, kv: {keys: int8, values: fp16, block: 1}}",
    "{kv: {keys: fp16, values: {codec: qins8, options: {layout: packed, scope: row}}, block: 7, rotate: true}}",
    "{kv: {values: fp16, block: 16}}",
    "{act: {codec: qins8, options: {layout: packed}}}",
};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* Sequences whose cache is filled to `past`, and a step. */
static void step_behind(struct qb_net *net, size_t batch, size_t past, const char *what)
{
    const struct qb_arch *arch = &qb_net_model(net)->arch;
    const size_t before = qb_mem_stats().live_bytes;
    int32_t *tokens = qb_alloc(batch, sizeof *tokens, "tokens", &err);
    float *hidden = qb_alloc(batch * arch->hidden, sizeof *hidden, "hidden", &err);
    float *logits = qb_alloc(batch * arch->vocab, sizeof *logits, "logits", &err);
    const struct qb_step step = {.tokens = tokens, .batch = batch, .n = 1, .kept = 1};
    struct qb_kv *kv = NULL;
    size_t cache = 0, working = 0;
    MUST(qb_net_kv_need(net, batch, past + 1, 1, &cache, &err));
    MUST(qb_net_working_need(net, batch, past, &working, &err));
    qb_net_drop_working(net);
    MUST(qb_net_kv(net, batch, past + 1, 1, &kv, &err));
    cr_expect_eq(qb_kv_bytes(kv), cache, "%s: %zu of %zu", what, qb_kv_bytes(kv), cache);
    MUST(qb_kv_fill(kv, past, &err));
    MUST(qb_net_step(net, kv, &step, hidden, &err));
    MUST(qb_net_logits(net, hidden, batch, logits, &err));
    cr_expect_eq(qb_net_working_bytes(net, kv), working, "%s, %zu sequences behind %zu: %zu counted, %zu computed",
                 what, batch, past, qb_net_working_bytes(net, kv), working);
    cr_expect_leq(qb_kv_held_bytes(kv), cache);
    cr_expect_eq(kv->length, past + 1);
    qb_kv_free(kv);
    qb_net_drop_working(net);
    cr_expect_eq(qb_net_working_bytes(net, NULL), 0);
    qb_free(tokens);
    qb_free(hidden);
    qb_free(logits);
    cr_expect_leq(qb_mem_stats().live_bytes, before, "nothing else is kept");
}

static void check_model(struct qb_model *model, const char *name)
{
    static const size_t depths[] = {0, 3, 6, 7, 31, 1030};
    for (size_t v = 0; v < VARIANTS; v++) {
        struct qb_variant *variant = variants[v] ? variant_of(variants[v]) : NULL;
        struct qb_net *net = NULL;
        char what[300];
        snprintf(what, sizeof what, "%s %s", name, variants[v] ? variants[v] : "FP32");
        if (qb_net_create(model, variant, pool, &net, &err)) /* it binds on nothing of this model */
            err = (struct qb_error){0};
        for (size_t d = 0; net && d < sizeof depths / sizeof *depths; d++)
            if (!model->arch.context || depths[d] < model->arch.context)
                step_behind(net, (size_t[]){1, 3, 17}[d % 3], depths[d], what);
        qb_net_free(net);
        qb_variant_free(variant);
    }
}

Test(working, what_a_step_needs_is_what_it_takes)
{
    static const char *const families[] = {"gemma2",  "gemma3",    "gpt2",       "llama", "llama-yarn",
                                           "mistral", "phi3-long", "phi3-short", "qwen2", "qwen3"};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct qb_model *model = NULL;
        char path[200];
        snprintf(path, sizeof path, "tests/golden/families/%s", families[i]);
        MUST(qb_model_open(path, registry, QB_ISA_PORTABLE, &model, &err));
        check_model(model, families[i]);
        qb_model_free(model);
    }
    struct qb_model *model = support_small("transformer", true);
    check_model(model, "transformer");
    qb_model_free(model);
    model = support_small("chain", true);
    model->arch.causal = false;
    check_model(model, "chain");
    qb_model_free(model);
}

/* By the definition: a value of FP32 takes 4 bytes, of FP16 2; a row of INT8 one each and a float. */
Test(working, a_cache_holds_what_its_format_says)
{
    enum { LAYERS = 2, HEADS = 3, DIM = 32, BATCH = 2, CAPACITY = 50 };
    static const size_t windows[LAYERS] = {0, 9};
    const struct qb_kv_shape plain = {LAYERS, BATCH, CAPACITY, HEADS, DIM, NULL, 1},
                             ring = {LAYERS, BATCH, CAPACITY, HEADS, DIM, windows, 1};
    struct qb_format fp16, int8;
    struct qb_yaml *row = NULL;
    struct qb_kv *kv = NULL;
    MUST(qb_yaml_parse("{scope: row}", 12, "options", &row, &err));
    MUST(qb_format_make(qb_registry_find(registry, "fp16"), NULL, QB_ISA_PORTABLE, &fp16, &err));
    MUST(qb_format_make(qb_registry_find(registry, "int8"), row, QB_ISA_PORTABLE, &int8, &err));
    MUST(qb_kv_create(&plain, NULL, &kv, &err));
    cr_expect_eq(qb_kv_held_bytes(kv), 0);
    MUST(qb_kv_fill(kv, 11, &err));
    cr_expect_eq(qb_kv_held_bytes(kv), 11 * BATCH * LAYERS * 2 * HEADS * DIM * 4);
    cr_expect_eq(qb_kv_bytes(kv), CAPACITY * BATCH * LAYERS * 2 * HEADS * DIM * 4);
    cr_expect_eq(qb_kv_fill(kv, 12, &err), QB_ERR_INTERNAL, "it is not empty");
    err = (struct qb_error){0};
    qb_kv_free(kv);
    const struct qb_kv_options blocks = {{&fp16, &int8}, 4, false, NULL};
    const size_t newest = 2 * LAYERS * 2 * BATCH * 3 * HEADS * DIM * 4, block = 4 * HEADS * (DIM * 2 + DIM + 4);
    for (size_t length = 0; length <= CAPACITY; length++) {
        MUST(qb_kv_create(&plain, &blocks, &kv, &err));
        MUST(qb_kv_fill(kv, length, &err));
        cr_expect_eq(qb_kv_held_bytes(kv), newest + length / 4 * BATCH * LAYERS * block, "%zu", length);
        qb_kv_free(kv);
    }
    MUST(qb_kv_create(&ring, &blocks, &kv, &err)); /* the second layer keeps (9 + 1 + 3) / 4 + 1 blocks */
    MUST(qb_kv_fill(kv, 48, &err));
    cr_expect_eq(qb_kv_held_bytes(kv), newest + (12 + 4) * BATCH * block);
    qb_kv_free(kv);
    size_t bytes = 0;
    const struct qb_kv_shape huge = {LAYERS, SIZE_MAX / 4, SIZE_MAX / 4, HEADS, DIM, NULL, 1};
    MUST(qb_kv_need(&huge, NULL, &bytes, &err));
    cr_expect_eq(bytes, SIZE_MAX);
    MUST(qb_kv_need(&huge, &blocks, &bytes, &err));
    cr_expect_eq(bytes, SIZE_MAX);
    qb_yaml_free(row);
    qb_format_free(&fp16);
    qb_format_free(&int8);
}

/* Filled blocks are the format's own: attention's tiles of block 0 and of any other are the same, and not 0. */
Test(working, a_filled_cache_has_blocks_that_decode)
{
    struct qb_format format;
    struct qb_kv *kv = NULL;
    struct qb_kv_view view;
    float first[4 * 32], later[4 * 32];
    MUST(qb_format_make(qb_registry_find(registry, "q8_0"), NULL, QB_ISA_PORTABLE, &format, &err));
    const struct qb_kv_shape shape = {2, 2, 40, 3, 32, NULL, 1};
    const struct qb_kv_options options = {{&format, &format}, 4, false, NULL};
    MUST(qb_kv_create(&shape, &options, &kv, &err));
    MUST(qb_kv_fill(kv, 39, &err));
    for (size_t i = 0; i < 2 * 2 * 2 * 3; i++) {
        const size_t layer = i / 12, seq = i / 6 % 2, side = i / 3 % 2, head = i % 3;
        qb_kv_view(kv, layer, &view);
        MUST(view.tiles.read(view.tiles.context, seq, side, head, 0, 4, first, &err));
        MUST(view.tiles.read(view.tiles.context, seq, side, head, 32, 4, later, &err));
        cr_expect_arr_eq(first, later, sizeof first);
        double power = 0;
        for (size_t k = 0; k < 128; k++)
            power += (double)first[k] * (double)first[k] / 128;
        cr_expect(power > 0.5 && power < 2, "%g, of normal numbers 1", power);
    }
    qb_kv_free(kv);
    qb_format_free(&format);
}

/* Pages of a large sparse buffer come as they are written; it is zero, aligned, counted and limited as any other. */
Test(working, sparse_buffers_take_what_is_written)
{
    const size_t size = (size_t)64 << 20, page = (size_t)sysconf(_SC_PAGESIZE), live = qb_mem_stats().live_bytes;
    unsigned char *x = qb_alloc_sparse(size, 1, "sparse", &err), *small = qb_alloc_sparse(1000, 3, "small", &err);
    unsigned char *resident = calloc(size / page + 2, 1);
    cr_assert(x && small && resident);
    cr_expect_eq((uintptr_t)x % 64, 0);
    cr_expect_eq(qb_size_of(x), size);
    cr_expect_eq(qb_mem_stats().live_bytes, live + size + 3000);
    memset(x + size / 2, 7, 10 * page);
    size_t pages = 0;
    cr_assert_eq(mincore(x - 64, size, resident), 0);
    for (size_t i = 0; i < size / page; i++)
        pages += resident[i] & 1;
    cr_expect(pages >= 11 && pages <= 13, "%zu pages of %zu", pages, size / page);
    cr_expect_eq(x[0] + x[size - 1], 0);
    for (size_t i = 0; i < 3000; i++)
        cr_assert_eq(small[i], 0);
    qb_free(x);
    qb_free(small);
    cr_expect_eq(qb_mem_stats().live_bytes, live);
    cr_expect_null(qb_alloc_sparse(SIZE_MAX / 2, 3, "sparse", &err));
    cr_expect_eq(err.status, QB_ERR_MEMORY);
    err = (struct qb_error){0};
    cr_expect_null(qb_alloc_sparse(SIZE_MAX / 4, 1, "sparse", &err), "more than the address space has");
    cr_expect_eq(err.status, QB_ERR_MEMORY);
    err = (struct qb_error){0};
    qb_mem_limit(1 << 20);
    cr_expect_null(qb_alloc_sparse(2 << 20, 1, "sparse", &err));
    cr_expect(strstr(err.message, "over the limit"), "%s", err.message);
    qb_mem_limit(0);
    err = (struct qb_error){0};
    free(resident);
}

Test(working, the_machine_says_what_it_has)
{
    const size_t room = qb_machine_room();
    cr_expect(room > (size_t)1 << 20 && room < (size_t)1 << 50, "%zu", room);
    unsigned char *x = malloc((size_t)257 << 20);
    memset(x, 1, (size_t)257 << 20);
    __asm__ volatile("" ::"r"(x) : "memory"); /* it is written before it goes */
    free(x);
    cr_assert(qb_peak_rss_bytes() > (size_t)256 << 20);
    cr_assert(qb_peak_rss_reset());
    cr_expect(qb_peak_rss_bytes() < (size_t)200 << 20, "the peak starts again: %zu", qb_peak_rss_bytes());
}
