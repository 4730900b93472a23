/* One model of a suite, and the shapes of the words that make its inputs. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "run/suite_parts.h"

enum qb_status qb_suite_count(const struct qb_yaml *map, const char *key, int64_t min, int64_t max, bool required,
                              size_t *value, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, key);
    int64_t number = 0;
    if (!node)
        return required ? qb_yaml_fail(map, err, "expected the key '%s'", key) : QB_OK;
    if (qb_yaml_int(node, min, max, &number, err))
        return err->status;
    *value = (size_t)number;
    return QB_OK;
}

/* seed: model | integer. */
static enum qb_status check_seed(const struct qb_yaml *map, bool generated, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, "seed");
    int64_t number;
    if (node && !(node->kind == QB_YAML_SCALAR && strcmp(node->scalar, "model") == 0))
        return qb_yaml_int(node, 0, UINT32_MAX, &number, err) ? qb_wrap(err, "seed is 'model' or a number") : QB_OK;
    if (!generated)
        return qb_yaml_fail(node ? node : map, err,
                            "'seed: model' continues a generator's draws; a model from a file has none: give a number");
    return QB_OK;
}

static enum qb_status check_file(const struct qb_suite *suite, const struct qb_yaml *node, struct qb_error *err)
{
    char path[4096];
    return qb_suite_file(suite, node, path, err);
}

enum qb_status qb_suite_check_prompt(const struct qb_suite *suite, const struct qb_yaml *node, bool generated,
                                     struct qb_error *err)
{
    static const char *const random_keys[] = {"random", "seed", NULL};
    static const char *const corpus_keys[] = {"corpus", "count", "length", "offset", NULL};
    size_t n;
    if (qb_yaml_expect(node, QB_YAML_MAP, err))
        return err->status;
    if (qb_yaml_get(node, "random")) {
        if (qb_yaml_known(node, random_keys, err) || qb_suite_count(node, "random", 1, 1 << 20, true, &n, err))
            return err->status;
        return check_seed(node, generated, err);
    }
    if (!qb_yaml_get(node, "corpus"))
        return qb_yaml_fail(node, err,
                            "expected {random: N, seed: model|N} or {corpus: FILE, count: N, length: N, offset: N}");
    if (qb_yaml_known(node, corpus_keys, err) || qb_suite_count(node, "count", 1, 1 << 16, true, &n, err) ||
        qb_suite_count(node, "length", 1, 1 << 20, true, &n, err) ||
        qb_suite_count(node, "offset", 0, 1 << 30, false, &n, err))
        return err->status;
    return check_file(suite, qb_yaml_get(node, "corpus"), err);
}

enum qb_status qb_suite_check_corpus(const struct qb_suite *suite, const struct qb_yaml *node, struct qb_error *err)
{
    static const char *const greedy_keys[] = {"greedy", NULL};
    static const char *const file_keys[] = {"file", "context", "chunks", "offset", NULL};
    size_t n;
    if (node->kind == QB_YAML_SCALAR)
        return check_file(suite, node, err);
    if (qb_yaml_expect(node, QB_YAML_MAP, err))
        return qb_wrap(err, "a corpus is a file, {file: FILE, context: N, chunks: N, offset: N} or {greedy: N}");
    if (qb_yaml_get(node, "greedy"))
        return qb_yaml_known(node, greedy_keys, err) || qb_suite_count(node, "greedy", 1, 1 << 20, true, &n, err)
                   ? err->status
                   : QB_OK;
    if (!qb_yaml_get(node, "file"))
        return qb_yaml_fail(node, err,
                            "expected a file, {file: FILE, context: N, chunks: N, offset: N} or {greedy: N}");
    if (qb_yaml_known(node, file_keys, err) || qb_suite_count(node, "context", 2, 1 << 20, false, &n, err) ||
        qb_suite_count(node, "chunks", 1, 1 << 20, false, &n, err) ||
        qb_suite_count(node, "offset", 0, 1 << 30, false, &n, err))
        return err->status;
    return check_file(suite, qb_yaml_get(node, "file"), err);
}

enum qb_status qb_suite_check_calibration(const struct qb_suite *suite, const struct qb_yaml *node, bool generated,
                                          struct qb_error *err)
{
    static const char *const random_keys[] = {"random", "length", "seed", NULL};
    static const char *const corpus_keys[] = {"corpus", "contexts", "length", "offset", NULL};
    size_t n;
    if (qb_yaml_expect(node, QB_YAML_MAP, err))
        return err->status;
    bool random = qb_yaml_get(node, "random") != NULL;
    if (!random && !qb_yaml_get(node, "corpus"))
        return qb_yaml_fail(node, err,
                            "expected {random: N, length: N} or {corpus: FILE, contexts: N, length: N, offset: N}");
    if (qb_yaml_known(node, random ? random_keys : corpus_keys, err) ||
        qb_suite_count(node, random ? "random" : "contexts", 1, 1 << 16, true, &n, err) ||
        qb_suite_count(node, "length", 1, 1 << 16, true, &n, err) ||
        qb_suite_count(node, "offset", 0, 1 << 30, false, &n, err))
        return err->status;
    return random ? check_seed(node, generated, err) : check_file(suite, qb_yaml_get(node, "corpus"), err);
}

static enum qb_status read_generator(const struct qb_yaml *node, const char *generator, struct qb_suite_model *model,
                                     struct qb_error *err)
{
    const struct qb_family *family = qb_family_find(generator);
    size_t seed = 42;
    model->generated = (struct qb_generator_options){.vocab = 5000, .hidden = 256, .layers = 3, .seed = 42};
    if (!family || !family->generated_inner) {
        struct qb_text names = {0};
        qb_family_names(true, &names);
        qb_yaml_fail(qb_yaml_get(node, "generator"), err, "expected %s, found '%.*s'",
                     names.data ? names.data : "another", QB_UPTO(80, generator));
        qb_text_free(&names);
        return err->status;
    }
    if (!(model->generator = qb_strdup(generator, err)) ||
        qb_suite_count(node, "vocab", 1, 1 << 20, false, &model->generated.vocab, err) ||
        qb_suite_count(node, "hidden", 1, 1 << 14, false, &model->generated.hidden, err) ||
        qb_suite_count(node, "layers", 1, 1024, false, &model->generated.layers, err) ||
        qb_suite_count(node, "seed", 0, UINT32_MAX, false, &seed, err))
        return err->status;
    model->generated.seed = (uint32_t)seed;
    return QB_OK;
}

/* Where the weights come from: exactly one of generator and file. */
static enum qb_status read_weights(struct qb_suite *suite, const struct qb_yaml *node, struct qb_suite_model *model,
                                   struct qb_error *err)
{
    static const char *const generator_keys[] = {"vocab", "hidden", "layers", "seed"};
    const struct qb_yaml *generator = qb_yaml_get(node, "generator"), *file = qb_yaml_get(node, "file");
    const char *text = NULL;
    char path[4096];
    if (!generator == !file)
        return qb_yaml_fail(node, err, "expected either 'generator: NAME' or 'file: MODEL.safetensors'");
    if (generator)
        return qb_yaml_text(generator, &text, err) ? err->status : read_generator(node, text, model, err);
    for (size_t i = 0; i < sizeof generator_keys / sizeof *generator_keys; i++)
        if (qb_yaml_get(node, generator_keys[i]))
            return qb_yaml_fail(qb_yaml_get(node, generator_keys[i]), err,
                                "this key belongs to generated models; '%s' is read from a file", node->key);
    if (qb_suite_file(suite, file, path, err))
        return err->status;
    model->file = qb_strdup(path, err);
    return model->file ? QB_OK : err->status;
}

enum qb_status qb_suite_list(const struct qb_yaml *node, const char *key, const struct qb_yaml **list,
                             struct qb_error *err)
{
    const char *text;
    *list = qb_yaml_get(node, key);
    if (!*list)
        return QB_OK;
    if (qb_yaml_expect(*list, QB_YAML_LIST, err))
        return err->status;
    for (size_t i = 0; i < (*list)->count; i++)
        if (qb_yaml_text((*list)->children[i], &text, err))
            return err->status;
    return (*list)->count ? QB_OK : qb_yaml_fail(*list, err, "expected at least one name");
}

enum qb_status qb_suite_read_model(struct qb_suite *suite, const struct qb_yaml *node, struct qb_suite_model *model,
                                   struct qb_error *err)
{
    static const char *const known[] = {"generator", "vocab",   "hidden", "layers",      "seed",
                                        "file",      "prompt",  "corpus", "calibration", "experiments",
                                        "variants",  "options", NULL};
    model->node = node;
    if (qb_suite_name(node, node->key, "a model name", err) || qb_yaml_expect(node, QB_YAML_MAP, err) ||
        qb_yaml_known(node, known, err) || !(model->name = qb_strdup(node->key, err)) ||
        read_weights(suite, node, model, err))
        return err->status;
    bool generated = model->generator != NULL;
    model->prompt = qb_yaml_get(node, "prompt");
    model->corpus = qb_yaml_get(node, "corpus");
    model->calibration = qb_yaml_get(node, "calibration");
    model->options = qb_yaml_get(node, "options");
    if ((model->prompt && qb_suite_check_prompt(suite, model->prompt, generated, err)) ||
        (model->corpus && qb_suite_check_corpus(suite, model->corpus, err)) ||
        (model->calibration && qb_suite_check_calibration(suite, model->calibration, generated, err)) ||
        qb_suite_list(node, "experiments", &model->experiments, err) ||
        qb_suite_list(node, "variants", &model->variants, err))
        return err->status;
    return QB_OK;
}

enum qb_status qb_suite_open_model(const struct qb_suite *suite, const struct qb_suite_model *entry,
                                   struct qb_model **model, struct qb_error *err)
{
    enum qb_status s = entry->generator ? qb_model_generate(entry->generator, &entry->generated, model, err)
                                        : qb_model_open(entry->file, suite->registry, suite->isa, model, err);
    if (s)
        return qb_wrap(err, "model '%s'", entry->name);
    /* Users know a model by the suite's name for it; messages say that one. */
    char *name = qb_strdup(entry->name, err);
    if (!name) {
        qb_model_free(*model);
        *model = NULL;
        return err->status;
    }
    qb_free((*model)->name);
    (*model)->name = name;
    return QB_OK;
}
