/* The body of the products that read encoded weights (kernels.h), included once by each level's file, which gives it
 * sixteen lanes: a type v16 and the functions v16_zero, v16_load and v16_store (16 floats), v16_splat (one in all
 * lanes), v16_halves (one in the lower eight, one in the upper), v16_multiply, v16_fma (a b + c, rounded once: by libm
 * where no instruction does), v16_sum (over lanes 8, 4, 2 and 1 apart), and of 16 weights at p, as FP32: v16_float,
 * v16_half, v16_bfloat, v16_int8, t16_low and t16_high (the halves of 16 bytes looked up in a t16, which t16_load makes
 * of 16 floats), v16_table (the bytes at p + 16 a + e, a and e < 4, looked up in 256 floats).
 *
 * Several rows are read at a time: memory answers more streams than one faster, and they share the loads of x; eight
 * where a step computes little, four where it looks values up (measured: 4 to 30% faster than eight, and than two a
 * little). How many rows and inputs a step takes changes no bit of a result. */
#include <math.h>
#include <string.h>
#include "codec/codec.h" /* layouts */
#include "compute/kernels.h"
#include "compute/lanes.h"

enum { WIDTH = 16, HALF_BLOCK = 16, BLOCK = 32, TABLE_STEP = 64 };

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
    static void NAME##_##ROWS##_##INPUTS(const struct qb_coded_rows *w, size_t row, size_t ahead_rows, size_t cols,    \
                                         const float *x, size_t x_stride, float *y, size_t ld)                         \
    {                                                                                                                  \
        const size_t stride = w->stride, ahead = ahead_rows * stride;                                                  \
        const unsigned char *p = w->bytes + row * stride;                                                              \
        v16 sum[ROWS][INPUTS];                                                                                         \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) sum[r][i] = v16_zero();                                                      \
        size_t c = 0;                                                                                                  \
        for (; c + WIDTH <= cols; c += WIDTH) {                                                                        \
            v16 in[INPUTS];                                                                                            \
            EACH_INPUT(INPUTS) in[i] = v16_load(x + i * x_stride + c);                                                 \
            EACH_ROW(ROWS)                                                                                             \
            {                                                                                                          \
                if (c * (BYTES) % LINE == 0)                                                                           \
                    ask_ahead(p + r * stride + c * (BYTES), ahead);                                                    \
                v16 weights = LOAD(p + r * stride + c * (BYTES));                                                      \
                EACH_INPUT(INPUTS) sum[r][i] = v16_fma(weights, in[i], sum[r][i]);                                     \
            }                                                                                                          \
        }                                                                                                              \
        if (c < cols) { /* filled up with zeros */                                                                     \
            v16 in[INPUTS];                                                                                            \
            EACH_INPUT(INPUTS)                                                                                         \
            {                                                                                                          \
                float rest[WIDTH] = {0};                                                                               \
                memcpy(rest, x + i * x_stride + c, (cols - c) * sizeof *rest);                                         \
                in[i] = v16_load(rest);                                                                                \
            }                                                                                                          \
            EACH_ROW(ROWS)                                                                                             \
            {                                                                                                          \
                unsigned char rest[WIDTH * (BYTES)] = {0};                                                             \
                memcpy(rest, p + r * stride + c * (BYTES), (cols - c) * (BYTES));                                      \
                v16 weights = LOAD(rest);                                                                              \
                EACH_INPUT(INPUTS) sum[r][i] = v16_fma(weights, in[i], sum[r][i]);                                     \
            }                                                                                                          \
        }                                                                                                              \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) y[i * ld + r] = v16_sum(sum[r][i]);                                          \
    }

/* ---- scales ---- */

enum { SCALES = 16 }; /* that are read at a time, of a block of 32 columns each */

/* What is done for each of n scales k, `step` bytes apart from `at` on. */
#define EACH_SCALE(WHAT)                                                                                               \
    if (n == SCALES)                                                                                                   \
        _Pragma("GCC unroll 16") for (size_t k = 0; k < SCALES; k++, at += step) WHAT;                                 \
    else                                                                                                               \
        for (size_t k = 0; k < n; k++, at += step)                                                                     \
            WHAT;

/* n <= SCALES scales from `at` on, `step` bytes apart. */
static void load_each(int32_t scale, const unsigned char *at, size_t step, size_t n, float out[SCALES])
{
    uint16_t halves[SCALES] = {0};
    uint32_t words[SCALES] = {0};
    if (scale == QB_LAYOUT_SCALE_HALF) {
        EACH_SCALE(memcpy(&halves[k], at, sizeof *halves))
        v16_store(out, v16_half((const unsigned char *)halves));
        return;
    }
    if (scale == QB_LAYOUT_SCALE_FLOAT) {
        EACH_SCALE(memcpy(&words[k], at, sizeof *words))
    } else if (scale == QB_LAYOUT_SCALE_POWER) {
        EACH_SCALE(words[k] = *at ? (uint32_t)*at << 23 : 0x00400000u) /* 2^-127 is a denormal */
    } else {
        EACH_SCALE(words[k] = 0x3f800000u) /* 1 */
    }
    memcpy(out, words, sizeof words);
}

/* Of row r the scales of blocks [block, block + n), n <= SCALES, of a row with several. */
INLINE void load_scales(const struct qb_coded_rows *w, size_t r, size_t block, size_t n, float out[SCALES])
{
    const size_t per = w->scale_blocks, step = w->scale_step;
    const unsigned char *at = w->scales + r * w->scale_stride;
    if (per == 1) {
        load_each(w->scale, at + block * step, step, n, out);
        return;
    }
    const size_t first = block / per, groups = (block + n - 1) / per - first + 1;
    float few[SCALES];
    load_each(w->scale, at + first * step, step, groups, few);
    for (size_t k = 0, group = 0, left = per - block % per; k < n; k++, left--) {
        if (left == 0) {
            group++;
            left = per;
        }
        out[k] = few[group];
    }
}

/* Is a line's first byte among the n at offset `at`? */
INLINE bool begins_line(size_t at, size_t n)
{
    return at % LINE < n;
}

/* Blocks are read in runs of up to SCALES whole ones; what is behind a row's last whole block is a run of its own, in a
 * copy that is filled up with zeros. */
struct run {
    size_t end;                 /* block */
    const unsigned char *bytes; /* of row r the run begins at bytes + r * stride */
    size_t stride;
};
INLINE struct run run_from(size_t first, size_t whole, size_t blocks, size_t most, const unsigned char *p,
                           size_t stride, const unsigned char *rest, size_t rest_size, size_t size)
{
    if (first < whole)
        return (struct run){whole - first < most ? whole : first + most, p + first * size, stride};
    return (struct run){blocks, rest, rest_size};
}

/* Likewise for blocks of 32 values with scales; FIRST and SECOND read the halves of CODES bytes, by TABLE. Where one
 * scale serves all of a row it is left to the caller. */
#define SCALED_BLOCK(NAME, TABLE, FIRST, SECOND, CODES, ROWS, INPUTS)                                                  \
    INLINE void NAME##_body_##ROWS##_##INPUTS(const struct qb_coded_rows *w, bool scaled, size_t row,                  \
                                              size_t ahead_rows, size_t cols, const float *x, size_t x_stride,         \
                                              float *y, size_t ld)                                                     \
    {                                                                                                                  \
        const size_t stride = w->stride, ahead = ahead_rows * stride, size = w->block;                                 \
        const size_t whole = cols / BLOCK, blocks = (cols + BLOCK - 1) / BLOCK;                                        \
        const unsigned char *p = w->bytes + row * stride;                                                              \
        unsigned char rest[ROWS][CODES] = {{0}};                                                                       \
        float scales[ROWS][SCALES];                                                                                    \
        TABLE;                                                                                                         \
        v16 sum[ROWS][INPUTS];                                                                                         \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) sum[r][i] = v16_zero();                                                      \
        EACH_ROW(ROWS)                                                                                                 \
        memcpy(rest[r], p + r * stride + whole * size, ((cols - whole * BLOCK) * (CODES) + BLOCK - 1) / BLOCK);        \
        struct run run;                                                                                                \
        for (size_t first = 0; first < blocks; first = run.end) {                                                      \
            run = run_from(first, whole, blocks, SCALES, p, stride, rest[0], CODES, size);                             \
            EACH_ROW(ROWS)                                                                                             \
            if (scaled)                                                                                                \
                load_scales(w, row + r, first, run.end - first, scales[r]);                                            \
            for (size_t b = first; b < run.end; b++) {                                                                 \
                v16 in[2][INPUTS];                                                                                     \
                EACH_INPUT(INPUTS)                                                                                     \
                {                                                                                                      \
                    in[0][i] = v16_load(x + i * x_stride + b * BLOCK);                                                 \
                    in[1][i] = v16_load(x + i * x_stride + b * BLOCK + HALF_BLOCK);                                    \
                }                                                                                                      \
                if (begins_line(b * size, size))                                                                       \
                    EACH_ROW(ROWS) ask_ahead(p + r * stride + b * size, ahead);                                        \
                EACH_ROW(ROWS)                                                                                         \
                {                                                                                                      \
                    const unsigned char *codes = run.bytes + r * run.stride + (b - first) * size;                      \
                    v16 one = FIRST(codes), two = SECOND(codes);                                                       \
                    EACH_INPUT(INPUTS)                                                                                 \
                    if (scaled) {                                                                                      \
                        v16 dot = v16_fma(one, in[0][i], v16_multiply(two, in[1][i]));                                 \
                        sum[r][i] = v16_fma(v16_splat(scales[r][b - first]), dot, sum[r][i]);                          \
                    } else {                                                                                           \
                        sum[r][i] = v16_fma(two, in[1][i], v16_fma(one, in[0][i], sum[r][i]));                         \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) y[i * ld + r] = v16_sum(sum[r][i]);                                          \
    }                                                                                                                  \
    SCALED_OR_NOT(, NAME, ROWS, INPUTS)

/* A body for rows with several scales, and one for rows with one. */
#define SCALED_OR_NOT(ATTRIBUTE, NAME, ROWS, INPUTS)                                                                   \
    ATTRIBUTE static void NAME##_##ROWS##_##INPUTS(const struct qb_coded_rows *w, size_t row, size_t ahead,            \
                                                   size_t cols, const float *x, size_t stride, float *y, size_t ld)    \
    {                                                                                                                  \
        if (w->scale_step)                                                                                             \
            NAME##_body_##ROWS##_##INPUTS(w, true, row, ahead, cols, x, stride, y, ld);                                \
        else                                                                                                           \
            NAME##_body_##ROWS##_##INPUTS(w, false, row, ahead, cols, x, stride, y, ld);                               \
    }

/* Likewise for steps of 64 codes of 8 bits, which LOOK_UP makes into four v16. ATTRIBUTE: of the functions. */
struct looked_up {
    v16 part[4];
};
#define TABLE8_BLOCK(ATTRIBUTE, NAME, TABLE, LOOK_UP, ROWS, INPUTS)                                                    \
    ATTRIBUTE INLINE void NAME##_body_##ROWS##_##INPUTS(const struct qb_coded_rows *w, bool scaled, size_t row,        \
                                                        size_t ahead_rows, size_t cols, const float *x,                \
                                                        size_t x_stride, float *y, size_t ld)                          \
    {                                                                                                                  \
        const size_t stride = w->stride, ahead = ahead_rows * stride;                                                  \
        const size_t whole = cols / TABLE_STEP, steps = (cols + TABLE_STEP - 1) / TABLE_STEP;                          \
        const size_t blocks = (cols + BLOCK - 1) / BLOCK;                                                              \
        const unsigned char *p = w->bytes + row * stride;                                                              \
        unsigned char rest[ROWS][TABLE_STEP] = {{0}};                                                                  \
        float scales[ROWS][SCALES] = {{0}}; /* the last of a step may be missing */                                    \
        TABLE;                                                                                                         \
        v16 sum[ROWS][INPUTS];                                                                                         \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) sum[r][i] = v16_zero();                                                      \
        EACH_ROW(ROWS) memcpy(rest[r], p + r * stride + whole * TABLE_STEP, cols - whole * TABLE_STEP);                \
        struct run run;                                                                                                \
        for (size_t first = 0; first < steps; first = run.end) {                                                       \
            run = run_from(first, whole, steps, SCALES / 2, p, stride, rest[0], TABLE_STEP, TABLE_STEP);               \
            EACH_ROW(ROWS)                                                                                             \
            if (scaled)                                                                                                \
                load_scales(w, row + r, 2 * first, (2 * run.end < blocks ? 2 * run.end : blocks) - 2 * first,          \
                            scales[r]);                                                                                \
            for (size_t s = first; s < run.end; s++) {                                                                 \
                EACH_ROW(ROWS)                                                                                         \
                {                                                                                                      \
                    ask_ahead(p + r * stride + s * TABLE_STEP, ahead);                                                 \
                    const unsigned char *codes = run.bytes + r * run.stride + (s - first) * TABLE_STEP;                \
                    const struct looked_up weights = LOOK_UP;                                                          \
                    EACH_INPUT(INPUTS)                                                                                 \
                    {                                                                                                  \
                        const float *in = x + i * x_stride + s * TABLE_STEP;                                           \
                        v16 dot = scaled ? v16_multiply(weights.part[0], v16_load(in))                                 \
                                         : v16_fma(weights.part[0], v16_load(in), sum[r][i]);                          \
                        dot = v16_fma(weights.part[1], v16_load(in + WIDTH), dot);                                     \
                        dot = v16_fma(weights.part[2], v16_load(in + 2 * WIDTH), dot);                                 \
                        dot = v16_fma(weights.part[3], v16_load(in + 3 * WIDTH), dot);                                 \
                        const float *scale = scales[r] + 2 * (s - first);                                              \
                        sum[r][i] = scaled ? v16_fma(v16_halves(scale[0], scale[1]), dot, sum[r][i]) : dot;            \
                    }                                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        EACH_ROW(ROWS) EACH_INPUT(INPUTS) y[i * ld + r] = v16_sum(sum[r][i]);                                          \
    }                                                                                                                  \
    SCALED_OR_NOT(ATTRIBUTE, NAME, ROWS, INPUTS)

/* All rows and inputs by steps of MOST x 1 (BLOCK1) or 4 x 4, what is left by smaller ones. */
#define DOTS(NAME, MOST, BLOCK1)                                                                                       \
    static void NAME(const struct qb_coded_rows *w, size_t rows, size_t cols, const float *x, size_t stride, size_t n, \
                     float *y, size_t ld)                                                                              \
    {                                                                                                                  \
        for (size_t r = 0, step; r < rows; r += step) {                                                                \
            step = rows - r < 4 ? 1 : n == 1 && rows - r >= (MOST) ? (MOST) : 4;                                       \
            for (size_t i = 0, inputs; i < n; i += inputs) {                                                           \
                inputs = n - i >= 4 && step == 4 ? 4 : 1;                                                              \
                (step == 8     ? BLOCK1                                                                                \
                 : inputs == 4 ? NAME##_4_4                                                                            \
                 : step == 4   ? NAME##_4_1                                                                            \
                               : NAME##_1_1)(w, r, rows - r >= 2 * step ? step : 0, cols, x + i * stride, stride,        \
                                           y + i * ld + r, ld);                                                        \
            }                                                                                                          \
        }                                                                                                              \
    }

#define VALUE_DOTS(NAME, LOAD, BYTES)                                                                                  \
    VALUE_BLOCK(NAME, LOAD, BYTES, 8, 1)                                                                               \
    VALUE_BLOCK(NAME, LOAD, BYTES, 4, 4)                                                                               \
    VALUE_BLOCK(NAME, LOAD, BYTES, 4, 1)                                                                               \
    VALUE_BLOCK(NAME, LOAD, BYTES, 1, 1)                                                                               \
    DOTS(NAME, 8, NAME##_8_1)
#define SCALED_DOTS(NAME, TABLE, FIRST, SECOND, CODES)                                                                 \
    SCALED_BLOCK(NAME, TABLE, FIRST, SECOND, CODES, 4, 4)                                                              \
    SCALED_BLOCK(NAME, TABLE, FIRST, SECOND, CODES, 4, 1)                                                              \
    SCALED_BLOCK(NAME, TABLE, FIRST, SECOND, CODES, 1, 1)                                                              \
    DOTS(NAME, 4, NAME##_4_1)
#define TABLE8_DOTS(ATTRIBUTE, NAME, TABLE, LOOK_UP)                                                                   \
    TABLE8_BLOCK(ATTRIBUTE, NAME, TABLE, LOOK_UP, 4, 4)                                                                \
    TABLE8_BLOCK(ATTRIBUTE, NAME, TABLE, LOOK_UP, 4, 1)                                                                \
    TABLE8_BLOCK(ATTRIBUTE, NAME, TABLE, LOOK_UP, 1, 1)                                                                \
    DOTS(NAME, 4, NAME##_4_1)

INLINE struct looked_up look_up_each(const float *values, const unsigned char *codes)
{
    return (struct looked_up){{v16_table(values, codes), v16_table(values, codes + 4), v16_table(values, codes + 8),
                               v16_table(values, codes + 12)}};
}

#define FIRST_TABLE4(codes) t16_low(&table, codes)
#define SECOND_TABLE4(codes) t16_high(&table, codes)

VALUE_DOTS(float_dots, v16_float, 4)
VALUE_DOTS(half_dots, v16_half, 2)
VALUE_DOTS(bfloat_dots, v16_bfloat, 2)
VALUE_DOTS(int8_dots, v16_int8, 1)
SCALED_DOTS(table4_dots, const t16 table = t16_load(w->values->value), FIRST_TABLE4, SECOND_TABLE4, 16)
TABLE8_DOTS(, table8_dots, const float *values = w->values->value, look_up_each(values, codes))

/* ---- inputs of codes of magnitudes ---- */

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
    kernels->table4_dots = table4_dots;
    kernels->table8_dots = table8_dots;
    kernels->fix = fix;
}
