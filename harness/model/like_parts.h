/* Inside of like.h. */
#ifndef QB_LIKE_PARTS_H
#define QB_LIKE_PARTS_H

#include "model/like.h"

/* The values of tensor number `index` of the shape into bfloat[rows * cols], row by row, or by columns where the
 * tensor's rule says that Hugging Face has it transposed. *neutral: the trained model lacks such a norm or bias, and
 * the values are ones (as the architecture stores them) or zeros. */
enum qb_status like_draw(const struct qb_like *like, const struct qb_arch *arch, const struct qb_arch_tensor *tensor,
                         size_t index, struct qb_pool *pool, uint16_t *bfloat, bool *neutral, struct qb_error *err);

/* Puts the tokenizer into the folder. */
enum qb_status like_tokenizer(const struct qb_like *like, const struct json_t *config, const struct qb_arch *arch,
                              const char *folder, struct qb_like_done *done, struct qb_error *err);
/* What like_tokenizer may have written, a NULL behind. */
extern const char *const like_tokenizer_files[];

#endif
