#define QB_VECTOR_BYTES 32
#include <immintrin.h>
#include "compute/kernels_logits.h"
#include "compute/kernels_rows.h"
#include "compute/kernels_split.h"

INLINE vd fused(vd a, vd b, vd c)
{
    return (vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}

INLINE vl gather_bits(const int64_t *table, vl index)
{
    return (vl)_mm256_i64gather_epi64((const long long *)table, (__m256i)index, 8);
}

#include "compute/kernels_expf.h"

typedef struct {
    __m256 low, high;
} v16;

INLINE v16 v16_load(const float *x)
{
    return (v16){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)};
}

INLINE v16 v16_zero(void)
{
    return (v16){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

INLINE v16 v16_splat(float x)
{
    return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

INLINE void v16_store(float *x, v16 v)
{
    _mm256_storeu_ps(x, v.low);
    _mm256_storeu_ps(x + 8, v.high);
}

INLINE v16 v16_halves(float lower, float upper)
{
    return (v16){_mm256_set1_ps(lower), _mm256_set1_ps(upper)};
}

INLINE v16 v16_multiply(v16 a, v16 b)
{
    return (v16){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

INLINE v16 v16_fma(v16 a, v16 b, v16 c)
{
    return (v16){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

INLINE float v16_sum(v16 v)
{
    __m256 eight = _mm256_add_ps(v.low, v.high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

INLINE __m128i bytes16(const unsigned char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

INLINE v16 v16_float(const unsigned char *p)
{
    return v16_load((const float *)(const void *)p);
}

INLINE v16 v16_half(const unsigned char *p)
{
    return (v16){_mm256_cvtph_ps(bytes16(p)), _mm256_cvtph_ps(bytes16(p + 16))};
}

INLINE __m256 bfloat8(__m128i halves)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

INLINE v16 v16_bfloat(const unsigned char *p)
{
    return (v16){bfloat8(bytes16(p)), bfloat8(bytes16(p + 16))};
}

INLINE v16 v16_int8(const unsigned char *p)
{
    __m128i bytes = bytes16(p);
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                 _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes)))};
}

/* Values of codes 0 to 7 and of 8 to 15. */
typedef struct {
    __m256 lower, upper;
} t16;

INLINE t16 t16_load(const float *values)
{
    return (t16){_mm256_loadu_ps(values), _mm256_loadu_ps(values + 8)};
}

/* Permutations read the low three bits of each index alone; the fourth, moved to the sign, chooses. */
INLINE __m256 t16_eight(const t16 *table, __m256i codes)
{
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(table->lower, codes),
                            _mm256_permutevar8x32_ps(table->upper, codes),
                            _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28)));
}

INLINE v16 t16_sixteen(const t16 *table, __m128i codes)
{
    return (v16){t16_eight(table, _mm256_cvtepu8_epi32(codes)),
                 t16_eight(table, _mm256_cvtepu8_epi32(_mm_unpackhi_epi64(codes, codes)))};
}

INLINE v16 t16_low(const t16 *table, const unsigned char *p)
{
    return t16_sixteen(table, bytes16(p));
}

INLINE v16 t16_high(const t16 *table, const unsigned char *p)
{
    return t16_sixteen(table, _mm_srli_epi16(bytes16(p), 4));
}

INLINE int four_bytes(const unsigned char *p)
{
    int word;
    memcpy(&word, p, sizeof word);
    return word;
}

INLINE __m256 look_up_eight(const float *values, const unsigned char *p)
{
    __m128i codes = _mm_insert_epi32(_mm_cvtsi32_si128(four_bytes(p)), four_bytes(p + 16), 1);
    return _mm256_i32gather_ps(values, _mm256_cvtepu8_epi32(codes), 4);
}

INLINE v16 v16_table(const float *values, const unsigned char *p)
{
    return (v16){look_up_eight(values, p), look_up_eight(values, p + 32)};
}

#include "compute/kernels_digits.h"
#include "compute/kernels_dots.h"

/* FP32 rows as they lie. STREAMS of them side by side, each from a part of its own of the rows: memory is read ahead of
 * long streams, and answers several faster than one (of 2 to 8 eight were the fastest, 1.7 times one; rows that lie
 * behind each other are short streams, and slower). */
enum { STREAMS = 8 };
typedef float stream_sums[STREAMS];

INLINE void lanes_products(const float *b, size_t apart, size_t streams, const float *x, size_t cols, stream_sums sums)
{
    __m256 s[STREAMS];
    size_t c = 0;
    for (size_t k = 0; k < streams; k++)
        s[k] = _mm256_setzero_ps();
    if (cols & 4) {
        const __m256i four = _mm256_setr_epi32(-1, -1, -1, -1, 0, 0, 0, 0);
        for (size_t k = 0; k < streams; k++)
            s[k] = _mm256_fmadd_ps(_mm256_maskload_ps(x, four), _mm256_maskload_ps(b + k * apart, four), s[k]);
        c = 4;
    }
    for (; c < cols; c += 8) {
        const __m256 in = _mm256_loadu_ps(x + c);
        _Pragma("GCC unroll 8") for (size_t k = 0; k < streams; k++) s[k] =
            _mm256_fmadd_ps(in, _mm256_loadu_ps(b + k * apart + c), s[k]);
    }
    for (size_t k = 0; k < streams; k++) {
        __m128 four = _mm_add_ps(_mm256_castps256_ps128(s[k]), _mm256_extractf128_ps(s[k], 1));
        four = _mm_hadd_ps(four, four);
        sums[k] = _mm_cvtss_f32(_mm_hadd_ps(four, four));
    }
}

INLINE void stream_rows(const float *b, size_t apart, size_t streams, size_t cols, const float *x, stream_sums y)
{
    for (size_t k = 0; k < streams; k++)
        y[k] = 0;
    for (size_t c = 0; c < cols; c += QB_GEMV_COLS) {
        stream_sums sums;
        lanes_products(b + c, apart, streams, x + c, cols - c < QB_GEMV_COLS ? cols - c : QB_GEMV_COLS, sums);
        for (size_t k = 0; k < streams; k++)
            y[k] += sums[k];
    }
}

static void gemv(const float *b, size_t rows, size_t cols, const float *x, float *y)
{
    const size_t part = rows / STREAMS;
    stream_sums sums;
    for (size_t r = 0; r < part; r++) {
        stream_rows(b + r * cols, part * cols, STREAMS, cols, x, sums);
        for (size_t k = 0; k < STREAMS; k++)
            y[k * part + r] = sums[k];
    }
    for (size_t r = part * STREAMS; r < rows; r++) {
        stream_rows(b + r * cols, 0, 1, cols, x, sums);
        y[r] = sums[0];
    }
}

/* ---- interleaved integers ---- */

/* Sums of codes times digits over a block, of 8 rows each: the upper digit, and the rest. */
struct block_sums {
    __m256i upper[2], rest[2];
};

INLINE __m256i four_times(const int16_t *p)
{
    int64_t word;
    memcpy(&word, p, sizeof word);
    return _mm256_set1_epi64x(word);
}

/* Codes of 8 bits are widened: 4 rows a register, whose pairs of columns are added at the end. */
INLINE struct block_sums sums_of_8(const unsigned char *codes, const struct qb_wide_digits *d)
{
    __m256i upper[4], rest[4];
    for (int q = 0; q < 4; q++)
        upper[q] = rest[q] = _mm256_setzero_si256();
    for (int k = 0; k < 8; k++, codes += 64) {
        ask_codes(codes);
        const __m256i du = four_times(d->part[0] + 4 * k), dr = four_times(d->part[1] + 4 * k);
        for (int q = 0; q < 4; q++) {
            const __m256i wide = _mm256_cvtepu8_epi16(_mm_load_si128((const __m128i *)(const void *)(codes + 16 * q)));
            upper[q] = _mm256_add_epi32(upper[q], _mm256_madd_epi16(wide, du));
            rest[q] = _mm256_add_epi32(rest[q], _mm256_madd_epi16(wide, dr));
        }
    }
    struct block_sums s;
    for (int h = 0; h < 2; h++) {
        s.upper[h] = _mm256_permute4x64_epi64(_mm256_hadd_epi32(upper[2 * h], upper[2 * h + 1]), 0xd8);
        s.rest[h] = _mm256_permute4x64_epi64(_mm256_hadd_epi32(rest[2 * h], rest[2 * h + 1]), 0xd8);
    }
    return s;
}

INLINE __m256i eight_times(const int8_t *p)
{
    int32_t word;
    memcpy(&word, p, sizeof word);
    return _mm256_set1_epi32(word);
}

/* Codes of 4 bits: an int16 holds a block's sum of two columns in four, 16 * 15 * 128. */
INLINE struct block_sums sums_of_4(const unsigned char *codes, const struct qb_digits *d)
{
    const __m256i low_bits = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    struct block_sums s;
    for (int h = 0; h < 2; h++) {
        __m256i sum[3] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
        for (int k = 0; k < 4; k++) {
            if (h == 0)
                ask_codes(codes + 64 * k);
            const __m256i both = _mm256_load_si256((const __m256i *)(const void *)(codes + 64 * k + 32 * h));
            const __m256i low = _mm256_and_si256(both, low_bits);
            const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), low_bits);
            for (int j = 0; j < 3; j++) {
                const __m256i one = _mm256_maddubs_epi16(low, eight_times(d->digit[j] + 8 * k));
                const __m256i two = _mm256_maddubs_epi16(high, eight_times(d->digit[j] + 8 * k + 4));
                sum[j] = _mm256_add_epi16(sum[j], _mm256_add_epi16(one, two));
            }
        }
        const __m256i middle = _mm256_slli_epi32(_mm256_madd_epi16(sum[1], ones), 8);
        s.upper[h] = _mm256_madd_epi16(sum[0], ones);
        s.rest[h] = _mm256_add_epi32(middle, _mm256_madd_epi16(sum[2], ones));
    }
    return s;
}

INLINE __m256 eight_scales(const struct qb_interleaved *w, size_t at)
{
    if (w->halves)
        return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)(w->scales + 2 * at)));
    return _mm256_load_ps((const float *)(const void *)(w->scales + 4 * at));
}

static void digit_sums(const struct qb_interleaved *w, size_t group, size_t groups, const void *inputs_of, size_t input,
                       size_t inputs, float *sums)
{
    const struct qb_digit_inputs *x = inputs_of;
    for (size_t k = 0; k < groups * inputs; k++, sums += GROUP_ROWS) {
        const size_t i = input + k % inputs;
        __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
        for (size_t block = 0; block < w->blocks; block++) {
            const struct qb_digits *d = &x->digits[i * w->blocks + block];
            const size_t at = (group + k / inputs) * w->blocks + block;
            const unsigned char *codes = w->codes + at * w->block;
            const struct block_sums s =
                w->four_bits ? sums_of_4(codes, d) : sums_of_8(codes, &x->wide[i * w->blocks + block]);
            for (int h = 0; h < 2; h++) {
                const __m256i upper = _mm256_add_epi32(s.upper[h], _mm256_set1_epi32(d->correction[0]));
                const __m256i rest = _mm256_add_epi32(s.rest[h], _mm256_set1_epi32(d->correction[1]));
                const __m256 units = _mm256_fmadd_ps(_mm256_cvtepi32_ps(upper), _mm256_set1_ps(QB_DIGITS_UPPER),
                                                     _mm256_cvtepi32_ps(rest));
                sum[h] = _mm256_fmadd_ps(eight_scales(w, at * GROUP_ROWS + 8 * (size_t)h),
                                         _mm256_mul_ps(units, _mm256_set1_ps(d->unit)), sum[h]);
            }
        }
        _mm256_storeu_ps(sums, sum[0]);
        _mm256_storeu_ps(sums + 8, sum[1]);
    }
}

static void digit_dots_avx2(const struct qb_interleaved *w, size_t row, size_t count, const struct qb_digit_inputs *x,
                            size_t n, float *y, size_t ld)
{
    by_groups(digit_sums, w, row, count, x, n, y, ld);
}

/* ---- interleaved codes of magnitudes: looked up by gathering ---- */

/* The two digits of each code as it lies, the high one in the lower half, both with the sign that is in the code. */
static void digit_pairs(const struct qb_interleaved *w, const struct qb_code_table *table, int32_t pairs[256])
{
    for (unsigned code = 0; code < 256; code++) {
        const unsigned magnitude = w->signed_codes ? code & 127u : code;
        const int32_t sign = w->signed_codes && code >> 7 ? -1 : 1;
        const int16_t pair[2] = {(int16_t)(sign * table->high[magnitude]), (int16_t)(sign * table->low[magnitude])};
        memcpy(&pairs[code], pair, sizeof pair);
    }
}

/* What the pairs of 32 columns' weights are multiplied by for the sums of high, middle and low products. */
struct input_pairs {
    int16_t high[BLOCK_COLS][2], middle[BLOCK_COLS][2], low[BLOCK_COLS][2];
};

INLINE struct input_pairs pairs_of_inputs(const int8_t *high, const int8_t *low)
{
    struct input_pairs x = {0};
    for (size_t k = 0; k < BLOCK_COLS; k++) {
        x.high[k][0] = x.middle[k][1] = high[k];
        x.low[k][1] = x.middle[k][0] = low[k];
    }
    return x;
}

INLINE __m256i pair_times(__m256i weights, const int16_t pair[2])
{
    int32_t word;
    memcpy(&word, pair, sizeof word);
    return _mm256_madd_epi16(weights, _mm256_set1_epi32(word));
}

/* Sums of 8 rows, one in each lane. */
struct digit_lanes {
    __m256i high, middle, low;
};

/* A block's products with one input, for 8 of its rows: those from 8 * half on. */
INLINE void add_code_block(const int32_t pairs[256], bool signed_codes, const unsigned char *p, int half,
                           const struct input_pairs *x, struct digit_lanes *s)
{
    const __m256i first_bits =
        _mm256_setr_epi32(1, 1 << 4, 1 << 8, 1 << 12, 1 << 16, 1 << 20, 1 << 24, 1 << 28); /* of column 0 */
    for (int k = 0; k < BLOCK_COLS / STEP_COLS; k++) {
        const __m256i codes = _mm256_load_si256((const __m256i *)(const void *)(p + 64 * k + 32 * half));
        int32_t signs = 0;
        if (half == 0)
            ask_codes(p + 64 * k);
        if (!signed_codes)
            memcpy(&signs, p + GROUP_ROWS * BLOCK_COLS + 8 * k + 4 * half, sizeof signs);
        for (int e = 0; e < STEP_COLS; e++) {
            const __m256i index = _mm256_and_si256(_mm256_srli_epi32(codes, 8 * e), _mm256_set1_epi32(255));
            __m256i weights = _mm256_i32gather_epi32(pairs, index, 4);
            if (!signed_codes) {
                const __m256i bits = _mm256_slli_epi32(first_bits, e);
                const __m256i minus = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(signs), bits), bits);
                weights = _mm256_sub_epi16(_mm256_xor_si256(weights, minus), minus);
            }
            s->high = _mm256_add_epi32(s->high, pair_times(weights, x->high[4 * k + e]));
            s->middle = _mm256_add_epi32(s->middle, pair_times(weights, x->middle[4 * k + e]));
            s->low = _mm256_add_epi32(s->low, pair_times(weights, x->low[4 * k + e]));
        }
    }
}

/* qb_from_digit_sums of 8 rows. */
INLINE __m256 block_products(const struct digit_lanes *s, float unit)
{
    const __m256 base = _mm256_set1_ps(QB_FIXED_BASE), square = _mm256_set1_ps(QB_FIXED_BASE * QB_FIXED_BASE);
    const __m256 lower = _mm256_fmadd_ps(base, _mm256_cvtepi32_ps(s->middle), _mm256_cvtepi32_ps(s->low));
    return _mm256_mul_ps(_mm256_fmadd_ps(square, _mm256_cvtepi32_ps(s->high), lower), _mm256_set1_ps(unit));
}

/* Adds what 8 lanes hold to whole[8]. */
INLINE void add_whole(const struct digit_lanes *s, int64_t whole[8])
{
    int32_t high[8], middle[8], low[8];
    memcpy(high, &s->high, sizeof high);
    memcpy(middle, &s->middle, sizeof middle);
    memcpy(low, &s->low, sizeof low);
    for (size_t r = 0; r < 8; r++)
        whole[r] += qb_digit_sums_whole((struct qb_digit_sums){high[r], middle[r], low[r]});
}

/* One group's 16 rows and one input. */
INLINE void group_codes(const struct qb_interleaved *w, const int32_t pairs[256], bool signed_codes, bool scaled,
                        size_t group, const struct code_inputs *in, size_t i, float *sums)
{
    const int8_t *high = in->x->high + i * in->x->stride, *low = in->x->low + i * in->x->stride;
    const float unit = (float)(in->table->unit * in->x->unit[i]);
    int64_t whole[GROUP_ROWS] = {0};
    __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    struct digit_lanes s[2] = {0};
    for (size_t block = 0; block < w->blocks; block++) {
        const struct input_pairs x = pairs_of_inputs(high + block * BLOCK_COLS, low + block * BLOCK_COLS);
        const size_t at = group * w->blocks + block;
        for (int half = 0; half < 2; half++) {
            add_code_block(pairs, signed_codes, w->codes + at * w->block, half, &x, &s[half]);
            if (scaled)
                sum[half] = _mm256_fmadd_ps(eight_scales(w, at * GROUP_ROWS + 8 * (size_t)half),
                                            block_products(&s[half], unit), sum[half]);
            else if (block + 1 == w->blocks || (block + 1) % CODE_BLOCKS_MOST == 0)
                add_whole(&s[half], whole + 8 * half);
            else
                continue;
            s[half] = (struct digit_lanes){0};
        }
    }
    for (size_t r = 0; r < GROUP_ROWS && !scaled; r++)
        sums[r] = qb_from_fixed(whole[r], in->table->unit, in->x->unit[i]);
    for (size_t half = 0; half < 2 && scaled; half++)
        _mm256_storeu_ps(sums + 8 * half, sum[half]);
}

static void gathered_code_sums(const struct qb_interleaved *w, size_t group, size_t groups, const void *inputs_of,
                               size_t input, size_t inputs, float *sums)
{
    const struct code_inputs *in = inputs_of;
    int32_t pairs[256];
    digit_pairs(w, in->table, pairs);
    for (size_t k = 0; k < groups * inputs; k++, sums += GROUP_ROWS) {
        const size_t g = group + k / inputs, i = input + k % inputs;
        if (w->scales)
            group_codes(w, pairs, true, true, g, in, i, sums);
        else if (w->signed_codes)
            group_codes(w, pairs, true, false, g, in, i, sums);
        else
            group_codes(w, pairs, false, false, g, in, i, sums);
    }
}

static void code_dots_avx2(const struct qb_interleaved *w, const struct qb_code_table *table, size_t row, size_t count,
                           const struct qb_fixed_inputs *x, size_t n, float *y, size_t ld)
{
    by_groups(gathered_code_sums, w, row, count, &(struct code_inputs){x, table}, n, y, ld);
}

void qb_kernels_avx2(struct qb_kernels *kernels)
{
    set_rows(kernels);
    set_logits(kernels);
    set_expf(kernels);
    set_dots(kernels);
    set_split(kernels);
    kernels->gemv = gemv;
    set_digits(kernels);
    kernels->digit_dots = digit_dots_avx2;
    kernels->code_dots = code_dots_avx2;
}
