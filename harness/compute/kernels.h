/* The kernels: what loops over many numbers, in one table for each instruction set level. A table starts as the
 * portable one, and each level up to its own overwrites what it does faster; plugins keep tables of their own in the
 * same form. All levels give the same bits: lanes and the order of sums are fixed, and nothing is fused
 * (-ffp-contract=off). No pointer needs more alignment than its type. What a level does faster is in its
 * kernels_LEVEL.c alone. A new kernel is a field here and its body in kernels_rows.h or kernels_logits.h; bench and the
 * kernels' test do not build until they have it too. */
#ifndef QB_KERNELS_H
#define QB_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/isa.h"

/* Sums over i of w_i, w_i t_i and w_i g(t_i), where w_i = exp(p_i - p_k), t_i = (p_i - q_i) - (p_k - q_k) and
 * g(t) = exp(-t) - 1 + t. */
struct qb_kl_sums {
    double w, wt, wg;
};

struct qb_kernels {
    /* One row of n floats, in place where there is no out; what they compute is said in rowwise.h. */
    void (*layernorm)(const float *x, size_t n, const float *weight, const float *bias, float eps, float *out);
    void (*rmsnorm)(const float *x, size_t n, const float *weight, float offset, float eps, float *out);
    void (*relu)(float *x, size_t n);
    void (*gelu)(float *x, size_t n);
    void (*gelu_tanh)(float *x, size_t n);
    void (*silu)(float *x, size_t n);
    void (*softcap)(float *x, size_t n, float cap);
    void (*add)(float *x, const float *y, size_t n);
    void (*multiply)(float *x, const float *y, size_t n);
    void (*affine)(float *y, size_t n, const float *scale, const float *bias); /* scale and bias [n] or NULL */
    void (*softmax)(float *x, size_t n);

    /* Logits. Largest of x[n], -Inf for n = 0; *nan says whether a NaN was met (it is skipped). */
    float (*max)(const float *x, size_t n, bool *nan);
    /* Lowest index in [from, n) with x[i] >= limit; n when there is none. */
    size_t (*find)(const float *x, size_t n, size_t from, float limit);
    /* Sum of exp(x[i] - shift); shift is at least the largest x less 600. */
    double (*sum_exp)(const float *x, size_t n, double shift);
    /* Sum of (x[i] - shift)^power, power 1 or 2. */
    double (*sum_power)(const float *x, size_t n, double shift, int power);
    struct qb_kl_sums (*kl_sums)(const float *p, const float *q, size_t n, size_t k);
};

/* The table of this process: that of the best level the CPU has, or of the level chosen last. */
const struct qb_kernels *qb_kernels(void);

/* Chooses the level of this process and those that it forks; the CPU must have it. Call it while no other thread
 * computes. */
void qb_kernels_use(enum qb_isa isa);

/* The table of a level, for tests and bench; the CPU must have it. */
const struct qb_kernels *qb_kernels_at(enum qb_isa isa);

/* What a level sets, in its own file: each is called where the CPU has the level alone. */
void qb_kernels_portable(struct qb_kernels *kernels);
void qb_kernels_avx2(struct qb_kernels *kernels);
void qb_kernels_avx512(struct qb_kernels *kernels);

#endif
