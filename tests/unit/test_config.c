/* Configs: spellings of config.json that mean the same, what published models' files say, and what is refused by name.
 * The values due are transformers' (modeling_rope_utils.py and the configuration classes) and llama.cpp's. */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include "arch/arch.h"

#define SIZES "\"hidden_size\":32,\"num_hidden_layers\":4,\"num_attention_heads\":4,\"vocab_size\":60,"

static enum qb_status read_config(const char *text, struct qb_arch *arch, struct qb_error *err)
{
    json_error_t where;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    cr_assert_not_null(json, "%s: %s", text, where.text);
    memset(arch, 0, sizeof *arch);
    bool gguf = json_object_get(json, "general.architecture") != NULL;
    enum qb_status status = gguf ? qb_arch_from_gguf(json, arch, err) : qb_arch_from_hf(json, arch, err);
    json_decref(json);
    return status;
}

/* All options as "name=text ...", as our own layout would have them. */
static void print(const char *config, struct qb_text *out)
{
    struct qb_arch arch;
    struct qb_error err = {0};
    const char *option;
    cr_assert_eq(read_config(config, &arch, &err), QB_OK, "%s: %s", config, err.message);
    for (size_t i = 0; (option = qb_arch_option(i)); i++) {
        struct qb_text text = {0};
        if (qb_arch_option_print(&arch, i, &text))
            qb_text_add(out, "%s=%s ", option, text.data ? text.data : "");
        qb_text_free(&text);
    }
}

static void same(const char *a, const char *b)
{
    struct qb_text texts[2] = {{0}, {0}};
    print(a, &texts[0]);
    print(b, &texts[1]);
    cr_expect_str_eq(texts[0].data, texts[1].data, "%s", b);
    qb_text_free(&texts[0]);
    qb_text_free(&texts[1]);
}

static void says(const char *config, const char *const *options)
{
    struct qb_text text = {0};
    qb_text_add(&text, " ");
    print(config, &text);
    for (size_t i = 0; options[i]; i++) {
        char word[128];
        snprintf(word, sizeof word, " %s ", options[i]);
        cr_expect(strstr(text.data, word), "%s: no '%s' among%s", config, options[i], text.data);
    }
    qb_text_free(&text);
}

static void refused(const char *config, const char *message)
{
    struct qb_arch arch;
    struct qb_error err = {0};
    cr_expect_eq(read_config(config, &arch, &err), QB_ERR_INPUT, "%s", config);
    cr_expect(strstr(err.message, message), "%s: '%s' lacks '%s'", config, err.message, message);
}

#define LLAMA(more) "{\"model_type\":\"llama\"," SIZES "\"max_position_embeddings\":128" more "}"
#define GEMMA3(more) "{\"model_type\":\"gemma3_text\"," SIZES "\"head_dim\":8,\"sliding_window\":5" more "}"
#define GEMMA(more) "{\"model_type\":\"gemma\"," SIZES "\"head_dim\":8,\"num_key_value_heads\":2," more "}"
#define PHI3(more) "{\"model_type\":\"phi3\"," SIZES "\"max_position_embeddings\":128" more "}"
#define LONG "\"long_factor\":[1,2,3,4],\"short_factor\":[1,1,1,2]"
#define LLAMA3 "\"factor\":8,\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":16"

Test(config, spellings_that_mean_the_same)
{
    same(LLAMA(",\"rope_theta\":500.0"), LLAMA(",\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":500}"));
    same(LLAMA(""), LLAMA(",\"rope_scaling\":null,\"head_dim\":null,\"num_key_value_heads\":null,\"rope_theta\":1e4"));
    same(LLAMA(""), LLAMA(",\"head_dim\":8,\"num_key_value_heads\":4,\"hidden_act\":\"swish\",\"pretraining_tp\":1"));
    same(LLAMA(",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.0}"),
         LLAMA(",\"rope_parameters\":{\"rope_type\":\"linear\",\"factor\":2,\"rope_theta\":10000.0}"));
    same(LLAMA(",\"rope_scaling\":{\"rope_type\":\"llama3\"," LLAMA3 "},\"rope_theta\":7"),
         LLAMA(",\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":7," LLAMA3 "}"));
    same(LLAMA(",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4}"),
         LLAMA(",\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":128,"
               "\"beta_fast\":32,\"beta_slow\":1,\"attention_factor\":1.138629436111989,\"finetuned\":true}"));
    same(LLAMA(",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":8,\"original_max_position_embeddings\":16}"),
         LLAMA(",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":null,\"original_max_position_embeddings\":16}"));
    same(PHI3(",\"original_max_position_embeddings\":16,\"rope_scaling\":{\"type\":\"su\"," LONG "}"),
         PHI3(",\"original_max_position_embeddings\":16,\"sliding_window\":null,"
              "\"rope_parameters\":{\"rope_type\":\"longrope\",\"factor\":8.0," LONG "}"));
    same(GEMMA("\"hidden_act\":\"gelu\""), GEMMA("\"hidden_act\":\"gelu_pytorch_tanh\""));
    same(GEMMA("\"hidden_act\":\"gelu\",\"hidden_activation\":null"),
         GEMMA("\"hidden_act\":\"gelu_pytorch_tanh\",\"hidden_activation\":\"gelu_pytorch_tanh\""));
    same(GEMMA3(",\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":8.0},\"rope_theta\":1000000,"
                "\"rope_local_base_freq\":10000,\"sliding_window_pattern\":2"),
         GEMMA3(",\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"linear\",\"factor\":8.0,"
                "\"rope_theta\":1000000},\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":10000}},"
                "\"layer_types\":[\"sliding_attention\",\"full_attention\",\"sliding_attention\",\"full_attention\"]"));
}

/* The configs of published models, with what their pages add beside the options. */
Test(config, published_models)
{
    says("{\"architectures\":[\"LlamaForCausalLM\"],\"attention_bias\":false,\"attention_dropout\":0.0,\"bos_token_"
         "id\":1,"
         "\"eos_token_id\":2,\"hidden_act\":\"silu\",\"hidden_size\":576,\"initializer_range\":0.041666666666666664,"
         "\"intermediate_size\":1536,\"is_llama_config\":true,\"max_position_embeddings\":8192,\"mlp_bias\":false,"
         "\"model_type\":\"llama\",\"num_attention_heads\":9,\"num_hidden_layers\":30,\"num_key_value_heads\":3,"
         "\"pad_token_id\":2,\"pretraining_tp\":1,\"rms_norm_eps\":1e-05,\"rope_interleaved\":false,"
         "\"rope_scaling\":null,\"rope_theta\":100000,\"tie_word_embeddings\":true,\"torch_dtype\":\"bfloat16\","
         "\"transformers.js_config\":{\"kv_cache_dtype\":{\"q4f16\":\"float16\"}},\"transformers_version\":\"4.42.3\","
         "\"use_cache\":true,\"vocab_size\":49152}",
         (const char *const[]){"heads=9", "kv_heads=3", "head_dim=64", "rope.theta=100000", "rope.dims=64",
                               "norm_eps=9.99999975e-06", "trained_context=8192", NULL});
    says("{\"architectures\":[\"Phi3ForCausalLM\"],\"attention_bias\":false,\"attention_dropout\":0.0,"
         "\"auto_map\":{\"AutoConfig\":\"configuration_phi3.Phi3Config\"},\"bos_token_id\":1,\"embd_pdrop\":0.0,"
         "\"eos_token_id\":32000,\"hidden_act\":\"silu\",\"hidden_size\":3072,\"initializer_range\":0.02,"
         "\"intermediate_size\":8192,\"max_position_embeddings\":4096,\"model_type\":\"phi3\","
         "\"num_attention_heads\":32,\"num_hidden_layers\":32,\"num_key_value_heads\":32,"
         "\"original_max_position_embeddings\":4096,\"pad_token_id\":32000,\"resid_pdrop\":0.0,"
         "\"rms_norm_eps\":1e-05,\"rope_scaling\":null,\"rope_theta\":10000.0,\"sliding_window\":2047,"
         "\"tie_word_embeddings\":false,\"torch_dtype\":\"bfloat16\",\"use_cache\":true,"
         "\"vocab_size\":32064}",
         (const char *const[]){"window=2047", "windowed=0-31", "rope.dims=96", NULL});
    says("{\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"boi_token_index\":255999,\"model_type\":\"gemma3\","
         "\"text_config\":{\"hidden_size\":2560,\"intermediate_size\":10240,\"model_type\":\"gemma3_text\","
         "\"num_hidden_layers\":34,\"rope_scaling\":{\"factor\":8.0,\"rope_type\":\"linear\"},\"sliding_window\":1024},"
         "\"vision_config\":{\"hidden_size\":1152,\"num_attention_heads\":16}}",
         (const char *const[]){"heads=8", "rope.theta=1000000", "rope.factor=8", "rope.scaling=linear",
                               "windowed_rope.dims=256", "attention_scale=0.0625",
                               "windowed=0-4,6-10,12-16,18-22,24-28,30-33", NULL});
    says(
        "{\"activation_function\":\"gelu_new\",\"attn_pdrop\":0.1,\"bos_token_id\":50256,\"embd_pdrop\":0.1,"
        "\"initializer_range\":0.02,\"layer_norm_epsilon\":1e-05,\"model_type\":\"gpt2\",\"n_ctx\":1024,\"n_embd\":768,"
        "\"n_head\":12,\"n_layer\":12,\"n_positions\":1024,\"resid_pdrop\":0.1,\"summary_activation\":null,"
        "\"summary_first_dropout\":0.1,\"summary_proj_to_labels\":true,\"summary_type\":\"cls_index\","
        "\"task_specific_params\":{\"text-generation\":{\"do_sample\":true,\"max_length\":50}},\"vocab_size\":50257}",
        (const char *const[]){"heads=12", "context=1024", "positions=learned", "activation=gelu_tanh", NULL});
    says("{\"model_type\":\"qwen2\",\"hidden_size\":896,\"num_hidden_layers\":24,\"num_attention_heads\":14,"
         "\"num_key_value_heads\":2,\"max_window_layers\":21,\"use_sliding_window\":false,\"sliding_window\":32768,"
         "\"use_mrope\":false,\"rope_theta\":1000000.0,\"max_position_embeddings\":32768,\"tie_word_embeddings\":true}",
         (const char *const[]){"window=0", "kv_heads=2", "rope.theta=1000000", NULL});
}

Test(config, options_that_are_not_known_are_refused_by_name)
{
    refused("{\"model_type\":\"bert\"," SIZES "\"x\":0}", "model_type is 'bert', expected one of gpt2, llama");
    refused("{" SIZES "\"x\":0}", "model_type is ''");
    refused(LLAMA(",\"hidden_act\":\"relu6\""), "hidden_act is 'relu6', expected silu");
    refused(LLAMA(",\"num_local_experts\":8"), "num_local_experts is 8: this program does not know the option");
    refused(LLAMA(",\"attention_chunk_size\":16"), "attention_chunk_size is 16");
    refused(LLAMA(",\"quantization_config\":{\"bits\":4}"), "quantization_config is {\"bits\":4}");
    refused(LLAMA(",\"embedding_multiplier\":12.0"), "embedding_multiplier");
    refused(LLAMA(",\"sliding_window\":16"), "sliding_window is 16");
    refused(LLAMA(",\"rope_interleaved\":true"), "rope_interleaved is true");
    refused(LLAMA(",\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2}"), "rope: rope_type is 'dynamic', expected");
    refused(LLAMA(",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2,\"mrope_section\":[2,2]}"), "mrope_section");
    refused(LLAMA(",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":2,\"truncate\":false}"), "truncate is false");
    refused(LLAMA(",\"rope_scaling\":{\"type\":\"linear\"}"), "rope: factor is missing");
    refused(LLAMA(",\"rope_scaling\":{\"type\":\"llama3\",\"factor\":8}"), "frequency factors");
    refused(LLAMA(",\"rope_scaling\":[1]"), "expected objects");
    refused(LLAMA(",\"rope_parameters\":{\"rope_type\":\"default\",\"partial_rotary_factor\":0.5}"),
            "partial_rotary_factor is 0.5, expected 1");
    refused(LLAMA(",\"partial_rotary_factor\":0.5"), "partial_rotary_factor is 0.5, expected 1");
    refused(LLAMA(",\"rope_parameters\":{\"full_attention\":{\"rope_theta\":300}}"), "full_attention is");
    refused(GEMMA3(",\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":300}"),
            "expected full_attention and sliding_attention");
    refused(GEMMA3(",\"rope_parameters\":{\"full_attention\":{\"rope_theta\":300}},"
                   "\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":8}"),
            "rope_scaling beside rope_parameters");
    refused(GEMMA("\"hidden_act\":\"gelu\",\"hidden_activation\":\"gelu\""), "hidden_activation is another than");
    refused(LLAMA(",\"rope_theta\":-1"), "rope_theta is -1");
    refused(LLAMA(",\"rms_norm_eps\":\"tiny\""), "rms_norm_eps is \"tiny\", expected a number");
    refused(LLAMA(",\"num_key_value_heads\":3"), "3 heads of keys and values, expected a divisor of the 4");
    refused(LLAMA(",\"head_dim\":1e9"), "head_dim is '1e+09'");
    refused(LLAMA(",\"head_dim\":7"), "7 rotated dimensions of 7");
    refused("{\"model_type\":\"llama\",\"num_hidden_layers\":4}", "hidden_size is 0");
    refused("{\"model_type\":\"llama\",\"hidden_size\":30,\"num_hidden_layers\":4,\"num_attention_heads\":4}",
            "num_attention_heads is 4, expected a divisor of the width 30");
    refused("{\"model_type\":\"llama\",\"hidden_size\":32,\"num_hidden_layers\":1e6}", "num_hidden_layers 1000000");
    refused(PHI3(",\"rope_scaling\":{\"type\":\"longrope\",\"long_factor\":[1],\"short_factor\":[1]}"),
            "long_factor: 1 numbers, expected 4");
    refused(GEMMA3(",\"layer_types\":[\"full_attention\"]"), "layer_types: 1 entries, expected 4");
    refused(GEMMA3(",\"layer_types\":[\"a\",\"b\",\"c\",\"d\"]"), "entry 0 is 'a', expected full_attention");
    refused(GEMMA3(",\"attn_logit_softcapping\":50.0"), "attn_logit_softcapping is 50");
    refused(GEMMA3(",\"use_bidirectional_attention\":true"), "use_bidirectional_attention is true");
    refused("{\"model_type\":\"gpt2\",\"n_embd\":12,\"n_layer\":1,\"n_head\":2,"
            "\"scale_attn_by_inverse_layer_idx\":true}",
            "scale_attn_by_inverse_layer_idx is true");
}

#define GGUF(arch, more)                                                                                               \
    "{\"general.architecture\":\"" arch "\",\"" arch ".embedding_length\":32,\"" arch ".block_count\":4,\"" arch       \
    ".attention.head_count\":4,\"" arch ".attention.layer_norm_rms_epsilon\":1e-5" more "}"

Test(config, gguf)
{
    says(GGUF("llama", ""), (const char *const[]){"rope.pairs=true", "rope.dims=8", "rope.theta=10000", NULL});
    says(GGUF("llama", ",\"llama.attention.head_count_kv\":[2,2,2,2],\"llama.attention.sliding_window\":9"),
         (const char *const[]){"kv_heads=2", "window=9", "windowed=0-3", NULL});
    says(GGUF("gemma2", ",\"gemma2.attention.key_length\":16"),
         (const char *const[]){"window=4096", "windowed=0,2", "attention_softcap=50", "logit_softcap=30", "head_dim=16",
                               "norm_plus_one=false", NULL});
    says(GGUF("gemma3", ",\"gemma3.attention.sliding_window\":9,\"gemma3.rope.freq_base\":1e6,"
                        "\"gemma3.rope.scaling.type\":\"linear\",\"gemma3.rope.scaling.factor\":8"),
         (const char *const[]){"windowed=0-3", "rope.factor=8", "rope.scaling=linear", NULL});
    same(GGUF("gemma3", ",\"gemma3.attention.sliding_window\":9,\"gemma3.attention.sliding_window_pattern\":2"),
         GGUF("gemma3", ",\"gemma3.attention.sliding_window\":9,"
                        "\"gemma3.attention.sliding_window_pattern\":[true,false,true,false]"));
    refused(GGUF("falcon", ""), "general.architecture is 'falcon', expected one of gpt2, llama");
    refused(GGUF("llama", ",\"llama.expert_count\":8"), "llama.expert_count is 8: this program does not know");
    refused(GGUF("llama", ",\"llama.rope.scaling.type\":\"ntk\""), "llama.rope.scaling.type is 'ntk', expected");
    refused(GGUF("llama", ",\"llama.attention.value_length\":4"), "llama.attention.value_length is 4, expected");
    refused(GGUF("llama", ",\"llama.attention.head_count_kv\":[2,4,2,4]"), "head_count_kv is [2,4,2,4], expected");
    refused(GGUF("qwen2", ",\"qwen2.attention.sliding_window\":9"), "no pattern says in which layers");
    refused("{\"general.architecture\":\"llama\",\"llama.block_count\":4}", "llama.embedding_length is missing");
    refused("{\"general.architecture\":\"llama\",\"llama.embedding_length\":32,\"llama.block_count\":4,"
            "\"llama.attention.head_count\":4}",
            "llama.attention.layer_norm_rms_epsilon is missing");
}
