/* Inner loops over logits, one table an instruction set level. Every level runs the same eight double lanes in the
 * same order without fused operations, so all levels give bitwise the same results; wider registers only make it
 * faster. Internal to metric/; tests reach each level through qb_logits_kernels_at. */
#ifndef QB_LOGITS_KERNELS_H
#define QB_LOGITS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/codec.h" /* enum qb_isa: part of the public plugin ABI */

/* Sums over i of w_i, w_i t_i and w_i g(t_i), where w_i = exp(p_i - p_k), t_i = (p_i - q_i) - (p_k - q_k) and
 * g(t) = exp(-t) - 1 + t. */
struct qb_kl_sums {
    double w, wt, wg;
};

struct qb_logits_kernels {
    /* Largest of x[n], -Inf for n = 0; *nan says whether a NaN was met (it is skipped). */
    float (*max)(const float *x, size_t n, bool *nan);
    /* Lowest index in [from, n) with x[i] >= limit; n when there is none. */
    size_t (*find)(const float *x, size_t n, size_t from, float limit);
    /* Sum of exp(x[i] - shift); shift is at least the largest x less 600. */
    double (*sum_exp)(const float *x, size_t n, double shift);
    /* Sum of (x[i] - shift)^power, power 1 or 2. */
    double (*sum_power)(const float *x, size_t n, double shift, int power);
    struct qb_kl_sums (*kl_sums)(const float *p, const float *q, size_t n, size_t k);
};

extern const struct qb_logits_kernels qb_logits_portable, qb_logits_avx2, qb_logits_avx512;

/* The table of a level; the caller sees to it that the CPU has it. */
const struct qb_logits_kernels *qb_logits_kernels_at(enum qb_isa isa);

/* The plain versions that the kernels are tested against: libm, one term after another. */
double qb_logsumexp_plain(const float *x, size_t n);
double qb_kl_plain(const float *p_logits, const float *q_logits, size_t n);

#endif
