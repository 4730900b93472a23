/* The families: add one by adding a row and its table. */
#include "arch/arch.h"

static const struct qb_tensor_rule transformer[] = {
    {QB_ROLE_EMBED, "embed", QB_BIAS_NONE},
    {QB_ROLE_POSITION, "pos", QB_BIAS_NONE},
    {QB_ROLE_NORM, "layers.%d.norm1", QB_BIAS_ALWAYS},
    {QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V, "layers.%d.attn.qkv", QB_BIAS_ALWAYS},
    {QB_ROLE_ATTN_O, "layers.%d.attn.out", QB_BIAS_ALWAYS},
    {QB_ROLE_NORM, "layers.%d.norm2", QB_BIAS_ALWAYS},
    {QB_ROLE_MLP_UP, "layers.%d.mlp.up", QB_BIAS_ALWAYS},
    {QB_ROLE_MLP_DOWN, "layers.%d.mlp.down", QB_BIAS_ALWAYS},
    {QB_ROLE_NORM, "norm", QB_BIAS_ALWAYS},
    {QB_ROLE_HEAD, "head", QB_BIAS_OPTIONAL},
    {0}};

static const struct qb_tensor_rule chain[] = {{QB_ROLE_EMBED, "embed", QB_BIAS_NONE},
                                              {QB_ROLE_NORM, "layers.%d.norm2", QB_BIAS_ALWAYS},
                                              {QB_ROLE_MLP_UP, "layers.%d.mlp.up", QB_BIAS_ALWAYS},
                                              {QB_ROLE_NORM, "norm", QB_BIAS_ALWAYS},
                                              {QB_ROLE_HEAD, "head", QB_BIAS_OPTIONAL},
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
