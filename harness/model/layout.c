#include "model/layout.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

static const struct qb_arch architectures[] = {
    {.name = "transformer",
     .heads = 1,
     .attention = true,
     .residual = true,
     .mlp_down = true,
     .block_norm = QB_NORM_NONE,
     .final_norm = QB_NORM_LAYERNORM,
     .norm_eps = 1e-5f,
     .activation = QB_ACT_RELU,
     .tied_head = true},
    {.name = "chain", .heads = 1, .norm_eps = 1e-5f, .activation = QB_ACT_GELU},
};

const struct qb_arch *qb_arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        if (strcmp(architectures[i].name, name) == 0)
            return &architectures[i];
    return NULL;
}

struct list {
    struct qb_tensor *tensors;
    size_t count;
};

__attribute__((format(printf, 6, 7))) static void add(struct list *list, uint32_t roles, int layer, size_t rows,
                                                      size_t cols, const char *format, ...)
{
    struct qb_tensor *tensor = &list->tensors[list->count++];
    *tensor = (struct qb_tensor){.roles = roles, .layer = layer, .rows = rows, .cols = cols};
    va_list args;
    va_start(args, format);
    vsnprintf(tensor->name, sizeof tensor->name, format, args);
    va_end(args);
}

static void add_norm(struct list *list, int layer, size_t width, const char *name)
{
    add(list, QB_ROLE_NORM, layer, 1, width, "%s.weight", name);
    add(list, QB_ROLE_NORM | QB_ROLE_BIAS, layer, 1, width, "%s.bias", name);
}

static void add_linear(struct list *list, uint32_t roles, int layer, size_t rows, size_t cols, const char *name)
{
    add(list, roles, layer, rows, cols, "layers.%d.%s.weight", layer, name);
    add(list, roles | QB_ROLE_BIAS, layer, 1, rows, "layers.%d.%s.bias", layer, name);
}

static void add_layer(struct list *list, const struct qb_arch *arch, int layer, size_t width, size_t inner)
{
    char norm[32];
    if (arch->attention) {
        snprintf(norm, sizeof norm, "layers.%d.norm1", layer);
        if (arch->block_norm != QB_NORM_NONE)
            add_norm(list, layer, width, norm);
        add_linear(list, QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V, layer, 3 * width, width, "attn.qkv");
        add_linear(list, QB_ROLE_ATTN_O, layer, width, width, "attn.out");
    }
    snprintf(norm, sizeof norm, "layers.%d.norm2", layer);
    if (arch->block_norm != QB_NORM_NONE)
        add_norm(list, layer, width, norm);
    add_linear(list, QB_ROLE_MLP_UP, layer, inner, width, "mlp.up");
    if (arch->mlp_down)
        add_linear(list, QB_ROLE_MLP_DOWN, layer, width, inner, "mlp.down");
}

enum qb_status qb_layout_make(const struct qb_arch *arch, const size_t *inner, bool biased_head,
                              struct qb_tensor **tensors, size_t *count, struct qb_error *err)
{
    struct list list = {qb_alloc(6 + 12 * arch->layers, sizeof *list.tensors, "tensor list", err), 0};
    if (!list.tensors)
        return err->status;
    add(&list, arch->tied_head ? QB_ROLE_EMBED | QB_ROLE_HEAD : QB_ROLE_EMBED, -1, arch->vocab, arch->hidden,
        "embed.weight");
    if (arch->learned_positions)
        add(&list, QB_ROLE_POSITION, -1, arch->context, arch->hidden, "pos.weight");
    size_t width = arch->hidden;
    for (size_t i = 0; i < arch->layers; i++) {
        add_layer(&list, arch, (int)i, width, inner[i]);
        width = arch->mlp_down ? width : inner[i];
    }
    if (arch->final_norm != QB_NORM_NONE)
        add_norm(&list, -1, arch->hidden, "norm");
    if (!arch->tied_head) {
        add(&list, QB_ROLE_HEAD, -1, arch->vocab, arch->hidden, "head.weight");
        if (biased_head)
            add(&list, QB_ROLE_HEAD | QB_ROLE_BIAS, -1, 1, arch->vocab, "head.bias");
    }
    *tensors = list.tensors;
    *count = list.count;
    return QB_OK;
}
