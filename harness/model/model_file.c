/* Models as safetensors files in the layout of data/models/README.md: architecture options as metadata, tensors by
 * name. Everything the architecture needs must be there in its shape, and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/model_parts.h"

static const char *const known_meta[] = {"format",    "architecture", "heads",      "causal",    "positions",
                                         "norm",      "norm_eps",     "activation", "tied_head", "context",
                                         "tokenizer", "origin",       "license",    NULL};

#define SIZE_MOST ((size_t)1 << 24) /* of vocab, widths, context: far over any model, and products of two fit */

static enum qb_status meta_word(const struct qb_weights *file, const char *key, const char *const *words, int *value,
                                struct qb_error *err)
{
    const char *text = qb_weights_meta(file, key);
    if (!text)
        return QB_OK;
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0) {
            *value = i;
            return QB_OK;
        }
    struct qb_text list = {0};
    for (int i = 0; words[i]; i++)
        qb_text_add(&list, "%s%s", i ? ", " : "", words[i]);
    qb_fail(err, QB_ERR_INPUT, "__metadata__: %s is '%.*s', expected one of %s", key, QB_UPTO(64, text),
            list.data ? list.data : "the known words");
    qb_text_free(&list);
    return err->status;
}

static enum qb_status meta_flag(const struct qb_weights *file, const char *key, bool *value, struct qb_error *err)
{
    int word = *value;
    if (meta_word(file, key, (const char *const[]){"false", "true", NULL}, &word, err))
        return err->status;
    *value = word == 1;
    return QB_OK;
}

static enum qb_status meta_size(const struct qb_weights *file, const char *key, size_t least, size_t *value,
                                struct qb_error *err)
{
    const char *text = qb_weights_meta(file, key);
    if (!text)
        return QB_OK;
    unsigned long number = strtoul(text, NULL, 10);
    if (!*text || strlen(text) > 9 || text[strspn(text, "0123456789")] || number < least || number > SIZE_MOST)
        return qb_fail(err, QB_ERR_INPUT, "__metadata__: %s is '%.*s', expected a number from %zu to %zu", key,
                       QB_UPTO(64, text), least, SIZE_MOST);
    *value = number;
    return QB_OK;
}

static enum qb_status meta_epsilon(const struct qb_weights *file, float *value, struct qb_error *err)
{
    const char *text = qb_weights_meta(file, "norm_eps");
    char *end = NULL;
    if (!text)
        return QB_OK;
    float number = strtof(text, &end);
    if (!*text || *end || !(number > 0.0f && number <= 1.0f))
        return qb_fail(err, QB_ERR_INPUT, "__metadata__: norm_eps is '%.*s', expected a number in (0, 1]",
                       QB_UPTO(64, text));
    *value = number;
    return QB_OK;
}

static enum qb_status unknown_family(const char *name, struct qb_error *err)
{
    struct qb_text names = {0};
    qb_family_names(false, &names);
    qb_fail(err, QB_ERR_INPUT, "__metadata__: architecture is '%.*s', expected %s", QB_UPTO(64, name),
            names.data ? names.data : "a known one");
    qb_text_free(&names);
    return err->status;
}

/* Options from the metadata over the architecture's own. */
static enum qb_status read_options(const struct qb_weights *file, struct qb_arch *arch, struct qb_error *err)
{
    const char *name = qb_weights_meta(file, "architecture");
    const struct qb_family *family = name ? qb_family_find(name) : NULL;
    if (!family)
        return unknown_family(name ? name : "", err);
    *arch = family->options;
    int positions = 0, activation = arch->activation == QB_ACT_GELU;
    int norm = arch->block_norm != QB_NORM_NONE ? 2 : arch->final_norm != QB_NORM_NONE ? 1 : 0;
    if (meta_size(file, "heads", 1, &arch->heads, err) || meta_size(file, "context", 0, &arch->context, err) ||
        meta_flag(file, "causal", &arch->causal, err) || meta_flag(file, "tied_head", &arch->tied_head, err) ||
        meta_epsilon(file, &arch->norm_eps, err) ||
        meta_word(file, "positions", (const char *const[]){"none", "learned", NULL}, &positions, err) ||
        meta_word(file, "norm", (const char *const[]){"none", "final", "pre", NULL}, &norm, err) ||
        meta_word(file, "activation", (const char *const[]){"relu", "gelu", NULL}, &activation, err))
        return err->status;
    arch->learned_positions = positions == 1;
    arch->block_norm = norm == 2 ? QB_NORM_LAYERNORM : QB_NORM_NONE;
    arch->final_norm = norm ? QB_NORM_LAYERNORM : QB_NORM_NONE;
    arch->activation = activation ? QB_ACT_GELU : QB_ACT_RELU;
    if (arch->learned_positions && arch->context == 0)
        return qb_fail(err, QB_ERR_INPUT, "__metadata__: learned positions need a context over 0");
    if (!arch->attention && (arch->causal || arch->learned_positions || arch->heads != 1))
        return qb_fail(err, QB_ERR_INPUT,
                       "__metadata__: a chain sees its last token alone: causal, positions and heads "
                       "do not apply");
    return QB_OK;
}

/* The sizes that only the shapes tell: vocab and hidden from the embedding, layers and inner widths from the mlps. */
static enum qb_status read_sizes(const struct qb_weights *file, struct qb_arch *arch, size_t **inner,
                                 struct qb_error *err)
{
    const struct qb_family *family = qb_family_find(arch->name);
    const struct qb_source_tensor *found;
    char name[64];
    qb_rule_name(qb_family_rule(family, QB_ROLE_EMBED), -1, "weight", name);
    if (!(found = qb_weights_find(file, name)))
        return qb_fail(err, QB_ERR_INPUT, "tensor %s is missing", name);
    if (found->rank != 2 || found->rows < 2 || found->rows > SIZE_MOST || found->cols > SIZE_MOST)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: expected the shape (vocab, hidden)", name);
    arch->vocab = found->rows;
    arch->hidden = found->cols;
    *inner = qb_alloc(qb_weights_count(file), sizeof **inner, "layer widths", err);
    if (!*inner)
        return err->status;
    for (arch->layers = 0;; (*inner)[arch->layers++] = found->rows) {
        qb_rule_name(qb_family_rule(family, QB_ROLE_MLP_UP), (int)arch->layers, "weight", name);
        if (!(found = qb_weights_find(file, name)))
            break;
        if (found->rank != 2 || found->rows > SIZE_MOST)
            return qb_fail(err, QB_ERR_INPUT, "tensor %s: expected the shape (out, in)", name);
    }
    if (arch->layers == 0)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s is missing", name);
    size_t last = (*inner)[arch->layers - 1];
    qb_rule_name(qb_family_rule(family, QB_ROLE_MLP_UP), (int)arch->layers - 1, "weight", name);
    if (!arch->mlp_down && last != arch->hidden)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: %zu rows, expected the embedding's width %zu", name, last,
                       arch->hidden);
    if (arch->attention && (arch->heads > arch->hidden || arch->hidden % arch->heads))
        return qb_fail(err, QB_ERR_INPUT, "__metadata__: heads is %zu, expected a divisor of the width %zu",
                       arch->heads, arch->hidden);
    return QB_OK;
}

/* The tokenizer lies beside the weights under a plain name. */
static enum qb_status find_tokenizer(const struct qb_weights *file, const char *path, struct qb_model *model,
                                     struct qb_error *err)
{
    const char *name = qb_weights_meta(file, "tokenizer");
    const char *slash = strrchr(path, '/');
    struct qb_text text = {0};
    if (!name)
        return QB_OK;
    if (!*name || strchr(name, '/') || strcmp(name, "..") == 0)
        return qb_fail(err, QB_ERR_INPUT,
                       "__metadata__: tokenizer is '%.*s', expected the name of a file beside this one",
                       QB_UPTO(64, name));
    qb_text_add(&text, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, name);
    model->tokenizer = text.failed ? NULL : qb_strdup(text.data, err);
    if (text.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the tokenizer's path");
    qb_text_free(&text);
    return err->status;
}

enum qb_status qb_model_open(const char *path, const struct qb_registry *registry, enum qb_isa isa,
                             struct qb_model **model, struct qb_error *err)
{
    struct qb_weights *file = NULL;
    struct qb_model *new = NULL;
    struct qb_arch arch;
    size_t *inner = NULL;
    char name[128];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : path);
    if (strrchr(name, '.') && strrchr(name, '.') != name)
        *strrchr(name, '.') = '\0';
    if (qb_weights_open(path, &file, err))
        return err->status;
    if (qb_weights_meta_known(file, known_meta, err) || read_options(file, &arch, err) ||
        read_sizes(file, &arch, &inner, err) || qb_weights_formats(file, registry, isa, err))
        qb_weights_free(file);
    else if (qb_model_make(name, path, &arch, inner, file, &new, err) || find_tokenizer(file, path, new, err)) {
        qb_model_free(new);
        new = NULL;
    }
    qb_free(inner);
    *model = new;
    return err->status ? qb_wrap(err, "%s", path) : QB_OK;
}
