/* Models as safetensors files in the layout of data/models/README.md: architecture options as metadata, tensors by
 * name. Everything the architecture needs must be there in its shape, and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/layout.h"
#include "model/safetensors.h"

static const char *const known_meta[] = {"format",    "architecture", "heads",      "causal",    "positions",
                                         "norm",      "norm_eps",     "activation", "tied_head", "context",
                                         "tokenizer", "origin",       "license",    NULL};

#define SIZE_MOST ((size_t)1 << 24) /* of vocab, widths, context: far over any model, and products of two fit */

static enum qb_status meta_word(const struct qb_safetensors *file, const char *key, const char *const *words,
                                int *value, struct qb_error *err)
{
    const char *text = qb_safetensors_meta(file, key);
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

static enum qb_status meta_flag(const struct qb_safetensors *file, const char *key, bool *value, struct qb_error *err)
{
    int word = *value;
    if (meta_word(file, key, (const char *const[]){"false", "true", NULL}, &word, err) == QB_OK)
        *value = word == 1;
    return err->status;
}

static enum qb_status meta_size(const struct qb_safetensors *file, const char *key, size_t least, size_t *value,
                                struct qb_error *err)
{
    const char *text = qb_safetensors_meta(file, key);
    if (!text)
        return QB_OK;
    unsigned long number = strtoul(text, NULL, 10);
    if (!*text || strlen(text) > 9 || text[strspn(text, "0123456789")] || number < least || number > SIZE_MOST)
        return qb_fail(err, QB_ERR_INPUT, "__metadata__: %s is '%.*s', expected a number from %zu to %zu", key,
                       QB_UPTO(64, text), least, SIZE_MOST);
    *value = number;
    return QB_OK;
}

static enum qb_status meta_epsilon(const struct qb_safetensors *file, float *value, struct qb_error *err)
{
    const char *text = qb_safetensors_meta(file, "norm_eps");
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

/* Options from the metadata over the architecture's own. */
static enum qb_status read_options(const struct qb_safetensors *file, struct qb_arch *arch, struct qb_error *err)
{
    const char *name = qb_safetensors_meta(file, "architecture");
    const struct qb_arch *base = name ? qb_arch_find(name) : NULL;
    if (!base)
        return qb_fail(err, QB_ERR_INPUT, "__metadata__: architecture is '%.*s', expected transformer or chain",
                       QB_UPTO(64, name ? name : ""));
    *arch = *base;
    int positions = 0, activation = arch->activation == QB_ACT_GELU;
    int norm = arch->block_norm != QB_NORM_NONE ? 2 : arch->final_norm != QB_NORM_NONE ? 1 : 0;
    if (meta_size(file, "heads", 1, &arch->heads, err) != QB_OK ||
        meta_size(file, "context", 0, &arch->context, err) != QB_OK ||
        meta_flag(file, "causal", &arch->causal, err) != QB_OK ||
        meta_flag(file, "tied_head", &arch->tied_head, err) != QB_OK ||
        meta_epsilon(file, &arch->norm_eps, err) != QB_OK ||
        meta_word(file, "positions", (const char *const[]){"none", "learned", NULL}, &positions, err) != QB_OK ||
        meta_word(file, "norm", (const char *const[]){"none", "final", "pre", NULL}, &norm, err) != QB_OK ||
        meta_word(file, "activation", (const char *const[]){"relu", "gelu", NULL}, &activation, err) != QB_OK)
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

static bool find(const struct qb_safetensors *file, const char *name, size_t *index)
{
    for (size_t i = 0; i < qb_safetensors_count(file); i++)
        if (strcmp(qb_safetensors_info(file, i).name, name) == 0) {
            *index = i;
            return true;
        }
    return false;
}

/* The sizes that only the shapes tell: vocab and hidden from the embedding, layers and inner widths from the mlps. */
static enum qb_status read_sizes(const struct qb_safetensors *file, struct qb_arch *arch, size_t **inner,
                                 struct qb_error *err)
{
    size_t index;
    char name[64];
    if (!find(file, "embed.weight", &index))
        return qb_fail(err, QB_ERR_INPUT, "tensor embed.weight is missing");
    struct qb_st_info embed = qb_safetensors_info(file, index);
    if (embed.rank != 2 || embed.dims[0] < 2 || embed.dims[0] > SIZE_MOST || embed.dims[1] > SIZE_MOST)
        return qb_fail(err, QB_ERR_INPUT, "tensor embed.weight: expected the shape (vocab, hidden)");
    arch->vocab = embed.dims[0];
    arch->hidden = embed.dims[1];
    *inner = qb_alloc(qb_safetensors_count(file), sizeof **inner, "layer widths", err);
    if (!*inner)
        return err->status;
    for (arch->layers = 0;; arch->layers++) {
        snprintf(name, sizeof name, "layers.%zu.mlp.up.weight", arch->layers);
        if (!find(file, name, &index))
            break;
        struct qb_st_info up = qb_safetensors_info(file, index);
        if (up.rank != 2 || up.dims[0] > SIZE_MOST)
            return qb_fail(err, QB_ERR_INPUT, "tensor %s: expected the shape (out, in)", name);
        (*inner)[arch->layers] = up.dims[0];
    }
    if (arch->layers == 0)
        return qb_fail(err, QB_ERR_INPUT, "tensor layers.0.mlp.up.weight is missing");
    if (!arch->mlp_down && (*inner)[arch->layers - 1] != arch->hidden)
        return qb_fail(err, QB_ERR_INPUT,
                       "tensor layers.%zu.mlp.up.weight: %zu rows, expected the embedding's width %zu",
                       arch->layers - 1, (*inner)[arch->layers - 1], arch->hidden);
    if (arch->attention && (arch->heads > arch->hidden || arch->hidden % arch->heads))
        return qb_fail(err, QB_ERR_INPUT, "__metadata__: heads is %zu, expected a divisor of the width %zu",
                       arch->heads, arch->hidden);
    return QB_OK;
}

static bool shape_fits(const struct qb_st_info *info, const struct qb_tensor *tensor)
{
    if (info->rank == 1)
        return tensor->rows == 1 && info->dims[0] == tensor->cols;
    return info->rank == 2 && info->dims[0] == tensor->rows && info->dims[1] == tensor->cols;
}

/* The file's tensors must be exactly the layout's. */
static enum qb_status check_tensors(const struct qb_safetensors *file, const struct qb_arch *arch, const size_t *inner,
                                    bool biased_head, struct qb_error *err)
{
    struct qb_tensor *tensors = NULL;
    size_t count = 0, index = 0;
    if (qb_layout_make(arch, inner, biased_head, &tensors, &count, err) != QB_OK)
        return err->status;
    for (size_t i = 0; i < count && err->status == QB_OK; i++) {
        if (!find(file, tensors[i].name, &index)) {
            qb_fail(err, QB_ERR_INPUT, "tensor %s is missing", tensors[i].name);
            break;
        }
        struct qb_st_info info = qb_safetensors_info(file, index);
        if (!shape_fits(&info, &tensors[i]))
            qb_fail(err, QB_ERR_INPUT, "tensor %s: expected the shape (%zu, %zu), found rank %zu, (%zu, %zu)",
                    info.name, tensors[i].rows, tensors[i].cols, info.rank, info.dims[0], info.dims[1]);
    }
    for (size_t i = 0; i < qb_safetensors_count(file) && err->status == QB_OK; i++) {
        const char *name = qb_safetensors_info(file, i).name;
        size_t j = 0;
        while (j < count && strcmp(tensors[j].name, name) != 0)
            j++;
        if (j == count)
            qb_fail(err, QB_ERR_INPUT, "tensor %s: the architecture '%s' has none of that name", name, arch->name);
    }
    qb_free(tensors);
    return err->status;
}

static enum qb_status load(const struct qb_safetensors *file, struct qb_model *model, struct qb_error *err)
{
    for (size_t i = 0; i < model->tensor_count; i++) {
        size_t index;
        if (!find(file, model->tensors[i].name, &index))
            return qb_fail(err, QB_ERR_INTERNAL, "tensor %s went missing", model->tensors[i].name);
        if (qb_safetensors_read(file, index, model->tensors[i].data, err) != QB_OK)
            return err->status;
    }
    return qb_model_seal(model, err);
}

/* The tokenizer lies beside the weights under a plain name. */
static enum qb_status find_tokenizer(const struct qb_safetensors *file, const char *path, struct qb_model *model,
                                     struct qb_error *err)
{
    const char *name = qb_safetensors_meta(file, "tokenizer");
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

static enum qb_status open_checked(const struct qb_safetensors *file, const char *path, struct qb_model **model,
                                   struct qb_error *err)
{
    struct qb_arch arch;
    size_t *inner = NULL, index;
    char name[128];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : path);
    if (strrchr(name, '.') && strrchr(name, '.') != name)
        *strrchr(name, '.') = '\0';
    bool biased_head = find(file, "head.bias", &index);
    if (qb_safetensors_meta_known(file, known_meta, err) == QB_OK && read_options(file, &arch, err) == QB_OK &&
        read_sizes(file, &arch, &inner, err) == QB_OK && check_tensors(file, &arch, inner, biased_head, err) == QB_OK &&
        qb_model_make(name, path, &arch, inner, biased_head, model, err) == QB_OK) {
        (*model)->file_bytes = qb_safetensors_bytes(file);
        if (load(file, *model, err) == QB_OK)
            find_tokenizer(file, path, *model, err);
    }
    qb_free(inner);
    return err->status;
}

enum qb_status qb_model_open(const char *path, struct qb_model **model, struct qb_error *err)
{
    struct qb_safetensors *file = NULL;
    struct qb_model *new = NULL;
    if (qb_safetensors_open(path, &file, err) != QB_OK)
        return err->status;
    if (open_checked(file, path, &new, err) != QB_OK) {
        qb_model_free(new);
        new = NULL;
        if (strncmp(err->message, path, strlen(path)) != 0)
            qb_wrap(err, "%s", path);
    }
    qb_safetensors_close(file);
    *model = new;
    return err->status;
}
