/* Weights drawn like a trained model's (model/like.h) against NumPy's statistics of it (make_like.py): of tiny-llama,
 * in the shape of a Phi-3. */
#include "net_support.h"

#include "base/file.h"
#include "golden_numbers.h"
#include "model/like.h"

/* So many standard errors of NumPy's own draws of the same size. */
static const double tolerance = 5;

static const char shape[] = "{\"model_type\":\"phi3\",\"vocab_size\":400,\"hidden_size\":192,\"intermediate_size\":320,"
                            "\"num_hidden_layers\":11,\"num_attention_heads\":6,\"num_key_value_heads\":2,"
                            "\"tie_word_embeddings\":false}";

enum { STATISTICS = 5 };
struct statistics {
    double
        values[STATISTICS]; /* as make_like.py: mean, deviation, kurtosis, mean and deviation of the rows' deviations */
};

static double deviation(const float *x, size_t n, double *mean, double *kurtosis)
{
    double m2 = 0, m4 = 0;
    *mean = 0;
    for (size_t i = 0; i < n; i++)
        *mean += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double d = ((double)x[i] - *mean) * ((double)x[i] - *mean);
        m2 += d / (double)n;
        m4 += d * d / (double)n;
    }
    *kurtosis = m4 / (m2 * m2);
    return sqrt(m2);
}

static struct statistics measure(const float *x, size_t rows, size_t cols)
{
    struct statistics s;
    double mean, kurtosis, sum = 0, squares = 0;
    s.values[1] = deviation(x, rows * cols, &s.values[0], &s.values[2]);
    for (size_t r = 0; r < rows; r++) {
        const double row = deviation(x + r * cols, cols, &mean, &kurtosis);
        sum += row;
        squares += row * row;
    }
    s.values[3] = sum / (double)rows;
    s.values[4] = sqrt(fmax(0, squares / (double)rows - s.values[3] * s.values[3]));
    return s;
}

/* The largest distance from what is due, in standard errors. */
static double distance(const struct statistics *s, const json_t *due)
{
    const json_t *value = json_object_get(due, "value"), *se = json_object_get(due, "se");
    double worst = 0;
    cr_assert(json_array_size(value) >= 3 && json_array_size(value) == json_array_size(se));
    for (size_t i = 0; i < json_array_size(value); i++)
        worst = fmax(worst, fabs(s->values[i] - json_number_value(json_array_get(value, i))) /
                                json_number_value(json_array_get(se, i)));
    return worst;
}

static char folder[] = "/tmp/qb_like.XXXXXX", model_path[64], shape_path[64];

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static struct qb_model *make(struct qb_registry *registry)
{
    struct qb_model *trained = NULL, *drawn = NULL;
    struct qb_like_done done;
    struct qb_error err = {0};
    struct qb_pool *pool = support_pool(2);
    cr_assert_not_null(mkdtemp(folder));
    snprintf(shape_path, sizeof shape_path, "%s/shape.json", folder);
    snprintf(model_path, sizeof model_path, "%s/model", folder);
    MUST(qb_file_replace(shape_path, shape, strlen(shape), &err));
    MUST(qb_model_open("data/models/tiny-llama", registry, qb_cpu()->isa, &trained, &err));
    const struct qb_like like = {trained, shape_path, 42, (size_t)1 << 30};
    MUST(qb_model_write_like(&like, pool, model_path, &done, &err));
    cr_assert(done.neutral == 0 && done.tokenizer && !done.trained_tokenizer);
    MUST(qb_model_open(model_path, registry, qb_cpu()->isa, &drawn, &err));
    qb_model_free(trained);
    qb_pool_free(pool);
    return drawn;
}

/* The statistics of the block of `role` (or of a norm) in a layer. */
static struct statistics of(const struct qb_model *model, uint32_t role, enum qb_norm_at norm, int layer)
{
    struct qb_error err = {0};
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct qb_tensor *tensor = &model->tensors[i];
        size_t first = 0, rows = tensor->rows;
        if (tensor->layer != layer || tensor->norm != norm || (role && !(tensor->roles & role)))
            continue;
        if (role)
            rows = qb_role_rows(tensor->roles, tensor->rows, tensor->block_rows, qb_role_block(tensor->roles, role),
                                &first);
        float *x = qb_alloc(rows * tensor->cols, sizeof *x, "rows", &err);
        MUST(qb_tensor_rows(tensor, first, rows, x, &err));
        const struct statistics s = measure(x, rows, tensor->cols);
        qb_free(x);
        return s;
    }
    cr_assert(false, "no tensor of role %u, norm %d in layer %d", role, (int)norm, layer);
    return (struct statistics){{0}};
}

static const struct {
    const char *name;
    uint32_t role;
    enum qb_norm_at norm;
} parts[] = {{"attn.q", QB_ROLE_ATTN_Q, QB_NORM_NOWHERE},
             {"attn.k", QB_ROLE_ATTN_K, QB_NORM_NOWHERE},
             {"attn.v", QB_ROLE_ATTN_V, QB_NORM_NOWHERE},
             {"attn.o", QB_ROLE_ATTN_O, QB_NORM_NOWHERE},
             {"mlp.gate", QB_ROLE_MLP_GATE, QB_NORM_NOWHERE},
             {"mlp.up", QB_ROLE_MLP_UP, QB_NORM_NOWHERE},
             {"mlp.down", QB_ROLE_MLP_DOWN, QB_NORM_NOWHERE},
             {"norm1", 0, QB_NORM_BEFORE_ATTENTION},
             {"norm2", 0, QB_NORM_BEFORE_MLP}};
enum { PARTS = sizeof parts / sizeof *parts, MATRICES = 7 };

static void check(const char *what, int layer, const struct statistics *s, const json_t *due)
{
    const double off = distance(s, due);
    cr_expect(off < tolerance, "layer %d, %s: %.2f standard errors off", layer, what, off);
    if (getenv("GOLDEN_SHOW"))
        fprintf(stderr, "layer %d, %s: %.2f standard errors off\n", layer, what, off);
}

Test(like, statistics_are_the_trained_model_s)
{
    struct qb_registry *registry = support_registry();
    struct qb_model *model = make(registry);
    json_t *golden = golden_open("tests/golden/like.json"), *layers = json_object_get(golden, "layers");
    cr_assert_eq(json_array_size(layers), model->arch.layers);
    for (size_t l = 0; l < model->arch.layers; l++)
        for (size_t p = 0; p < PARTS; p++) {
            const struct statistics s = of(model, parts[p].role, parts[p].norm, (int)l);
            check(parts[p].name, (int)l, &s, json_object_get(json_array_get(layers, l), parts[p].name));
        }
    struct statistics s = of(model, QB_ROLE_EMBED, QB_NORM_NOWHERE, -1);
    check("embed", -1, &s, json_object_get(golden, "embed"));
    s = of(model, QB_ROLE_HEAD, QB_NORM_NOWHERE, -1);
    check("head", -1, &s, json_object_get(golden, "head"));
    s = of(model, 0, QB_NORM_FINAL, -1);
    check("norm", -1, &s, json_object_get(golden, "norm"));

    /* That the check can fail: attn.q's statistics of the others (of mlp.up those of attn.q), those of the other end of
     * the model, and normal values of the same mean and deviation, whose tails are too thin. */
    const json_t *first = json_array_get(layers, 0), *last = json_array_get(layers, model->arch.layers - 1);
    for (size_t p = 0; p < MATRICES; p++) {
        s = of(model, parts[p].role, parts[p].norm, 0);
        cr_expect(distance(&s, json_object_get(first, p ? "attn.q" : "mlp.up")) > tolerance,
                  "%s passes for another role", parts[p].name);
        cr_expect(distance(&s, json_object_get(last, parts[p].name)) > tolerance, "%s passes for another depth",
                  parts[p].name);
    }
    enum { WIDTH = 192 };
    static float normal[WIDTH * WIDTH];
    struct qb_rng rng;
    s = of(model, QB_ROLE_ATTN_Q, QB_NORM_NOWHERE, 0);
    qb_rng_seed(&rng, 1);
    qb_rng_normal(&rng, (float)s.values[0], (float)s.values[1], normal, (size_t)WIDTH * WIDTH);
    s = measure(normal, WIDTH, WIDTH);
    cr_expect(distance(&s, json_object_get(first, "attn.q")) > tolerance, "normal values pass");
    json_decref(golden);
    qb_model_free(model);
    qb_registry_free(registry);
    remove_folder();
}
