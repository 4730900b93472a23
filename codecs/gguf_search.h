/* Searches for scales, of GGUF's block types. The methods are those of ggml's quantisers without importance weights, so
 * that what they store is as near; its bytes are its own, for sums depend on their order. n is a multiple of
 * GGUF_LANES. */
#ifndef GGUF_SEARCH_H
#define GGUF_SEARCH_H

#include "gguf.h"

enum { GGUF_LANES = 8 }; /* sums that compilers can keep side by side */

static inline float gguf_sum(const float lanes[GGUF_LANES])
{
    float sum = 0;
    for (int i = 0; i < GGUF_LANES; i++)
        sum += lanes[i];
    return sum;
}

/* y = x / unit, unit a power of two that puts the largest magnitude into [1, 2), so that no product of a few of them
 * overflows; returns unit. Tiny values stay below 1, zeros stay. */
static inline float gguf_normalise(const float *x, size_t n, float *y)
{
    int exponent;
    (void)frexpf(gguf_amax(x, n), &exponent);
    const float unit = ldexpf(1, exponent - 1 > -126 ? exponent - 1 : -126);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / unit;
    return unit;
}

/* The integer in [low, high] nearest to x, ties to even; low for a NaN. |low|, |high| < 2^22. */
static inline float gguf_clamp(float x, float low, float high)
{
    x = x > low ? x : low;
    x = x < high ? x : high;
    return (x + 0x1.8p23f) - 0x1.8p23f;
}

/* The scale s under which x[n] comes nearest to s * q_i, q_i numbers that `nearest` gives, in the squares of the errors
 * weighted by x_i^2. The value of largest magnitude is to become -(top + k * step), for each k in [-tries, tries]: that
 * gives the q_i, and to them belongs s = sum w x q / sum w q^2, whose error is sum w x^2 - s sum w x q. The k of the
 * least error is taken. 0 where there is no scale. */
static inline float gguf_fit_scale(const float *x, size_t n, float (*nearest)(float), float top, float step, int tries)
{
    const float peak = x[qb_largest(x, n)];
    float scale = 0, gain = 0;
    for (int k = -tries; k <= tries; k++) {
        const float inverse = gguf_inverse(peak / -(top + (float)k * step));
        float xqs[GGUF_LANES] = {0}, qqs[GGUF_LANES] = {0};
        for (size_t i = 0; i < n; i += GGUF_LANES)
            for (size_t j = 0; j < GGUF_LANES; j++) {
                const float q = nearest(inverse * x[i + j]), wq = x[i + j] * x[i + j] * q;
                xqs[j] += wq * x[i + j];
                qqs[j] += wq * q;
            }
        const float xq = gguf_sum(xqs), qq = gguf_sum(qqs);
        if (qq > 0 && xq * xq > gain * qq) {
            scale = xq / qq;
            gain = scale * xq;
        }
    }
    return scale;
}

struct gguf_line {
    float scale, low; /* code q stands for scale * q + low; scale >= 0, low <= 0 */
};

/* What gguf_fit_line tries: the range of x over top + first + k * step codes for k in [0, tries); top is the highest
 * code. */
struct gguf_tries {
    float top, first, step;
    int count;
    bool absolute; /* the errors count as they are, else squared */
};

static inline float gguf_line_error(const float *x, const float *w, size_t n, const struct gguf_tries *tries,
                                    float inverse, float from, struct gguf_line line)
{
    float sums[GGUF_LANES] = {0};
    for (size_t i = 0; i < n; i += GGUF_LANES)
        for (size_t j = 0; j < GGUF_LANES; j++) {
            const float q = gguf_clamp(inverse * (x[i + j] - from), 0, tries->top);
            const float error = line.scale * q + line.low - x[i + j];
            sums[j] += w[i + j] * (tries->absolute ? fabsf(error) : error * error);
        }
    return gguf_sum(sums);
}

/* The line of least squares weighted by w through (q_i, x_i), q_i = x_i's code in steps of 1 / inverse from `from` on;
 * through the origin where it would pass above. False where there is none. */
static inline bool gguf_regress(const float *x, const float *w, size_t n, float top, float inverse, float from,
                                struct gguf_line *line)
{
    float sws[GGUF_LANES] = {0}, sxs[GGUF_LANES] = {0}, sqs[GGUF_LANES] = {0};
    float sqqs[GGUF_LANES] = {0}, sxqs[GGUF_LANES] = {0};
    for (size_t i = 0; i < n; i += GGUF_LANES)
        for (size_t j = 0; j < GGUF_LANES; j++) {
            const float q = gguf_clamp(inverse * (x[i + j] - from), 0, top), wq = w[i + j] * q;
            sws[j] += w[i + j];
            sxs[j] += w[i + j] * x[i + j];
            sqs[j] += wq;
            sqqs[j] += wq * q;
            sxqs[j] += wq * x[i + j];
        }
    const float sw = gguf_sum(sws), sx = gguf_sum(sxs), sq = gguf_sum(sqs), sqq = gguf_sum(sqqs), sxq = gguf_sum(sxqs);
    const float det = sw * sqq - sq * sq;
    if (!(det > 0))
        return false;
    line->scale = (sw * sxq - sx * sq) / det;
    line->low = (sqq * sx - sq * sxq) / det;
    if (line->low > 0) {
        line->low = 0;
        line->scale = sxq / sqq;
    }
    return true;
}

/* The line under which x[n] comes nearest to scale * q + low, codes q in [0, top], in errors weighted by w. A try cuts
 * the range of x into some more or fewer steps than top, which gives the codes; to them belongs the line of least
 * squares. The line of least error is taken, the range cut into `top` steps included. */
static inline struct gguf_line gguf_fit_line(const float *x, const float *w, size_t n, const struct gguf_tries *tries)
{
    const struct gguf_range range = gguf_range(x, n);
    struct gguf_line best = {0, range.low < 0 ? range.low : 0};
    best.scale = (range.high - best.low) / tries->top;
    float least = gguf_line_error(x, w, n, tries, gguf_inverse(best.scale), best.low, best);
    for (int k = 0; k < tries->count; k++) {
        const float from = best.low, steps = tries->top + tries->first + (float)k * tries->step;
        const float inverse = gguf_inverse((range.high - from) / steps);
        struct gguf_line line;
        if (!gguf_regress(x, w, n, tries->top, inverse, from, &line))
            continue;
        const float error = gguf_line_error(x, w, n, tries, inverse, from, line);
        if (error < least) {
            least = error;
            best = line;
        }
    }
    return best;
}

/* The codes in [0, top] of x[n] on the line scale * q - minimum. */
static inline void gguf_line_codes(const float *x, size_t n, float scale, float minimum, float top,
                                   unsigned char *codes)
{
    const float inverse = gguf_inverse(scale);
    for (size_t i = 0; i < n; i++)
        codes[i] = (unsigned char)gguf_clamp((x[i] + minimum) * inverse, 0, top);
}

#endif
