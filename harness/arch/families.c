/* The families: add one by adding a row, and its table where no other's fits. Names and options of Hugging Face's form
 * are those of transformers' models of that model_type, names of GGUF's form those of the gguf package's tensor list.
 */
#include "arch/arch.h"

#define QKV (QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V)

static const struct qb_tensor_rule transformer[] = {
    {.roles = QB_ROLE_EMBED, .own = "embed"},
    {.roles = QB_ROLE_POSITION, .own = "pos"},
    {.roles = QB_ROLE_NORM, .own = "layers.%d.norm1", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_BEFORE_ATTENTION},
    {.roles = QKV, .own = "layers.%d.attn.qkv", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_ATTN_O, .own = "layers.%d.attn.out", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_NORM, .own = "layers.%d.norm2", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_BEFORE_MLP},
    {.roles = QB_ROLE_MLP_UP, .own = "layers.%d.mlp.up", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_MLP_DOWN, .own = "layers.%d.mlp.down", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_NORM, .own = "norm", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_FINAL},
    {.roles = QB_ROLE_HEAD, .own = "head", .bias = QB_BIAS_OPTIONAL},
    {0}};

static const struct qb_tensor_rule chain[] = {
    {.roles = QB_ROLE_EMBED, .own = "embed"},
    {.roles = QB_ROLE_NORM, .own = "layers.%d.norm2", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_BEFORE_MLP},
    {.roles = QB_ROLE_MLP_UP, .own = "layers.%d.mlp.up", .bias = QB_BIAS_ALWAYS},
    {.roles = QB_ROLE_NORM, .own = "norm", .bias = QB_BIAS_ALWAYS, .norm = QB_NORM_FINAL},
    {.roles = QB_ROLE_HEAD, .own = "head", .bias = QB_BIAS_OPTIONAL},
    {0}};

static const struct qb_tensor_rule gpt2[] = {
    {.roles = QB_ROLE_EMBED, .own = "embed", .hf = "transformer.wte", .gguf = "token_embd"},
    {.roles = QB_ROLE_POSITION, .own = "pos", .hf = "transformer.wpe", .gguf = "position_embd"},
    {.roles = QB_ROLE_NORM,
     .own = "layers.%d.norm1",
     .hf = "transformer.h.%d.ln_1",
     .gguf = "blk.%d.attn_norm",
     .bias = QB_BIAS_ALWAYS,
     .norm = QB_NORM_BEFORE_ATTENTION},
    {.roles = QKV,
     .own = "layers.%d.attn.qkv",
     .hf = "transformer.h.%d.attn.c_attn",
     .gguf = "blk.%d.attn_qkv",
     .bias = QB_BIAS_ALWAYS,
     .transposed = true},
    {.roles = QB_ROLE_ATTN_O,
     .own = "layers.%d.attn.out",
     .hf = "transformer.h.%d.attn.c_proj",
     .gguf = "blk.%d.attn_output",
     .bias = QB_BIAS_ALWAYS,
     .transposed = true},
    {.roles = QB_ROLE_NORM,
     .own = "layers.%d.norm2",
     .hf = "transformer.h.%d.ln_2",
     .gguf = "blk.%d.ffn_norm",
     .bias = QB_BIAS_ALWAYS,
     .norm = QB_NORM_BEFORE_MLP},
    {.roles = QB_ROLE_MLP_UP,
     .own = "layers.%d.mlp.up",
     .hf = "transformer.h.%d.mlp.c_fc",
     .gguf = "blk.%d.ffn_up",
     .bias = QB_BIAS_ALWAYS,
     .transposed = true},
    {.roles = QB_ROLE_MLP_DOWN,
     .own = "layers.%d.mlp.down",
     .hf = "transformer.h.%d.mlp.c_proj",
     .gguf = "blk.%d.ffn_down",
     .bias = QB_BIAS_ALWAYS,
     .transposed = true},
    {.roles = QB_ROLE_NORM,
     .own = "norm",
     .hf = "transformer.ln_f",
     .gguf = "output_norm",
     .bias = QB_BIAS_ALWAYS,
     .norm = QB_NORM_FINAL},
    {.roles = QB_ROLE_HEAD, .own = "head", .hf = "lm_head", .gguf = "output"},
    {0}};

/* Rows that the tables below share. */
#define ROW(role, own_name, hf_name, gguf_name, has_bias)                                                              \
    {                                                                                                                  \
        .roles = role, .own = own_name, .hf = hf_name, .gguf = gguf_name, .bias = has_bias                             \
    }
#define LAYER_ROW(role, own_name, hf_name, gguf_name, has_bias)                                                        \
    ROW(role, "layers.%d." own_name, "model.layers.%d." hf_name, "blk.%d." gguf_name, has_bias)
#define NORM_ROW(at, own_name, hf_name, gguf_name)                                                                     \
    {                                                                                                                  \
        .roles = QB_ROLE_NORM, .own = "layers.%d." own_name, .hf = "model.layers.%d." hf_name,                         \
        .gguf = "blk.%d." gguf_name, .norm = at                                                                        \
    }
#define EMBED_ROW ROW(QB_ROLE_EMBED, "embed", "model.embed_tokens", "token_embd", QB_BIAS_NONE)
#define END_ROWS                                                                                                       \
    {.roles = QB_ROLE_NORM, .own = "norm", .hf = "model.norm", .gguf = "output_norm", .norm = QB_NORM_FINAL},          \
        ROW(QB_ROLE_HEAD, "head", "lm_head", "output", QB_BIAS_NONE),                                                  \
    {                                                                                                                  \
        0                                                                                                              \
    }
#define ATTENTION_ROWS(qkv_bias, out_bias)                                                                             \
    NORM_ROW(QB_NORM_BEFORE_ATTENTION, "norm1", "input_layernorm", "attn_norm"),                                       \
        LAYER_ROW(QB_ROLE_ATTN_Q, "attn.q", "self_attn.q_proj", "attn_q", qkv_bias),                                   \
        LAYER_ROW(QB_ROLE_ATTN_K, "attn.k", "self_attn.k_proj", "attn_k", qkv_bias),                                   \
        LAYER_ROW(QB_ROLE_ATTN_V, "attn.v", "self_attn.v_proj", "attn_v", qkv_bias),                                   \
        NORM_ROW(QB_NORM_OF_QUERY, "attn.q_norm", "self_attn.q_norm", "attn_q_norm"),                                  \
        NORM_ROW(QB_NORM_OF_KEY, "attn.k_norm", "self_attn.k_norm", "attn_k_norm"),                                    \
        LAYER_ROW(QB_ROLE_ATTN_O, "attn.out", "self_attn.o_proj", "attn_output", out_bias)
#define MLP_ROWS(mlp_bias)                                                                                             \
    LAYER_ROW(QB_ROLE_MLP_GATE, "mlp.gate", "mlp.gate_proj", "ffn_gate", mlp_bias),                                    \
        LAYER_ROW(QB_ROLE_MLP_UP, "mlp.up", "mlp.up_proj", "ffn_up", mlp_bias),                                        \
        LAYER_ROW(QB_ROLE_MLP_DOWN, "mlp.down", "mlp.down_proj", "ffn_down", mlp_bias)
#define NORM2_ROW NORM_ROW(QB_NORM_BEFORE_MLP, "norm2", "post_attention_layernorm", "ffn_norm")

static const struct qb_tensor_rule llama[] = {EMBED_ROW, ATTENTION_ROWS(QB_BIAS_OPTIONAL, QB_BIAS_OPTIONAL), NORM2_ROW,
                                              MLP_ROWS(QB_BIAS_OPTIONAL), END_ROWS};
static const struct qb_tensor_rule mistral[] = {EMBED_ROW, ATTENTION_ROWS(QB_BIAS_NONE, QB_BIAS_NONE), NORM2_ROW,
                                                MLP_ROWS(QB_BIAS_NONE), END_ROWS};
static const struct qb_tensor_rule qwen2[] = {EMBED_ROW, ATTENTION_ROWS(QB_BIAS_ALWAYS, QB_BIAS_NONE), NORM2_ROW,
                                              MLP_ROWS(QB_BIAS_NONE), END_ROWS};
static const struct qb_tensor_rule biased_attention[] = {EMBED_ROW, ATTENTION_ROWS(QB_BIAS_OPTIONAL, QB_BIAS_OPTIONAL),
                                                         NORM2_ROW, MLP_ROWS(QB_BIAS_NONE), END_ROWS};
static const struct qb_tensor_rule gemma[] = {
    EMBED_ROW,
    ATTENTION_ROWS(QB_BIAS_OPTIONAL, QB_BIAS_OPTIONAL),
    NORM_ROW(QB_NORM_AFTER_ATTENTION, "norm1_after", "post_attention_layernorm", "post_attention_norm"),
    NORM_ROW(QB_NORM_BEFORE_MLP, "norm2", "pre_feedforward_layernorm", "ffn_norm"),
    MLP_ROWS(QB_BIAS_NONE),
    NORM_ROW(QB_NORM_AFTER_MLP, "norm2_after", "post_feedforward_layernorm", "post_ffw_norm"),
    END_ROWS};
static const struct qb_tensor_rule phi3[] = {
    EMBED_ROW,
    NORM_ROW(QB_NORM_BEFORE_ATTENTION, "norm1", "input_layernorm", "attn_norm"),
    LAYER_ROW(QKV, "attn.qkv", "self_attn.qkv_proj", "attn_qkv", QB_BIAS_NONE),
    LAYER_ROW(QB_ROLE_ATTN_O, "attn.out", "self_attn.o_proj", "attn_output", QB_BIAS_NONE),
    NORM2_ROW,
    LAYER_ROW(QB_ROLE_MLP_GATE | QB_ROLE_MLP_UP, "mlp.gate_up", "mlp.gate_up_proj", "ffn_up", QB_BIAS_NONE),
    LAYER_ROW(QB_ROLE_MLP_DOWN, "mlp.down", "mlp.down_proj", "ffn_down", QB_BIAS_NONE),
    END_ROWS};

/* Options that all of the decoders below have; what a row says after them holds. Numbers are the defaults of
 * transformers' configuration classes: a config.json may leave them out. */
#define DECODER(family_name, eps, act)                                                                                 \
    .name = family_name, .attention = true, .causal = true, .residual = true, .mlp_down = true, .gated = true,         \
    .block_norm = QB_NORM_RMS, .final_norm = QB_NORM_RMS, .norm_eps = eps, .activation = act
#define ROPE(base)                                                                                                     \
    {                                                                                                                  \
        .theta = base, .factor = 1.0f, .beta_fast = 32.0f, .beta_slow = 1.0f                                           \
    }

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
     .zero_biases = true},
    {.name = "gpt2",
     .summary = "GPT-2: layer norms, learned positions, tanh GELU",
     .options = {.name = "gpt2",
                 .heads = 12,
                 .attention = true,
                 .causal = true,
                 .learned_positions = true,
                 .residual = true,
                 .mlp_down = true,
                 .block_norm = QB_NORM_LAYERNORM,
                 .final_norm = QB_NORM_LAYERNORM,
                 .norm_eps = 1e-5f,
                 .activation = QB_ACT_GELU_TANH},
     .rules = gpt2,
     .hf = "gpt2",
     .gguf = "gpt2"},
    {.name = "llama",
     .summary = "Llama 1 to 3, SmolLM2: RMS norms, rotary positions, grouped queries, SwiGLU",
     .options = {DECODER("llama", 1e-6f, QB_ACT_SILU), .heads = 32, .rope = {ROPE(10000.0f), ROPE(10000.0f)}},
     .rules = llama,
     .hf = "llama",
     .gguf = "llama",
     .gguf_pairs = true},
    {.name = "mistral",
     .summary = "Mistral: Llama with a sliding window (its GGUF files say llama)",
     .options = {DECODER("mistral", 1e-6f, QB_ACT_SILU), .heads = 32, .kv_heads = 8, .window = 4096,
                 .rope = {ROPE(10000.0f), ROPE(10000.0f)}},
     .rules = mistral,
     .hf = "mistral",
     .windows = QB_WINDOWS_ALL},
    {.name = "phi3",
     .summary = "Phi-3 and Phi-4: Llama with fused tensors, a window, longrope",
     .options = {DECODER("phi3", 1e-5f, QB_ACT_SILU), .heads = 32, .rope = {ROPE(10000.0f), ROPE(10000.0f)}},
     .rules = phi3,
     .hf = "phi3",
     .gguf = "phi3",
     .windows = QB_WINDOWS_ALL},
    {.name = "qwen2",
     .summary = "Qwen2 and 2.5: Llama with biases of queries, keys and values",
     .options = {DECODER("qwen2", 1e-6f, QB_ACT_SILU), .heads = 32, .window = 4096,
                 .rope = {ROPE(10000.0f), ROPE(10000.0f)}},
     .rules = qwen2,
     .hf = "qwen2",
     .gguf = "qwen2",
     .windows = QB_WINDOWS_FROM},
    {.name = "qwen3",
     .summary = "Qwen3: Llama with norms of queries and keys",
     .options = {DECODER("qwen3", 1e-6f, QB_ACT_SILU), .heads = 32, .head_dim = 128, .window = 4096, .qk_norm = true,
                 .rope = {ROPE(10000.0f), ROPE(10000.0f)}},
     .rules = biased_attention,
     .hf = "qwen3",
     .gguf = "qwen3",
     .windows = QB_WINDOWS_FROM},
    {.name = "gemma",
     .summary = "Gemma 1: Llama with GeGLU, a scaled embedding, norms stored less 1",
     .options = {DECODER("gemma", 1e-6f, QB_ACT_GELU_TANH), .heads = 16, .kv_heads = 16, .head_dim = 256,
                 .norm_plus_one = true, .rope = {ROPE(10000.0f), ROPE(10000.0f)}},
     .rules = biased_attention,
     .hf = "gemma",
     .gguf = "gemma",
     .scaled_embedding = true},
    {.name = "gemma2",
     .summary = "Gemma 2: norms before and after, soft caps, a window in every second layer",
     .options = {DECODER("gemma2", 1e-6f, QB_ACT_GELU_TANH), .heads = 8, .kv_heads = 4, .head_dim = 256, .window = 4096,
                 .attention_softcap = 50.0f, .logit_softcap = 30.0f, .norm_after = true, .norm_plus_one = true,
                 .rope = {ROPE(10000.0f), ROPE(10000.0f)}},
     .rules = gemma,
     .hf = "gemma2",
     .gguf = "gemma2",
     .windows = QB_WINDOWS_PERIOD,
     .window_period = 2,
     .own_activation = true,
     .scaled_embedding = true,
     .query_scalar = 256},
    {.name = "gemma3",
     .summary = "Gemma 3 (its text part): norms of queries and keys, five windowed layers to one without",
     .options = {DECODER("gemma3", 1e-6f, QB_ACT_GELU_TANH), .heads = 8, .kv_heads = 4, .head_dim = 256, .window = 4096,
                 .qk_norm = true, .norm_after = true, .norm_plus_one = true,
                 .rope = {ROPE(1000000.0f), ROPE(10000.0f)}},
     .rules = gemma,
     .hf = "gemma3_text",
     .gguf = "gemma3",
     .windows = QB_WINDOWS_PERIOD,
     .window_period = 6,
     .local_rope = true,
     .own_activation = true,
     .scaled_embedding = true,
     .query_scalar = 256}};

const struct qb_family *qb_family_at(size_t index)
{
    return index < sizeof families / sizeof *families ? &families[index] : NULL;
}
