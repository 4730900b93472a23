/* Functions on logits; the loops are kernels. */
#include <float.h>
#include <math.h>
#include "compute/kernels.h"
#include "metric/metric.h"

enum { LANES = 16 }; /* values that a loop handles together, for the compiler's vectors */

float qb_smallest(const float *x, size_t n)
{
    float lanes[LANES], least = n > 0 ? x[0] : INFINITY;
    for (size_t l = 0; l < LANES; l++)
        lanes[l] = least;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lanes[l] = x[i + l] < lanes[l] ? x[i + l] : lanes[l];
    for (; i < n; i++)
        least = x[i] < least ? x[i] : least;
    for (size_t l = 0; l < LANES; l++)
        least = lanes[l] < least ? lanes[l] : least;
    return least;
}

double qb_logsumexp(const float *x, size_t n)
{
    const struct qb_kernels *kernel = qb_kernels();
    bool nan = false;
    double top = (double)kernel->max(x, n, &nan);
    if (nan)
        return NAN;
    if (isinf(top))
        return top; /* +Inf, or nothing but -Inf (n = 0 too) */
    return top + log(kernel->sum_exp(x, n, top));
}

double qb_logsumexp_plain(const float *x, size_t n)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            return NAN;
        top = fmax(top, (double)x[i]);
    }
    if (isinf(top))
        return top;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - top);
    return top + log(sum);
}

/* u - log(1 + u) for u > -1. Near 0 by log(1 + u) = 2 atanh(s), s = u / (2 + u), which turns the difference into
 * s u - 2 (s^3/3 + s^5/5 + ...) without the cancellation of the direct form. */
static double less_log1p(double u)
{
    if (u <= -0.1)
        return u - log1p(u);
    double s = u / (2 + u), s2 = s * s, sum = 0;
    for (int k = 19; k >= 3; k -= 2)
        sum = sum * s2 + 1.0 / k;
    return s * u - 2 * s * s2 * sum;
}

/* KL(p || q) = E_p[d] + log E_p[exp(-d)] with d = p - q in logits. Taking d relative to its value c at the largest p,
 * t = d - c, leaves m = E[t] and, with G = E[exp(-t) - 1 + t], log E[exp(-t)] = log1p(G - m); so
 *     KL = G - (u - log1p(u)),  u = G - m.
 * G and u - log1p(u) are both of second order in t, so nothing of first order cancels; and because
 * p_max (c - E[d])^2 <= Var[d], what cancels in second order costs at most a factor n over rounding. Where u is large
 * so is the divergence, and m + log1p(u) is the accurate form. */
static double kl_of_sums(struct qb_kl_sums s)
{
    double m = s.wt / s.w, g = s.wg / s.w, u = g - m;
    return u < 0.1 ? g - less_log1p(u) : m + log1p(u);
}

double qb_kl(const float *p_logits, const float *q_logits, size_t n)
{
    const struct qb_kernels *kernel = qb_kernels();
    bool nan_p = false, nan_q = false;
    float top = kernel->max(p_logits, n, &nan_p), top_q = kernel->max(q_logits, n, &nan_q);
    if (n == 0 || nan_p || nan_q || isinf(top) || isinf(top_q))
        return NAN;
    size_t k = kernel->find(p_logits, n, 0, top);
    struct qb_kl_sums s = kernel->kl_sums(p_logits, q_logits, n, k);
    double qk = (double)q_logits[k];
    if ((double)top_q - qk < 600)
        return kl_of_sums(s);
    /* exp(q - q_k) overflows; the divergence is then at least about 600 / n, large enough for the direct form. */
    return s.wt / s.w + (qb_logsumexp(q_logits, n) - qk) - log(s.w);
}

double qb_kl_plain(const float *p_logits, const float *q_logits, size_t n)
{
    int32_t k = qb_argmax(p_logits, n), kq = qb_argmax(q_logits, n);
    if (k < 0 || kq < 0)
        return NAN;
    double pk = (double)p_logits[k], qk = (double)q_logits[k], mean = 0, total = 0, far = 0;
    for (size_t i = 0; i < n; i++) {
        double w = exp((double)p_logits[i] - pk);
        total += w;
        mean += w * (((double)p_logits[i] - pk) - ((double)q_logits[i] - qk));
    }
    mean /= total;
    if ((double)q_logits[kq] - qk >= 600)
        return mean + qb_logsumexp_plain(q_logits, n) - qk - log(total);
    for (size_t i = 0; i < n; i++) {
        double p = (double)p_logits[i] - pk, q = (double)q_logits[i] - qk, w = exp(p), t = p - q - mean;
        /* expm1(-t) + t loses all digits near 0; there the series stands in for it */
        double g = t * t * (0.5 - t * (1.0 / 6 - t * (1.0 / 24 - t / 120)));
        far += fabs(t) < 1e-3 ? w * g : exp(q + mean) - w + w * t;
    }
    return log1p(far / total);
}

int32_t qb_argmax(const float *x, size_t n)
{
    bool nan = false;
    float top = qb_kernels()->max(x, n, &nan);
    return n == 0 || nan ? -1 : (int32_t)qb_kernels()->find(x, n, 0, top);
}

/* Puts i into the descending list out[0..count); what falls off its end at `room` is dropped. */
static size_t insert_sorted(const float *x, int32_t i, int32_t *out, size_t count, size_t room)
{
    size_t at = count < room ? count : room - 1;
    for (; at > 0 && x[out[at - 1]] < x[i]; at--)
        out[at] = out[at - 1];
    out[at] = i;
    return count < room ? count + 1 : room;
}

void qb_topk(const float *x, size_t n, size_t k, int32_t *out)
{
    const struct qb_kernels *kernel = qb_kernels();
    size_t count = 0, i = 0;
    if (k == 0)
        return;
    for (; i < n && count < k; i++)
        if (!isnan(x[i]))
            count = insert_sorted(x, (int32_t)i, out, count, k);
    for (; i < n; i++) {
        float least = x[out[k - 1]];
        i = kernel->find(x, n, i, nextafterf(least, INFINITY)); /* ties stay with the lower index */
        if (i < n && x[i] > least)
            insert_sorted(x, (int32_t)i, out, k, k);
    }
    for (size_t rest = count; rest < k; rest++)
        out[rest] = -1;
}

unsigned qb_overlap(const int32_t *a, const int32_t *b, size_t k)
{
    unsigned shared = 0;
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k && a[i] >= 0; j++)
            shared += a[i] == b[j];
    return shared;
}

double qb_top2_margin(const float *x, size_t n)
{
    bool nan = false;
    qb_kernels()->max(x, n, &nan);
    if (n < 2 || nan)
        return NAN;
    int32_t top[2];
    qb_topk(x, n, 2, top);
    return (double)x[top[0]] - (double)x[top[1]];
}

double qb_std_unmasked(const float *x, const uint8_t *mask, size_t n)
{
    double sum = 0, squares = 0;
    size_t count = 0;
    if (!mask)
        return qb_std_f32(x, n);
    for (size_t i = 0; i < n; i++) {
        count += !mask[i];
        sum += mask[i] ? 0 : (double)x[i];
    }
    double mean = sum / (double)count;
    for (size_t i = 0; i < n; i++)
        squares += mask[i] ? 0 : ((double)x[i] - mean) * ((double)x[i] - mean);
    if (count < 2)
        return count == 1 ? 0 : NAN;
    return sqrt(squares / (double)(count - 1));
}

/* The least logit that counts in a spread. */
static double least_probable(size_t n, double log_sum)
{
    return log_sum + log(DBL_EPSILON / (double)n);
}

double qb_logit_spread(const float *x, size_t n, double log_sum)
{
    double least = least_probable(n, log_sum), sum = 0, squares = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)x[i] >= least) {
            sum += (double)x[i];
            count++;
        }
    if (count < 2)
        return n < 2 ? 0 : fmin(qb_top2_margin(x, n), (double)FLT_MAX);
    double mean = sum / (double)count;
    for (size_t i = 0; i < n; i++)
        if ((double)x[i] >= least)
            squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sqrt(squares / (double)(count - 1));
}

/* Two sums of n terms in float64 are within n 2^-52 of the sum of their sizes of each other: so far are two means, by
 * whose square sums of squares about them differ, besides. Twice that and more to both sides. */
bool qb_logit_spread_beside(const float *x, size_t n, double log_sum, double std, float *spread)
{
    bool nan;
    const float least = qb_smallest(x, n), most = qb_kernels()->max(x, n, &nan);
    const double size = fmax(fabs((double)least), fabs((double)most)), mean = (double)n * 0x1p-51 * size / std;
    const double off = (double)(n + 64) * 0x1p-51 + mean * mean;
    const float low = (float)(std * (1 - off)), high = (float)(std * (1 + off));
    *spread = low;
    return (double)least >= least_probable(n, log_sum) && low == high;
}

double qb_std_f32(const float *x, size_t n)
{
    if (n < 2)
        return NAN;
    double mean = qb_kernels()->sum_power(x, n, 0, 1) / (double)n;
    return sqrt(qb_kernels()->sum_power(x, n, mean, 2) / (double)(n - 1));
}
