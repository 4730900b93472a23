/* Families of architectures: a row of options and a table of tensor names each, in families.c. Generator, reader and
 * writer follow the tables. */
#ifndef QB_ARCH_H
#define QB_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "codec/role.h"
#include "weights/weights.h"

enum qb_activation { QB_ACT_RELU, QB_ACT_GELU /* exact, erf */, QB_ACT_GELU_TANH /* gelu_new */, QB_ACT_SILU };
enum qb_norm { QB_NORM_NONE, QB_NORM_LAYERNORM, QB_NORM_RMS /* Zhang and Sennrich 2019: x / rms(x) * weight */ };

/* Rotary positions (Su et al. 2021) and how they are stretched. */
enum qb_rope_scaling { QB_ROPE_PLAIN, QB_ROPE_LINEAR, QB_ROPE_LLAMA3, QB_ROPE_YARN, QB_ROPE_LONGROPE };
enum { QB_HEAD_DIM_MAX = 512, QB_LAYERS_MAX = 1024 };
struct qb_rope {
    size_t dims; /* of a head that are rotated, even, from the first on; 0: no rotary positions */
    bool pairs;  /* rotates (x[2i], x[2i+1]), as GGUF's llama; false: (x[i], x[i + dims/2]), as Hugging Face */
    float theta; /* base: angle i of position p is p * theta^(-2i/dims), before scaling */
    enum qb_rope_scaling scaling;
    float factor;                            /* linear, llama3, yarn, longrope */
    float low_freq_factor, high_freq_factor; /* llama3 */
    size_t original_context;                 /* llama3, yarn, longrope: positions that the model was trained for */
    float beta_fast, beta_slow;              /* yarn */
    float attention_factor;                  /* yarn, longrope: of cos and sin; 0: the scaling's own rule */
    bool factors_long, factors_short;        /* angle i is divided by long_factor[i] (short_factor[i] where ... */
    float long_factor[QB_HEAD_DIM_MAX / 2];  /* ... longrope's sequence is not longer than original_context). A */
    float short_factor[QB_HEAD_DIM_MAX / 2]; /* rope_freqs tensor is both. */
};

/* The architecture as options. Widths of single layers follow from the tensors' shapes. */
struct qb_arch {
    char name[32]; /* of the family */
    size_t vocab, hidden, layers, heads;
    size_t kv_heads;                       /* each serves heads / kv_heads queries' heads; 0: heads */
    size_t head_dim;                       /* 0: hidden / heads */
    size_t context;                        /* largest number of positions; 0: no limit */
    size_t trained_context;                /* positions it was trained for; more are computed alike; 0: not said */
    size_t inner;                          /* width that the first mlp matrix makes; 0: the shapes alone tell */
    bool attention;                        /* softmax(q k^T * scale) v, then the output projection */
    float attention_scale;                 /* 0: 1 / sqrt(head_dim) */
    float attention_softcap;               /* s = c * tanh(s / c) of scores; 0: none */
    float logit_softcap;                   /* likewise of logits */
    size_t window;                         /* position i sees positions > i - window; 0: all before it */
    uint64_t windowed[QB_LAYERS_MAX / 64]; /* bit l: the window holds in layer l */
    struct qb_rope rope[2];                /* [1]: of windowed layers; equal to [0] where the family has one */
    bool qk_norm;                          /* RMS norm of each head's queries and keys, before rope */
    bool norm_after;         /* a norm behind attention and behind the mlp, too, before the sum (Gemma 2) */
    bool norm_plus_one;      /* RMS weights are stored as w - 1 (Gemma in Hugging Face's form) */
    float embed_scale;       /* of embeddings as input, not as head; 0: 1 */
    bool gated;              /* mlp: down(act(gate(x)) * up(x)) */
    bool causal;             /* position i sees positions <= i; false: all positions see all */
    bool learned_positions;  /* a position vector is added to the embedding */
    bool residual;           /* h += attention(h), h += mlp(h); false: h = act(up(h)) */
    bool mlp_down;           /* up, activation, down; false: up, activation */
    enum qb_norm block_norm; /* before attention and before the mlp */
    enum qb_norm final_norm; /* before the head */
    float norm_eps;
    enum qb_activation activation;
    bool tied_head; /* logits = h E^T; false: a head tensor, with bias if there is one */
};

enum qb_bias { QB_BIAS_NONE, QB_BIAS_ALWAYS, QB_BIAS_OPTIONAL };

/* Where a norm stands. */
enum qb_norm_at {
    QB_NORM_NOWHERE, /* no norm's tensor */
    QB_NORM_BEFORE_ATTENTION,
    QB_NORM_OF_QUERY,
    QB_NORM_OF_KEY,
    QB_NORM_AFTER_ATTENTION,
    QB_NORM_BEFORE_MLP,
    QB_NORM_AFTER_MLP,
    QB_NORM_FINAL
};

/* A tensor of a family, <own>.weight, and its bias. Its shape, and whether the options ask for it, follow from its
 * roles; a fused tensor has several, one for each of its row blocks, in the order of their bits. */
struct qb_tensor_rule {
    uint32_t roles;
    const char *own; /* in our safetensors layout (docs/models.md); with %d: one a layer */
    enum qb_bias bias;
    enum qb_norm_at norm;  /* roles QB_ROLE_NORM */
    const char *hf, *gguf; /* in a Hugging Face folder and in GGUF, likewise without .weight; NULL: not in that form */
    bool transposed;       /* Hugging Face has it as (in, out), as GPT-2's Conv1D */
};

/* Which layers have the window where a config does not list them. */
enum qb_windows {
    QB_WINDOWS_NONE,  /* none: a window is refused */
    QB_WINDOWS_ALL,   /* all */
    QB_WINDOWS_FROM,  /* from max_window_layers on, where use_sliding_window says so (Qwen) */
    QB_WINDOWS_PERIOD /* all but each window_period-th (Gemma) */
};

struct qb_family {
    const char *name, *summary;
    struct qb_arch options;             /* vocab, hidden, layers and context 0, in the source's form */
    const struct qb_tensor_rule *rules; /* in the order of the tensors, a layer's together; ends with roles 0 */
    const char *hf, *gguf;              /* its model_type in config.json, its general.architecture; NULL: none */
    enum qb_windows windows;
    size_t window_period;
    bool local_rope;       /* windowed layers turn by a base of their own, unscaled (rope[1] of options) */
    bool own_activation;   /* config.json names the activation hidden_activation, and hidden_act is not read (Gemma) */
    bool gguf_pairs;       /* GGUF has its queries and keys permuted for rope.pairs (llama) */
    bool scaled_embedding; /* embed_scale is sqrt(hidden) */
    size_t query_scalar;   /* query_pre_attn_scalar where config.json has none; 0: no such option */
    /* Of the generator of this name: a layer's inner width as a multiple of hidden (0: no generator), how many layers
     * there are beyond those asked for, and how biases end (weights.h). */
    size_t generated_inner, generated_extra;
    bool zero_biases;
};

const struct qb_family *qb_family_at(size_t index); /* NULL past the last */
const struct qb_family *qb_family_find(const char *name);
/* Appends "transformer or chain": all families, or those with a generator. */
void qb_family_names(bool generated, struct qb_text *out);

/* Width of a head, and how many heads keys and values have, where arch leaves them to the rule (0). */
size_t qb_arch_head_dim(const struct qb_arch *arch);
/* Positions beyond which the model says nothing of worth: the most that it takes, or else those it was trained for; 0:
 * the file does not say. */
size_t qb_arch_trained(const struct qb_arch *arch);
/* Why the model keeps no keys or values of positions that went through it; NULL: it does. */
const char *qb_arch_no_kv(const struct qb_arch *arch);
size_t qb_arch_kv_heads(const struct qb_arch *arch);
/* Positions that a query which sees `seen` of them, its own among them, attends to, summed over the layers: in one with
 * a window no more than the window. */
double qb_arch_attended(const struct qb_arch *arch, double seen);

/* The first rule of this role, or NULL; its tensor's name in a source for a layer (-1: none), suffix "weight" or
 * "bias":
 * "" where that form has no such tensor. A Hugging Face name has the prefix that most files have, "model." or
 * "transformer."; qb_hf_name puts the index-th other one in its place (false past the last). */
const struct qb_tensor_rule *qb_family_rule(const struct qb_family *family, uint32_t role);
void qb_rule_name(const struct qb_tensor_rule *rule, enum qb_source source, int layer, const char *suffix,
                  char name[64]);
bool qb_hf_name(const char *name, size_t index, char other[64]);
/* Tensors that files carry and that are no weights: masks, frequencies, the towers of other senses. */
bool qb_not_a_weight(const char *name);

struct qb_arch_tensor {
    char name[64];
    uint32_t roles; /* role bits; a bias has QB_ROLE_BIAS and its matrix's bits */
    int layer;      /* from 0; -1: none */
    size_t rows, cols;
    size_t block_rows[3]; /* of a fused tensor, in the order of its roles' bits; of others rows, 0, 0 */
    enum qb_norm_at norm;
    const struct qb_tensor_rule *rule;
    bool optional; /* a model may lack it */
};
/* The tensors of arch in canonical order: *tensors is a new array for qb_free. inner[layers] is the width that each
 * layer's first mlp matrix makes (without mlp_down, the last must be arch->hidden). arch->name must be a family's. */
enum qb_status qb_arch_tensors(const struct qb_arch *arch, const size_t *inner, struct qb_arch_tensor **tensors,
                               size_t *count, struct qb_error *err);

/* The options that a model of a family may set, by name: "heads", "rope.theta". The name of the index-th, or NULL. They
 * are what our own layout's metadata say and what the model's hash covers. */
const char *qb_arch_option(size_t index);
/* Sets an option from a text, or from a number that a config has under `key`. QB_ERR_INPUT says what was expected. */
enum qb_status qb_arch_option_read(struct qb_arch *arch, const char *name, const char *text, struct qb_error *err);
enum qb_status qb_arch_option_set(struct qb_arch *arch, const char *name, const char *key, double value,
                                  struct qb_error *err);
/* Appends the option's text, as qb_arch_option_read reads it; false: it is off, as in the family's row, or does not
 * apply, and need not be said. */
bool qb_arch_option_print(const struct qb_arch *arch, size_t index, struct qb_text *out);
/* Does the option say something of this model? Not where another leaves it without a part: windowed_rope.* without a
 * windowed layer, rope.factor of a plain rope. */
bool qb_arch_option_applies(const struct qb_arch *arch, size_t index);
void qb_arch_hash(const struct qb_arch *arch, struct qb_hash *hash);
/* Whether the options hold together: QB_ERR_INPUT naming the one that does not. vocab, hidden and layers are known. */
enum qb_status qb_arch_check(const struct qb_arch *arch, struct qb_error *err);

/* A family's options from config.json or from GGUF's metadata (weights.h). An option that this program does not know
 * and that changes what is computed is refused by name. Sizes are as the config says, 0 where it does not. */
enum qb_status qb_arch_from_hf(const struct json_t *config, struct qb_arch *arch, struct qb_error *err);
/* A flag of config.json; `otherwise` where it says nothing. */
enum qb_status qb_arch_hf_flag(const struct json_t *config, const char *key, bool otherwise, bool *value,
                               struct qb_error *err);
enum qb_status qb_arch_from_gguf(const struct json_t *config, struct qb_arch *arch, struct qb_error *err);

#endif
