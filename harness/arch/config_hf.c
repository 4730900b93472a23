/* Options from a Hugging Face config.json, as transformers' configuration classes read it. */
#include "arch/config.h"

#include <math.h>
#include <string.h>

#define WINDOWED "mistral phi3 qwen2 qwen3 gemma2 gemma3"
#define LAYERED "mistral phi3 qwen2 qwen3 gemma2 gemma3 llama"
#define ROTARY "llama mistral phi3 qwen2 qwen3 gemma gemma2 gemma3"

static const struct qb_config_key keys[] = {{"n_head", "heads", "gpt2"},
                                            {"n_positions", "context", "gpt2"},
                                            {"layer_norm_epsilon", "norm_eps", "gpt2"},
                                            {"num_attention_heads", "heads", NULL},
                                            {"num_key_value_heads", "kv_heads", ROTARY},
                                            {"head_dim", "head_dim", ROTARY},
                                            {"rms_norm_eps", "norm_eps", ROTARY},
                                            {"max_position_embeddings", "context", "gpt2"},
                                            {"max_position_embeddings", "trained_context", ROTARY},
                                            {"sliding_window", "window", WINDOWED},
                                            {"attn_logit_softcapping", "attention_softcap", "gemma2"},
                                            {"final_logit_softcapping", "logit_softcap", "gemma2 gemma3"},
                                            /* read below, by config_rope.c, or checked against the tensors */
                                            {"n_embd", NULL, "gpt2"},
                                            {"n_layer", NULL, "gpt2"},
                                            {"n_inner", NULL, "gpt2"},
                                            {"n_ctx", NULL, "gpt2"},
                                            {"activation_function", NULL, "gpt2"},
                                            {"scale_attn_weights", NULL, "gpt2"},
                                            {"reorder_and_upcast_attn", NULL, "gpt2"}, /* the same in FP32 */
                                            {"hidden_size", NULL, NULL},
                                            {"num_hidden_layers", NULL, NULL},
                                            {"intermediate_size", NULL, NULL},
                                            {"vocab_size", NULL, NULL},
                                            {"hidden_act", NULL, ROTARY},
                                            {"hidden_activation", NULL, "gemma gemma2 gemma3"},
                                            {"attention_bias", NULL, "llama qwen3 gemma gemma2 gemma3"},
                                            {"mlp_bias", NULL, "llama"},
                                            {"tie_word_embeddings", NULL, NULL},
                                            {"rope_theta", NULL, ROTARY},
                                            {"rope_scaling", NULL, ROTARY},
                                            {"rope_parameters", NULL, ROTARY},
                                            {"rope_local_base_freq", NULL, "gemma3"},
                                            {"partial_rotary_factor", NULL, ROTARY},
                                            {"original_max_position_embeddings", NULL, ROTARY},
                                            {"layer_types", NULL, LAYERED},
                                            {"use_sliding_window", NULL, "qwen2 qwen3"},
                                            {"max_window_layers", NULL, "qwen2 qwen3"},
                                            {"sliding_window_pattern", NULL, "gemma3"},
                                            {"_sliding_window_pattern", NULL, "gemma3"},
                                            {"query_pre_attn_scalar", NULL, "gemma2 gemma3"},
                                            {0}};

/* Of keys that no row has: those that speak of what is computed are refused unless they are off (transformers would
 * ignore them, code beside the weights would not); of them again, what is of training or of how kernels are run. */
static const char *const computed[] = {
    "*expert*",   "*moe*",      "*scal*",  "*multiplier*", "*softcap*", "*rope*",       "*rotary*",        "*norm*",
    "*bias*",     "*window*",   "*quant*", "*alibi*",      "*attn*",    "*attention*",  "*_head*",         "*layer*",
    "*residual*", "*parallel*", "*chunk*", "*position*",   "*gat[ei]*", "*activation*", "*bidirectional*", "*embed*"};
static const char *const harmless[] = {"*dropout*", "*pdrop*",    "*attn_implementation*",   "*flash*", "initializer_*",
                                       "summary_*", "*_token_id", "chunk_size_feed_forward", "auto_map"};

static bool matches(const char *const *patterns, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (qb_glob(patterns[i], key))
            return true;
    return false;
}

static enum qb_status refuse_unknown(const struct qb_config *config, struct qb_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config->json, key, value)
    {
        if (!qb_config_off(value) && !qb_config_knows(config, keys, key) &&
            matches(computed, sizeof computed / sizeof *computed, key) &&
            !matches(harmless, sizeof harmless / sizeof *harmless, key))
            return qb_config_refuse(key, value, err);
    }
    return QB_OK;
}

/* One of two spellings of a size. */
static enum qb_status read_size(const struct qb_config *config, const char *key, const char *gpt2, size_t *size,
                                struct qb_error *err)
{
    const bool old = config->family->options.learned_positions && qb_config_get(config, gpt2);
    return qb_config_size(config, old ? gpt2 : key, size, err);
}

static enum qb_status read_sizes(const struct qb_config *config, struct qb_error *err)
{
    struct qb_arch *arch = config->arch;
    if (read_size(config, "hidden_size", "n_embd", &arch->hidden, err) ||
        read_size(config, "num_hidden_layers", "n_layer", &arch->layers, err) ||
        read_size(config, "intermediate_size", "n_inner", &arch->inner, err) ||
        qb_config_size(config, "vocab_size", &arch->vocab, err))
        return err->status;
    const bool gpt2 = config->family->options.learned_positions;
    if (arch->hidden == 0 || arch->layers == 0 || arch->layers > QB_LAYERS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%s is %zu and %s %zu, expected sizes over 0 and at most %d layers",
                       gpt2 ? "n_embd" : "hidden_size", arch->hidden, gpt2 ? "n_layer" : "num_hidden_layers",
                       arch->layers, QB_LAYERS_MAX);
    return QB_OK;
}

/* The activation that a key names; what it was where there is no such key. */
static enum qb_status read_word(const struct qb_config *config, const char *key, enum qb_activation *activation,
                                struct qb_error *err)
{
    static const struct {
        const char *word;
        enum qb_activation activation;
    } words[] = {{"silu", QB_ACT_SILU},          {"swish", QB_ACT_SILU}, {"gelu", QB_ACT_GELU},
                 {"gelu_new", QB_ACT_GELU_TANH}, {"relu", QB_ACT_RELU},  {"gelu_pytorch_tanh", QB_ACT_GELU_TANH}};
    const char *word;
    if (qb_config_text(config, key, &word, err) || !word)
        return err->status;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, word) == 0) {
            *activation = words[i].activation;
            return QB_OK;
        }
    return qb_fail(err, QB_ERR_INPUT, "%s is '%.*s', expected silu, gelu, gelu_new, gelu_pytorch_tanh or relu", key,
                   QB_UPTO(64, word));
}

/* Gemma 1 says gelu and means its approximation (transformers' GemmaConfig). transformers 4 took hidden_activation
 * before it, transformers 5 does not read that. */
static enum qb_status read_activation(const struct qb_config *config, struct qb_error *err)
{
    const bool first_gemma = strcmp(config->family->name, "gemma") == 0;
    const char *key = config->family->own_activation              ? "hidden_activation"
                      : config->family->options.learned_positions ? "activation_function"
                                                                  : "hidden_act";
    enum qb_activation *activation = &config->arch->activation;
    if (read_word(config, key, activation, err))
        return err->status;
    if (first_gemma && *activation == QB_ACT_GELU)
        *activation = QB_ACT_GELU_TANH;
    enum qb_activation other = *activation;
    if (first_gemma && !read_word(config, "hidden_activation", &other, err) && other != *activation)
        qb_fail(err, QB_ERR_INPUT, "hidden_activation is another than hidden_act, expected the same");
    return err->status;
}

static enum qb_status read_layer_types(const struct qb_config *config, const json_t *types, struct qb_error *err)
{
    struct qb_arch *arch = config->arch;
    if (json_array_size(types) != arch->layers)
        return qb_fail(err, QB_ERR_INPUT, "layer_types: %zu entries, expected %zu, one a layer", json_array_size(types),
                       arch->layers);
    for (size_t i = 0; i < arch->layers; i++) {
        const char *type = json_string_value(json_array_get(types, i));
        const bool windowed = type && strcmp(type, "sliding_attention") == 0;
        if (!windowed && (!type || strcmp(type, "full_attention") != 0))
            return qb_fail(err, QB_ERR_INPUT,
                           "layer_types: entry %zu is '%.*s', expected full_attention or sliding_attention", i,
                           QB_UPTO(64, type ? type : ""));
        qb_config_window(arch, i, windowed);
    }
    return QB_OK;
}

static enum qb_status read_windows(const struct qb_config *config, struct qb_error *err)
{
    const struct qb_family *family = config->family;
    struct qb_arch *arch = config->arch;
    const json_t *types = qb_config_get(config, "layer_types");
    size_t from = 28, period = family->window_period; /* 28: of transformers' Qwen2Config */
    bool used = family->windows != QB_WINDOWS_FROM;
    if (qb_config_flag(config, "use_sliding_window", used, &used, err))
        return err->status;
    if (family->windows == QB_WINDOWS_FROM && qb_config_get(config, "max_window_layers") &&
        qb_config_size(config, "max_window_layers", &from, err))
        return err->status;
    if (family->local_rope && qb_config_get(config, "sliding_window_pattern") &&
        qb_config_size(config, "sliding_window_pattern", &period, err))
        return err->status;
    if (!used)
        arch->window = 0;
    if (types)
        return read_layer_types(config, types, err);
    if (period == 0 && family->windows == QB_WINDOWS_PERIOD)
        return qb_fail(err, QB_ERR_INPUT, "sliding_window_pattern is 0, expected a number of layers");
    for (size_t i = 0; arch->window && i < arch->layers; i++)
        qb_config_window(arch, i,
                         family->windows == QB_WINDOWS_ALL || (family->windows == QB_WINDOWS_FROM && i >= from) ||
                             (family->windows == QB_WINDOWS_PERIOD && (i + 1) % period != 0));
    return QB_OK;
}

static enum qb_status read_scales(const struct qb_config *config, struct qb_error *err)
{
    struct qb_arch *arch = config->arch;
    double scalar;
    bool scaled;
    if (qb_config_number(config, "query_pre_attn_scalar", 1e-6, 1e12, (double)config->family->query_scalar, &scalar,
                         err) ||
        qb_config_flag(config, "scale_attn_weights", true, &scaled, err))
        return err->status;
    if (config->family->query_scalar)
        arch->attention_scale = (float)(1.0 / sqrt(scalar));
    if (config->family->scaled_embedding)
        arch->embed_scale = (float)sqrt((double)arch->hidden);
    if (config->family->options.learned_positions && !scaled)
        arch->attention_scale = 1.0f;
    return QB_OK;
}

static const struct qb_family *find_family(const struct qb_config *config, struct qb_error *err)
{
    const char *type;
    return qb_config_text(config, "model_type", &type, err)
               ? NULL
               : qb_config_family(QB_SOURCE_HUGGINGFACE, "model_type", type, err);
}

static enum qb_status read_all(struct qb_config *config, struct qb_error *err)
{
    if (qb_config_options(config, keys, err) || read_sizes(config, err))
        return err->status;
    struct qb_arch *arch = config->arch;
    if (arch->heads == 0 || (arch->head_dim == 0 && arch->hidden % arch->heads))
        return qb_fail(err, QB_ERR_INPUT, "num_attention_heads is %zu, expected a divisor of the width %zu",
                       arch->heads, arch->hidden);
    arch->head_dim = qb_arch_head_dim(arch);
    arch->kv_heads = qb_arch_kv_heads(arch);
    if (read_activation(config, err) || read_windows(config, err) || read_scales(config, err) ||
        (!arch->learned_positions && qb_config_rope(config, err)) || refuse_unknown(config, err))
        return err->status;
    return qb_config_finish(config, err);
}

/* Of a model of several senses, the text model's part. */
static const json_t *text_of(const json_t *json)
{
    const json_t *text = json_object_get(json, "text_config");
    return json_is_object(text) ? text : json;
}

enum qb_status qb_arch_hf_flag(const struct json_t *json, const char *key, bool otherwise, bool *value,
                               struct qb_error *err)
{
    const struct qb_config config = {.json = text_of(json), .prefix = ""};
    return qb_config_flag(&config, key, otherwise, value, err) ? qb_wrap(err, "config.json") : QB_OK;
}

enum qb_status qb_arch_from_hf(const struct json_t *json, struct qb_arch *arch, struct qb_error *err)
{
    struct qb_config config = {.json = text_of(json), .prefix = "", .arch = arch};
    if ((config.family = find_family(&config, err))) {
        *arch = config.family->options;
        read_all(&config, err);
    }
    return err->status ? qb_wrap(err, "config.json") : QB_OK;
}
