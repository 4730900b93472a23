/* A net's logits of a text as llama.cpp's logits base file (metric/logits_base.h). */
#ifndef QB_BASE_WRITE_H
#define QB_BASE_WRITE_H

#include "metric/logits_base.h"
#include "model/net.h"

/* Runs the net over each chunk, with `bos` (-1: none) in the place of its first token, and writes the scored positions.
 * Memory: the logits of QB_LOGITS_BLOCK positions. */
enum qb_status qb_base_write(struct qb_net *net, const struct qb_logits_text *text, int32_t bos, const char *path,
                             struct qb_error *err);

#endif
