/* Products of interleaved codes (kernels.h, struct qb_interleaved) with inputs in digits: the inputs' digits, which
 * every level's file builds for itself, and the plain products, which are the reference of the levels' own. */
#include <math.h>
#include <string.h>
#include "codec/codec_util.h" /* halves */
#include "compute/kernels.h"

enum { BLOCK_COLS = 32, STEP_COLS = 4, GROUP_ROWS = QB_INTERLEAVED_ROWS, CODES_AHEAD = 2048 };

/* Asks for codes that the stream at p comes to, for the first-level cache: 5 to 10% faster than for the second-level
 * one, and than 512 bytes or 4 KiB ahead. To ask behind the end costs nothing. */
static inline void ask_codes(const unsigned char *p)
{
    __builtin_prefetch(p + CODES_AHEAD, 0, 3);
}

static void digits(const float *restrict x, size_t cols, int32_t bias, struct qb_digits *restrict out,
                   struct qb_wide_digits *restrict wide)
{
    for (size_t c = 0; c < cols; c += BLOCK_COLS, x += BLOCK_COLS, out++, wide++) {
        float last[BLOCK_COLS] = {0};
        const float *from = x;
        if (cols - c < BLOCK_COLS)
            from = memcpy(last, x, (cols - c) * sizeof *x);
        int32_t bits[BLOCK_COLS], most = 0; /* bits of |x| are ordered as |x| is, a NaN's above all */
        memcpy(bits, from, sizeof bits);
        for (size_t k = 0; k < BLOCK_COLS; k++) {
            bits[k] &= 0x7fffffff;
            most = bits[k] > most ? bits[k] : most;
        }
        const bool finite = most < 0x7f800000;
        if (!finite)
            from = memset(last, 0, sizeof last);
        float top;
        memcpy(&top, &most, sizeof top);
        float unit = (float)((double)top / QB_DIGITS_MOST);
        unit = unit >= 0x1p-126f ? unit : 0x1p-126f;
        const double scale = 1 / (double)unit, rounder = 0x1.8p52;
        /* Loops of one width each, which compilers make vectors of. */
        int32_t whole[BLOCK_COLS], upper[BLOCK_COLS], rest[BLOCK_COLS], sum[2] = {0};
        for (size_t k = 0; k < BLOCK_COLS; k++) {
            const double value = ((double)from[k] * scale + rounder) - rounder;
            /* The upper digit rounded down, of numbers made positive; half a unit keeps them off a multiple. */
            whole[k] = (int32_t)value;
            upper[k] = (int32_t)((value + 32640.5) * (1.0 / QB_DIGITS_UPPER) + 1024) - 1024;
        }
        for (size_t k = 0; k < BLOCK_COLS; k++) {
            rest[k] = whole[k] - upper[k] * QB_DIGITS_UPPER;
            sum[0] += upper[k];
            sum[1] += rest[k];
        }
        for (size_t k = 0; k < BLOCK_COLS; k++) {
            wide->part[0][k] = (int16_t)upper[k];
            wide->part[1][k] = (int16_t)rest[k];
        }
        for (size_t k = 0; k < BLOCK_COLS; k++) {
            const int16_t middle = (int16_t)((wide->part[1][k] + 128) >> 8);
            out->digit[0][k] = (int8_t)wide->part[0][k];
            out->digit[1][k] = (int8_t)middle;
            out->digit[2][k] = (int8_t)(wide->part[1][k] - 256 * middle);
        }
        out->correction[0] = -bias * sum[0];
        out->correction[1] = -bias * sum[1];
        out->unit = finite ? unit : NAN;
    }
}

/* sums[(g * inputs + i) * 16 + r] = row r of group `group` + g times input `input` + i. x: as the product has them. */
typedef void group_sums(const struct qb_interleaved *w, size_t group, size_t groups, const void *x, size_t input,
                        size_t inputs, float *sums);

/* Any rows by groups that are computed whole: one input by four groups at a time, for memory answers several streams
 * faster than one, or by two; several by four or two inputs. */
static inline void by_groups(group_sums *product, const struct qb_interleaved *w, size_t row, size_t count,
                             const void *x, size_t n, float *y, size_t ld)
{
    enum { MOST = 4 };
    const size_t first = row - w->row, end = first + count;
    for (size_t at = first / GROUP_ROWS * GROUP_ROWS, groups; at < end; at += groups * GROUP_ROWS) {
        groups = n > 1 ? 1 : end - at > 3 * GROUP_ROWS ? 4 : end - at > GROUP_ROWS ? 2 : 1;
        for (size_t i = 0, inputs; i < n; i += inputs) {
            float sums[MOST * GROUP_ROWS];
            inputs = n - i >= 4 ? 4 : n - i >= 2 ? 2 : 1;
            product(w, at / GROUP_ROWS, groups, x, i, inputs, sums);
            for (size_t k = 0; k < groups * inputs; k++) {
                const size_t begin = at + k / inputs * GROUP_ROWS, from = begin < first ? first : begin;
                const size_t to = begin + GROUP_ROWS < end ? begin + GROUP_ROWS : end;
                memcpy(y + (i + k % inputs) * ld + from - first, sums + k * GROUP_ROWS + from - begin,
                       (to - from) * sizeof *y);
            }
        }
    }
}

static float interleaved_scale(const struct qb_interleaved *w, size_t at)
{
    float value;
    uint16_t half;
    if (!w->halves) {
        memcpy(&value, w->scales + at * sizeof value, sizeof value);
        return value;
    }
    memcpy(&half, w->scales + at * sizeof half, sizeof half);
    return qb_half_value(half);
}

/* The biased code of column k of a block, of which row `lane`'s codes begin at p. */
static int32_t interleaved_code(const struct qb_interleaved *w, const unsigned char *p, size_t k)
{
    if (!w->four_bits)
        return p[k / 4 * GROUP_ROWS * 4 + k % 4];
    return p[k / 8 * GROUP_ROWS * 4 + k % 4] >> (k % 8 < 4 ? 0 : 4) & 15;
}

static void plain_sums(const struct qb_interleaved *w, size_t group, size_t groups, const void *inputs_of, size_t input,
                       size_t inputs, float *sums)
{
    const struct qb_digit_inputs *x = inputs_of;
    memset(sums, 0, groups * inputs * GROUP_ROWS * sizeof *sums);
    for (size_t g = 0; g < groups; g++)
        for (size_t block = 0; block < w->blocks; block++)
            for (size_t lane = 0; lane < GROUP_ROWS; lane++) {
                const size_t at = (group + g) * w->blocks + block;
                const float scale = interleaved_scale(w, at * GROUP_ROWS + lane);
                int32_t codes[BLOCK_COLS];
                for (size_t k = 0; k < BLOCK_COLS; k++)
                    codes[k] = interleaved_code(w, w->codes + at * w->block + lane * STEP_COLS, k);
                for (size_t i = 0; i < inputs; i++) {
                    const struct qb_digits *d = &x->digits[(input + i) * w->blocks + block];
                    int32_t upper = d->correction[0], rest = d->correction[1];
                    for (size_t k = 0; k < BLOCK_COLS; k++) {
                        upper += codes[k] * d->digit[0][k];
                        rest += codes[k] * (256 * d->digit[1][k] + d->digit[2][k]);
                    }
                    float *sum = &sums[(g * inputs + i) * GROUP_ROWS + lane];
                    *sum = fmaf(scale, fmaf((float)upper, QB_DIGITS_UPPER, (float)rest) * d->unit, *sum);
                }
            }
}

static void digit_dots(const struct qb_interleaved *w, size_t row, size_t count, const struct qb_digit_inputs *x,
                       size_t n, float *y, size_t ld)
{
    by_groups(plain_sums, w, row, count, x, n, y, ld);
}

/* ---- codes of magnitudes ---- */

/* Blocks whose sums of digits' products an int32 holds: one grows by at most 2 * 255 * 127 a column. */
enum { CODE_BLOCKS_MOST = 1024 };

/* Inputs of a product of them. */
struct code_inputs {
    const struct qb_fixed_inputs *x;
    const struct qb_code_table *table;
};

/* Column k of a block whose codes begin at p, of the row in a lane: its code, without a sign in it, and whether it is
 * minus. */
static inline unsigned code_at(const struct qb_interleaved *w, const unsigned char *p, size_t lane, size_t k,
                               bool *minus)
{
    const size_t at = k / STEP_COLS * GROUP_ROWS * STEP_COLS + lane * STEP_COLS + k % STEP_COLS;
    *minus = w->signed_codes ? p[at] >> 7 : p[GROUP_ROWS * BLOCK_COLS + at / 8] >> at % 8 & 1;
    return w->signed_codes ? p[at] & 127u : p[at];
}

static inline struct qb_digit_sums code_block(const struct qb_interleaved *w, const struct code_inputs *in,
                                              const unsigned char *p, size_t lane, size_t input, size_t block)
{
    const size_t first = input * in->x->stride + block * BLOCK_COLS;
    struct qb_digit_sums s = {0};
    for (size_t k = 0; k < BLOCK_COLS; k++) {
        bool minus;
        const unsigned code = code_at(w, p, lane, k, &minus);
        qb_digit_sums_add(&s, in->table, code, minus, in->x->high[first + k], in->x->low[first + k]);
    }
    return s;
}

static void plain_code_sums(const struct qb_interleaved *w, size_t group, size_t groups, const void *inputs_of,
                            size_t input, size_t inputs, float *sums)
{
    const struct code_inputs *in = inputs_of;
    for (size_t at = 0; at < groups * inputs * GROUP_ROWS; at++) {
        const size_t g = group + at / GROUP_ROWS / inputs, lane = at % GROUP_ROWS, i = input + at / GROUP_ROWS % inputs;
        int64_t whole = 0;
        float scaled = 0;
        for (size_t block = 0; block < w->blocks; block++) {
            const size_t place = g * w->blocks + block;
            const struct qb_digit_sums s = code_block(w, in, w->codes + place * w->block, lane, i, block);
            if (w->scales)
                scaled = fmaf(interleaved_scale(w, place * GROUP_ROWS + lane),
                              qb_from_digit_sums(s, in->table->unit, in->x->unit[i]), scaled);
            else
                whole += qb_digit_sums_whole(s);
        }
        sums[at] = w->scales ? scaled : qb_from_fixed(whole, in->table->unit, in->x->unit[i]);
    }
}

static void code_dots(const struct qb_interleaved *w, const struct qb_code_table *table, size_t row, size_t count,
                      const struct qb_fixed_inputs *x, size_t n, float *y, size_t ld)
{
    by_groups(plain_code_sums, w, row, count, &(struct code_inputs){x, table}, n, y, ld);
}

static void set_digits(struct qb_kernels *kernels)
{
    kernels->digits = digits;
    kernels->digit_dots = digit_dots;
    kernels->code_dots = code_dots;
}
