/* A strict safetensors reader: F32, F16 and BF16 tensors as FP32. The header is not trusted: its length is checked
 * against the file, every offset against the data, shapes against byte counts, gaps and overlaps are errors, names are
 * unique, NaN and Inf are refused by tensor and position. Format: huggingface/safetensors, README "Format". */
#ifndef QB_SAFETENSORS_H
#define QB_SAFETENSORS_H

#include <stddef.h>
#include "base/error.h"

struct qb_safetensors; /* an open, checked file */

enum qb_status qb_safetensors_open(const char *path, struct qb_safetensors **file, struct qb_error *err);
void qb_safetensors_close(struct qb_safetensors *file);

size_t qb_safetensors_bytes(const struct qb_safetensors *file); /* of the whole file */
size_t qb_safetensors_count(const struct qb_safetensors *file);
struct qb_st_info {
    const char *name;
    const char *dtype; /* "F32", "F16", "BF16" */
    size_t rank, dims[8];
    size_t elements;
};
struct qb_st_info qb_safetensors_info(const struct qb_safetensors *file, size_t index);
/* The value of a __metadata__ key, or NULL. */
const char *qb_safetensors_meta(const struct qb_safetensors *file, const char *key);
/* Every __metadata__ key must be in known (NULL-terminated): an option that is not understood must not pass silently.
 */
enum qb_status qb_safetensors_meta_known(const struct qb_safetensors *file, const char *const *known,
                                         struct qb_error *err);
/* Converts tensor `index` into out[elements] (FP32). */
enum qb_status qb_safetensors_read(const struct qb_safetensors *file, size_t index, float *out, struct qb_error *err);

#endif
