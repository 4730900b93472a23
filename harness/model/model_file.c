/* Models from files: our own layout (docs/models.md), Hugging Face folders and GGUF. Options come from metadata
 * or config, sizes from the tensors, and both must agree. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/model_parts.h"

#define SIZE_MOST ((size_t)1 << 24) /* of vocab and widths: far over any model, and products of two fit */

static enum qb_status unknown_family(const char *name, struct qb_error *err)
{
    struct qb_text names = {0};
    qb_family_names(false, &names);
    if (*name)
        qb_fail(err, QB_ERR_INPUT, "__metadata__: architecture is '%.*s', expected %s", QB_UPTO(64, name),
                names.data ? names.data : "a known one");
    else
        qb_fail(
            err, QB_ERR_INPUT,
            "__metadata__ names no architecture (%s); of a Hugging Face model open the folder, with its config.json",
            names.data ? names.data : "a known one");
    qb_text_free(&names);
    return err->status;
}

/* Options of our own layout, from the metadata over the family's own. */
static enum qb_status read_metadata(const struct qb_weights *file, struct qb_arch *arch, struct qb_error *err)
{
    static const char *const others[] = {"format", "architecture", "tokenizer", "origin", "license"};
    const char *known[96] = {NULL}, *option;
    size_t count = sizeof others / sizeof *others;
    memcpy(known, others, sizeof others);
    for (size_t i = 0; (option = qb_arch_option(i)) && count < 95; i++)
        known[count++] = option;
    if (qb_weights_meta_known(file, known, err))
        return err->status;
    const char *name = qb_weights_meta(file, "architecture");
    const struct qb_family *family = name ? qb_family_find(name) : NULL;
    if (!family)
        return unknown_family(name ? name : "", err);
    *arch = family->options;
    for (size_t i = 0; (option = qb_arch_option(i)); i++) {
        const char *text = qb_weights_meta(file, option);
        if (text && qb_arch_option_read(arch, option, text, err))
            return qb_wrap(err, "__metadata__");
    }
    return QB_OK;
}

/* A head that the file lacks is the embedding's, unless config.json says that it is not. */
static enum qb_status find_head(const struct qb_weights *file, struct qb_arch *arch, struct qb_error *err)
{
    const struct qb_tensor_rule *rule = qb_family_rule(qb_family_find(arch->name), QB_ROLE_HEAD);
    char name[64];
    bool tied = true;
    arch->tied_head = !qb_model_find(file, rule, -1, "weight", name);
    if (arch->tied_head && qb_weights_source(file) == QB_SOURCE_HUGGINGFACE &&
        !qb_arch_hf_flag(qb_weights_config(file), "tie_word_embeddings", true, &tied, err) && !tied)
        qb_fail(err, QB_ERR_INPUT, "tensor %s is missing, and config.json: tie_word_embeddings is false", name);
    return err->status;
}

static enum qb_status read_options(const struct qb_weights *file, struct qb_arch *arch, struct qb_error *err)
{
    const struct json_t *config = qb_weights_config(file);
    const enum qb_source source = qb_weights_source(file);
    if (!config)
        return read_metadata(file, arch, err);
    if (source == QB_SOURCE_GGUF ? qb_arch_from_gguf(config, arch, err) : qb_arch_from_hf(config, arch, err))
        return err->status;
    if (find_head(file, arch, err))
        return err->status;
    return source == QB_SOURCE_GGUF ? qb_model_rope_factors(file, arch, err) : QB_OK;
}

/* A size that the tensors tell, and that the config may have told. */
static enum qb_status agree(const char *what, size_t found, size_t *told, struct qb_error *err)
{
    if (*told && *told != found)
        return qb_fail(err, QB_ERR_INPUT, "%zu %s, the config says %zu", found, what, *told);
    *told = found;
    return QB_OK;
}

static enum qb_status read_embedding(const struct qb_weights *file, struct qb_arch *arch, struct qb_error *err)
{
    const struct qb_family *family = qb_family_find(arch->name);
    const struct qb_source_tensor *found;
    char name[64];
    if (!(found = qb_model_find(file, qb_family_rule(family, QB_ROLE_EMBED), -1, "weight", name)))
        return qb_fail(err, QB_ERR_INPUT, "tensor %s is missing", name);
    if (found->rank != 2 || found->rows < 2 || found->rows > SIZE_MOST || found->cols > SIZE_MOST)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: expected the shape (vocab, hidden)", found->name);
    if (agree("tokens", found->rows, &arch->vocab, err) || agree("channels", found->cols, &arch->hidden, err))
        return qb_wrap(err, "tensor %s", found->name);
    return QB_OK;
}

/* How wide each layer's mlp is, from its first matrix; and how many layers there are, where the config does not say. */
static enum qb_status read_layers(const struct qb_weights *file, struct qb_arch *arch, size_t *inner,
                                  struct qb_error *err)
{
    const struct qb_tensor_rule *rule = qb_family_rule(qb_family_find(arch->name), QB_ROLE_MLP_UP);
    const bool turned = rule->transposed && qb_weights_source(file) == QB_SOURCE_HUGGINGFACE;
    const size_t told = arch->layers, blocks = qb_role_blocks(rule->roles);
    const struct qb_source_tensor *found;
    char name[64];
    for (arch->layers = 0; told == 0 || arch->layers < told; arch->layers++) {
        if (!(found = qb_model_find(file, rule, (int)arch->layers, "weight", name)))
            break;
        const size_t rows = turned ? found->cols : found->rows;
        if (found->rank != 2 || rows > SIZE_MOST || rows % blocks)
            return qb_fail(err, QB_ERR_INPUT, "tensor %s: expected the shape (out, in)", found->name);
        inner[arch->layers] = rows / blocks;
        if (told && agree("channels of the mlp", rows / blocks, &arch->inner, err))
            return qb_wrap(err, "tensor %s", found->name);
    }
    if (arch->layers == 0 || arch->layers < told)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s is missing", name);
    qb_rule_name(rule, QB_SOURCE_OWN, (int)arch->layers - 1, "weight", name);
    if (!arch->mlp_down && inner[arch->layers - 1] != arch->hidden)
        return qb_fail(err, QB_ERR_INPUT, "tensor %s: %zu rows, expected the embedding's width %zu", name,
                       inner[arch->layers - 1], arch->hidden);
    return QB_OK;
}

static enum qb_status read_sizes(const struct qb_weights *file, struct qb_arch *arch, size_t **inner,
                                 struct qb_error *err)
{
    const size_t most = qb_weights_count(file) > QB_LAYERS_MAX ? qb_weights_count(file) : QB_LAYERS_MAX;
    *inner = qb_alloc(most, sizeof **inner, "layer widths", err);
    if (!*inner || read_embedding(file, arch, err) || read_layers(file, arch, *inner, err) || qb_arch_check(arch, err))
        return err->status;
    return QB_OK;
}

/* The option of config.json that says whether a matrix of these roles has a bias; NULL: none. */
static const char *bias_option(uint32_t roles)
{
    return roles & (QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V | QB_ROLE_ATTN_O) ? "attention_bias"
           : roles & (QB_ROLE_MLP_GATE | QB_ROLE_MLP_UP | QB_ROLE_MLP_DOWN)            ? "mlp_bias"
                                                                                       : NULL;
}

enum qb_status model_bias_asked(const struct json_t *config, uint32_t roles, bool *asked, struct qb_error *err)
{
    const char *option = bias_option(roles);
    *asked = false;
    return option ? qb_arch_hf_flag(config, option, false, asked, err) : QB_OK;
}

/* transformers would leave out, or draw anew, what its config and its tensors do not agree on. */
static enum qb_status check_biases(const struct qb_model *model, struct qb_error *err)
{
    static const uint32_t roles[] = {QB_ROLE_ATTN_Q,   QB_ROLE_ATTN_K, QB_ROLE_ATTN_V,  QB_ROLE_ATTN_O,
                                     QB_ROLE_MLP_GATE, QB_ROLE_MLP_UP, QB_ROLE_MLP_DOWN};
    enum { ROLES = sizeof roles / sizeof *roles };
    for (size_t i = 0; i < ROLES * model->arch.layers; i++) {
        const uint32_t role = roles[i % ROLES];
        const int layer = (int)(i / ROLES);
        const struct qb_tensor_rule *rule = qb_family_rule(qb_family_find(model->arch.name), role);
        bool due;
        if (!rule || rule->bias != QB_BIAS_OPTIONAL)
            continue;
        if (model_bias_asked(qb_weights_config(model->weights), role, &due, err))
            return err->status;
        if (due == (qb_model_tensor(model, role | QB_ROLE_BIAS, layer) != NULL))
            continue;
        char name[64];
        qb_rule_name(rule, QB_SOURCE_HUGGINGFACE, layer, "bias", name);
        return qb_fail(err, QB_ERR_INPUT, "config.json: %s is %s, and the tensor %s is %s", bias_option(role),
                       due ? "true" : "false", name, due ? "missing" : "there");
    }
    return QB_OK;
}

static enum qb_status set_tokenizer(struct qb_model *model, const struct qb_text *path, struct qb_error *err)
{
    model->tokenizer = path->failed ? NULL : qb_strdup(path->data, err);
    return path->failed ? qb_fail(err, QB_ERR_MEMORY, "no memory for the tokenizer's path") : err->status;
}

/* A GGUF file has its tokenizer in it; a folder has one under its own name; our own layout names one beside it. */
static enum qb_status find_tokenizer(const struct qb_weights *file, const char *path, struct qb_model *model,
                                     struct qb_error *err)
{
    const enum qb_source source = qb_weights_source(file);
    const char *name = qb_weights_config(file) ? NULL : qb_weights_meta(file, "tokenizer"), *slash = strrchr(path, '/');
    struct qb_text text = {0};
    if (source == QB_SOURCE_GGUF)
        qb_text_add(&text, "%s", path);
    else if (source == QB_SOURCE_HUGGINGFACE)
        qb_text_add(&text, "%s/tokenizer.json", path);
    else if (name && (!*name || strchr(name, '/') || strcmp(name, "..") == 0))
        qb_fail(err, QB_ERR_INPUT, "__metadata__: tokenizer is '%.*s', expected the name of a file beside this one",
                QB_UPTO(64, name));
    else if (name)
        qb_text_add(&text, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, name);
    if (text.data && (source != QB_SOURCE_HUGGINGFACE || qb_file_exists(text.data)))
        set_tokenizer(model, &text, err);
    qb_text_free(&text);
    return err->status;
}

/* What the model is called: the last part of its path, of a file without the ending. */
static void name_of(const char *path, bool folder, char name[128])
{
    size_t end = strlen(path), start;
    while (folder && end > 1 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/'; start--)
        ;
    snprintf(name, 128, "%.*s", (int)(end - start), path + start);
    if (!folder && strrchr(name, '.') && strrchr(name, '.') != name)
        *strrchr(name, '.') = '\0';
}

enum qb_status qb_model_open(const char *path, const struct qb_registry *registry, enum qb_isa isa,
                             struct qb_model **model, struct qb_error *err)
{
    struct qb_weights *file = NULL;
    struct qb_model *new = NULL;
    struct qb_arch arch;
    size_t *inner = NULL;
    char name[128];
    if (qb_weights_open(path, &file, err))
        return err->status;
    const bool folder = qb_weights_source(file) == QB_SOURCE_HUGGINGFACE;
    name_of(path, folder, name);
    if (qb_weights_formats(file, registry, isa, err) || read_options(file, &arch, err) ||
        read_sizes(file, &arch, &inner, err))
        qb_weights_free(file);
    else if (qb_model_make(name, path, &arch, inner, file, &new, err) || (folder && check_biases(new, err)) ||
             find_tokenizer(file, path, new, err)) {
        qb_model_free(new);
        new = NULL;
    }
    qb_free(inner);
    *model = new;
    return err->status ? qb_wrap(err, "%s", path) : QB_OK;
}
