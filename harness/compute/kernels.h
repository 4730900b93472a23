/* The kernels: what loops over many numbers, in one table for each instruction set level. A table starts as the
 * portable one, and each level up to its own overwrites what it does faster; plugins keep tables of their own in the
 * same form. All levels give the same bits: lanes and the order of sums are fixed, and nothing is fused
 * (-ffp-contract=off) but where a kernel says so, then at every level. No pointer needs more alignment than its type.
 * What a level does faster is in its kernels_LEVEL.c alone. A new kernel is a field here and its body in
 * kernels_rows.h, kernels_logits.h, kernels_expf.h, kernels_dots.h, kernels_digits.h or kernels_split.h; bench and the
 * kernels' tests do not build until they have it too.
 */
#ifndef QB_KERNELS_H
#define QB_KERNELS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/isa.h"

/* Rows of an encoded matrix as they lie in memory (codec/codec.h, struct qb_codec_layout, where the scales are
 * explained). */
struct qb_coded_rows {
    const unsigned char *bytes; /* row r's values, blocks or codes begin at bytes + r * stride */
    size_t stride;
    size_t block; /* bytes from 32 columns' codes to the next ones' */
    int32_t scale;
    const unsigned char *scales;
    size_t scale_stride;
    size_t scale_step;                   /* 0: no row has several scales; what one there is is left to the caller */
    size_t scale_blocks;                 /* blocks of 32 columns that share a scale */
    const struct qb_value_table *values; /* of TABLE8 and TABLE4 */
};

/* Values by code, and byte b of each as plane[b], for kernels that look bytes up. */
struct qb_value_table {
    float value[256];
    uint8_t plane[4][256];
    bool mirrored; /* code | 128 is code's value with the other sign, for codes below 128 */
    bool narrow;   /* planes 0 and 1 are 0: the values are bfloats */
};

/* Fixed point that products of codes run in: a weight is +-(255 high + low) weight units, an input 255 high + low
 * input units. Digits to the base 255, so that the negative of every digit of an input is an int8, too. By the code as
 * it lies in struct qb_interleaved: of a code whose upper bit is its sign, without that. */
enum { QB_FIXED_BASE = 255, QB_FIXED_CODE_MOST = 65279, QB_FIXED_INPUT_MOST = 32512 };
struct qb_code_table {
    uint8_t high[256], low[256]; /* of each code's magnitude, which is rounded to the nearest of its units */
    size_t high_begin;           /* codes below have no high digit but 0 */
    double unit;                 /* the largest magnitude / QB_FIXED_CODE_MOST */
};
struct qb_fixed_inputs {
    const int8_t *high, *low; /* [n][stride], 0 behind a row's values */
    size_t stride;            /* the columns, rounded up to a multiple of 64 */
    const double *unit;       /* [n]; NaN where an input is NaN or infinite */
};

/* Sums of the products of weights' and inputs' digits: of two high ones, of one of each, of two low ones. */
struct qb_digit_sums {
    int32_t high, middle, low;
};

/* Adds what a weight's code (without a sign in it) and an input's digits give. */
static inline void qb_digit_sums_add(struct qb_digit_sums *s, const struct qb_code_table *table, unsigned code,
                                     bool minus, int32_t x_high, int32_t x_low)
{
    const int32_t sign = minus ? -1 : 1, high = sign * table->high[code], low = sign * table->low[code];
    s->high += high * x_high;
    s->middle += high * x_low + low * x_high;
    s->low += low * x_low;
}

static inline int64_t qb_digit_sums_whole(struct qb_digit_sums s)
{
    return ((int64_t)s.high * QB_FIXED_BASE + s.middle) * QB_FIXED_BASE + s.low;
}

/* The one rounding of an exact sum of codes of magnitudes and inputs in fixed point. */
static inline float qb_from_fixed(int64_t sum, double weight_unit, double input_unit)
{
    return (float)((double)sum * (weight_unit * input_unit));
}

/* Likewise of 32 columns that share a scale, from the exact sums of the products of their digits, each below 2^24; two
 * roundings, and one under the unit. */
static inline float qb_from_digit_sums(struct qb_digit_sums s, double weight_unit, double input_unit)
{
    const float units =
        fmaf(QB_FIXED_BASE * QB_FIXED_BASE, (float)s.high, fmaf(QB_FIXED_BASE, (float)s.middle, (float)s.low));
    return units * (float)(weight_unit * input_unit);
}

/* y[i * ld + r] = the product of row r of w, r < rows, with input i < n, whose column c is x[i * stride + c]. Weights
 * are read encoded, values of blocks without their scale, which multiplies the sum over its block. Sums run in 16 FP32
 * lanes by fused multiply-adds, column c (of blocks: of each half block) in lane c mod 16, then over lanes 8, 4, 2 and
 * 1 apart: a y differs from the exact product by at most (cols / 16 + 8) 2^-23 times the sum of |w x|. */
typedef void qb_dots(const struct qb_coded_rows *w, size_t rows, size_t cols, const float *x, size_t stride, size_t n,
                     float *y, size_t ld);

/* Rows of codes, 16 of them side by side: a group. Of each group one block of 32 columns follows the other. Codes of 8
 * bits: 64 bytes for each 4 columns, 4 bytes a row; of 4 bits: 64 bytes for each 8 columns, a row's first four columns
 * in the lower halves of its 4 bytes, the others in the upper ones. Integers have a scale for each 32 columns: a weight
 * is (code - bias) scale. Of magnitudes the codes lie there ^ QB_CODE_FLIP, so that the codes of the smallest ones,
 * which have no high digit, are those whose upper two bits are 0; behind a block's codes there are a bit for each, set
 * for minus, in 8 bytes for each 4 columns: bit 4 r + e, of row r's column e. Or a code's upper bit is its sign; then
 * it lies as it is. Rows behind the last are 0. Made by interleaved.h. */
enum { QB_INTERLEAVED_ROWS = 16, QB_CODE_FLIP = 0xc0 };
struct qb_interleaved {
    size_t row;    /* of the matrix, that is the first here */
    size_t blocks; /* of a row */
    size_t block;  /* bytes of codes, and signs, of one */
    bool four_bits, halves;
    bool signed_codes; /* of magnitudes, with the sign in the upper bit */
    int32_t bias;
    unsigned char *codes;  /* [groups, blocks, block], aligned to 64 bytes */
    unsigned char *scales; /* [groups, blocks, 16] binary16 (halves) or FP32, likewise; NULL: of magnitudes that have
                              none for each 32 columns */
};

/* 32 columns of an input in fixed point: 65280 upper + 256 middle + low units, nearest to x; digits of 8 bits of which
 * none is so large that middle and low make no int16. */
enum { QB_DIGITS_UPPER = 65280, QB_DIGITS_MOST = 8323000 };
struct qb_digits {
    int8_t digit[3][32];   /* upper, middle, low */
    int32_t correction[2]; /* -bias times the sum of upper, and of 256 middle + low */
    float unit;            /* the largest |x| / QB_DIGITS_MOST, rounded, and at least 2^-126; NaN where an x is none or
                              infinite */
};
struct qb_wide_digits {
    int16_t part[2][32]; /* upper, 256 middle + low */
};
struct qb_digit_inputs {
    const struct qb_digits *digits;    /* [n, blocks]; columns behind the last are 0 */
    const struct qb_wide_digits *wide; /* the same */
};

/* y[i * ld + r] = the product of row `row` + r of the matrix, r < count, with input i < n. A block's sums of codes
 * times digits are exact. FP32 are: upper sum 65280 + the rest's sum rounded to FP32, by one fused multiply-add; that
 * times the unit; that times the scale, added to the sum of the row's blocks in front by another. A y differs from the
 * exact product by at most QB_DIGITS_TOLERANCE * (over blocks, the sum of the largest |x| * sum of |w|) (half a unit of
 * the inputs)
 *   + (cols / 32 + 4) 2^-24 * the sum of |w x| + 2^-126 * the sum of |w|.
 * qb_dots' bound, (cols / 16 + 8) 2^-23 times the sum of |w x|, is the larger one where both are stated in the largest
 * |x| of a block. */
#define QB_DIGITS_TOLERANCE 6.01e-8
typedef void qb_digit_dots(const struct qb_interleaved *w, size_t row, size_t count, const struct qb_digit_inputs *x,
                           size_t n, float *y, size_t ld);

/* The order in which a kernel takes the columns of an input, which is laid out so once for all rows. */
enum qb_order {
    QB_ORDER_PLAIN, /* as they are */
    /* The following are filled up with zeros to a multiple of 64 columns. */
    QB_ORDER_FILLED,
    QB_ORDER_PAIRS,   /* of 32 columns first the even ones, then the odd ones: codes of 4 bits, two a byte */
    QB_ORDER_SQUARES, /* of 64 columns, as 16 fours, fours 0, 4, 8, 12, then 1, 5, 9, 13, and so on: what bytes become
                         where registers' quarters are interleaved */
};

/* Likewise of interleaved codes of magnitudes. Without scales the sum over a row is exact, and rounded to FP32 once.
 * With them the sums over 32 columns are, come from qb_from_digit_sums, and are multiplied by their scale and added to
 * the sum of the blocks in front by one fused multiply-add. */
typedef void qb_code_dots(const struct qb_interleaved *w, const struct qb_code_table *table, size_t row, size_t count,
                          const struct qb_fixed_inputs *x, size_t n, float *y, size_t ld);

/* Products of BF16 terms: a number as the sum of three, x = x1 + x2 + x3, x1 the BF16 number nearest to x, x2 the one
 * nearest to what is left, x3 the rest, which is one; or of the first two alone. Of the nine products of w's and x's
 * three terms the six largest count, of the four of two terms the three largest (qb_split_orders).
 * Rows lie in tiles of 16 rows and 32 columns, [16][32], or turned, [16 pairs of columns][16 rows][2]; the terms'
 * tiles of 32 columns behind each other, then the next columns'; filled up with zeros.
 *
 * With u = 2^-24 and B tiles of columns: |w1| <= (1 + 2^-8) |w|, |w2| <= 2^-8 |w|, |w3| <= 2^-16 |w|, and so for x.
 * Of three terms the first ones' products are rounded at most B + 17 times each (16 in their sum of 32 columns, one
 * where even and odd ones meet, B where tiles do), the small ones, at most 2^-7 of |w x|, 5 B + 17 times, and before
 * the first terms' do; what is left out is at most (2 + 2^-8) u |w x|. Of two terms all products, at most 1.016 |w x|,
 * are rounded at most 3 B + 17 times each; what is left out, w2 x2, w3 x and (w - w3) x3, is at most (3 + 2^-16) 2^-16
 * |w x|. Altogether within QB_SPLIT_TOLERANCE(terms, B) times the sum of |w x|, where cols < 2^20; beside that, numbers
 * under 2^-126 count as 0: 2^-125 (102 B + the sums of |w| and of |x|). A |w| or |x| of 0x1.ffp127 and more, of which
 * no BF16 number is nearest, gives NaN, as Inf does. */
#define QB_SPLIT_TOLERANCE(TERMS, B) (((TERMS) == 2 ? 3.07 * (double)(B) + 786 : 1.06 * (double)(B) + 20) * 0x1p-24)
enum {
    QB_SPLIT_ROWS = 16,
    QB_SPLIT_COLS = 32,
    QB_SPLIT_TILE = QB_SPLIT_ROWS * QB_SPLIT_COLS,
    QB_SPLIT_TERMS = 3, /* at most; at least 2 */
    QB_SPLIT_PRODUCTS = 5
};
/* By the number of terms: terms of w and x, from 0, of the products of 32 columns, in the order in which they are
 * added: each has one of the last. Of three terms the first ones' products follow when those of all columns are added;
 * of two they are among these: what is left out is more than what adding them apart would save. */
struct qb_split_order {
    uint8_t count, products[QB_SPLIT_PRODUCTS][2];
    bool first_apart;
};
static const struct qb_split_order qb_split_orders[QB_SPLIT_TERMS + 1] = {
    [2] = {3, {{0, 1}, {0, 0}, {1, 0}}, false},
    [3] = {5, {{0, 2}, {0, 1}, {1, 1}, {1, 0}, {2, 0}}, true},
};

enum { QB_GEMV_COLS = 4096, QB_EXPF_LEAST = -64 };

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
    /* Sum of expf(x[i] - shift), each to the bits of this process's libm, but 0 where x[i] - shift, at most 0, is under
     * QB_EXPF_LEAST. */
    double (*sum_expf)(const float *x, size_t n, float shift);
    /* Sum of (x[i] - shift)^power, power 1 or 2. */
    double (*sum_power)(const float *x, size_t n, double shift, int power);
    struct qb_kl_sums (*kl_sums)(const float *p, const float *q, size_t n, size_t k);

    /* y[r] = row r of b[rows, cols] times x[cols]; cols a multiple of 4. The order of OpenBLAS's sgemv for Haswell and
     * what follows it: of QB_GEMV_COLS columns at a time a sum in 8 FP32 lanes of fused multiply-adds, the 4 columns
     * that make no 8 first and in the lower lanes; lanes 4 apart are added, then neighbours, then those two; these sums
     * are added to 0 one after the other. */
    void (*gemv)(const float *b, size_t rows, size_t cols, const float *x, float *y);

    /* Products that read encoded weights; see qb_dots. */
    qb_dots *float_dots;  /* FP32 */
    qb_dots *half_dots;   /* binary16 */
    qb_dots *bfloat_dots; /* the upper halves of FP32 */
    qb_dots *int8_dots;   /* integers, without a scale */
    qb_dots *table4_dots; /* values by codes of 4 bits: in blocks, or x in QB_ORDER_PAIRS; blocks of 32 columns */
    qb_dots *table8_dots; /* values by codes of 8 bits, not in blocks; x in QB_ORDER_SQUARES; blocks of 64 columns, of
                             which columns 16 a + 4 k + e, e < 4, are lane 4 a + e's */
    /* The same of codes of magnitudes, exact in integers from fixed-point inputs on; rounded once, at the end. */
    qb_code_dots *code_dots;
    /* The digits of x[cols] to the base 255, high[stride] and low[stride], nearest to x in units of the largest |x| /
     * QB_FIXED_INPUT_MOST, and that unit. */
    void (*fix)(const float *x, size_t cols, size_t stride, int8_t *high, int8_t *low, double *unit);
    /* Of interleaved integers. */
    qb_digit_dots *digit_dots;
    /* The blocks of x[cols] in digits, out[blocks] and wide[blocks], for codes of that bias. */
    void (*digits)(const float *x, size_t cols, int32_t bias, struct qb_digits *out, struct qb_wide_digits *wide);

    /* Products of 2 or 3 BF16 terms. The tiles of x[rows, cols], rows <= QB_SPLIT_ROWS. */
    void (*split)(size_t terms, const float *x, size_t rows, size_t cols, bool turned, uint16_t *tiles);
    /* y[i * ld + r] = row r of w, r < rows, times input i < n of x, whose tiles are turned, in the order of
     * qb_split_orders. Within 32 columns the even ones and the odd ones make a sum each, by fused multiply-adds. What
     * is smaller than the smallest normal number is read and written as 0. next[next_bytes]: what the caller reads
     * after that, which may be brought nearer meanwhile; 0 bytes: nothing. */
    void (*split_dots)(size_t terms, const uint16_t *w, size_t rows, const uint16_t *x, size_t n, size_t cols, float *y,
                       size_t ld, const void *next, size_t next_bytes);
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
void qb_kernels_amx(struct qb_kernels *kernels);

#endif
