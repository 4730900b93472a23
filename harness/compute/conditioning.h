/* Preconditioning of a product: W x = (W diag(s) H) (H diag(1/s) x) in exact arithmetic, so that what is encoded may be
 * easier to encode. H is the rotation of hadamard.h over the columns, s a positive number for each. Rotation as in
 * QuaRot (Ashkboos et al., arXiv:2404.00456, without its random signs), s as in AWQ and SmoothQuant (input_scale.h);
 * there both are folded into the layers before, here they are applied at use, so that each matrix has its own. */
#ifndef QB_CONDITIONING_H
#define QB_CONDITIONING_H

#include <stdbool.h>
#include <stddef.h>

struct qb_conditioning {
    bool rotate;        /* by H: columns in blocks of the largest power of two that divides their number */
    const float *scale; /* s[cols], finite and positive; NULL: all 1. Borrowed */
};

/* Rows of a weight matrix, w[rows, cols] in place: w diag(s) H, what is encoded. */
void qb_condition_weights(const struct qb_conditioning *conditioning, float *w, size_t rows, size_t cols);
/* Inputs, x[n, cols] in place: x diag(1/s) H, what the encoded rows are multiplied with. */
void qb_condition_inputs(const struct qb_conditioning *conditioning, float *x, size_t n, size_t cols);
/* The way back, w[rows, cols] in place: w H diag(1/s), decoded rows as the model has them. Each of the three rounds in
 * FP32: forth and back is the same within some units of the last place of the row's largest entry, times max s / min s
 * where both are done. */
void qb_restore_weights(const struct qb_conditioning *conditioning, float *w, size_t rows, size_t cols);

#endif
