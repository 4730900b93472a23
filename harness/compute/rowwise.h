/* What happens to rows between the matrix products: norms, activations, sums. FP32 in and out, rows independent,
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

/* out = x / sqrt(mean(x^2) + eps) * (weight + offset) over each stretch of cols floats; the mean in double. Row i's
 * `parts` stretches lie side by side from x + i * ld on, and in out likewise; out may be x. Zhang and Sennrich 2019, as
 * LlamaRMSNorm (offset 0) and GemmaRMSNorm (offset 1) of transformers. */
void qb_rmsnorm(struct qb_pool *pool, const float *x, size_t n, size_t ld, size_t parts, size_t cols,
                const float *weight, float offset, float eps, float *out);
void qb_rmsnorm_ref(const float *x, size_t cols, const float *weight, float offset, float eps, float *out); /* one */

/* One row in place: of the table of kernels (kernels.h).
 *   relu       max(x, 0); NaN stays
 *   gelu       x/2 (1 + erf(x / sqrt 2)), the exact GELU; erf within 2 ulp
 *   gelu_tanh  x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), "gelu_new" and "gelu_pytorch_tanh" of transformers
 *   silu       x / (1 + exp(-x)) */
typedef void qb_activation_row(float *x, size_t n);
void qb_activate(struct qb_pool *pool, qb_activation_row *activation, float *x, size_t n, size_t cols);
/* out[n, cols] = activation(gate) * up, rows of both ld apart. Shazeer 2020. */
void qb_gated(struct qb_pool *pool, qb_activation_row *activation, const float *gate, const float *up, size_t n,
              size_t cols, size_t ld, float *out);
void qb_gelu_ref(float *x, size_t n);      /* by libm's erff */
void qb_gelu_tanh_ref(float *x, size_t n); /* by libm in double; so the next two */
void qb_silu_ref(float *x, size_t n);
void qb_softcap_ref(float *x, size_t n, float cap);

/* x = cap tanh(x / cap); tanh within 3 ulp */
void qb_softcap(struct qb_pool *pool, float *x, size_t n, size_t cols, float cap);

/* x += y */
void qb_add(struct qb_pool *pool, float *x, const float *y, size_t n, size_t cols);

/* y = scale * y + bias, both by column; either may be NULL. Rows of y lie ld apart. */
void qb_affine(struct qb_pool *pool, float *y, size_t n, size_t cols, size_t ld, const float *scale, const float *bias);

/* What the kernel softmax does to x[n] in place, n >= 1: exp(x - max) / sum. A NaN or +Inf makes the whole row NaN. */
void qb_softmax_ref(float *x, size_t n); /* by libm in double */

#endif
