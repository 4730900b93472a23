/* An HDF5 file with one dataset, `logits`: float32 [tokens, vocab], written row by row. */
#ifndef QB_LOGITS_FILE_H
#define QB_LOGITS_FILE_H

#include <stddef.h>
#include "base/error.h"

struct qb_logits_file;
/* Makes a temporary file beside path with room for all rows. Free with qb_logits_free, which removes it unless it was
 * committed. */
enum qb_status qb_logits_create(const char *path, size_t tokens, size_t vocab, struct qb_logits_file **file,
                                struct qb_error *err);
/* Writes the next `count` rows, rows[count, vocab]. */
enum qb_status qb_logits_append(struct qb_logits_file *file, const float *rows, size_t count, struct qb_error *err);
/* All rows are there: takes path's place. */
enum qb_status qb_logits_commit(struct qb_logits_file *file, struct qb_error *err);
void qb_logits_free(struct qb_logits_file *file);

#endif
