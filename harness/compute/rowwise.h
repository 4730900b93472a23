/* What happens to rows between the matrix products: layer norm, activation, sums. FP32 in and out, rows independent,
 * spread over the pool in chunks of rows, bitwise the same for any number of threads. The *_ref functions are the plain
 * versions that tests compare with. */
#ifndef QB_ROWWISE_H
#define QB_ROWWISE_H

#include <stddef.h>
#include "base/threads.h"

/* out = (x - mean) / sqrt(var + eps) * weight + bias over each row x[n, cols], biased variance; mean and variance in
 * double. out may be x. Ba, Kiros and Hinton 2016, as torch.nn.LayerNorm. */
void qb_layernorm(struct qb_pool *pool, const float *x, size_t n, size_t cols, const float *weight, const float *bias,
                  float eps, float *out);
void qb_layernorm_ref(const float *x, size_t n, size_t cols, const float *weight, const float *bias, float eps,
                      float *out);

/* x = max(x, 0); NaN stays. */
void qb_relu(struct qb_pool *pool, float *x, size_t n, size_t cols);

/* x = x/2 (1 + erf(x / sqrt 2)), the exact GELU; erf within 2 ulp. */
void qb_gelu(struct qb_pool *pool, float *x, size_t n, size_t cols);
void qb_gelu_ref(float *x, size_t n); /* by libm's erff */

/* x += y */
void qb_add(struct qb_pool *pool, float *x, const float *y, size_t n, size_t cols);

/* y = scale * y + bias, both by column; either may be NULL. Rows of y lie ld apart. */
void qb_affine(struct qb_pool *pool, float *y, size_t n, size_t cols, size_t ld, const float *scale, const float *bias);

/* softmax of x[n] in place, n >= 1: exp(x - max) / sum. A NaN or +Inf makes the whole row NaN. */
void qb_softmax(float *x, size_t n);
void qb_softmax_ref(float *x, size_t n); /* by libm in double */

#endif
