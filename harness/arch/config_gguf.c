/* Options from GGUF's metadata. Keys: the gguf package's constants. What the file does not say follows from the family
 * as in llama.cpp's llama-model.cpp and src/models/: the window's layers, the scales and the local base of Gemma;
 * unlike llama.cpp a window that a phi3 or llama file names is kept. */
#include "arch/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct qb_config_key keys[] = {
    {"attention.head_count", "heads", NULL},
    {"attention.head_count_kv", "kv_heads", NULL},
    {"attention.key_length", "head_dim", NULL},
    {"attention.layer_norm_rms_epsilon", "norm_eps", "llama phi3 qwen2 qwen3 gemma gemma2 gemma3"},
    {"attention.layer_norm_epsilon", "norm_eps", "gpt2"},
    {"attention.scale", "attention_scale", NULL},
    {"attention.sliding_window", "window", "llama phi3 qwen2 qwen3 gemma2 gemma3"},
    {"attn_logit_softcapping", "attention_softcap", "gemma2"},
    {"final_logit_softcapping", "logit_softcap", "gemma2 gemma3"},
    {"context_length", "context", "gpt2"},
    {"context_length", "trained_context", "llama phi3 qwen2 qwen3 gemma gemma2 gemma3"},
    {"rope.dimension_count", "rope.dims", "llama phi3 qwen2 qwen3 gemma gemma2 gemma3"},
    {"rope.freq_base", "rope.theta", "llama phi3 qwen2 qwen3 gemma gemma2 gemma3"},
    {"rope.freq_base_swa", "windowed_rope.theta", "gemma2 gemma3"},
    {"rope.scaling.original_context_length", "rope.original_context", NULL},
    {"rope.scaling.yarn_beta_fast", "rope.beta_fast", NULL},
    {"rope.scaling.yarn_beta_slow", "rope.beta_slow", NULL},
    /* read below, or checked against the tensors */
    {"embedding_length", NULL, NULL},
    {"block_count", NULL, NULL},
    {"feed_forward_length", NULL, NULL},
    {"vocab_size", NULL, NULL},
    {"attention.value_length", NULL, NULL},
    {"attention.sliding_window_pattern", NULL, "qwen2 qwen3 gemma2 gemma3"},
    {"rope.dimension_count", NULL, "gpt2"}, /* of no use there */
    {"rope.scaling.type", NULL, NULL},
    {"rope.scaling.factor", NULL, NULL},
    {"rope.scale_linear", NULL, NULL},
    {"rope.scaling.attn_factor", NULL, NULL},
    {"rope.scaling.yarn_attn_factor", NULL, NULL},
    {"rope.scaling.finetuned", NULL, NULL},
    {"tensor_data_layout", NULL, NULL},
    {0}};

static enum qb_status refuse_unknown(const struct qb_config *config, struct qb_error *err)
{
    const size_t size = strlen(config->prefix);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)config->json, key, value)
    {
        if (strncmp(key, config->prefix, size) == 0 && !qb_config_knows(config, keys, key + size) &&
            !qb_config_off(value))
            return qb_config_refuse(key, value, err);
    }
    return QB_OK;
}

static enum qb_status read_sizes(const struct qb_config *config, struct qb_error *err)
{
    const char *const due[] = {"embedding_length", "block_count", "attention.head_count",
                               config->arch->block_norm == QB_NORM_RMS ? "attention.layer_norm_rms_epsilon"
                                                                       : "attention.layer_norm_epsilon"};
    struct qb_arch *arch = config->arch;
    size_t value_length;
    for (size_t i = 0; i < sizeof due / sizeof *due; i++)
        if (!qb_config_get(config, due[i]))
            return qb_fail(err, QB_ERR_INPUT, "%s%s is missing", config->prefix, due[i]);
    if (qb_config_size(config, "embedding_length", &arch->hidden, err) ||
        qb_config_size(config, "block_count", &arch->layers, err) ||
        qb_config_size(config, "feed_forward_length", &arch->inner, err) ||
        qb_config_size(config, "vocab_size", &arch->vocab, err) ||
        qb_config_size(config, "attention.value_length", &value_length, err))
        return err->status;
    if (arch->hidden == 0 || arch->layers == 0 || arch->layers > QB_LAYERS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%sembedding_length is %zu and %sblock_count %zu, expected at most %d blocks",
                       config->prefix, arch->hidden, config->prefix, arch->layers, QB_LAYERS_MAX);
    if (arch->heads == 0 || (arch->head_dim == 0 && arch->hidden % arch->heads))
        return qb_fail(err, QB_ERR_INPUT, "%sattention.head_count is %zu, expected a divisor of the width %zu",
                       config->prefix, arch->heads, arch->hidden);
    arch->head_dim = qb_arch_head_dim(arch);
    arch->kv_heads = qb_arch_kv_heads(arch);
    if (value_length && value_length != arch->head_dim)
        return qb_fail(err, QB_ERR_INPUT, "%sattention.value_length is %zu, expected that of keys, %zu", config->prefix,
                       value_length, arch->head_dim);
    return QB_OK;
}

static enum qb_status read_scaling(const struct qb_config *config, struct qb_rope *rope, struct qb_error *err)
{
    static const struct {
        const char *word;
        enum qb_rope_scaling scaling;
    } types[] = {
        {"none", QB_ROPE_PLAIN}, {"linear", QB_ROPE_LINEAR}, {"yarn", QB_ROPE_YARN}, {"longrope", QB_ROPE_LONGROPE}};
    const char *word;
    size_t i = 0;
    double factor, attention, given;
    if (qb_config_text(config, "rope.scaling.type", &word, err) ||
        qb_config_number(config, "rope.scale_linear", 0, 1e12, 0, &factor, err) ||
        qb_config_number(config, "rope.scaling.factor", 0, 1e12, factor, &factor, err) ||
        qb_config_number(config, "rope.scaling.attn_factor", 1e-6, 1e12, 0, &attention, err) ||
        qb_config_number(config, "rope.scaling.yarn_attn_factor", 1e-6, 1e12, 0, &given, err))
        return err->status;
    while (i < 4 && strcmp(types[i].word, word ? word : "linear") != 0)
        i++;
    if (i == 4)
        return qb_fail(err, QB_ERR_INPUT, "%srope.scaling.type is '%.*s', expected none, linear, yarn or longrope",
                       config->prefix, QB_UPTO(64, word));
    const bool one = factor == 0.0 || factor == 1.0;
    rope->scaling = types[i].scaling == QB_ROPE_LINEAR && one ? QB_ROPE_PLAIN : types[i].scaling;
    rope->factor = one || rope->scaling == QB_ROPE_PLAIN ? 1.0f : (float)factor;
    if (rope->original_context == 0)
        rope->original_context = config->arch->trained_context;
    if (rope->scaling == QB_ROPE_YARN)
        rope->attention_factor =
            given > 0.0
                ? (float)given
                : (float)((attention > 0.0 ? attention : 1.0) * (0.1 * log(fmax(1.0, (double)rope->factor)) + 1.0));
    else if (attention > 0.0)
        rope->attention_factor = (float)attention;
    return QB_OK;
}

static enum qb_status read_rope(const struct qb_config *config, struct qb_error *err)
{
    struct qb_arch *arch = config->arch;
    if (arch->rope[0].dims == 0)
        arch->rope[0].dims = arch->head_dim;
    arch->rope[0].pairs = config->family->gguf_pairs;
    struct qb_rope windowed = arch->rope[0];
    if (read_scaling(config, &arch->rope[0], err))
        return err->status;
    if (!config->family->local_rope)
        windowed = arch->rope[0];
    if (config->family->local_rope || qb_config_get(config, "rope.freq_base_swa"))
        windowed.theta = arch->rope[1].theta;
    arch->rope[1] = windowed;
    return QB_OK;
}

/* sliding_window_pattern is a list of flags, or a period; without it the family's rule holds. */
static enum qb_status read_windows(const struct qb_config *config, struct qb_error *err)
{
    const struct qb_family *family = config->family;
    const json_t *pattern = qb_config_get(config, "attention.sliding_window_pattern");
    struct qb_arch *arch = config->arch;
    size_t period = family->window_period;
    const bool by_period = json_is_number(pattern) || (!pattern && family->windows == QB_WINDOWS_PERIOD);
    if (arch->window == 0)
        return QB_OK;
    if (pattern && !json_is_array(pattern) && qb_config_size(config, "attention.sliding_window_pattern", &period, err))
        return err->status;
    if (json_is_array(pattern) && json_array_size(pattern) != arch->layers)
        return qb_fail(err, QB_ERR_INPUT, "%sattention.sliding_window_pattern: %zu entries, expected %zu, one a layer",
                       config->prefix, json_array_size(pattern), arch->layers);
    if (!pattern && family->windows == QB_WINDOWS_FROM)
        return qb_fail(err, QB_ERR_INPUT, "%sattention.sliding_window is %zu, and no pattern says in which layers",
                       config->prefix, arch->window);
    for (size_t i = 0; i < arch->layers; i++) {
        const json_t *flag = json_array_get(pattern, i);
        qb_config_window(arch, i,
                         flag        ? json_is_true(flag) || json_integer_value(flag) != 0
                         : by_period ? period == 0 || (i + 1) % period != 0
                                     : true);
    }
    return QB_OK;
}

/* Gemma's scales: those of 27 B parameters, told by their layers, have another (llama.cpp, gemma2 and gemma3). */
static void set_scales(const struct qb_family *family, struct qb_arch *arch)
{
    const size_t large = family->local_rope ? 62 : 46;
    if (family->scaled_embedding)
        arch->embed_scale = (float)sqrt((double)arch->hidden);
    if (family->query_scalar && arch->attention_scale == 0.0f && arch->layers == large)
        arch->attention_scale = (float)(1.0 / sqrt((double)(arch->hidden / arch->heads)));
}

/* The family's options without what transformers' classes have as defaults of sizes. */
static void begin(const struct qb_family *family, struct qb_arch *arch)
{
    *arch = family->options;
    arch->heads = arch->kv_heads = arch->head_dim = 0;
    arch->window = family->windows == QB_WINDOWS_PERIOD && !family->local_rope ? arch->window : 0;
    arch->rope[0].theta = arch->rope[1].theta = family->options.rope[0].theta > 0.0f ? 10000.0f : 0.0f;
    arch->norm_plus_one = false; /* the file has it added */
}

enum qb_status qb_arch_from_gguf(const struct json_t *json, struct qb_arch *arch, struct qb_error *err)
{
    char prefix[40];
    const char *type = json_string_value(json_object_get(json, "general.architecture"));
    struct qb_config config = {.json = json, .prefix = prefix, .arch = arch};
    config.family = qb_config_family(QB_SOURCE_GGUF, "general.architecture", type, err);
    if (config.family) {
        snprintf(prefix, sizeof prefix, "%s.", config.family->gguf);
        begin(config.family, arch);
    }
    if (err->status || qb_config_options(&config, keys, err) || read_sizes(&config, err) ||
        (!arch->learned_positions && (read_rope(&config, err) || read_windows(&config, err))) ||
        refuse_unknown(&config, err))
        return qb_wrap(err, "GGUF metadata");
    set_scales(config.family, arch);
    return qb_config_finish(&config, err) ? qb_wrap(err, "GGUF metadata") : QB_OK;
}
