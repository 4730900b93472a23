#include "metric/llama.h"

#include <math.h>
#include <string.h>
#include "compute/kernels.h"
#include "metric/metric.h"

enum { BLOCK = 1024, LANES = 16 };  /* of a row, in the first-level cache; handled together, in vectors */
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

/* The word of a logit, as a float: to the nearest whole number, of halves the even one; none is 65535.5 or more. */
static inline float word_of(float x, float least, float inverse)
{
    const float whole = 12582912; /* 1.5 * 2^23: sums of this size have no fraction left */
    const float above = x - least;
    return inverse * (above > 0 ? above : 0) + whole - whole;
}

/* log p[n] by logits x. */
static void log_p_of_logits(const struct qb_llama_base *base, const float *x, size_t n, float *log_p)
{
    const float scale = base->scale, offset = base->offset, least = base->least, inverse = scale != 0 ? 1 / scale : 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            log_p[i + l] = scale * word_of(x[i + l], least, inverse) + offset;
    for (; i < n; i++)
        log_p[i] = scale * word_of(x[i], least, inverse) + offset;
}

/* log p[n] of tokens [from, from + n): by their logits p, or, where that is NULL, by the row's words. */
static void log_p_of(const struct qb_llama_base *base, const float *p, const uint16_t *words, size_t from, size_t n,
                     float *log_p)
{
    if (p)
        log_p_of_logits(base, p + from, n, log_p);
    else
        for (size_t i = 0; i < n; i++)
            log_p[i] = base->scale * words[from + i] + base->offset;
}

static int32_t top_of(const struct qb_llama_base *base, const float *p, const uint16_t *words, size_t vocab)
{
    float log_p[BLOCK], largest = -INFINITY;
    size_t top = 0;
    for (size_t from = 0; from < vocab; from += BLOCK) {
        const size_t n = vocab - from < BLOCK ? vocab - from : BLOCK;
        bool nan;
        log_p_of(base, p, words, from, n, log_p);
        if (qb_kernels()->max(log_p, n, &nan) > largest) {
            const size_t first = first_largest(log_p, n);
            largest = log_p[first];
            top = from + first;
        }
    }
    return (int32_t)top;
}

struct qb_llama_base qb_llama_base_of(const float *x, size_t vocab)
{
    const float most = x[first_largest(x, vocab)], least = fmaxf(qb_smallest(x, vocab), most - DEPTH);
    struct qb_llama_base base = {(most - least) / STEPS, least - most - log_sum(x, vocab, most), least, 0};
    base.top = top_of(&base, x, NULL, vocab);
    return base;
}

void qb_llama_pack(const float *x, size_t vocab, uint16_t *row)
{
    const struct qb_llama_base base = qb_llama_base_of(x, vocab);
    const float head[2] = {base.scale, base.offset};
    const float inverse = base.scale != 0 ? 1 / base.scale : 0;
    memcpy(row, head, sizeof head);
    row += QB_LLAMA_HEAD;
    for (size_t i = 0; i < vocab; i++)
        row[i] = (uint16_t)(int32_t)word_of(x[i], base.least, inverse);
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

/* The base's row is of logits p, or words. */
static struct qb_llama_position compare(const struct qb_llama_base *base, const float *p, const uint16_t *words,
                                        const float *x, size_t vocab, int32_t target)
{
    const size_t top = first_largest(x, vocab);
    const float most = x[top], normaliser = log_sum(x, vocab, most), all = most + normaliser;
    struct qb_llama_position found = {.nll = most + normaliser - x[target], .same_top = top == (size_t)base->top};
    float log_p[BLOCK];
    log_p_of(base, p, words, (size_t)target, 1, log_p);
    found.nll_base = -log_p[0];
    found.dp = expf(-found.nll) - expf(-found.nll_base);
    for (size_t from = 0; from < vocab; from += BLOCK) {
        const size_t n = vocab - from < BLOCK ? vocab - from : BLOCK;
        size_t count = 0;
        uint16_t counted[BLOCK]; /* tokens that do */
        log_p_of(base, p, words, from, n, log_p);
        for (size_t i = 0; i < n; i++) {
            counted[count] = (uint16_t)i;
            count += log_p[i] > -DEPTH;
        }
        for (size_t c = 0; c < count; c++) {
            const size_t i = counted[c];
            found.kld += (double)(expf(log_p[i]) * (log_p[i] - x[from + i] + all));
        }
    }
    return found;
}

struct qb_llama_position qb_llama_compare(const uint16_t *row, const float *x, size_t vocab, int32_t target)
{
    float head[2];
    memcpy(head, row, sizeof head);
    struct qb_llama_base base = {.scale = head[0], .offset = head[1]};
    base.top = top_of(&base, NULL, row + QB_LLAMA_HEAD, vocab);
    return compare(&base, NULL, row + QB_LLAMA_HEAD, x, vocab, target);
}

struct qb_llama_position qb_llama_compare_logits(const float *p, const struct qb_llama_base *base, const float *x,
                                                 size_t vocab, int32_t target)
{
    return compare(base, p, NULL, x, vocab, target);
}
