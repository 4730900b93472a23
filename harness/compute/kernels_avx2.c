#define QB_VECTOR_BYTES 32
#include <immintrin.h>
#include "compute/kernels_logits.h"
#include "compute/kernels_rows.h"
#include "compute/kernels_split.h"

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

#include "compute/kernels_dots.h"

/* Codes of magnitudes: eight weights gathered from a table, their products as 64-bit integers. */
static inline __m256i eight_weights(const int32_t table[256], const unsigned char *codes, __m256i minus)
{
    __m256i code = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)codes));
    return _mm256_sub_epi32(_mm256_xor_si256(_mm256_i32gather_epi32(table, code, 4), minus), minus);
}

static inline __m256i eight_bytes(const void *p)
{
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
}

static int64_t codes_of_row(const struct qb_coded_rows *w, const int32_t table[256], size_t r, size_t cols,
                            const int8_t *high, const int8_t *low)
{
    const unsigned char *codes = w->bytes + r * w->stride, *signs = w->signs + r * w->sign_stride;
    const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (size_t c = 0; c < cols; c += 8) {
        unsigned char last[16] = {0}; /* the row's last codes and signs, where they are not eight */
        const unsigned char *eight = codes + c, *sign = w->sign_bits ? signs + c / 8 : signs + c;
        if (cols - c < 8) {
            memcpy(last, eight, cols - c);
            memcpy(last + 8, sign, w->sign_bits ? 1 : cols - c);
            eight = last;
            sign = last + 8;
        }
        __m256i minus = w->sign_bits ? _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(*sign), bits), bits)
                                     : _mm256_srai_epi32(eight_bytes(sign), 31);
        __m256i weights = eight_weights(table, eight, minus), h = eight_bytes(high + c);
        __m256i x =
            _mm256_add_epi32(_mm256_sub_epi32(_mm256_slli_epi32(h, 8), h), eight_bytes(low + c)); /* 255 h + l */
        even = _mm256_add_epi64(even, _mm256_mul_epi32(weights, x));
        odd = _mm256_add_epi64(odd, _mm256_mul_epi32(_mm256_srli_epi64(weights, 32), _mm256_srli_epi64(x, 32)));
    }
    int64_t sums[4];
    even = _mm256_add_epi64(even, odd);
    memcpy(sums, &even, sizeof sums);
    return sums[0] + sums[1] + sums[2] + sums[3];
}

static void gathered_code_dots(const struct qb_coded_rows *w, size_t rows, size_t cols, const struct qb_fixed_inputs *x,
                               size_t n, float *y, size_t ld)
{
    int32_t table[256];
    units_of_codes(w->table, table);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            y[i * ld + r] = from_fixed(codes_of_row(w, table, r, cols, x->high + i * x->stride, x->low + i * x->stride),
                                       w->table->unit, x->unit[i]);
}

/* FP32 rows as they lie: one row at a time, for the memory is read ahead of one stream and not of several short ones.
 * The next row's sum begins while this one's ends. */
INLINE float lanes_product(const float *b, const float *x, size_t cols)
{
    __m256 s = _mm256_setzero_ps();
    size_t c = 0;
    if (cols & 4) {
        const __m256i four = _mm256_setr_epi32(-1, -1, -1, -1, 0, 0, 0, 0);
        s = _mm256_fmadd_ps(_mm256_maskload_ps(x, four), _mm256_maskload_ps(b, four), s);
        c = 4;
    }
    for (; c < cols; c += 8)
        s = _mm256_fmadd_ps(_mm256_loadu_ps(x + c), _mm256_loadu_ps(b + c), s);
    __m128 sums = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    sums = _mm_hadd_ps(sums, sums);
    return _mm_cvtss_f32(_mm_hadd_ps(sums, sums));
}

static void gemv(const float *b, size_t rows, size_t cols, const float *x, float *y)
{
    for (size_t r = 0; r < rows; r++, b += cols) {
        float sum = 0;
        for (size_t c = 0; c < cols; c += QB_GEMV_COLS)
            sum += lanes_product(b + c, x + c, cols - c < QB_GEMV_COLS ? cols - c : QB_GEMV_COLS);
        y[r] = sum;
    }
}

void qb_kernels_avx2(struct qb_kernels *kernels)
{
    set_rows(kernels);
    set_logits(kernels);
    set_dots(kernels);
    set_split(kernels);
    kernels->code_dots = gathered_code_dots;
    kernels->gemv = gemv;
}
