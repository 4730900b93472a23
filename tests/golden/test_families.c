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
    cr_expect(folders >= 15 && twins >= 9, "%zu folders, %zu GGUF files", folders, twins);
}
