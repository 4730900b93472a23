/* The families: add one by adding a row and its table. */
#include "arch/arch.h"

static const struct qb_tensor_rule transformer[] = {
    {.roles = QB_ROLE_EMBED, .own = "embed", .bias = QB_BIAS_NONE},
    {.roles = QB_ROLE_POSITION, .own = "pos", .bias = QB_BIAS_NONE},
    {.roles = QB_ROLE_NORM, .own = "layers.%d.norm1", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_BEFORE_ATTENTION},
    {.roles = QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V, .own = "layers.%d.attn.qkv", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_ATTN_O, .own = "layers.%d.attn.out", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_NORM, .own = "layers.%d.norm2", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_BEFORE_MLP},
    {.roles = QB_ROLE_MLP_UP, .own = "layers.%d.mlp.up", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_MLP_DOWN, .own = "layers.%d.mlp.down", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_NORM, .own = "norm", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_FINAL},
    {.roles = QB_ROLE_HEAD, .own = "head", .bias = QB_BIAS_OPTIONAL},
    {0}};

static const struct qb_tensor_rule chain[] = {
    {.roles = QB_ROLE_EMBED, .own = "embed", .bias = QB_BIAS_NONE},
    {.roles = QB_ROLE_NORM, .own = "layers.%d.norm2", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_BEFORE_MLP},
    {.roles = QB_ROLE_MLP_UP, .own = "layers.%d.mlp.up", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_NORM, .own = "norm", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_FINAL},
    {.roles = QB_ROLE_HEAD, .own = "head", .bias = QB_BIAS_OPTIONAL},
    {0}};

static const struct qb_family families[] = {
    {.name = "transformer",
     .summary = "the source's transformer",
     .options = {.name = "transformer",
                 .heads = 1,
                 .attention = true,
                 .residual = true,
                 .mlp_down = true,
                 .final_norm = QB_NORM_LAYERNORM,
                 .norm_eps = 1e-5f,
                 .activation = QB_ACT_RELU,
                 .tied_head = true},
     .rules = transformer,
     .generated_inner = 4},
    {.name = "chain",
     .summary = "the source's chain of linears",
     .options = {.name = "chain", .heads = 1, .norm_eps = 1e-5f, .activation = QB_ACT_GELU},
     .rules = chain,
     .generated_inner = 2,
     .generated_extra = 1,
     .zero_biases = true}};

const struct qb_family *qb_family_at(size_t index)
{
    return index < sizeof families / sizeof *families ? &families[index] : NULL;
}
