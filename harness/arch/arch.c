#include "arch/arch.h"

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

void qb_rule_name(const struct qb_tensor_rule *rule, int layer, const char *suffix, char name[64])
{
    const char *number = strstr(rule->own, "%d");
    if (number)
        snprintf(name, 64, "%.*s%d%s.%s", (int)(number - rule->own), rule->own, layer, number + 2, suffix);
    else
        snprintf(name, 64, "%s.%s", rule->own, suffix);
}

struct list {
    const struct qb_arch *arch;
    size_t width, inner; /* of the layer at hand: of its input, and after up */
    struct qb_arch_tensor *tensors;
    size_t count;
};

static bool asked_for(const struct qb_arch *arch, const struct qb_tensor_rule *rule)
{
    return rule->roles == QB_ROLE_POSITION ? arch->learned_positions
           : rule->roles == QB_ROLE_HEAD   ? !arch->tied_head
           : rule->roles == QB_ROLE_NORM   ? (layered(rule) ? arch->block_norm : arch->final_norm) != QB_NORM_NONE
                                           : true;
}

static void shape_of(const struct list *list, struct qb_arch_tensor *tensor)
{
    const struct qb_arch *arch = list->arch;
    size_t rows = list->width, cols = list->width;
    if (tensor->roles & (QB_ROLE_EMBED | QB_ROLE_HEAD))
        rows = arch->vocab;
    else if (tensor->roles & QB_ROLE_POSITION)
        rows = arch->context;
    else if (tensor->roles & QB_ROLE_NORM)
        rows = 1;
    else if (tensor->roles & (QB_ROLE_MLP_UP | QB_ROLE_MLP_GATE))
        rows = list->inner;
    else if (tensor->roles & QB_ROLE_MLP_DOWN)
        cols = list->inner;
    tensor->rows = rows;
    tensor->cols = cols;
}

/* The rule's tensor and its bias. */
static void add(struct list *list, const struct qb_tensor_rule *rule, int layer)
{
    if (!asked_for(list->arch, rule))
        return;
    struct qb_arch_tensor *weight = &list->tensors[list->count++];
    *weight = (struct qb_arch_tensor){.roles = rule->roles, .layer = layer, .norm = rule->norm, .rule = rule};
    qb_rule_name(rule, layer, "weight", weight->name);
    shape_of(list, weight);
    weight->rows *= qb_role_blocks(rule->roles);
    if (rule->roles == QB_ROLE_EMBED && list->arch->tied_head)
        weight->roles |= QB_ROLE_HEAD;
    if (rule->bias == QB_BIAS_NONE)
        return;
    struct qb_arch_tensor *vector = &list->tensors[list->count++];
    *vector = (struct qb_arch_tensor){.roles = rule->roles | QB_ROLE_BIAS,
                                      .layer = layer,
                                      .rows = 1,
                                      .cols = rule->roles == QB_ROLE_NORM ? weight->cols : weight->rows,
                                      .norm = rule->norm,
                                      .rule = rule,
                                      .optional = rule->bias == QB_BIAS_OPTIONAL};
    qb_rule_name(rule, layer, "bias", vector->name);
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
