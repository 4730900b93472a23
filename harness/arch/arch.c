#include "arch/arch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

const struct qb_family *qb_family_find(const char *name)
{
    const struct qb_family *family;
    for (size_t i = 0; (family = qb_family_at(i)); i++)
        if (strcmp(family->name, name) == 0)
            return family;
    return NULL;
}

void qb_family_names(bool generated, struct qb_text *out)
{
    const char *names[64];
    size_t count = 0;
    const struct qb_family *family;
    for (size_t i = 0; (family = qb_family_at(i)) && count < 64; i++)
        if (!generated || family->generated_inner)
            names[count++] = family->name;
    for (size_t i = 0; i < count; i++)
        qb_text_add(out, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", names[i]);
}

const struct qb_tensor_rule *qb_family_rule(const struct qb_family *family, uint32_t role)
{
    for (const struct qb_tensor_rule *rule = family->rules; rule->roles; rule++)
        if (rule->roles & role)
            return rule;
    return NULL;
}

size_t qb_arch_trained(const struct qb_arch *arch)
{
    return arch->context ? arch->context : arch->trained_context;
}

const char *qb_arch_no_kv(const struct qb_arch *arch)
{
    if (!arch->attention)
        return "the model has no attention: it keeps no keys or values";
    return arch->causal ? NULL : "the model's positions see later ones: it keeps no keys or values";
}

double qb_arch_attended(const struct qb_arch *arch, double seen)
{
    double positions = 0;
    for (size_t i = 0; i < arch->layers; i++)
        positions += arch->windowed[i / 64] >> (i % 64) & 1 ? fmin(seen, (double)arch->window) : seen;
    return positions;
}

size_t qb_arch_head_dim(const struct qb_arch *arch)
{
    return arch->head_dim ? arch->head_dim : arch->hidden / arch->heads;
}

size_t qb_arch_kv_heads(const struct qb_arch *arch)
{
    return arch->kv_heads ? arch->kv_heads : arch->heads;
}

static bool layered(const struct qb_tensor_rule *rule)
{
    return strchr(rule->own, '%') != NULL;
}

void qb_rule_name(const struct qb_tensor_rule *rule, enum qb_source source, int layer, const char *suffix,
                  char name[64])
{
    const char *form = source == QB_SOURCE_HUGGINGFACE ? rule->hf : source == QB_SOURCE_GGUF ? rule->gguf : rule->own;
    const char *number = form ? strstr(form, "%d") : NULL;
    if (!form)
        name[0] = '\0';
    else if (number)
        snprintf(name, 64, "%.*s%d%s.%s", (int)(number - form), form, layer, number + 2, suffix);
    else
        snprintf(name, 64, "%s.%s", form, suffix);
}

/* A model without its head is saved without a prefix; one of several senses has the text model in a part. */
bool qb_hf_name(const char *name, size_t index, char other[64])
{
    static const char *const prefixes[] = {"", "language_model.model.", "model.language_model."};
    const bool head = strncmp(name, "lm_head.", 8) == 0;
    const char *rest = head ? name : strchr(name, '.') + 1;
    if (index >= sizeof prefixes / sizeof *prefixes)
        return false;
    snprintf(other, 64, "%s%s", head ? (index == 1 ? "language_model." : "") : prefixes[index], rest);
    return true;
}

bool qb_not_a_weight(const char *name)
{
    static const char *const patterns[] = {
        "*rotary_emb.inv_freq", "*h.[0-9]*.attn.bias",     "*h.[0-9]*.attn.masked_bias",   "vision_tower.*",
        "model.vision_tower.*", "multi_modal_projector.*", "model.multi_modal_projector.*"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (qb_glob(patterns[i], name))
            return true;
    return false;
}

struct list {
    const struct qb_arch *arch;
    size_t width, inner; /* of the layer at hand: of its input, and after up */
    struct qb_arch_tensor *tensors;
    size_t count;
};

static bool norm_asked_for(const struct qb_arch *arch, enum qb_norm_at at)
{
    switch (at) {
    case QB_NORM_OF_QUERY:
    case QB_NORM_OF_KEY:
        return arch->qk_norm;
    case QB_NORM_AFTER_ATTENTION:
    case QB_NORM_AFTER_MLP:
        return arch->norm_after;
    case QB_NORM_FINAL:
        return arch->final_norm != QB_NORM_NONE;
    default:
        return arch->block_norm != QB_NORM_NONE;
    }
}

static bool asked_for(const struct qb_arch *arch, const struct qb_tensor_rule *rule)
{
    return rule->roles == QB_ROLE_POSITION ? arch->learned_positions
           : rule->roles == QB_ROLE_HEAD   ? !arch->tied_head
           : rule->roles == QB_ROLE_NORM   ? norm_asked_for(arch, rule->norm)
                                           : true;
}

/* Rows of the block that computes one role. */
static size_t rows_of(const struct list *list, uint32_t role)
{
    const struct qb_arch *arch = list->arch;
    switch (role) {
    case QB_ROLE_ATTN_Q:
        return arch->heads * qb_arch_head_dim(arch);
    case QB_ROLE_ATTN_K:
    case QB_ROLE_ATTN_V:
        return qb_arch_kv_heads(arch) * qb_arch_head_dim(arch);
    case QB_ROLE_MLP_GATE:
    case QB_ROLE_MLP_UP:
        return list->inner;
    case QB_ROLE_EMBED:
    case QB_ROLE_HEAD:
        return arch->vocab;
    case QB_ROLE_POSITION:
        return arch->context;
    case QB_ROLE_NORM:
        return 1;
    default:
        return list->width;
    }
}

static void shape_of(const struct list *list, struct qb_arch_tensor *tensor)
{
    const struct qb_arch *arch = list->arch;
    const size_t blocks = qb_role_blocks(tensor->roles);
    const bool of_heads = tensor->norm == QB_NORM_OF_QUERY || tensor->norm == QB_NORM_OF_KEY;
    for (size_t i = 0; i < blocks; i++)
        tensor->rows += tensor->block_rows[i] = rows_of(list, qb_role_of_block(tensor->roles, i));
    tensor->cols = list->width;
    if (tensor->roles & QB_ROLE_MLP_DOWN)
        tensor->cols = list->inner;
    else if ((tensor->roles & QB_ROLE_ATTN_O) || of_heads)
        tensor->cols = qb_arch_head_dim(arch) * (of_heads ? 1 : arch->heads);
}

/* The rule's tensor and its bias. */
static void add(struct list *list, const struct qb_tensor_rule *rule, int layer)
{
    if (!asked_for(list->arch, rule))
        return;
    struct qb_arch_tensor *weight = &list->tensors[list->count++];
    *weight = (struct qb_arch_tensor){.roles = rule->roles, .layer = layer, .norm = rule->norm, .rule = rule};
    qb_rule_name(rule, QB_SOURCE_OWN, layer, "weight", weight->name);
    shape_of(list, weight);
    if (rule->roles == QB_ROLE_EMBED && list->arch->tied_head)
        weight->roles |= QB_ROLE_HEAD;
    if (rule->bias == QB_BIAS_NONE)
        return;
    struct qb_arch_tensor *vector = &list->tensors[list->count++];
    *vector = (struct qb_arch_tensor){.roles = rule->roles | QB_ROLE_BIAS,
                                      .layer = layer,
                                      .rows = 1,
                                      .cols = rule->roles == QB_ROLE_NORM ? weight->cols : weight->rows,
                                      .block_rows = {1},
                                      .norm = rule->norm,
                                      .rule = rule,
                                      .optional = rule->bias == QB_BIAS_OPTIONAL};
    qb_rule_name(rule, QB_SOURCE_OWN, layer, "bias", vector->name);
}

enum qb_status qb_arch_tensors(const struct qb_arch *arch, const size_t *inner, struct qb_arch_tensor **tensors,
                               size_t *count, struct qb_error *err)
{
    const struct qb_tensor_rule *rules = qb_family_find(arch->name)->rules;
    size_t rule_count = 0;
    while (rules[rule_count].roles)
        rule_count++;
    struct list list = {.arch = arch, .width = arch->hidden};
    list.tensors = qb_alloc(2 * rule_count * (arch->layers + 1), sizeof *list.tensors, "tensor list", err);
    if (!list.tensors)
        return err->status;
    for (const struct qb_tensor_rule *rule = rules, *end; rule->roles; rule = end) {
        for (end = rule; end->roles && layered(end) == layered(rule); end++)
            if (!layered(rule))
                add(&list, end, -1);
        for (size_t i = 0; layered(rule) && i < arch->layers; i++) {
            list.inner = inner[i];
            for (const struct qb_tensor_rule *r = rule; r < end; r++)
                add(&list, r, (int)i);
            list.width = arch->mlp_down ? list.width : inner[i];
        }
    }
    *tensors = list.tensors;
    *count = list.count;
    return QB_OK;
}
