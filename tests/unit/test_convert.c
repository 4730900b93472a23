/* Models converted to files of encoded weights: bitwise the logits of encoding in memory, bytes and SQNR as they are,
 * and what no file of weights can hold. */
#include "registry_fixture.h"

#include "base/file.h"
#include "model/convert.h"
#include "model_files.h"
#include "scratch.h"

enum { PROMPT = 9, STEPS = 12, VOCAB_MOST = 512 };

static struct qb_pool *pool;
static struct qb_converted *rows;
static size_t row_count;

static void begin(void)
{
    registry_begin();
    scratch_begin();
    pool = support_pool(2);
}

static void end(void)
{
    qb_free(rows);
    qb_pool_free(pool);
    registry_end();
    scratch_end();
}

TestSuite(convert, .init = begin, .fini = end);

static enum qb_status convert(const struct qb_model *model, const struct qb_variant *variant, bool force,
                              const char *path, struct qb_error *e)
{
    const struct qb_conversion conversion = {variant, force, "a test's", NULL};
    qb_free(rows);
    return qb_model_convert(model, &conversion, path, &rows, &row_count, e);
}

static void logits_of(const struct qb_model *model, const struct qb_variant *variant, float *logits)
{
    int32_t prompt[PROMPT], tokens[STEPS];
    struct qb_net *net = support_net(model, variant, NULL, pool);
    support_tokens(prompt, PROMPT, 5);
    support_greedy(net, prompt, PROMPT, STEPS, tokens, logits);
    qb_net_free(net);
}

static struct qb_model *open_model(const char *path)
{
    struct qb_model *model = NULL;
    MUST(qb_model_open(path, registry, qb_cpu()->isa, &model, &err));
    return model;
}

/* In memory, from the file, and from the file as any other variant reads it. */
static void same_logits(struct qb_model *model, const char *name)
{
    static float in_memory[STEPS * VOCAB_MOST], from_file[STEPS * VOCAB_MOST];
    cr_assert_leq(model->arch.vocab, VOCAB_MOST);
    struct qb_variant *variant = support_variant(registry, name), *fp32 = support_variant(registry, "fp32");
    const char *path = scratch_path(name);
    MUST(convert(model, variant, false, path, &err));
    struct qb_model *file = open_model(path);
    logits_of(model, variant, in_memory);
    logits_of(file, fp32, from_file);
    cr_expect_eq(memcmp(in_memory, from_file, sizeof in_memory), 0, "%s of %s", name, model->name);
    if (variant->encoded) {
        logits_of(model, fp32, in_memory);
        cr_expect_neq(memcmp(in_memory, from_file, sizeof in_memory), 0, "%s of %s is fp32", name, model->name);
    }
    qb_model_free(file);
    qb_variant_free(variant);
    qb_variant_free(fp32);
}

Test(convert, files_compute_bitwise_what_encoding_in_memory_does)
{
    static const char *const variants[] = {
        "fp32", "fp16", "bf16", "pattern-a", "pattern-a-packed", "pattern-a-cached", "int8-channel", "int8-tensor"};
    struct qb_model *models[] = {support_small("transformer", true), support_small("chain", false)};
    for (size_t m = 0; m < 2; m++) {
        MUST(qb_model_save(models[m], true, scratch_path("f16"), &err));
        struct qb_model *f16 = open_model(scratch_path("f16"));
        for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
            same_logits(models[m], variants[v]);
        same_logits(f16, "int8-channel");
        qb_model_free(f16);
        qb_model_free(models[m]);
    }
}

/* Every family's options and tensors pass through our layout: the same hash, and bitwise the logits of the variant. */
Test(convert, families_come_back)
{
    static const char *const families[] = {"gemma2",       "gemma3",       "gpt2",       "llama",
                                           "llama-linear", "llama-llama3", "llama-yarn", "mistral",
                                           "phi3-long",    "phi3-short",   "qwen2",      "qwen3"};
    struct qb_variant *fp32 = support_variant(registry, "fp32");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        for (size_t gguf = 0; gguf < 2; gguf++) {
            char path[128];
            snprintf(path, sizeof path, "tests/golden/families/%s%s", families[i], gguf ? "/model.gguf" : "");
            if (gguf && !qb_file_exists(path))
                continue;
            struct qb_model *model = open_model(path);
            MUST(convert(model, fp32, false, scratch_path(families[i]), &err));
            struct qb_model *file = open_model(scratch_path(families[i]));
            cr_expect_str_eq(file->sha256, model->sha256, "%s", path);
            qb_model_free(file);
            same_logits(model, "pattern-a");
            same_logits(model, "int8-channel");
            qb_model_free(model);
        }
    }
    qb_variant_free(fp32);
}

/* int8 by the row on a matrix of 24 columns: a byte a value and a float a row, so 8 + 32/24 bits. */
Test(convert, the_report_counts_what_is_in_the_file)
{
    struct qb_model *model = support_small("transformer", true);
    struct qb_variant *variant = support_variant(registry, "int8-channel");
    const char *path = scratch_path("m");
    MUST(convert(model, variant, false, path, &err));
    struct qb_weights *file = NULL;
    MUST(qb_weights_open(path, &file, &err));
    size_t bytes = 0, tensors = 0, data = 0;
    for (size_t i = 0; i < qb_weights_count(file); i++)
        data += qb_weights_at(file, i)->size;
    for (size_t i = 0; i < row_count; i++) {
        bytes += rows[i].bytes;
        tensors += rows[i].tensors;
        if (rows[i].roles == QB_ROLE_ATTN_O) {
            cr_expect_str_eq(rows[i].store, "int8");
            cr_expect_eq(rows[i].tensors, model->arch.layers);
            cr_expect_eq(rows[i].bytes * 24, rows[i].weights * (24 + 4));
            double sqnr = 10 * log10(rows[i].signal / rows[i].noise);
            cr_expect(sqnr > 38 && sqnr < 50, "%g dB", sqnr);
        }
    }
    cr_expect_eq(bytes, data);
    cr_expect_eq(tensors, qb_weights_count(file));
    qb_weights_free(file);
    qb_variant_free(variant);
    qb_model_free(model);
}

static void refused(const struct qb_model *model, const char *name, const char *say)
{
    struct qb_variant *variant = support_variant(registry, name);
    struct qb_error e = {0};
    cr_expect_eq(convert(model, variant, false, scratch_path("refused"), &e), QB_ERR_INPUT, "%s", name);
    cr_expect(strstr(e.message, say), "%s: '%s' lacks '%s'", name, e.message, say);
    cr_expect_not(qb_file_exists(scratch_path("refused")));
    qb_variant_free(variant);
}

Test(convert, what_no_file_of_weights_holds_is_refused)
{
    struct qb_model *model = support_small("transformer", true);
    struct qb_error e = {0};
    refused(model, "legacy", "computes on code values");
    refused(model, "calibrated-range-kept", "is calibrated");
    refused(model, "fp32-reordered", "another order");
    refused(model, "fp32-split", "multiplies BF16 terms");
    refused(model, "fp32-split2", "multiplies BF16 terms");
    struct qb_variant *part = variant_named("test", "{codec: int8, path: decode, placement: [attn.q, attn.k]}");
    cr_expect_eq(convert(model, part, false, scratch_path("m"), &e), QB_ERR_INPUT);
    cr_expect(strstr(e.message, "layers.0.attn.qkv.weight: variant test treats its row blocks"), "%s", e.message);
    qb_variant_free(part);
    struct qb_variant *none =
        variant_named("test", "{codec: int8, path: decode, placement: [mlp.*], tensors: [layers.9.*]}");
    e = (struct qb_error){0};
    cr_expect_eq(convert(model, none, false, scratch_path("m"), &e), QB_ERR_INPUT);
    cr_expect(strstr(e.message, "layers.9.*"), "%s", e.message);
    qb_variant_free(none);
    qb_model_free(model);
}

/* A lossy codec's bytes are encoded again only where nothing changes: int8's are a fixed point of int8. */
Test(convert, a_second_loss_must_be_asked_for)
{
    struct qb_model *model = support_small("transformer", true);
    struct qb_variant *int8 = support_variant(registry, "int8-channel");
    const char *path = scratch_path("int8");
    MUST(convert(model, int8, false, path, &err));
    struct qb_model *file = open_model(path);
    refused(file, "pattern-a", "encoded by int8 already: qins8 would lose a second time");
    refused(file, "fp16", "encoded by int8 already: fp16 would lose a second time");
    refused(file, "int8-tensor", "encoded by int8 already: int8 would lose a second time");
    MUST(convert(file, int8, false, scratch_path("again"), &err));
    struct qb_model *again = open_model(scratch_path("again"));
    cr_expect_str_eq(again->sha256, file->sha256);
    qb_model_free(again);
    struct qb_variant *qins = support_variant(registry, "pattern-a");
    MUST(convert(file, qins, true, scratch_path("forced"), &err));
    struct qb_model *forced = open_model(scratch_path("forced"));
    refused(forced, "pattern-a", "encoded by qins8 already, and encoding it again gives other bytes");
    qb_model_free(forced);
    qb_variant_free(qins);
    qb_variant_free(int8);
    qb_model_free(file);
    qb_model_free(model);
}

/* A tensor's bytes are of another type than the file's others: each lies at a multiple of its size. */
Test(convert, values_lie_aligned)
{
    struct qb_model *model = support_model("chain", 51, 7, 1, 3);
    struct qb_variant *variant = variant_named("test", "{codec: int8, path: decode, placement: [mlp.*]}");
    MUST(convert(model, variant, false, scratch_path("m"), &err));
    struct qb_model *file = open_model(scratch_path("m"));
    const struct qb_tensor *embed = qb_model_named(file, "embed.weight");
    cr_expect(embed && !embed->format, "read where it lies");
    qb_model_free(file);
    qb_variant_free(variant);
    qb_model_free(model);
}
