/* Where a model's weights come from: named tensors as mapped bytes in a format, never converted as a whole. Sources: a
 * safetensors file or a Hugging Face folder of them (F32, F16, BF16), GGUF, and the generators. */
#ifndef QB_WEIGHTS_H
#define QB_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/rng.h"
#include "codec/registry.h"

#define QB_TENSOR_RANK_MAX 8

/* Borrowed from its source. */
struct qb_source_tensor {
    const char *name, *type; /* type: the source's own word, "F32", "Q4_K"; encoded: the codec's id */
    size_t rank, dims[QB_TENSOR_RANK_MAX];
    size_t rows, cols;              /* all dims but the last; the last. A vector of n is (1, n) */
    const struct qb_format *format; /* of bytes, from qb_weights_formats; NULL: FP32, native, aligned to 4 */
    const void *bytes;              /* row-major; NULL after qb_weights_formats: of a type that nothing reads */
    size_t size;
};

struct qb_weights; /* owns the map, its tensors and their formats */

/* Where weights came from: it decides which names tensors and options have. */
enum qb_source {
    QB_SOURCE_GENERATOR,
    QB_SOURCE_OWN,         /* a safetensors file in our layout */
    QB_SOURCE_HUGGINGFACE, /* a folder: config.json, safetensors in one file or in shards with an index */
    QB_SOURCE_GGUF
};
enum qb_source qb_weights_source(const struct qb_weights *weights);
/* Options as the source has them: config.json, or GGUF's metadata as one object whose keys are the full ones
 * ("llama.block_count"; arrays of more than 4096 entries are left out: qb_weights_array; NaN and Inf are null). NULL:
 * our own layout and generators (qb_weights_meta). Borrowed. */
const struct json_t *qb_weights_config(const struct qb_weights *weights);
/* An array of GGUF's metadata, walked in the mapped file: its length and element type (0: there is none), then element
 * by element. Texts are valid UTF-8, borrowed, not terminated, and may hold a NUL; a bool is 0 or 1. A key that has no
 * array is QB_ERR_INPUT; what visit returns ends the walk. */
enum qb_array_type { QB_ARRAY_NONE, QB_ARRAY_TEXT, QB_ARRAY_FLOAT, QB_ARRAY_INT };
enum qb_array_type qb_weights_array(const struct qb_weights *weights, const char *key, size_t *count);
typedef enum qb_status (*qb_array_visit)(void *context, size_t index, const char *text, size_t size, double number,
                                         struct qb_error *err);
enum qb_status qb_weights_array_each(const struct qb_weights *weights, const char *key, qb_array_visit visit,
                                     void *context, struct qb_error *err);

/* Replaces path with GGUF's metadata alone, byte for byte, as a GGUF file without tensors: what a tokenizer needs. */
enum qb_status qb_weights_save_metadata(const struct qb_weights *weights, const char *path, struct qb_error *err);

/* Opens a Hugging Face folder, a GGUF file (by its first bytes) or else a safetensors file. Nothing in them is trusted:
 * every length and count is checked against the file before it is used, every offset against the data, shapes against
 * byte counts; gaps and overlaps are errors, names are unique. Formats: huggingface/safetensors, README "Format";
 * ggml-org/ggml, docs/gguf.md; a folder as transformers reads it: model.safetensors, else the shards that
 * model.safetensors.index.json names, whose weight_map decides which of them a tensor is taken from. Files must not be
 * written while they are open: qb_weights_unchanged tells. */
enum qb_status qb_weights_open(const char *path, struct qb_weights **weights, struct qb_error *err);

/* A tensor that a generator draws: what its roles (codec/variant.h) say decides how. */
struct qb_drawn {
    const char *name;
    uint32_t roles;
    size_t rows, cols;
};
/* Draws tensors[count] as FP32, draw for draw as the published experiments did (source-protocols 2 and 3). A bias
 * follows its matrix. zero_biases: biases end as zeros, not as torch initialises them. rng: seeded by the caller. */
enum qb_status qb_weights_draw(const struct qb_drawn *tensors, size_t count, bool zero_biases, struct qb_rng *rng,
                               struct qb_weights **weights, struct qb_error *err);
void qb_weights_free(struct qb_weights *weights);
/* Takes all that was read out of the resident set. */
void qb_weights_drop(const struct qb_weights *weights);

/* Gives every tensor the format that reads its bytes: of the plugin of its type, or fp32 where FP32 is misaligned; of
 * an encoded tensor the codec with the options that it was encoded with, in the same version. A plugin that registry
 * (may be NULL) lacks is QB_ERR_INPUT naming tensor, type and plugin. Borrows the registry. */
enum qb_status qb_weights_formats(struct qb_weights *weights, const struct qb_registry *registry, enum qb_isa isa,
                                  struct qb_error *err);

/* QB_ERR_INPUT when one of the files was written since it was opened: what was read of it is neither the one nor the
 * other. */
enum qb_status qb_weights_unchanged(const struct qb_weights *weights, struct qb_error *err);

size_t qb_weights_bytes(const struct qb_weights *weights); /* of its files; 0: generated */
size_t qb_weights_count(const struct qb_weights *weights);
const struct qb_source_tensor *qb_weights_at(const struct qb_weights *weights, size_t index); /* in the file's order */
const struct qb_source_tensor *qb_weights_find(const struct qb_weights *weights, const char *name); /* NULL: none */
/* Appends the types of tensors that are read, "F32, F16, ...". */
void qb_weights_print_known(struct qb_text *out);
/* Appends "F16 x 34, F32 x 2": how many tensors of each type there are. */
void qb_weights_print_types(const struct qb_weights *weights, struct qb_text *out);

/* The value of a __metadata__ key, or NULL. */
const char *qb_weights_meta(const struct qb_weights *weights, const char *key);
/* The licence that the source says its weights are under (safetensors: license; GGUF: general.license), or NULL. */
const char *qb_weights_license(const struct qb_weights *weights);
/* Every __metadata__ key must be in known (NULL-terminated) or say how a tensor is encoded: an option that is not
 * understood must not pass silently. */
enum qb_status qb_weights_meta_known(const struct qb_weights *weights, const char *const *known, struct qb_error *err);

/* How our own layout says in __metadata__ that a rows x cols tensor is encoded in `format`, under the key "encoded."
 * and its name; appended to out. */
void qb_encoding_print(const struct qb_format *format, size_t rows, size_t cols, struct qb_text *out);

#endif
