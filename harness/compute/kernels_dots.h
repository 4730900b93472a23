/* The body of the products that read encoded weights (kernels.h), included once by each level's file, which gives it
 * sixteen lanes: a type v16 and the functions v16_zero, v16_load (16 floats), v16_splat (one in all lanes),
 * v16_multiply, v16_fma (a b + c, rounded once: by libm where no instruction does), v16_sum (over lanes 8, 4, 2 and 1
 * apart), and of 16 weights at p, as FP32: v16_float, v16_half, v16_bfloat, v16_int8, v16_low4 and v16_high4 (the
 * halves of 16 bytes, less 8); float_of_half of one.
 *
 * Several rows are read at a time: memory answers more streams than one faster, and they share the loads of x. How many
 * rows and inputs a step takes changes no bit of a result. */
#include <math.h>
#include <string.h>
#include "compute/kernels.h"
#include "compute/lanes.h"

enum { WIDTH = 16, HALF_BLOCK = 16, Q8_BYTES = 34, Q4_BYTES = 18, BLOCK_CODES = 2 };

/* Asks for the line at p + ahead, for the second-level cache: bytes of the rows of the next step, as far as there are
 * any. Without it the memory waits while a step computes; nearer bytes come by themselves. A line is asked for once. */
INLINE void ask_ahead(const unsigned char *p, size_t ahead)
{
    __builtin_prefetch(p + ahead, 0, 2);
}
enum { LINE = 64 };

/* ROWS rows times INPUTS inputs: macros, so that the sums are named registers at every level. */
#define EACH_ROW(ROWS) _Pragma("GCC unroll 8") for (size_t r = 0; r < (ROWS); r++)
#define EACH_INPUT(INPUTS) _Pragma("GCC unroll 8") for (size_t i = 0; i < (INPUTS); i++)

/* Defines NAME_ROWS_INPUTS for weights that are their own values, COLS_BYTES of a row each 16 columns. */
#define VALUE_BLOCK(NAME, LOAD, BYTES, ROWS, INPUTS)                                                                   \
    static void NAME##_##ROWS##_##INPUTS(const unsigned char *p, size_t stride, size_t ahead, size_t cols,             \
                                         const float *x, float *y, size_t ld)                                          \
    {                                                                                                                  \
        v16 sum[ROWS][INPUTS];                                                                                         \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) sum[r][i] = v16_zero();                                                      \
        size_t c = 0;                                                                                                  \
        for (; c + WIDTH <= cols; c += WIDTH) {                                                                        \
            v16 in[INPUTS];                                                                                            \
            EACH_INPUT(INPUTS) in[i] = v16_load(x + i * cols + c);                                                     \
            EACH_ROW(ROWS)                                                                                             \
            {                                                                                                          \
                if (c * (BYTES) % LINE == 0)                                                                           \
                    ask_ahead(p + r * stride + c * (BYTES), ahead);                                                    \
                v16 w = LOAD(p + r * stride + c * (BYTES));                                                            \
                EACH_INPUT(INPUTS) sum[r][i] = v16_fma(w, in[i], sum[r][i]);                                           \
            }                                                                                                          \
        }                                                                                                              \
        if (c < cols) { /* filled up with zeros */                                                                     \
            v16 in[INPUTS];                                                                                            \
            EACH_INPUT(INPUTS)                                                                                         \
            {                                                                                                          \
                float rest[WIDTH] = {0};                                                                               \
                memcpy(rest, x + i * cols + c, (cols - c) * sizeof *rest);                                             \
                in[i] = v16_load(rest);                                                                                \
            }                                                                                                          \
            EACH_ROW(ROWS)                                                                                             \
            {                                                                                                          \
                unsigned char rest[WIDTH * (BYTES)] = {0};                                                             \
                memcpy(rest, p + r * stride + c * (BYTES), (cols - c) * (BYTES));                                      \
                v16 w = LOAD(rest);                                                                                    \
                EACH_INPUT(INPUTS) sum[r][i] = v16_fma(w, in[i], sum[r][i]);                                           \
            }                                                                                                          \
        }                                                                                                              \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) y[i * ld + r] = v16_sum(sum[r][i]);                                          \
    }

/* Likewise for blocks of 32 values, BYTES each: a scale, then codes; FIRST and SECOND read the block's halves. */
#define SCALED_BLOCK(NAME, FIRST, SECOND, BYTES, ROWS, INPUTS)                                                         \
    static void NAME##_##ROWS##_##INPUTS(const unsigned char *p, size_t stride, size_t ahead, size_t cols,             \
                                         const float *x, float *y, size_t ld)                                          \
    {                                                                                                                  \
        v16 sum[ROWS][INPUTS];                                                                                         \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) sum[r][i] = v16_zero();                                                      \
        for (size_t c = 0, at = 0; c < cols; c += 2 * HALF_BLOCK, at += (BYTES)) {                                     \
            v16 in[2][INPUTS];                                                                                         \
            EACH_INPUT(INPUTS)                                                                                         \
            {                                                                                                          \
                in[0][i] = v16_load(x + i * cols + c);                                                                 \
                in[1][i] = v16_load(x + i * cols + c + HALF_BLOCK);                                                    \
            }                                                                                                          \
            EACH_ROW(ROWS)                                                                                             \
            {                                                                                                          \
                const unsigned char *block = p + r * stride + at;                                                      \
                ask_ahead(block, ahead);                                                                               \
                v16 scale = v16_splat(float_of_half(block));                                                           \
                v16 first = FIRST(block + BLOCK_CODES), second = SECOND(block + BLOCK_CODES);                          \
                EACH_INPUT(INPUTS)                                                                                     \
                {                                                                                                      \
                    v16 dot = v16_fma(first, in[0][i], v16_multiply(second, in[1][i]));                                \
                    sum[r][i] = v16_fma(scale, dot, sum[r][i]);                                                        \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) y[i * ld + r] = v16_sum(sum[r][i]);                                          \
    }

/* All rows and inputs by steps of 8 x 1 or 4 x 4, what is left by smaller ones. */
#define DOTS(NAME)                                                                                                     \
    static void NAME(const struct qb_coded_rows *w, size_t rows, size_t cols, const float *x, size_t n, float *y,      \
                     size_t ld)                                                                                        \
    {                                                                                                                  \
        for (size_t r = 0, step; r < rows; r += step) {                                                                \
            const unsigned char *p = w->bytes + r * w->stride;                                                         \
            step = rows - r < 4 ? 1 : n == 1 && rows - r >= 8 ? 8 : 4;                                                 \
            for (size_t i = 0, inputs; i < n; i += inputs) {                                                           \
                inputs = n - i >= 4 && step == 4 ? 4 : 1;                                                              \
                (step == 8     ? NAME##_8_1                                                                            \
                 : inputs == 4 ? NAME##_4_4                                                                            \
                 : step == 4   ? NAME##_4_1                                                                            \
                               : NAME##_1_1)(p, w->stride, rows - r >= 2 * step ? step * w->stride : 0, cols,            \
                                           x + i * cols, y + i * ld + r, ld);                                          \
            }                                                                                                          \
        }                                                                                                              \
    }

#define VALUE_DOTS(NAME, LOAD, BYTES)                                                                                  \
    VALUE_BLOCK(NAME, LOAD, BYTES, 8, 1)                                                                               \
    VALUE_BLOCK(NAME, LOAD, BYTES, 4, 4)                                                                               \
    VALUE_BLOCK(NAME, LOAD, BYTES, 4, 1)                                                                               \
    VALUE_BLOCK(NAME, LOAD, BYTES, 1, 1)                                                                               \
    DOTS(NAME)
#define SCALED_DOTS(NAME, FIRST, SECOND, BYTES)                                                                        \
    SCALED_BLOCK(NAME, FIRST, SECOND, BYTES, 8, 1)                                                                     \
    SCALED_BLOCK(NAME, FIRST, SECOND, BYTES, 4, 4)                                                                     \
    SCALED_BLOCK(NAME, FIRST, SECOND, BYTES, 4, 1)                                                                     \
    SCALED_BLOCK(NAME, FIRST, SECOND, BYTES, 1, 1)                                                                     \
    DOTS(NAME)

INLINE v16 second_int8(const unsigned char *codes)
{
    return v16_int8(codes + HALF_BLOCK);
}

VALUE_DOTS(float_dots, v16_float, 4)
VALUE_DOTS(half_dots, v16_half, 2)
VALUE_DOTS(bfloat_dots, v16_bfloat, 2)
VALUE_DOTS(int8_dots, v16_int8, 1)
SCALED_DOTS(q8_dots, v16_int8, second_int8, Q8_BYTES)
SCALED_DOTS(q4_dots, v16_low4, v16_high4, Q4_BYTES)

/* ---- codes of magnitudes, in integers ---- */

/* The one rounding of an exact sum. */
INLINE float from_fixed(int64_t sum, double weight_unit, double input_unit)
{
    return (float)((double)sum * (weight_unit * input_unit));
}

/* Each code's magnitude in units of the table. */
INLINE void units_of_codes(const struct qb_code_table *table, int32_t units[256])
{
    for (int code = 0; code < 256; code++)
        units[code] = table->high[code] * QB_FIXED_BASE + table->low[code];
}

enum { PART = 64, PART_INPUTS = 8 };

/* The signed weights of n <= PART columns from c on, in units of the table. */
INLINE void part_weights(const struct qb_coded_rows *w, const int32_t table[256], size_t r, size_t c, size_t n,
                         int32_t out[PART])
{
    const unsigned char *codes = w->bytes + r * w->stride + c, *signs = w->signs + r * w->sign_stride;
    for (size_t k = 0; k < n; k++) {
        int32_t minus = w->sign_bits ? -(signs[(c + k) / 8] >> (c + k) % 8 & 1) : -(signs[c + k] >> 7);
        out[k] = (table[codes[k]] ^ minus) - minus;
    }
    memset(out + n, 0, (PART - n) * sizeof *out);
}

static void code_dots(const struct qb_coded_rows *w, size_t rows, size_t cols, const struct qb_fixed_inputs *x,
                      size_t n, float *y, size_t ld)
{
    int32_t table[256], weights[PART];
    units_of_codes(w->table, table);
    for (size_t r = 0; r < rows; r++)
        for (size_t first = 0; first < n; first += PART_INPUTS) {
            const size_t inputs = n - first < PART_INPUTS ? n - first : PART_INPUTS;
            int64_t sums[PART_INPUTS] = {0};
            for (size_t c = 0; c < cols; c += PART) {
                part_weights(w, table, r, c, cols - c < PART ? cols - c : PART, weights);
                for (size_t i = 0; i < inputs; i++) {
                    const int8_t *high = x->high + (first + i) * x->stride + c, *low = x->low + (high - x->high);
                    int64_t sum = 0;
                    for (size_t k = 0; k < PART; k++)
                        sum += (int64_t)weights[k] * (high[k] * QB_FIXED_BASE + low[k]);
                    sums[i] += sum;
                }
            }
            for (size_t i = 0; i < inputs; i++)
                y[(first + i) * ld + r] = from_fixed(sums[i], w->table->unit, x->unit[first + i]);
        }
}

static void fix(const float *x, size_t cols, size_t stride, int8_t *high, int8_t *low, double *unit)
{
    int32_t most = 0; /* bits of |x| are ordered as |x| is, a NaN's above all */
    for (size_t c = 0; c < cols; c++) {
        int32_t bits;
        memcpy(&bits, &x[c], sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float top;
    memcpy(&top, &most, sizeof top);
    bool fits = most > 0 && most < 0x7f800000;
    const double scale = fits ? QB_FIXED_INPUT_MOST / (double)top : 0, rounder = 0x1.8p52;
    *unit = fits ? (double)top / QB_FIXED_INPUT_MOST : most ? (double)NAN : 0;
    for (size_t c = 0; c < cols; c++) {
        double whole = fits ? ((double)x[c] * scale + rounder) - rounder : 0;
        double part = (whole * (1.0 / QB_FIXED_BASE) + rounder) - rounder; /* no ties: the base is odd */
        high[c] = (int8_t)(int32_t)part;
        low[c] = (int8_t)(int32_t)(whole - part * QB_FIXED_BASE);
    }
    memset(high + cols, 0, stride - cols);
    memset(low + cols, 0, stride - cols);
}

static void set_dots(struct qb_kernels *kernels)
{
    kernels->float_dots = float_dots;
    kernels->half_dots = half_dots;
    kernels->bfloat_dots = bfloat_dots;
    kernels->int8_dots = int8_dots;
    kernels->q8_dots = q8_dots;
    kernels->q4_dots = q4_dots;
    kernels->code_dots = code_dots;
    kernels->fix = fix;
}
