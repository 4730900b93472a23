/* A tiny model of forward_options.json in memory. */
#ifndef QB_TEST_GOLDEN_MODEL_H
#define QB_TEST_GOLDEN_MODEL_H

#include <stdlib.h>
#include <string.h>
#include "golden_numbers.h"
#include "net_support.h"

static inline struct qb_arch golden_arch(const json_t *o)
{
    struct qb_arch arch = {.vocab = golden_size(o, "vocab"),
                           .hidden = golden_size(o, "hidden"),
                           .layers = golden_size(o, "layers"),
                           .heads = golden_size(o, "heads"),
                           .kv_heads = golden_size(o, "kv_heads"),
                           .head_dim = golden_size(o, "head_dim"),
                           .context = golden_size(o, "context"),
                           .attention = true,
                           .attention_scale = (float)golden_number(o, "attention_scale"),
                           .attention_softcap = (float)golden_number(o, "attention_softcap"),
                           .logit_softcap = (float)golden_number(o, "logit_softcap"),
                           .window = golden_size(o, "window"),
                           .qk_norm = golden_number(o, "qk_norm") > 0,
                           .norm_after = golden_number(o, "norm_after") > 0,
                           .norm_plus_one = golden_number(o, "norm_plus_one") > 0,
                           .embed_scale = (float)golden_number(o, "embed_scale"),
                           .gated = golden_number(o, "gated") > 0,
                           .causal = true,
                           .residual = true,
                           .mlp_down = true,
                           .block_norm = (enum qb_norm)golden_number(o, "norm"),
                           .final_norm = (enum qb_norm)golden_number(o, "norm"),
                           .norm_eps = (float)golden_number(o, "norm_eps"),
                           .activation = (enum qb_activation)golden_number(o, "activation"),
                           .tied_head = golden_number(o, "tied_head") > 0};
    const json_t *ropes = json_object_get(o, "rope"), *layers = json_object_get(o, "windowed");
    arch.learned_positions = json_array_size(ropes) == 0;
    for (size_t i = 0; i < json_array_size(ropes); i++)
        arch.rope[i] = golden_rope(json_array_get(ropes, i), false);
    for (size_t i = 0; i < json_array_size(layers); i++)
        arch.windowed[0] |= (uint64_t)1 << json_integer_value(json_array_get(layers, i));
    return arch;
}

static const struct golden_kind {
    const char *name;
    uint32_t roles;
    enum qb_norm_at norm;
} golden_kinds[] = {{"embed", QB_ROLE_EMBED, QB_NORM_NOWHERE},
                    {"position", QB_ROLE_POSITION, QB_NORM_NOWHERE},
                    {"before_attention", QB_ROLE_NORM, QB_NORM_BEFORE_ATTENTION},
                    {"q", QB_ROLE_ATTN_Q, QB_NORM_NOWHERE},
                    {"k", QB_ROLE_ATTN_K, QB_NORM_NOWHERE},
                    {"v", QB_ROLE_ATTN_V, QB_NORM_NOWHERE},
                    {"qkv", QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V, QB_NORM_NOWHERE},
                    {"of_query", QB_ROLE_NORM, QB_NORM_OF_QUERY},
                    {"of_key", QB_ROLE_NORM, QB_NORM_OF_KEY},
                    {"o", QB_ROLE_ATTN_O, QB_NORM_NOWHERE},
                    {"after_attention", QB_ROLE_NORM, QB_NORM_AFTER_ATTENTION},
                    {"before_mlp", QB_ROLE_NORM, QB_NORM_BEFORE_MLP},
                    {"gate", QB_ROLE_MLP_GATE, QB_NORM_NOWHERE},
                    {"up", QB_ROLE_MLP_UP, QB_NORM_NOWHERE},
                    {"gate_up", QB_ROLE_MLP_GATE | QB_ROLE_MLP_UP, QB_NORM_NOWHERE},
                    {"down", QB_ROLE_MLP_DOWN, QB_NORM_NOWHERE},
                    {"after_mlp", QB_ROLE_NORM, QB_NORM_AFTER_MLP},
                    {"final", QB_ROLE_NORM, QB_NORM_FINAL},
                    {"head", QB_ROLE_HEAD, QB_NORM_NOWHERE}};

static inline const struct golden_kind *golden_kind(const char *name)
{
    for (size_t i = 0; i < sizeof golden_kinds / sizeof *golden_kinds; i++)
        if (strcmp(golden_kinds[i].name, name) == 0)
            return &golden_kinds[i];
    cr_assert_fail("no kind '%s'", name);
    return NULL;
}

/* Rows of q, k and v of a fused tensor follow the heads; of gate and up they are equal. */
static inline void golden_blocks(struct qb_tensor *tensor, const struct qb_arch *arch)
{
    if (!(tensor->roles & QB_ROLE_ATTN_Q) || tensor->roles == QB_ROLE_ATTN_Q)
        return;
    tensor->block_rows[0] = arch->heads * arch->head_dim;
    tensor->block_rows[1] = tensor->block_rows[2] = arch->kv_heads * arch->head_dim;
}

static inline void golden_tensor(struct qb_model *model, const json_t *entry)
{
    const char *name = json_string_value(json_array_get(entry, 0));
    struct qb_error err = {0};
    const struct golden_kind *kind = golden_kind(name);
    struct qb_tensor *tensor = &model->tensors[model->tensor_count];
    const bool bias = json_is_true(json_array_get(entry, 4)), norm = kind->roles == QB_ROLE_NORM;
    *tensor = (struct qb_tensor){.roles = kind->roles | (bias ? QB_ROLE_BIAS : 0),
                                 .layer = (int)json_integer_value(json_array_get(entry, 1)),
                                 .rows = (size_t)json_integer_value(json_array_get(entry, 2)),
                                 .cols = (size_t)json_integer_value(json_array_get(entry, 3)),
                                 .norm = kind->norm};
    snprintf(tensor->name, sizeof tensor->name, "%d.%s%s", tensor->layer, name, bias ? ".bias" : "");
    golden_blocks(tensor, &model->arch);
    if (kind->roles == QB_ROLE_EMBED && model->arch.tied_head)
        tensor->roles |= QB_ROLE_HEAD;
    size_t n = tensor->rows * tensor->cols;
    float *values = qb_alloc(n, sizeof *values, "a tensor", &err);
    float scale = bias ? 0.25f : norm ? 0.5f : kind->roles & QB_ROLE_EMBED ? 1 : 0.75f;
    golden_numbers((uint32_t)(100 + model->tensor_count++), n, scale, values);
    for (size_t i = 0; norm && !bias && !model->arch.norm_plus_one && i < n; i++)
        values[i] += 1;
    tensor->bytes = values;
    tensor->size = n * sizeof *values;
}

static inline struct qb_model *golden_model(const json_t *one)
{
    struct qb_error err = {0};
    struct qb_model *model = qb_alloc(1, sizeof *model, "model", &err);
    const json_t *tensors = json_object_get(one, "tensors");
    model->arch = golden_arch(json_object_get(one, "options"));
    model->name = qb_strdup(json_string_value(json_object_get(one, "name")), &err);
    model->tensors = qb_alloc(3 * json_array_size(tensors), sizeof *model->tensors, "tensors", &err);
    struct qb_rng rng;
    qb_rng_seed(&rng, 1);
    const struct qb_drawn one_value = {"none", QB_ROLE_EMBED, 1, 1}; /* a source without a file */
    MUST(qb_weights_draw(&one_value, 1, true, &rng, &model->weights, &err));
    for (size_t i = 0; i < json_array_size(tensors); i++)
        golden_tensor(model, json_array_get(tensors, i));
    return model;
}

static inline void golden_model_free(struct qb_model *model)
{
    for (size_t i = 0; i < model->tensor_count; i++)
        qb_free((void *)(uintptr_t)model->tensors[i].bytes);
    qb_model_free(model);
}

#endif
