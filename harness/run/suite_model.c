/* One model of a suite. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "run/suite_parts.h"
#include "tokenizer/tokenizer.h"

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

/* Where the weights come from: exactly one of generator and file; the file of a model that is optional or not wanted
 * need not be there. */
static enum qb_status read_weights(struct qb_suite *suite, const struct qb_yaml *node, bool wanted,
                                   struct qb_suite_model *model, struct qb_error *err)
{
    static const char *const generator_keys[] = {"vocab", "hidden", "layers", "seed"};
    const struct qb_yaml *generator = qb_yaml_get(node, "generator"), *file = qb_yaml_get(node, "file");
    const struct qb_yaml *optional = qb_yaml_get(node, "optional");
    const char *text = NULL;
    char path[4096];
    if (!generator == !file)
        return qb_yaml_fail(node, err, "expected either 'generator: NAME' or 'file: MODEL.safetensors'");
    if (optional && qb_yaml_bool(optional, &model->optional, err))
        return err->status;
    if (optional && generator)
        return qb_yaml_fail(optional, err, "this key belongs to models of files; '%s' is generated", node->key);
    if (generator)
        return qb_yaml_text(generator, &text, err) ? err->status : read_generator(node, text, model, err);
    for (size_t i = 0; i < sizeof generator_keys / sizeof *generator_keys; i++)
        if (qb_yaml_get(node, generator_keys[i]))
            return qb_yaml_fail(qb_yaml_get(node, generator_keys[i]), err,
                                "this key belongs to generated models; '%s' is read from a file", node->key);
    struct qb_error missing = {0};
    if (qb_yaml_text(file, &text, err))
        return err->status;
    model->absent = (model->optional || !wanted) && qb_suite_file(suite, file, path, &missing);
    if (model->absent || qb_suite_file(suite, file, path, err))
        return err->status;
    model->file = qb_strdup(path, err);
    return model->file ? QB_OK : err->status;
}

enum qb_status qb_suite_read_model(struct qb_suite *suite, const struct qb_yaml *node, bool wanted,
                                   struct qb_suite_model *model, struct qb_error *err)
{
    static const char *const known[] = {"generator", "vocab",   "hidden",    "layers",      "seed",
                                        "file",      "prompt",  "corpus",    "calibration", "experiments",
                                        "variants",  "options", "tokenizer", "optional",    NULL};
    model->node = node;
    if (qb_suite_name(node, node->key, "a model name", err) || qb_yaml_expect(node, QB_YAML_MAP, err) ||
        qb_yaml_known(node, known, err) || !(model->name = qb_strdup(node->key, err)) ||
        read_weights(suite, node, wanted, model, err))
        return err->status;
    bool generated = model->generator != NULL;
    const struct qb_yaml *tokenizer = qb_yaml_get(node, "tokenizer");
    char path[4096];
    if (tokenizer && (qb_suite_file(suite, tokenizer, path, err) || !(model->tokenizer = qb_strdup(path, err))))
        return err->status;
    model->options = qb_yaml_get(node, "options");
    if (qb_words_prompt(suite, qb_yaml_get(node, "prompt"), generated, &model->prompt, err) ||
        qb_words_text(suite, qb_yaml_get(node, "corpus"), &model->corpus, err) ||
        qb_words_calibration(suite, qb_yaml_get(node, "calibration"), generated, &model->calibration, err) ||
        qb_suite_list(node, "experiments", &model->experiments, err) ||
        qb_suite_list(node, "variants", &model->variants, err))
        return err->status;
    return QB_OK;
}

static enum qb_status take_tokenizer(const struct qb_suite_model *entry, struct qb_model *model, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(entry->node, "tokenizer");
    struct qb_tokenizer *tokenizer = NULL;
    if (qb_tokenizer_open(entry->tokenizer, &tokenizer, err))
        return qb_wrap(err, "%s:%u: key 'tokenizer'", node->file, node->line);
    const size_t tokens = qb_tokenizer_vocab(tokenizer);
    qb_tokenizer_free(tokenizer);
    if (tokens > model->arch.vocab)
        return qb_yaml_fail(node, err, "%s has %zu tokens, model '%s' a vocabulary of %zu", entry->tokenizer, tokens,
                            entry->name, model->arch.vocab);
    qb_free(model->tokenizer);
    model->tokenizer = qb_strdup(entry->tokenizer, err);
    return err->status;
}

enum qb_status qb_suite_open_model(const struct qb_suite *suite, const struct qb_suite_model *entry,
                                   struct qb_model **model, struct qb_error *err)
{
    if (entry->generator ? qb_model_generate(entry->generator, &entry->generated, model, err)
                         : qb_model_open(entry->file, suite->registry, suite->isa, model, err))
        return qb_wrap(err, "model '%s'", entry->name);
    if (entry->tokenizer && take_tokenizer(entry, *model, err)) {
        qb_model_free(*model);
        *model = NULL;
        return err->status;
    }
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
