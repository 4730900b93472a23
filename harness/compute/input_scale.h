/* s for each input of a matrix from inputs that it was seen to take: the rules of AWQ (Lin et al., arXiv:2306.00978,
 * section 3.2) and SmoothQuant (Xiao et al., arXiv:2211.10438, equation 4). */
#ifndef QB_INPUT_SCALE_H
#define QB_INPUT_SCALE_H

#include "base/threads.h"
#include "codec/variant.h"
#include "compute/conditioning.h"
#include "compute/matrix.h"

/* Inputs that a matrix takes on calibration text, x[n, cols], n >= 1. Borrowed. */
struct qb_seen {
    const float *x;
    size_t n;
    struct qb_pool *pool; /* for products of them */
};

/* Rows of the matrix that are encoded in one format: what s is for. */
struct qb_scaled_block {
    size_t row, rows;
    const struct qb_format *format;
};

/* scale[cols] by variant->input_scale:
 *   awq          s_j = a_j^alpha, a_j = mean |x_j|, at least 1e-4, then over sqrt(min s * max s). alpha as the variant
 *                says, or searched: of 0, 1/20, ..., 19/20 the one whose encoded, decoded W gives the least sum of
 *                squared output errors on the seen inputs (the first of equals; alpha 0 leaves W as it is).
 *   smoothquant  s_j = a_j^alpha / b_j^(1 - alpha), a_j = max |x_j|, b_j = max |w_j| over the blocks' rows, at least
 *                1e-5 each of b_j and s_j.
 * The bounds, the division and the 20 steps are the published implementations'. An input that was 0 wherever it was
 * seen has s 1: nothing is known of it. variant->rotate is what the search encodes under, too. *alpha: what was taken.
 * QB_ERR_NUMERIC when the inputs give an s that is not finite. */
enum qb_status qb_input_scale(const struct qb_variant *variant, const struct qb_matrix *matrix,
                              const struct qb_scaled_block *blocks, size_t count, const struct qb_seen *seen,
                              float *scale, double *alpha, struct qb_error *err);

/* gram[cols, cols] = x^T x in FP32. */
enum qb_status qb_gram(const struct qb_seen *seen, size_t cols, float *gram, struct qb_error *err);

#endif
