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

/* Are its codes those of magnitudes, with a sign apart or in the upper bit of 8? Such tables are taken where the fixed
 * point (kernels.h, struct qb_code_table) tells the magnitudes apart well: any two by 8 units, so that no weight moves
 * by more than a 16th of what lies between them. */
bool qb_interleaved_magnitudes(const struct qb_codec_layout *layout);

/* Of rows [row, row + rows) of a matrix of cols columns; its bytes are owned. NULL where there is no room for it
 * (qb_mem_spares). QB_ERR_MEMORY. Free with qb_interleaved_free, NULL too. */
enum qb_status qb_interleaved_make(const struct qb_codec_layout *layout, const unsigned char *bytes, size_t row,
                                   size_t rows, size_t cols, struct qb_interleaved **out, struct qb_error *err);

/* What is added to a code so that it is none below 0 (kernels.h: qb_interleaved, bias). */
int32_t qb_interleaved_bias(const struct qb_codec_layout *layout);

/* qb_digit_dots and qb_code_dots (kernels.h), to the same bits, from the stored bytes: for a matrix that has no copy.
 * Slower. */
void qb_stored_digit_dots(const struct qb_codec_layout *layout, const unsigned char *bytes, size_t row, size_t count,
                          size_t cols, const struct qb_digit_inputs *x, size_t n, float *y, size_t ld);

void qb_stored_code_dots(const struct qb_codec_layout *layout, const unsigned char *bytes,
                         const struct qb_code_table *table, size_t row, size_t count, size_t cols,
                         const struct qb_fixed_inputs *x, size_t n, float *y, size_t ld);

void qb_interleaved_free(struct qb_interleaved *w);

#endif
