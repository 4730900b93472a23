/* Searches for scales, of GGUF's block types. The methods are those of ggml's quantisers without importance weights; a
 * byte in a thousand is another, for sums depend on their order. n is 16 or 32. */
#ifndef GGUF_SEARCH_H
#define GGUF_SEARCH_H

#include "gguf.h"

enum { GGUF_GROUP = 32 }; /* the most values that share a scale */

/* The sum of a[n], in an order that vectors like. */
static inline float gguf_sum(const float *a, size_t n)
{
    float s[8];
    for (size_t i = 0; i < 8; i++)
        s[i] = a[i] + a[i + 8];
    for (size_t at = 16; at < n; at += 16)
        for (size_t i = 0; i < 8; i++)
            s[i] += a[at + i] + a[at + i + 8];
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
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
    const float up_to = x < high ? x : high, clamped = x > low ? up_to : low;
    return (clamped + 0x1.8p23f) - 0x1.8p23f;
}

/* The scale s under which x[n] comes nearest to s * q_i, q_i numbers that `nearest` gives, in the squares of the errors
 * weighted by x_i^2. The value of largest magnitude is to become `first`, then -(top + k * step) for each k in
 * [-tries, tries]: that gives the q_i, and to them belongs s = sum w x q / sum w q^2, whose error is
 * sum w x^2 - s sum w x q. The first that has the least error is taken. 0 where there is no scale. */
static inline float gguf_fit_scale(const float *x, size_t n, float (*nearest)(float), float first, float top,
                                   float step, int tries)
{
    const float peak = x[qb_largest(x, n)];
    float scale = 0, gain = 0, xqs[GGUF_GROUP], qqs[GGUF_GROUP];
    for (int k = -tries - 1; k <= tries; k++) {
        const float inverse = peak != 0 ? (k < -tries ? first : -(top + (float)k * step)) / peak : 0;
        for (size_t i = 0; i < n; i++) {
            const float q = nearest(inverse * x[i]), wq = x[i] * x[i] * q;
            xqs[i] = wq * x[i];
            qqs[i] = wq * q;
        }
        const float xq = gguf_sum(xqs, n), qq = gguf_sum(qqs, n);
        if (qq > 0 && xq * xq > gain * qq) {
            scale = xq / qq;
            gain = scale * xq;
        }
    }
    return scale;
}

/* Stores each group's scale as an integer in [-most, most) times a half, that of the largest magnitude as -most, and
 * the codes on these scales: `nearest` to x / scale, plus `offset`. False where the half overflows. */
static inline bool gguf_store_scales(const float *x, const float *fitted, size_t group, float most,
                                     float (*nearest)(float), int offset, unsigned char *half, int *stored,
                                     unsigned char *codes)
{
    const size_t groups = GGUF_K / group;
    const float step = fitted[qb_largest(fitted, groups)] / -most, inverse = gguf_inverse(step);
    float d;
    if (!qb_half_write(half, step))
        return false;
    qb_half_read(half, &d);
    for (size_t g = 0; g < groups; g++) {
        const float integer = gguf_clamp(fitted[g] * inverse, -most, most - 1), scale = d * integer;
        stored[g] = (int)integer;
        for (size_t i = g * group; i < (g + 1) * group; i++)
            codes[i] = (unsigned char)((int)nearest(scale != 0 ? x[i] / scale : 0) + offset);
    }
    return true;
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

/* The codes of x[n] in steps of 1 / inverse from `from` on. */
static inline void gguf_line_codes(const float *restrict x, size_t n, float inverse, float from, float top,
                                   float *restrict q)
{
    for (size_t i = 0; i < n; i++)
        q[i] = gguf_clamp(inverse * (x[i] - from), 0, top);
}

static inline float gguf_line_error(const float *x, const float *w, const float *q, size_t n, bool absolute,
                                    struct gguf_line line)
{
    float errors[GGUF_GROUP];
    for (size_t i = 0; i < n; i++) {
        const float error = line.scale * q[i] + line.low - x[i];
        errors[i] = w[i] * (absolute ? fabsf(error) : error * error);
    }
    return gguf_sum(errors, n);
}

/* The line of least squares weighted by w through (q_i, x_i); through the origin where it would pass above. False where
 * there is none. */
static inline bool gguf_regress(const float *x, const float *w, const float *q, size_t n, struct gguf_line *line)
{
    float ws[GGUF_GROUP], xs[GGUF_GROUP], qs[GGUF_GROUP], qqs[GGUF_GROUP], xqs[GGUF_GROUP];
    for (size_t i = 0; i < n; i++) {
        ws[i] = w[i];
        xs[i] = w[i] * x[i];
        qs[i] = w[i] * q[i];
        qqs[i] = qs[i] * q[i];
        xqs[i] = qs[i] * x[i];
    }
    const float sw = gguf_sum(ws, n), sx = gguf_sum(xs, n), sq = gguf_sum(qs, n);
    const float sqq = gguf_sum(qqs, n), sxq = gguf_sum(xqs, n), det = sw * sqq - sq * sq;
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
 * the range from the best line's low to the highest value into some more or fewer steps than top, which gives the
 * codes; to them belongs the line of least squares. The line of least error is taken, the range cut into `top` steps
 * included. */
static inline struct gguf_line gguf_fit_line(const float *x, const float *w, size_t n, const struct gguf_tries *tries)
{
    const struct gguf_range range = gguf_range(x, n);
    struct gguf_line best = {0, range.low < 0 ? range.low : 0}, line;
    float q[GGUF_GROUP];
    best.scale = (range.high - best.low) / tries->top;
    gguf_line_codes(x, n, gguf_inverse(best.scale), best.low, tries->top, q);
    float least = gguf_line_error(x, w, q, n, tries->absolute, best);
    for (int k = 0; k < tries->count; k++) {
        const float steps = tries->first + (float)k * tries->step + tries->top, width = range.high - best.low;
        gguf_line_codes(x, n, width > 0 ? steps / width : 0, best.low, tries->top, q);
        if (!gguf_regress(x, w, q, n, &line))
            continue;
        const float error = gguf_line_error(x, w, q, n, tries->absolute, line);
        if (error < least) {
            least = error;
            best = line;
        }
    }
    return best;
}

/* How a K block of lines is stored: groups of `group` values, whose scales and minima are integers up to `most` times a
 * half each. The weight of an error is |x|, and with `mean` the root of the group's mean square on top. */
struct gguf_lines {
    size_t group;
    float most;
    bool mean;
    struct gguf_tries tries;
};

static inline struct gguf_line gguf_fit_group(const float *x, const struct gguf_lines *kind)
{
    float w[GGUF_GROUP], square = 0;
    for (size_t i = 0; i < kind->group; i++)
        square += x[i] * x[i];
    const float mean = kind->mean ? sqrtf(square / (float)kind->group) : 0;
    for (size_t i = 0; i < kind->group; i++)
        w[i] = mean + fabsf(x[i]);
    return gguf_fit_line(x, w, kind->group, &kind->tries);
}

/* Fits a line to each group of x[GGUF_K]; stores the halves of scales and minima at halves[4]; then the integers of
 * each group, and the codes on the lines that these give. False where a half overflows. */
static inline bool gguf_fit_lines(const float *x, const struct gguf_lines *kind, unsigned char *halves,
                                  unsigned char *scales, unsigned char *minima, unsigned char *codes)
{
    float y[GGUF_K], d, dmin;
    const float unit = gguf_normalise(x, GGUF_K, y);
    struct gguf_line lines[GGUF_K / 16], top = {0, 0};
    for (size_t g = 0; g < GGUF_K / kind->group; g++) {
        lines[g] = gguf_fit_group(y + g * kind->group, kind);
        top.scale = lines[g].scale > top.scale ? lines[g].scale : top.scale;
        top.low = lines[g].low < top.low ? lines[g].low : top.low;
    }
    const float scale_step = top.scale / kind->most, minimum_step = fabsf(top.low) / kind->most;
    if (!qb_half_write(halves, unit * scale_step) || !qb_half_write(halves + 2, unit * minimum_step))
        return false;
    qb_half_read(halves, &d);
    qb_half_read(halves + 2, &dmin);
    for (size_t g = 0; g < GGUF_K / kind->group; g++) {
        scales[g] = (unsigned char)gguf_clamp(lines[g].scale * gguf_inverse(scale_step), 0, kind->most);
        minima[g] = (unsigned char)gguf_clamp(-lines[g].low * gguf_inverse(minimum_step), 0, kind->most);
        const float scale = d * (float)scales[g], minimum = dmin * (float)minima[g];
        for (size_t i = g * kind->group; i < (g + 1) * kind->group; i++)
            codes[i] = (unsigned char)(scale > 0 ? gguf_clamp((x[i] + minimum) / scale, 0, kind->tries.top) : 0);
    }
    return true;
}

#endif
