/* Families of architectures: a row of options and a table of tensor names each, in families.c. Generator, reader and
 * writer follow the tables. */
#ifndef QB_ARCH_H
#define QB_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"
#include "codec/role.h"

enum qb_activation { QB_ACT_RELU, QB_ACT_GELU /* exact, erf */ };
enum qb_norm { QB_NORM_NONE, QB_NORM_LAYERNORM };

/* The architecture as options. Widths of single layers follow from the tensors' shapes. */
struct qb_arch {
    char name[32]; /* of the family */
    size_t vocab, hidden, layers, heads;
    size_t context;          /* largest number of positions; 0: no limit */
    bool attention;          /* softmax(q k^T / sqrt(hidden / heads)) v, then the output projection */
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

/* A tensor of a family, <own>.weight, and its bias. Its shape, and whether the options ask for it, follow from its
 * roles; a fused tensor has several, one for each of its equal row blocks, in the order of their bits. */
struct qb_tensor_rule {
    uint32_t roles;
    const char *own; /* in our safetensors layout (data/models/README.md); with %d: one a layer */
    enum qb_bias bias;
};

struct qb_family {
    const char *name, *summary;
    struct qb_arch options;             /* vocab, hidden, layers and context 0, in the source's form */
    const struct qb_tensor_rule *rules; /* in the order of the tensors, a layer's together; ends with roles 0 */
    /* Of the generator of this name: a layer's inner width as a multiple of hidden (0: no generator), how many layers
     * there are beyond those asked for, and how biases end (weights.h). */
    size_t generated_inner, generated_extra;
    bool zero_biases;
};

const struct qb_family *qb_family_at(size_t index); /* NULL past the last */
const struct qb_family *qb_family_find(const char *name);
/* Appends "transformer or chain": all families, or those with a generator. */
void qb_family_names(bool generated, struct qb_text *out);

/* The first rule of this role, or NULL; its tensor's name for a layer (-1: none), suffix "weight" or "bias". */
const struct qb_tensor_rule *qb_family_rule(const struct qb_family *family, uint32_t role);
void qb_rule_name(const struct qb_tensor_rule *rule, int layer, const char *suffix, char name[64]);

struct qb_arch_tensor {
    char name[64];
    uint32_t roles; /* role bits; a bias has QB_ROLE_BIAS and its matrix's bits */
    int layer;      /* from 0; -1: none */
    size_t rows, cols;
    bool optional; /* a model may lack it */
};
/* The tensors of arch in canonical order: *tensors is a new array for qb_free. inner[layers] is the width that each
 * layer's first mlp matrix makes (without mlp_down, the last must be arch->hidden). arch->name must be a family's. */
enum qb_status qb_arch_tensors(const struct qb_arch *arch, const size_t *inner, struct qb_arch_tensor **tensors,
                               size_t *count, struct qb_error *err);

#endif
