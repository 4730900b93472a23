/* Tiny models of every family against transformers' logits (make_families.py): from Hugging Face folders and, under
 * llama.cpp's conversion rules, from GGUF; the whole sequence at once, and token by token. */
#include "net_support.h"

#include <dirent.h>
#include "base/file.h"

enum { T = 40 };

static struct qb_pool *pool;
static struct qb_registry *registry;

static void begin(void)
{
    registry = support_registry();
    pool = support_pool(2);
}

static void end(void)
{
    qb_pool_free(pool);
    qb_registry_free(registry);
}

TestSuite(families, .init = begin, .fini = end);

struct golden {
    struct qb_weights *file;
    const float *tokens, *logits;
    size_t vocab;
};

static struct golden open_golden(const char *folder)
{
    struct golden golden = {0};
    struct qb_error err = {0};
    char path[400];
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    MUST(qb_weights_open(path, &golden.file, &err));
    const struct qb_source_tensor *tokens = qb_weights_find(golden.file, "tokens");
    const struct qb_source_tensor *logits = qb_weights_find(golden.file, "logits");
    cr_assert(tokens && logits && tokens->cols == T && logits->rows == T);
    golden.tokens = tokens->bytes;
    golden.logits = logits->bytes;
    golden.vocab = logits->cols;
    return golden;
}

/* The largest difference beside the largest logit; NaN counts as infinite. */
static double distance(const float *x, const float *expected, size_t n)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)x[i] - (double)expected[i]);
        difference = d <= difference ? difference : isnan(d) ? INFINITY : d;
        size = fmax(size, fabs((double)expected[i]));
    }
    return difference / size;
}

static void step_by_step(struct qb_net *net, const int32_t *tokens, float *logits)
{
    struct qb_error err = {0};
    struct qb_decoder *decoder = NULL;
    const size_t vocab = qb_net_model(net)->arch.vocab, width = qb_net_model(net)->arch.hidden;
    float *hidden = qb_alloc(width, sizeof *hidden, "hidden", &err);
    MUST(qb_decoder_create(net, 1, T, &decoder, &err));
    for (size_t i = 0; i < T; i++) {
        MUST(qb_decoder_feed(decoder, &tokens[i], 1, hidden, &err));
        MUST(qb_net_logits(net, hidden, 1, logits + i * vocab, &err));
    }
    qb_decoder_free(decoder);
    qb_free(hidden);
}

static double compare(const struct qb_model *model, const struct golden *golden, double *stepped)
{
    struct qb_error err = {0};
    int32_t tokens[T];
    const size_t n = T * golden->vocab;
    struct qb_net *net = support_net(model, NULL, NULL, pool);
    float *hidden = qb_alloc(T * model->arch.hidden, sizeof *hidden, "hidden", &err);
    float *logits = qb_alloc(n, sizeof *logits, "logits", &err);
    for (size_t i = 0; i < T; i++)
        tokens[i] = (int32_t)golden->tokens[i];
    cr_assert_eq(model->arch.vocab, golden->vocab);
    MUST(qb_net_forward(net, tokens, 1, T, hidden, &err));
    MUST(qb_net_logits(net, hidden, T, logits, &err));
    double whole = distance(logits, golden->logits, n);
    step_by_step(net, tokens, logits);
    *stepped = distance(logits, golden->logits, n);
    qb_free(hidden);
    qb_free(logits);
    qb_net_free(net);
    return whole;
}

static void check(const char *path, const struct golden *golden)
{
    struct qb_error err = {0};
    struct qb_model *model = NULL;
    double stepped, whole;
    MUST(qb_model_open(path, registry, qb_cpu()->isa, &model, &err));
    whole = compare(model, golden, &stepped);
    cr_expect(whole <= 2e-5, "%s: %.3g of the largest logit", path, whole);
    cr_expect(stepped <= 2e-5, "%s, token by token: %.3g of the largest logit", path, stepped);
    if (getenv("QINSBENCH_SHOW"))
        fprintf(stderr, "%-50s %.2e %.2e\n", path, whole, stepped);
    qb_model_free(model);
}

/* A reader that took an option for another's value would be seen: each option that a model has moves its logits. */
Test(families, every_option_matters)
{
    static const struct {
        const char *model, *option, *text;
    } faults[] = {{"llama", "norm_eps", "1e-3"},
                  {"llama", "rope.theta", "11000"},
                  {"llama", "rope.pairs", "true"},
                  {"llama", "rope.dims", "4"},
                  {"llama/model.gguf", "rope.pairs", "false"},
                  {"llama-linear", "rope.factor", "4.1"},
                  {"llama-linear", "rope.scaling", "plain"},
                  {"llama-llama3", "rope.factor", "7"},
                  {"llama-llama3", "rope.low_freq_factor", "1.5"},
                  {"llama-llama3", "rope.high_freq_factor", "8"},
                  {"llama-llama3", "rope.original_context", "32"},
                  {"llama-yarn", "rope.factor", "5"},
                  {"llama-yarn", "rope.beta_fast", "0.3"},
                  {"llama-yarn", "rope.beta_slow", "0.1"},
                  {"llama-yarn", "rope.original_context", "128"},
                  {"llama-yarn", "rope.attention_factor", "1"},
                  {"mistral", "window", "9"},
                  {"mistral", "windowed", "0"},
                  {"gpt2", "activation", "gelu"},
                  {"gpt2", "norm_eps", "1e-3"},
                  {"phi3-short", "windowed_rope.short_factor", "1,1.3"},
                  {"phi3-short", "windowed_rope.original_context", "39"},
                  {"phi3-short", "window", "11"},
                  {"phi3-long", "windowed_rope.long_factor", "1.6,4"},
                  {"phi3-long", "windowed_rope.original_context", "40"},
                  {"phi3-long", "windowed_rope.attention_factor", "1"},
                  {"qwen2", "window", "7"},
                  {"qwen2", "windowed", "0-2"},
                  {"gemma", "embed_scale", "4.8"},
                  {"gemma", "activation", "gelu"},
                  {"gemma2", "attention_softcap", "5"},
                  {"gemma2", "logit_softcap", "7"},
                  {"gemma2", "attention_scale", "0.26"},
                  {"gemma2", "embed_scale", "4.8"},
                  {"gemma2", "norm_plus_one", "false"},
                  {"gemma2", "windowed", "1"},
                  {"gemma2/model.gguf", "norm_plus_one", "true"},
                  {"gemma3", "rope.factor", "7"},
                  {"gemma3", "rope.theta", "500000"},
                  {"gemma3", "windowed_rope.theta", "11000"},
                  {"gemma3", "windowed", "0-2"}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char path[300], folder[300];
        struct qb_error err = {0};
        struct qb_model *model = NULL;
        double stepped;
        snprintf(path, sizeof path, "tests/golden/families/%s", faults[i].model);
        snprintf(folder, sizeof folder, "tests/golden/families/%.*s", (int)strcspn(faults[i].model, "/"),
                 faults[i].model);
        struct golden golden = open_golden(folder);
        MUST(qb_model_open(path, registry, qb_cpu()->isa, &model, &err));
        MUST(qb_arch_option_read(&model->arch, faults[i].option, faults[i].text, &err));
        double whole = compare(model, &golden, &stepped);
        cr_expect(whole > 1e-4 && stepped > 1e-4, "%s, %s %s: only %.3g, %.3g away", path, faults[i].option,
                  faults[i].text, whole, stepped);
        qb_model_free(model);
        qb_weights_free(golden.file);
    }
}

/* One family, one set of values, two forms: one hash. And our own layout carries every option. */
Test(families, own_layout_carries_every_family)
{
    static const char *const same[] = {"qwen2-full", "qwen3", "gpt2"};
    struct dirent **entries = NULL;
    int count = scandir("tests/golden/families", &entries, NULL, alphasort);
    char file[] = "/tmp/qb-families-XXXXXX";
    cr_assert_geq(mkstemp(file), 0);
    for (int i = 0; i < count; i++) {
        char folder[300];
        struct qb_error err = {0};
        struct qb_model *model = NULL, *back = NULL;
        snprintf(folder, sizeof folder, "tests/golden/families/%s", entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            MUST(qb_model_open(folder, registry, qb_cpu()->isa, &model, &err));
            MUST(qb_model_save(model, false, file, &err));
            MUST(qb_model_open(file, NULL, QB_ISA_PORTABLE, &back, &err));
            cr_expect_str_eq(model->sha256, back->sha256, "%s", folder);
            cr_expect_eq(model->arch.trained_context, back->arch.trained_context, "%s", folder);
            qb_model_free(model);
            qb_model_free(back);
        }
        free(entries[i]);
    }
    free(entries);
    unlink(file);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char path[300];
        struct qb_error err = {0};
        struct qb_model *folder = NULL, *gguf = NULL;
        snprintf(path, sizeof path, "tests/golden/families/%s", same[i]);
        MUST(qb_model_open(path, registry, qb_cpu()->isa, &folder, &err));
        strcat(path, "/model.gguf");
        MUST(qb_model_open(path, registry, qb_cpu()->isa, &gguf, &err));
        cr_expect_str_eq(folder->sha256, gguf->sha256, "%s", path);
        qb_model_free(folder);
        qb_model_free(gguf);
    }
}

Test(families, logits_are_those_of_transformers)
{
    struct dirent **entries = NULL;
    size_t folders = 0, twins = 0;
    int count = scandir("tests/golden/families", &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char folder[300], twin[320];
        snprintf(folder, sizeof folder, "tests/golden/families/%s", entries[i]->d_name);
        snprintf(twin, sizeof twin, "%s/model.gguf", folder);
        if (entries[i]->d_name[0] != '.') {
            struct golden golden = open_golden(folder);
            check(folder, &golden);
            if (qb_file_exists(twin))
                check(twin, &golden);
            twins += qb_file_exists(twin);
            folders++;
            qb_weights_free(golden.file);
        }
        free(entries[i]);
    }
    free(entries);
    cr_expect(folders >= 16 && twins >= 11, "%zu folders, %zu GGUF files", folders, twins);
}
