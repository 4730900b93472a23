/* A model: architecture options, weights addressed by role and layer, and where they came from. One block engine
 * (net.h) serves every architecture. */
#ifndef QB_MODEL_H
#define QB_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "arch/arch.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "compute/matrix.h"
#include "weights/weights.h"

struct qb_tensor {
    char name[64];        /* as in the safetensors layout of docs/models.md, e.g. "layers.0.attn.qkv.weight" */
    const char *source;   /* what its source calls it; borrowed from model->weights */
    uint32_t roles;       /* role bits; a bias has QB_ROLE_BIAS and its matrix's bits; a norm QB_ROLE_NORM */
    int layer;            /* from 0; -1: none */
    size_t rows, cols;    /* a matrix is (out, in); a vector is (1, n) */
    size_t block_rows[3]; /* of a fused tensor (arch.h) */
    enum qb_norm_at norm; /* of a norm's weight and bias: where it stands */
    const struct qb_format *format; /* of bytes; NULL: FP32 as the machine holds it, aligned to 4 */
    const void *bytes;              /* rows x cols, row-major. A matrix's lie in model->weights; a vector (norm, bias),
                                     * which every step reads, is FP32 in model->vectors */
    size_t size;                    /* of bytes */
    bool mapped;                    /* bytes are a mapping whose pages may be dropped: they are read again at use */
    size_t beyond_f16;              /* values that are infinite as F16 */
    size_t zeros, zero_rows;        /* values that are exactly 0 (or -0), and rows of nothing else */
};

struct qb_model {
    char *name;
    char *origin; /* "generator transformer vocab=5000 ... seed=42" or the file's path */
    struct qb_arch arch;
    struct qb_weights *weights; /* own */
    float *vectors;             /* own */
    void **copies;              /* own: transposed copies of tensors, in the same type (GPT-2 in Hugging Face's form) */
    size_t copy_count;
    struct qb_tensor *tensors;
    size_t tensor_count;
    char sha256[QB_HASH_HEX]; /* over arch and the FP32 values of all tensors; equal weights have equal hashes */
    bool generated;
    struct qb_rng rng; /* generated: the generator's state after the last draw ("seed: model") */
    char *tokenizer;   /* path of tokenizer.json, or of the GGUF file that has one in it, or NULL */
    size_t file_bytes; /* of the weights file, 0 when generated */
};

/* The tensor with this role in this layer (layer -1 for embed, head, final norm): weights = matrix; for a vector give
 * the matrix's role | QB_ROLE_BIAS. NULL when there is none. For attn.q, a fused qkv is found. */
const struct qb_tensor *qb_model_tensor(const struct qb_model *model, uint32_t roles, int layer);
struct qb_matrix qb_tensor_matrix(const struct qb_tensor *tensor);
/* FP32 values of rows [row, row + count) into out[count * cols]. */
enum qb_status qb_tensor_rows(const struct qb_tensor *tensor, size_t row, size_t count, float *out,
                              struct qb_error *err);
/* By full name, or NULL. */
const struct qb_tensor *qb_model_named(const struct qb_model *model, const char *name);

struct qb_generator_options {
    size_t vocab, hidden, layers; /* defaults 5000, 256, 3 */
    uint32_t seed;                /* default 42 */
};
/* "generator transformer vocab=5000 hidden=256 layers=3 seed=42" */
void qb_generator_print(const char *generator, const struct qb_generator_options *options, char out[160]);
/* A family's generator (source-protocols 2 and 3), bit-compatible with the protocols at any size: the chain's linears
 * are hidden->2h, 2h->2h x layers-1, 2h->hidden, so that the source's is layers = 3. Sizes are bounded (vocab <= 2^20,
 * hidden <= 2^14, layers <= 1024, and the whole under 2^33 bytes). */
enum qb_status qb_model_generate(const char *generator, const struct qb_generator_options *options,
                                 struct qb_model **model, struct qb_error *err);

/* Opens a safetensors file in the layout of docs/models.md (metadata "architecture": a family), a Hugging Face
 * folder or a GGUF file (weights.h). Types are read by plugins of registry at level isa; FP32 alone needs none (NULL).
 * Everything is read once, panel by panel, for its hash; NaN and Inf are refused by tensor and position. The model
 * borrows the registry. */
enum qb_status qb_model_open(const char *path, const struct qb_registry *registry, enum qb_isa isa,
                             struct qb_model **model, struct qb_error *err);
void qb_model_free(struct qb_model *model);

/* Writes the model as safetensors F32 or F16 (for `generate` and tests); atomic. */
enum qb_status qb_model_save(const struct qb_model *model, bool f16, const char *path, struct qb_error *err);

#endif
