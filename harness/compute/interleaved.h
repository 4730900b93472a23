/* A working copy of an encoded matrix of integers with a scale for each 32 columns, or of codes of magnitudes, in the
 * order in which its kernel reads it (kernels.h, struct qb_interleaved): 16 rows side by side, in one stream. The codes
 * and scales are the stored ones; scales that are no halves are widened to FP32, signs are a bit each. */
#ifndef QB_INTERLEAVED_H
#define QB_INTERLEAVED_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "codec/codec.h"
#include "compute/kernels.h"

/* Does the layout have one? Of codes of magnitudes, of integers in groups, and of codes of 4 bits whose values are
 * integers that go up by one, with halves or FP32 as scales. */
bool qb_interleaved_suits(const struct qb_codec_layout *layout);

/* Of rows [row, row + rows) of a matrix of cols columns; its bytes are owned. QB_ERR_MEMORY. Free with
 * qb_interleaved_free, NULL too. */
enum qb_status qb_interleaved_make(const struct qb_codec_layout *layout, const unsigned char *bytes, size_t row,
                                   size_t rows, size_t cols, struct qb_interleaved **out, struct qb_error *err);
void qb_interleaved_free(struct qb_interleaved *w);

#endif
