#define QB_VECTOR_BYTES 16
#include "codec/codec_util.h" /* halves */
#include "compute/kernels_logits.h"
#include "compute/kernels_rows.h"
#include "compute/kernels_split.h"

enum { QUARTERS = 4 };
typedef struct {
    vf part[QUARTERS];
} v16;

INLINE v16 v16_load(const float *x)
{
    v16 v;
    memcpy(&v, x, sizeof v);
    return v;
}

INLINE v16 v16_zero(void)
{
    return (v16){{{0}}};
}

INLINE v16 v16_splat(float x)
{
    v16 v;
    for (int i = 0; i < QUARTERS; i++)
        v.part[i] = (vf){x, x, x, x};
    return v;
}

INLINE void v16_store(float *x, v16 v)
{
    memcpy(x, &v, sizeof v);
}

INLINE v16 v16_halves(float lower, float upper)
{
    return (v16){{{lower, lower, lower, lower},
                  {lower, lower, lower, lower},
                  {upper, upper, upper, upper},
                  {upper, upper, upper, upper}}};
}

INLINE v16 v16_multiply(v16 a, v16 b)
{
    for (int i = 0; i < QUARTERS; i++)
        a.part[i] *= b.part[i];
    return a;
}

INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
    float x[16], y[16], sum[16];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    memcpy(sum, &c, sizeof sum);
    for (int i = 0; i < 16; i++)
        sum[i] = fmaf(x[i], y[i], sum[i]);
    return v16_load(sum);
}

INLINE float v16_sum(v16 v)
{
    vf four = (v.part[0] + v.part[2]) + (v.part[1] + v.part[3]);
    return (four[0] + four[2]) + (four[1] + four[3]);
}

INLINE v16 v16_float(const unsigned char *p)
{
    v16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE v16 v16_half(const unsigned char *p)
{
    float x[16];
    for (int i = 0; i < 16; i++) {
        uint16_t half;
        memcpy(&half, p + 2 * i, sizeof half);
        x[i] = qb_half_value(half);
    }
    return v16_load(x);
}

INLINE v16 v16_bfloat(const unsigned char *p)
{
    float x[16];
    for (int i = 0; i < 16; i++) {
        uint16_t half;
        memcpy(&half, p + 2 * i, sizeof half);
        uint32_t word = (uint32_t)half << 16;
        memcpy(&x[i], &word, sizeof word);
    }
    return v16_load(x);
}

INLINE v16 v16_int8(const unsigned char *p)
{
    float x[16];
    for (int i = 0; i < 16; i++)
        x[i] = (float)(signed char)p[i];
    return v16_load(x);
}

typedef struct {
    float value[16];
} t16;

INLINE t16 t16_load(const float *values)
{
    t16 table;
    memcpy(&table, values, sizeof table);
    return table;
}

INLINE v16 t16_low(const t16 *table, const unsigned char *p)
{
    float x[16];
    for (int i = 0; i < 16; i++)
        x[i] = table->value[p[i] & 15];
    return v16_load(x);
}

INLINE v16 t16_high(const t16 *table, const unsigned char *p)
{
    float x[16];
    for (int i = 0; i < 16; i++)
        x[i] = table->value[p[i] >> 4];
    return v16_load(x);
}

INLINE v16 v16_table(const float *values, const unsigned char *p)
{
    float x[16];
    for (int i = 0; i < 16; i++)
        x[i] = values[p[16 * (i / 4) + i % 4]];
    return v16_load(x);
}

#include "compute/kernels_digits.h"
#include "compute/kernels_dots.h"

/* ---- FP32 rows as they lie ---- */

static float lanes_product(const float *b, const float *x, size_t cols)
{
    float s[8] = {0};
    for (size_t c = 0; c < cols % 8; c++)
        s[c] = fmaf(x[c], b[c], s[c]);
    for (size_t c = cols % 8; c < cols; c++)
        s[(c - cols % 8) % 8] = fmaf(x[c], b[c], s[(c - cols % 8) % 8]);
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

static void gemv(const float *b, size_t rows, size_t cols, const float *x, float *y)
{
    for (size_t r = 0; r < rows; r++, b += cols) {
        y[r] = 0;
        for (size_t c = 0; c < cols; c += QB_GEMV_COLS)
            y[r] += lanes_product(b + c, x + c, cols - c < QB_GEMV_COLS ? cols - c : QB_GEMV_COLS);
    }
}

void qb_kernels_portable(struct qb_kernels *kernels)
{
    set_rows(kernels);
    set_logits(kernels);
    set_dots(kernels);
    set_digits(kernels);
    set_split(kernels);
    kernels->gemv = gemv;
}
