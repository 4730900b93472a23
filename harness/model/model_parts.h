/* Inside of model.h: how a model is put together from an architecture and a source of weights. */
#ifndef QB_MODEL_PARTS_H
#define QB_MODEL_PARTS_H

#include <stdio.h>
#include "base/text.h"
#include "model/model.h"

/* A model of this architecture over `weights`, which it owns from here on, also on failure. Its tensors must be there
 * in their shapes, and nothing else. inner: as of qb_arch_tensors. Every value is read once: NaN and Inf are refused,
 * the hash is taken, vectors are kept; what was read is dropped from the resident set. */
enum qb_status qb_model_make(const char *name, const char *origin, const struct qb_arch *arch, const size_t *inner,
                             struct qb_weights *weights, struct qb_model **model, struct qb_error *err);

/* Why a tensor that holds NaN or Inf, or bytes that its codec refuses, is no weight: counted, with the first place. */
enum qb_status model_refuse_values(const struct qb_tensor *tensor, struct qb_error *err);
/* How many of x[n] are infinite as F16. */
size_t model_beyond_f16(const float *x, size_t n);

/* How a file in our own layout is to hold a tensor. */
struct stored_tensor {
    const char *dtype;                /* "F32", "F16", "BF16"; "U8": bytes in `encoding` */
    const struct qb_format *encoding; /* of U8, else NULL */
    size_t size;                      /* bytes in the file */
};
/* Of a safetensors file the room for the header's length and the beginning of its __metadata__, whose keys and "}" the
 * caller adds, then the tensors, each behind a comma; and the end: padded, so that the data begin at a multiple of 8,
 * with the length. */
void model_begin_header(struct qb_text *out);
void model_end_header(struct qb_text *out);
/* Writes the bytes of model->tensors[index], as many as stored[index] says, by qb_file_put. */
typedef enum qb_status write_tensor_fn(void *context, size_t index, FILE *file, struct qb_error *err);
/* Replaces path with the model in our own layout, its tensors as stored[tensor_count] says; `write` is called once for
 * each, in the order of the file. */
enum qb_status model_write(const struct qb_model *model, const struct stored_tensor *stored, write_tensor_fn *write,
                           void *context, const char *path, struct qb_error *err);
/* Does a config.json ask for the bias of a matrix of these roles, where the family leaves it to the config? */
enum qb_status model_bias_asked(const struct json_t *config, uint32_t roles, bool *asked, struct qb_error *err);
/* The source's tensor of a rule, or NULL; name gets what it is called there ("" where that form has none). */
const struct qb_source_tensor *qb_model_find(const struct qb_weights *weights, const struct qb_tensor_rule *rule,
                                             int layer, const char *suffix, char name[64]);
/* Takes the due tensors from model->weights: they must be there in their shapes, and nothing else but what is known to
 * be no weight. Transposed ones (GPT-2 in Hugging Face's form) become copies. */
enum qb_status qb_model_take(const struct qb_arch_tensor *due, size_t count, struct qb_model *model,
                             struct qb_error *err);
/* GGUF's factors of rotary frequencies, which are tensors, into arch->rope. The weights have their formats. */
enum qb_status qb_model_rope_factors(const struct qb_weights *weights, struct qb_arch *arch, struct qb_error *err);

#endif
