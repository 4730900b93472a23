#define QB_VECTOR_BYTES 64
#include <immintrin.h>
#include "base/cpu.h"
#include "compute/kernels_logits.h"
#include "compute/kernels_rows.h"
#include "compute/kernels_split.h"

INLINE vd fused(vd a, vd b, vd c)
{
    return (vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}

INLINE vl gather_bits(const int64_t *table, vl index)
{
    return (vl)_mm512_i64gather_epi64((__m512i)index, table, 8);
}

#include "compute/kernels_expf.h"

typedef __m512 v16;

INLINE v16 v16_load(const float *x)
{
    return _mm512_loadu_ps(x);
}

INLINE v16 v16_zero(void)
{
    return _mm512_setzero_ps();
}

INLINE v16 v16_splat(float x)
{
    return _mm512_set1_ps(x);
}

INLINE void v16_store(float *x, v16 v)
{
    _mm512_storeu_ps(x, v);
}

INLINE v16 v16_halves(float lower, float upper)
{
    return _mm512_mask_broadcastss_ps(_mm512_set1_ps(lower), 0xff00, _mm_set_ss(upper));
}

INLINE v16 v16_multiply(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}

INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
    return _mm512_fmadd_ps(a, b, c);
}

INLINE float v16_sum(v16 v)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

INLINE __m128i bytes16(const unsigned char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

INLINE __m256i bytes32(const unsigned char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

INLINE v16 v16_float(const unsigned char *p)
{
    return v16_load((const float *)(const void *)p);
}

INLINE v16 v16_half(const unsigned char *p)
{
    return _mm512_cvtph_ps(bytes32(p));
}

INLINE v16 v16_bfloat(const unsigned char *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bytes32(p)), 16));
}

INLINE v16 v16_int8(const unsigned char *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes16(p)));
}

typedef __m512 t16;

INLINE t16 t16_load(const float *values)
{
    return _mm512_loadu_ps(values);
}

/* The permutation reads the low four bits of each index alone. */
INLINE v16 t16_low(const t16 *table, const unsigned char *p)
{
    return _mm512_permutexvar_ps(_mm512_cvtepu8_epi32(bytes16(p)), *table);
}

INLINE v16 t16_high(const t16 *table, const unsigned char *p)
{
    return _mm512_permutexvar_ps(_mm512_srli_epi32(_mm512_cvtepu8_epi32(bytes16(p)), 4), *table);
}

INLINE int four_bytes(const unsigned char *p)
{
    int word;
    memcpy(&word, p, sizeof word);
    return word;
}

INLINE v16 v16_table(const float *values, const unsigned char *p)
{
    __m128i codes = _mm_setr_epi32(four_bytes(p), four_bytes(p + 16), four_bytes(p + 32), four_bytes(p + 48));
    return _mm512_i32gather_ps(_mm512_cvtepu8_epi32(codes), values, 4);
}

#include "compute/kernels_digits.h"
#include "compute/kernels_dots.h"

#define VBMI __attribute__((target("avx512vbmi,avx512vnni")))
#define INLINE_VBMI static inline __attribute__((always_inline, target("avx512vbmi,avx512vnni")))

/* ---- values by codes of 8 bits, where the CPU permutes bytes (VBMI) ----
 * Each byte of 64 values is looked up by itself, and bytes are interleaved to floats. What a permutation reads of a
 * code are seven bits. */

struct planes {
    __m512i part[4][4]; /* byte b of the values of codes 64 k ... 64 k + 63 */
};

INLINE_VBMI struct planes load_planes(const struct qb_value_table *table)
{
    struct planes planes;
    for (int b = 0; b < 4; b++)
        for (int k = 0; k < 4; k++)
            planes.part[b][k] = _mm512_loadu_si512(table->plane[b] + 64 * k);
    return planes;
}

/* Byte b of the values of 64 codes; mirrored: without the sign. */
INLINE_VBMI __m512i look_up_plane(const struct planes *planes, int b, __m512i codes, bool mirrored)
{
    __m512i low = _mm512_permutex2var_epi8(planes->part[b][0], codes, planes->part[b][1]);
    if (mirrored)
        return low;
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low,
                                  _mm512_permutex2var_epi8(planes->part[b][2], codes, planes->part[b][3]));
}

INLINE_VBMI struct looked_up look_up_64(const struct planes *planes, const unsigned char *p, bool mirrored, bool narrow)
{
    const __m512i codes = _mm512_loadu_si512(p);
    __m512i third = look_up_plane(planes, 2, codes, mirrored), last = look_up_plane(planes, 3, codes, mirrored);
    if (mirrored) /* last ^ (codes & 0x80) */
        last = _mm512_ternarylogic_epi64(last, codes, _mm512_set1_epi8((char)0x80), 0x78);
    __m512i upper[2] = {_mm512_unpacklo_epi8(third, last), _mm512_unpackhi_epi8(third, last)}, words[4];
    if (narrow) {
        for (int k = 0; k < 2; k++) {
            words[2 * k] = _mm512_unpacklo_epi16(_mm512_setzero_si512(), upper[k]);
            words[2 * k + 1] = _mm512_unpackhi_epi16(_mm512_setzero_si512(), upper[k]);
        }
    } else {
        __m512i first = look_up_plane(planes, 0, codes, mirrored), second = look_up_plane(planes, 1, codes, mirrored);
        __m512i lower[2] = {_mm512_unpacklo_epi8(first, second), _mm512_unpackhi_epi8(first, second)};
        for (int k = 0; k < 2; k++) {
            words[2 * k] = _mm512_unpacklo_epi16(lower[k], upper[k]);
            words[2 * k + 1] = _mm512_unpackhi_epi16(lower[k], upper[k]);
        }
    }
    return (struct looked_up){{_mm512_castsi512_ps(words[0]), _mm512_castsi512_ps(words[1]),
                               _mm512_castsi512_ps(words[2]), _mm512_castsi512_ps(words[3])}};
}

#define PLANES const struct planes planes = load_planes(w->values)
TABLE8_DOTS(VBMI, narrow_table8, PLANES, look_up_64(&planes, codes, true, true))
TABLE8_DOTS(VBMI, mirrored_table8, PLANES, look_up_64(&planes, codes, true, false))
TABLE8_DOTS(VBMI, any_table8, PLANES, look_up_64(&planes, codes, false, false))

static void table8_dots_vbmi(const struct qb_coded_rows *w, size_t rows, size_t cols, const float *x, size_t stride,
                             size_t n, float *y, size_t ld)
{
    (!w->values->mirrored ? any_table8
     : w->values->narrow  ? narrow_table8
                          : mirrored_table8)(w, rows, cols, x, stride, n, y, ld);
}

/* ---- interleaved codes of magnitudes, where the CPU also permutes bytes (VBMI) and sums byte products (VNNI) ----
 * Two permutations under masks take fewer steps of Intel's than one of two registers does. */

/* A digit by code as it lies: of codes whose upper two bits are k, part[k]. */
struct digit_table {
    __m512i part[4];
};

INLINE_VBMI struct digit_table load_digits(const uint8_t table[256])
{
    struct digit_table d;
    for (int k = 0; k < 4; k++)
        d.part[k] = _mm512_loadu_si512(table + 64 * k);
    return d;
}

/* Of 64 codes those whose bit 6, 7, and both, are set. */
struct code_masks {
    __mmask64 six, seven, both;
};

/* Where codes have the upper bits 0, 1, 2 or 3; of the lowest 4 - `parts` the digit is 0. */
INLINE_VBMI __m512i look_up(const struct digit_table *d, int parts, __m512i codes, struct code_masks m)
{
    __m512i digit;
    if (parts == 4) {
        digit = _mm512_permutexvar_epi8(codes, d->part[0]);
        digit = _mm512_mask_permutexvar_epi8(digit, m.six, codes, d->part[1]);
        digit = _mm512_mask_permutexvar_epi8(digit, m.seven, codes, d->part[2]);
    } else if (parts == 3) {
        digit = _mm512_maskz_permutexvar_epi8(m.six, codes, d->part[1]);
        digit = _mm512_mask_permutexvar_epi8(digit, m.seven, codes, d->part[2]);
    } else {
        digit = _mm512_maskz_permutexvar_epi8(m.seven, codes, d->part[2]);
    }
    return _mm512_mask_permutexvar_epi8(digit, m.both, codes, d->part[3]);
}

/* Of codes whose upper bit is their sign; bit 6 of those in `six` is set. */
INLINE_VBMI __m512i look_up_signed(const struct digit_table *d, __m512i codes, __mmask64 six)
{
    return _mm512_mask_permutexvar_epi8(_mm512_permutexvar_epi8(codes, d->part[0]), six, codes, d->part[1]);
}

/* Sums of the products of digits, a row in each lane: 255^2 high + 255 middle + low. */
struct digit_sums {
    __m512i high, middle, low;
};

INLINE_VBMI __m512i times_base(__m512i x)
{
    return _mm512_sub_epi64(_mm512_slli_epi64(x, 8), x);
}

/* The upper or lower eight lanes' sums. */
INLINE_VBMI __m512i eight_sums(const struct digit_sums *s, int half)
{
    const __m512i high =
        _mm512_cvtepi32_epi64(half ? _mm512_extracti64x4_epi64(s->high, 1) : _mm512_castsi512_si256(s->high));
    const __m512i middle =
        _mm512_cvtepi32_epi64(half ? _mm512_extracti64x4_epi64(s->middle, 1) : _mm512_castsi512_si256(s->middle));
    const __m512i low =
        _mm512_cvtepi32_epi64(half ? _mm512_extracti64x4_epi64(s->low, 1) : _mm512_castsi512_si256(s->low));
    return _mm512_add_epi64(times_base(_mm512_add_epi64(times_base(high), middle)), low);
}

/* 4 columns of an input, in each row's lane with the row's signs. */
INLINE_VBMI __m512i four_signed(const int8_t *x, __mmask64 minus)
{
    const __m512i four = _mm512_set1_epi32(four_bytes((const unsigned char *)x));
    return _mm512_mask_sub_epi8(four, minus, _mm512_setzero_si512(), four);
}

/* 64 codes, 4 columns of each row, times those of inputs. */
INLINE_VBMI void add_codes(struct digit_sums *s, size_t inputs, __m512i wh, __m512i wl, __mmask64 minus,
                           const struct qb_fixed_inputs *x, size_t at)
{
    EACH_INPUT(inputs)
    {
        const __m512i xh = four_signed(x->high + at + i * x->stride, minus);
        const __m512i xl = four_signed(x->low + at + i * x->stride, minus);
        s[i].high = _mm512_dpbusd_epi32(s[i].high, wh, xh);
        s[i].middle = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(s[i].middle, wh, xl), wl, xh);
        s[i].low = _mm512_dpbusd_epi32(s[i].low, wl, xl);
    }
}

/* The codes of a step of 4 columns, by `parts`: 0 of signed codes, else how many 64 codes may have a high digit. */
INLINE_VBMI void add_step(struct digit_sums *s, size_t inputs, int parts, const struct digit_table *high,
                          const struct digit_table *low, const unsigned char *block, size_t step,
                          const struct qb_fixed_inputs *x, size_t at)
{
    const __m512i codes = _mm512_load_si512(block + 64 * step);
    const __mmask64 seven = _mm512_movepi8_mask(codes);
    ask_codes(block + 64 * step);
    if (parts == 0) {
        const __mmask64 six = _mm512_test_epi8_mask(codes, _mm512_set1_epi8(64));
        add_codes(s, inputs, look_up_signed(high, codes, six), look_up_signed(low, codes, six), seven, x, at);
    } else {
        const __mmask64 six = _mm512_movepi8_mask(_mm512_add_epi8(codes, codes));
        const struct code_masks masks = {six, seven, six & seven};
        __mmask64 minus;
        memcpy(&minus, block + 512 + 8 * step, sizeof minus);
        add_codes(s, inputs, look_up(high, parts, codes, masks), look_up(low, 4, codes, masks), minus, x, at);
    }
}

/* qb_from_digit_sums of 16 rows. */
INLINE_VBMI __m512 block_products(const struct digit_sums *s, float unit)
{
    const __m512 base = _mm512_set1_ps(QB_FIXED_BASE), square = _mm512_set1_ps(QB_FIXED_BASE * QB_FIXED_BASE);
    const __m512 lower = _mm512_fmadd_ps(base, _mm512_cvtepi32_ps(s->middle), _mm512_cvtepi32_ps(s->low));
    return _mm512_mul_ps(_mm512_fmadd_ps(square, _mm512_cvtepi32_ps(s->high), lower), _mm512_set1_ps(unit));
}

INLINE_VBMI __m512 sixteen_scales(const struct qb_interleaved *w, size_t block, bool halves)
{
    if (halves)
        return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)(w->scales + block * 32)));
    return _mm512_load_ps(w->scales + block * 64);
}

/* Without scales: whole rows, the sums of lanes emptied before they are full. */
INLINE_VBMI void code_body(const struct qb_interleaved *w, int parts, size_t group, size_t groups,
                           const struct code_inputs *in, size_t input, size_t inputs, float *sums)
{
    const struct digit_table high = load_digits(in->table->high), low = load_digits(in->table->low);
    const size_t bytes = parts ? 576 : 512; /* w->block, as a constant */
    const __m512i zero = _mm512_setzero_si512();
    __m512i total[4][4][2];
    EACH_ROW(groups) EACH_INPUT(inputs) total[r][i][0] = total[r][i][1] = zero;
    for (size_t from = 0, end; from < w->blocks; from = end) {
        struct digit_sums s[4][4];
        EACH_ROW(groups) EACH_INPUT(inputs) s[r][i] = (struct digit_sums){zero, zero, zero};
        end = w->blocks - from < CODE_BLOCKS_MOST ? w->blocks : from + CODE_BLOCKS_MOST;
        for (size_t block = from; block < end; block++) {
            const unsigned char *p = w->codes + (group * w->blocks + block) * bytes;
            if (parts)
                EACH_ROW(groups) ask_codes(p + r * w->blocks * bytes + 512);
            _Pragma("GCC unroll 8") for (size_t k = 0; k < BLOCK_COLS / STEP_COLS; k++) EACH_ROW(groups)
                add_step(s[r], inputs, parts, &high, &low, p + r * w->blocks * bytes, k, in->x,
                         input * in->x->stride + block * BLOCK_COLS + STEP_COLS * k);
        }
        for (int half = 0; half < 2; half++)
            EACH_ROW(groups)
        EACH_INPUT(inputs) total[r][i][half] = _mm512_add_epi64(total[r][i][half], eight_sums(&s[r][i], half));
    }
    for (int half = 0; half < 2; half++)
        EACH_ROW(groups) EACH_INPUT(inputs)
        {
            const __m512d unit = _mm512_set1_pd(in->table->unit * in->x->unit[input + i]);
            _mm256_storeu_ps(sums + (r * inputs + i) * GROUP_ROWS + 8 * half,
                             _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_cvtepi64_pd(total[r][i][half]), unit)));
        }
}

/* With scales: lanes are emptied block by block. A body of its own, for one that has both runs a seventh slower here.
 */
INLINE_VBMI void scaled_code_body(const struct qb_interleaved *w, int parts, bool halves, size_t group, size_t groups,
                                  const struct code_inputs *in, size_t input, size_t inputs, float *sums)
{
    const struct digit_table high = load_digits(in->table->high), low = load_digits(in->table->low);
    const size_t bytes = parts ? 576 : 512;
    const __m512i zero = _mm512_setzero_si512();
    __m512 sum[4][4];
    float unit[4];
    EACH_ROW(groups) EACH_INPUT(inputs) sum[r][i] = _mm512_setzero_ps();
    EACH_INPUT(inputs) unit[i] = (float)(in->table->unit * in->x->unit[input + i]);
    for (size_t block = 0; block < w->blocks; block++) {
        const unsigned char *p = w->codes + (group * w->blocks + block) * bytes;
        struct digit_sums s[4][4];
        EACH_ROW(groups) EACH_INPUT(inputs) s[r][i] = (struct digit_sums){zero, zero, zero};
        if (parts)
            EACH_ROW(groups) ask_codes(p + r * w->blocks * bytes + 512);
        _Pragma("GCC unroll 8") for (size_t k = 0; k < BLOCK_COLS / STEP_COLS; k++) EACH_ROW(groups)
            add_step(s[r], inputs, parts, &high, &low, p + r * w->blocks * bytes, k, in->x,
                     input * in->x->stride + block * BLOCK_COLS + STEP_COLS * k);
        EACH_ROW(groups)
        {
            const __m512 scale = sixteen_scales(w, (group + r) * w->blocks + block, halves);
            EACH_INPUT(inputs) sum[r][i] = _mm512_fmadd_ps(scale, block_products(&s[r][i], unit[i]), sum[r][i]);
        }
    }
    EACH_ROW(groups) EACH_INPUT(inputs) _mm512_storeu_ps(sums + (r * inputs + i) * GROUP_ROWS, sum[r][i]);
}

/* A body for each number of 64 codes that may have a high digit; for each kind of scales. */
#define CODE_BLOCK(GROUPS, INPUTS)                                                                                     \
    VBMI static void code_sums_##GROUPS##_##INPUTS(const struct qb_interleaved *w, size_t group,                       \
                                                   const struct code_inputs *in, size_t input, float *sums)            \
    {                                                                                                                  \
        if (w->scales && w->halves)                                                                                    \
            scaled_code_body(w, 0, true, group, GROUPS, in, input, INPUTS, sums);                                      \
        else if (w->scales)                                                                                            \
            scaled_code_body(w, 0, false, group, GROUPS, in, input, INPUTS, sums);                                     \
        else if (w->signed_codes)                                                                                      \
            code_body(w, 0, group, GROUPS, in, input, INPUTS, sums);                                                   \
        else if (in->table->high_begin >= 128)                                                                         \
            code_body(w, 2, group, GROUPS, in, input, INPUTS, sums);                                                   \
        else if (in->table->high_begin >= 64)                                                                          \
            code_body(w, 3, group, GROUPS, in, input, INPUTS, sums);                                                   \
        else                                                                                                           \
            code_body(w, 4, group, GROUPS, in, input, INPUTS, sums);                                                   \
    }
CODE_BLOCK(4, 1)
CODE_BLOCK(2, 1)
CODE_BLOCK(1, 4)
CODE_BLOCK(1, 2)
CODE_BLOCK(1, 1)

static void code_sums(const struct qb_interleaved *w, size_t group, size_t groups, const void *inputs_of, size_t input,
                      size_t inputs, float *sums)
{
    (groups == 4   ? code_sums_4_1
     : groups == 2 ? code_sums_2_1
     : inputs == 4 ? code_sums_1_4
     : inputs == 2 ? code_sums_1_2
                   : code_sums_1_1)(w, group, inputs_of, input, sums);
}

static void code_dots_vbmi(const struct qb_interleaved *w, const struct qb_code_table *table, size_t row, size_t count,
                           const struct qb_fixed_inputs *x, size_t n, float *y, size_t ld)
{
    by_groups(code_sums, w, row, count, &(struct code_inputs){x, table}, n, y, ld);
}

/* ---- interleaved integers, where the CPU sums byte products (VNNI) ---- */

struct block_sums {
    __m512i upper, middle, low;
};

/* sum + 64 codes times the digits of 4 columns */
INLINE_VBMI __m512i add_products(__m512i sum, __m512i codes, const int8_t *digits)
{
    return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(four_bytes((const unsigned char *)digits)));
}

INLINE_VBMI void add_columns(struct block_sums *s, __m512i codes, const struct qb_digits *d, size_t column)
{
    s->upper = add_products(s->upper, codes, d->digit[0] + column);
    s->middle = add_products(s->middle, codes, d->digit[1] + column);
    s->low = add_products(s->low, codes, d->digit[2] + column);
}

INLINE_VBMI void digit_body(const struct qb_interleaved *w, bool four_bits, bool halves, size_t group, size_t groups,
                            const struct qb_digits *x, size_t inputs, float *sums)
{
    const size_t bytes = four_bits ? 256 : 512; /* w->block, as a constant */
    const __m512i low_bits = _mm512_set1_epi8(15);
    __m512 sum[4][4];
    EACH_ROW(groups) EACH_INPUT(inputs) sum[r][i] = _mm512_setzero_ps();
    for (size_t block = 0; block < w->blocks; block++) {
        const struct qb_digits *d = x + block;
        struct block_sums s[4][4];
        EACH_ROW(groups) EACH_INPUT(inputs)
        {
            s[r][i].upper = _mm512_set1_epi32(d[i * w->blocks].correction[0]);
            s[r][i].middle = _mm512_setzero_si512();
            s[r][i].low = _mm512_set1_epi32(d[i * w->blocks].correction[1]);
        }
        _Pragma("GCC unroll 8") for (size_t k = 0; k < bytes / 64; k++) EACH_ROW(groups)
        {
            const size_t at = (group + r) * w->blocks + block;
            const __m512i codes = _mm512_load_si512(w->codes + at * bytes + 64 * k);
            ask_codes(w->codes + at * bytes + 64 * k);
            if (four_bits) {
                const __m512i low = _mm512_and_si512(codes, low_bits);
                const __m512i high = _mm512_and_si512(_mm512_srli_epi16(codes, 4), low_bits);
                EACH_INPUT(inputs) add_columns(&s[r][i], low, &d[i * w->blocks], 8 * k);
                EACH_INPUT(inputs) add_columns(&s[r][i], high, &d[i * w->blocks], 8 * k + 4);
            } else {
                EACH_INPUT(inputs) add_columns(&s[r][i], codes, &d[i * w->blocks], 4 * k);
            }
        }
        EACH_ROW(groups)
        {
            const __m512 scale = sixteen_scales(w, (group + r) * w->blocks + block, halves);
            EACH_INPUT(inputs)
            {
                const __m512i rest = _mm512_add_epi32(_mm512_slli_epi32(s[r][i].middle, 8), s[r][i].low);
                const __m512 units = _mm512_fmadd_ps(_mm512_cvtepi32_ps(s[r][i].upper), _mm512_set1_ps(QB_DIGITS_UPPER),
                                                     _mm512_cvtepi32_ps(rest));
                const __m512 product = _mm512_mul_ps(units, _mm512_set1_ps(d[i * w->blocks].unit));
                sum[r][i] = _mm512_fmadd_ps(scale, product, sum[r][i]);
            }
        }
    }
    EACH_ROW(groups) EACH_INPUT(inputs) _mm512_storeu_ps(sums + (r * inputs + i) * GROUP_ROWS, sum[r][i]);
}

/* A body for each width of codes and kind of scales. */
#define DIGIT_BLOCK(GROUPS, INPUTS)                                                                                    \
    VBMI static void digit_sums_##GROUPS##_##INPUTS(const struct qb_interleaved *w, size_t group,                      \
                                                    const struct qb_digits *x, float *sums)                            \
    {                                                                                                                  \
        if (w->four_bits && w->halves)                                                                                 \
            digit_body(w, true, true, group, GROUPS, x, INPUTS, sums);                                                 \
        else if (w->four_bits)                                                                                         \
            digit_body(w, true, false, group, GROUPS, x, INPUTS, sums);                                                \
        else if (w->halves)                                                                                            \
            digit_body(w, false, true, group, GROUPS, x, INPUTS, sums);                                                \
        else                                                                                                           \
            digit_body(w, false, false, group, GROUPS, x, INPUTS, sums);                                               \
    }
DIGIT_BLOCK(4, 1)
DIGIT_BLOCK(2, 1)
DIGIT_BLOCK(1, 4)
DIGIT_BLOCK(1, 2)
DIGIT_BLOCK(1, 1)

static void digit_sums(const struct qb_interleaved *w, size_t group, size_t groups, const void *inputs_of, size_t input,
                       size_t inputs, float *sums)
{
    const struct qb_digit_inputs *x = inputs_of;
    (groups == 4   ? digit_sums_4_1
     : groups == 2 ? digit_sums_2_1
     : inputs == 4 ? digit_sums_1_4
     : inputs == 2 ? digit_sums_1_2
                   : digit_sums_1_1)(w, group, x->digits + input * w->blocks, sums);
}

static void digit_dots_vnni(const struct qb_interleaved *w, size_t row, size_t count, const struct qb_digit_inputs *x,
                            size_t n, float *y, size_t ld)
{
    by_groups(digit_sums, w, row, count, x, n, y, ld);
}

void qb_kernels_avx512(struct qb_kernels *kernels)
{
    set_rows(kernels);
    set_logits(kernels);
    set_expf(kernels);
    qb_code_dots *code_dots_below = kernels->code_dots;
    qb_digit_dots *digit_dots_below = kernels->digit_dots;
    set_dots(kernels);
    set_digits(kernels);
    set_split(kernels);
    kernels->code_dots = code_dots_below;
    kernels->digit_dots = digit_dots_below;
    if (qb_cpu()->byte_permutes) {
        kernels->digit_dots = digit_dots_vnni;
        kernels->code_dots = code_dots_vbmi;
        kernels->table8_dots = table8_dots_vbmi;
    }
}
