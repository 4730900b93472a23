/* The body of the products of BF16 terms (kernels.h) without AMX, included once by each level's file: plain loops over
 * sixteen lanes, which the compiler turns into that level's instructions. The reference of the level that has AMX,
 * whose arithmetic it repeats operation by operation: tdpbf16ps takes 32 columns as a sum of the even ones and a sum of
 * the odd ones, by fused multiply-adds that begin at 0, adds the two and adds that to what there is; it reads numbers
 * below the smallest normal one as 0 and writes them as 0 of their sign (Intel SDM vol. 2, TDPBF16PS). */
#include <math.h>
#include <string.h>
#include "compute/kernels.h"
#include "compute/lanes.h"

INLINE uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE float flushed(float x)
{
    const uint32_t bits = bits_of(x);
    return float_of(bits & 0x7f800000u ? bits : bits & 0x80000000u);
}

/* The BF16 number nearest to x, ties to even. That of some NaN is none, but then what is left is, whose upper half is
 * one. */
INLINE uint32_t nearest_bfloat(float x)
{
    const uint32_t bits = bits_of(x);
    return (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
}

INLINE void turn_tiles(uint16_t *tiles, size_t count)
{
    for (; count > 0; count--, tiles += QB_SPLIT_TILE) {
        uint32_t pairs[QB_SPLIT_ROWS][QB_SPLIT_COLS / 2], turned[QB_SPLIT_COLS / 2][QB_SPLIT_ROWS];
        memcpy(pairs, tiles, sizeof pairs);
        for (size_t r = 0; r < QB_SPLIT_ROWS; r++)
            for (size_t k = 0; k < QB_SPLIT_COLS / 2; k++)
                turned[k][r] = pairs[r][k];
        memcpy(tiles, turned, sizeof turned);
    }
}

static void split(size_t terms, const float *x, size_t rows, size_t cols, bool turned, uint16_t *out)
{
    for (size_t c = 0; c < cols; c += QB_SPLIT_COLS, out += terms * QB_SPLIT_TILE) {
        const size_t count = cols - c < QB_SPLIT_COLS ? cols - c : QB_SPLIT_COLS;
        if (rows < QB_SPLIT_ROWS || count < QB_SPLIT_COLS)
            memset(out, 0, terms * QB_SPLIT_TILE * sizeof *out);
        for (size_t r = 0; r < rows; r++) {
            const float *from = x + r * cols + c;
            uint16_t *to = out + r * QB_SPLIT_COLS;
            for (size_t k = 0; k < count; k++) {
                const uint32_t first = nearest_bfloat(from[k]);
                const float rest = from[k] - float_of(first);
                const uint32_t second = terms == 2 && isnan(rest) ? bits_of(rest) : nearest_bfloat(rest);
                to[k] = (uint16_t)(first >> 16);
                to[QB_SPLIT_TILE + k] = (uint16_t)(second >> 16);
                if (terms > 2)
                    to[2 * QB_SPLIT_TILE + k] =
                        (uint16_t)(bits_of(rest - float_of(second)) >> 16); /* all of the rest */
            }
        }
        if (turned)
            turn_tiles(out, terms);
    }
}

/* sum[16] + a row's 32 columns of one term times those of 16 inputs, turned. */
INLINE void add_term(const uint16_t w[QB_SPLIT_COLS], const uint16_t x[QB_SPLIT_TILE], float sum[QB_SPLIT_ROWS])
{
    float even[QB_SPLIT_ROWS] = {0}, odd[QB_SPLIT_ROWS] = {0};
    for (size_t k = 0; k < QB_SPLIT_COLS; k += 2) {
        const float first = flushed(float_of((uint32_t)w[k] << 16)),
                    second = flushed(float_of((uint32_t)w[k + 1] << 16));
        uint32_t pair[QB_SPLIT_ROWS];
        memcpy(pair, x + k * QB_SPLIT_ROWS, sizeof pair);
        for (size_t i = 0; i < QB_SPLIT_ROWS; i++) {
            even[i] = flushed(fmaf(first, flushed(float_of(pair[i] << 16)), even[i]));
            odd[i] = flushed(fmaf(second, flushed(float_of(pair[i] & 0xffff0000u)), odd[i]));
        }
    }
    for (size_t i = 0; i < QB_SPLIT_ROWS; i++)
        sum[i] = flushed(sum[i] + flushed(even[i] + odd[i]));
}

static void split_dots(size_t terms, const uint16_t *w, size_t rows, const uint16_t *x, size_t n, size_t cols, float *y,
                       size_t ld, const void *next, size_t next_bytes)
{
    (void)next;
    (void)next_bytes;
    const struct qb_split_order *order = &qb_split_orders[terms];
    const size_t tiles = (cols + QB_SPLIT_COLS - 1) / QB_SPLIT_COLS, step = terms * QB_SPLIT_TILE, block = tiles * step;
    for (size_t i = 0; i < n; i += QB_SPLIT_ROWS, x += block)
        for (size_t r = 0; r < rows; r++) {
            const uint16_t *row = w + r / QB_SPLIT_ROWS * block + r % QB_SPLIT_ROWS * QB_SPLIT_COLS;
            float sum[QB_SPLIT_ROWS] = {0};
            for (size_t t = 0; t < tiles; t++)
                for (size_t p = 0; p < order->count; p++)
                    add_term(row + t * step + order->products[p][0] * QB_SPLIT_TILE,
                             x + t * step + order->products[p][1] * QB_SPLIT_TILE, sum);
            for (size_t t = 0; order->first_apart && t < tiles; t++)
                add_term(row + t * step, x + t * step, sum);
            for (size_t k = 0; k < QB_SPLIT_ROWS && i + k < n; k++)
                y[(i + k) * ld + r] = sum[k] + 0.0f; /* -0 is 0 */
        }
}

static void set_split(struct qb_kernels *kernels)
{
    kernels->split = split;
    kernels->split_dots = split_dots;
}
