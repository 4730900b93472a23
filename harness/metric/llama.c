#include "metric/llama.h"

#include <math.h>
#include <string.h>
#include "compute/kernels.h"
#include "metric/metric.h"

enum { BLOCK = 1024 };              /* of a row, in the first-level cache */
enum { STEPS = 65535, DEPTH = 16 }; /* of a row of the base; nat under the largest that it reaches down to */

static float log_sum_in_order(const float *x, size_t n, float largest)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - largest);
    return (float)log(sum);
}

/* log of the sum of exp(x - largest), in float32 terms that are added one after the other, in float64. A sum of the
 * same terms in another order is off by less than n 2^-52 of it, what the kernel leaves out by less than n 2^-90; with
 * twice that and more to both sides the float32 is nearly always the same one. */
static float log_sum(const float *x, size_t n, float largest)
{
    const double sum = qb_kernels()->sum_expf(x, n, largest), off = sum * (double)(n + 64) * 0x1p-51;
    const float low = (float)log(sum - off), high = (float)log(sum + off);
    return low == high ? low : log_sum_in_order(x, n, largest);
}

static size_t first_largest(const float *x, size_t n)
{
    bool nan;
    return qb_kernels()->find(x, n, 0, qb_kernels()->max(x, n, &nan));
}

/* To the nearest whole number, of halves the even one; x in [0, 65535.5). Sums of this size have no fraction left. */
static uint16_t to_word(float x)
{
    const float whole = 12582912; /* 1.5 * 2^23 */
    return (uint16_t)(int32_t)(x + whole - whole);
}

void qb_llama_pack(const float *x, size_t vocab, uint16_t *row)
{
    const float most = x[first_largest(x, vocab)], least = fmaxf(qb_smallest(x, vocab), most - DEPTH);
    const float head[2] = {(most - least) / STEPS, least - most - log_sum(x, vocab, most)};
    const float inverse = head[0] != 0 ? 1 / head[0] : 0;
    memcpy(row, head, sizeof head);
    row += QB_LLAMA_HEAD;
    for (size_t i = 0; i < vocab; i++)
        row[i] = to_word(inverse * (x[i] > least ? x[i] - least : 0));
    if (vocab % 2)
        row[vocab] = 0;
}

void qb_llama_unpack(const uint16_t *row, size_t vocab, float *log_p)
{
    float head[2];
    memcpy(head, row, sizeof head);
    const bool cut = head[0] * STEPS > DEPTH - 0.001f;
    row += QB_LLAMA_HEAD;
    for (size_t i = 0; i < vocab; i++)
        log_p[i] = cut && row[i] == 0 ? QB_LLAMA_BELOW : head[0] * row[i] + head[1];
}

struct qb_llama_position qb_llama_compare(const uint16_t *row, const float *x, size_t vocab, int32_t target)
{
    const size_t top = first_largest(x, vocab);
    const float most = x[top], normaliser = log_sum(x, vocab, most), all = most + normaliser;
    struct qb_llama_position p = {.nll = most + normaliser - x[target]};
    float head[2], largest = -INFINITY;
    size_t base_top = 0;
    memcpy(head, row, sizeof head);
    row += QB_LLAMA_HEAD;
    p.nll_base = -(head[0] * row[target] + head[1]);
    for (size_t from = 0; from < vocab; from += BLOCK) {
        const size_t n = vocab - from < BLOCK ? vocab - from : BLOCK;
        float log_p[BLOCK];
        for (size_t i = 0; i < n; i++)
            log_p[i] = head[0] * row[from + i] + head[1];
        bool nan;
        if (qb_kernels()->max(log_p, n, &nan) > largest) {
            base_top = from + first_largest(log_p, n);
            largest = log_p[base_top - from];
        }
        for (size_t i = 0; (i = qb_kernels()->find(log_p, n, i, nextafterf(-DEPTH, 0))) < n; i++)
            p.kld += (double)(expf(log_p[i]) * (log_p[i] - x[from + i] + all));
    }
    p.dp = expf(-p.nll) - expf(-p.nll_base);
    p.same_top = top == base_top;
    return p;
}
