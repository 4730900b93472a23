/* Products that read an encoded matrix as it lies (codec/codec.h, struct qb_codec_layout), never decoded to memory: the
 * arithmetic "fused". Its sums run in another order than those of decoded rows and BLAS, and codes of magnitudes in
 * fixed point, and so the inputs of integers with a scale for each 32 columns, so that its numbers differ by its
 * tolerance (kernels.h: qb_dots, qb_digit_dots; QB_FIXED_TOLERANCE); they are the
 * same bits for every instruction set level, number of threads, range of rows and number of inputs. */
#ifndef QB_FUSED_H
#define QB_FUSED_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "codec/codec.h"
#include "compute/kernels.h"

/* Inputs that one product takes at most: for more, decoding rows once and BLAS are faster. */
enum { QB_FUSED_MOST = 8 };

/* Codes of magnitudes: a y differs from the exact product by at most this times (the largest |x| * sum of |w| + the
 * largest magnitude of all codes * sum of |x|), beside the rounding of its result; of codes with scales for 32 columns
 * or more this holds of each 32 columns under their scale, beside (cols / 32 + 4) 2^-23 the sum of |w x|. Half a unit
 * of either, and both units' product: (1/2 + 1/4 2^-14) / QB_FIXED_INPUT_MOST. */
#define QB_FIXED_TOLERANCE 1.54e-5

/* Is it faster than decoding rows and BLAS, with the kernels in use? Not so the portable ones, which compute fused
 * multiply-adds by libm on some CPUs; nor FP32 where qb_gemv reads it at the rate of memory. kind: enum
 * qb_layout_kind. */
bool qb_fused_pays(int32_t kind);

struct qb_fused; /* a matrix prepared for it */

/* For products of rows [row, row + rows). Borrows bytes of cols columns that lie by a layout that fits them
 * (codec/layout.h), and keeps a copy of the layout; of these rows it makes a working copy where the kernels read one
 * and it fits (interleaved.h); where it does not, the same bits come from the stored bytes, slower. Free with
 * qb_fused_free. */
enum qb_status qb_fused_make(const struct qb_codec_layout *layout, const void *bytes, size_t row, size_t rows,
                             size_t cols, struct qb_fused **fused, struct qb_error *err);
void qb_fused_free(struct qb_fused *fused);
/* Is there no working copy, for want of memory? Then products are slower. */
bool qb_fused_lacks_copy(const struct qb_fused *fused);

/* Inputs as the matrix's kernel takes them. Of x, y and scratch nothing needs more alignment than a float. */
struct qb_fused_inputs {
    const float *x; /* [n, stride], borrowed, or in scratch in another order (kernels.h, enum qb_order) */
    size_t n, stride;
    struct qb_fixed_inputs fixed;  /* in scratch */
    struct qb_digit_inputs digits; /* likewise */
};
/* Floats of scratch that n inputs need, and preparing them in it, once for all rows. */
size_t qb_fused_scratch(const struct qb_fused *fused, size_t n);
struct qb_fused_inputs qb_fused_prepare(const struct qb_fused *fused, const float *x, size_t n, float *scratch);

/* y[i * ld + r] = row row + r of the matrix times input i, r < count. From several threads at once on rows of their
 * own. */
void qb_fused_multiply(const struct qb_fused *fused, size_t row, size_t count, const struct qb_fused_inputs *in,
                       float *y, size_t ld);

#endif
