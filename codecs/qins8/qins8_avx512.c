/* qins8 with AVX-512: sixteen values a step, the last step masked. Products and sums stay apart, as in the reference.
 */
#include "qins8_kernels.h"

#include <immintrin.h>
#include <string.h>

/* The lanes of the step at i: all sixteen, or the n - i that are left. */
static inline __mmask16 lanes(size_t i, size_t n)
{
    return (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
}

/* ln of eight floats given as bits */
static inline __m256 ln8(__m256i bits)
{
    __m256i exponent = _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(QINS8_SQRT_HALF)), 23);
    __m512d m = _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(exponent, 23))));
    __m512d one = _mm512_set1_pd(1.0);
    __m512d s = _mm512_div_pd(_mm512_sub_pd(m, one), _mm512_add_pd(m, one)), z = _mm512_mul_pd(s, s);
    __m512d sum = _mm512_set1_pd(qins8_ln_terms[0]);
    for (int i = 1; i < QINS8_LN_TERMS; i++)
        sum = _mm512_add_pd(_mm512_mul_pd(sum, z), _mm512_set1_pd(qins8_ln_terms[i]));
    __m512d whole = _mm512_mul_pd(_mm512_cvtepi32_pd(exponent), _mm512_set1_pd(QINS8_LN2));
    __m512d part = _mm512_add_pd(_mm512_mul_pd(_mm512_set1_pd(2.0), s), _mm512_mul_pd(_mm512_mul_pd(s, z), sum));
    return _mm512_cvtpd_ps(_mm512_add_pd(whole, part));
}

/* exp of eight floats, at most FLT_MAX */
static inline __m256 exp8(__m256 log)
{
    __m512d y = _mm512_cvtps_pd(log), round = _mm512_set1_pd(QINS8_ROUND);
    __m512d shifted = _mm512_add_pd(_mm512_mul_pd(y, _mm512_set1_pd(QINS8_LOG2E)), round);
    __m512d r = _mm512_sub_pd(y, _mm512_mul_pd(_mm512_sub_pd(shifted, round), _mm512_set1_pd(QINS8_LN2)));
    __m512d sum = _mm512_set1_pd(qins8_exp_terms[0]);
    for (int i = 1; i < QINS8_EXP_TERMS; i++)
        sum = _mm512_add_pd(_mm512_mul_pd(sum, r), _mm512_set1_pd(qins8_exp_terms[i]));
    __m512i scale = _mm512_slli_epi64(_mm512_castpd_si512(shifted), 52);
    scale = _mm512_add_epi64(scale, _mm512_set1_epi64(0x3ff0000000000000));
    __m512d value = _mm512_mul_pd(sum, _mm512_castsi512_pd(scale));
    return _mm512_cvtpd_ps(_mm512_min_pd(value, _mm512_set1_pd((double)FLT_MAX)));
}

static inline __m512 join(__m256 low, __m256 high)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

static inline __m512i magnitude_bits(__m512 x)
{
    return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

static inline __m512i floor_bits(void)
{
    return _mm512_castps_si512(_mm512_set1_ps(QINS8_FLOOR));
}

static struct qins8_extent extent(const float *x, size_t n)
{
    __m512i least = _mm512_set1_epi32(-1), most = _mm512_setzero_si512(), floor = floor_bits();
    for (size_t i = 0; i < n; i += 16) {
        __m512i bits = magnitude_bits(_mm512_maskz_loadu_ps(lanes(i, n), x + i));
        most = _mm512_max_epu32(most, bits);
        least = _mm512_mask_min_epu32(least, _mm512_cmpgt_epu32_mask(bits, floor), least, bits);
    }
    return (struct qins8_extent){.least = _mm512_reduce_min_epu32(least), .most = _mm512_reduce_max_epu32(most)};
}

static void quantise(const float *x, size_t n, float log_min, float width, uint8_t *codes)
{
    __m512 low = _mm512_set1_ps(log_min), divisor = _mm512_set1_ps(width);
    for (size_t i = 0; i < n; i += 16) {
        __m512i bits = _mm512_max_epi32(magnitude_bits(_mm512_maskz_loadu_ps(lanes(i, n), x + i)), floor_bits());
        __m512 log = join(ln8(_mm512_castsi512_si256(bits)), ln8(_mm512_extracti64x4_epi64(bits, 1)));
        __m512 share = _mm512_div_ps(_mm512_sub_ps(log, low), divisor);
        __m512 code = _mm512_sub_ps(_mm512_set1_ps(255.0f), _mm512_mul_ps(share, _mm512_set1_ps(254.0f)));
        code = _mm512_min_ps(_mm512_max_ps(code, _mm512_set1_ps(1.0f)), _mm512_set1_ps(255.0f));
        _mm512_mask_cvtepi32_storeu_epi8(codes + i, lanes(i, n), _mm512_cvtps_epi32(code)); /* nearest even */
    }
}

static void sign_bits(const float *x, size_t n, uint8_t *bits)
{
    for (size_t i = 0; i < n; i += 16) {
        __m512 values = _mm512_maskz_loadu_ps(lanes(i, n), x + i);
        uint16_t negative = _mm512_cmp_ps_mask(values, _mm512_setzero_ps(), _CMP_LT_OQ);
        memcpy(bits + i / 8, &negative, n - i > 8 ? 2 : 1);
    }
}

static void sign_bytes(const float *x, size_t n, int8_t *bytes)
{
    for (size_t i = 0; i < n; i += 16) {
        __m512 values = _mm512_maskz_loadu_ps(lanes(i, n), x + i);
        __mmask16 negative = _mm512_cmp_ps_mask(values, _mm512_setzero_ps(), _CMP_LT_OQ);
        _mm_mask_storeu_epi8(bytes + i, lanes(i, n),
                             _mm_mask_blend_epi8(negative, _mm_set1_epi8(1), _mm_set1_epi8(-1)));
    }
}

/* The step's codes as integers; 0 in the lanes behind the end */
static inline __m512i widen(const uint8_t *codes, __mmask16 valid)
{
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(valid, codes));
}

static void magnitudes(const uint8_t *codes, size_t n, float log_min, float width, float *out)
{
    for (size_t i = 0; i < n; i += 16) {
        __m512 code = _mm512_cvtepi32_ps(widen(codes + i, lanes(i, n)));
        __m512 share = _mm512_div_ps(_mm512_sub_ps(_mm512_set1_ps(255.0f), code), _mm512_set1_ps(254.0f));
        __m512 log = _mm512_add_ps(_mm512_set1_ps(log_min), _mm512_mul_ps(share, _mm512_set1_ps(width)));
        __m512 value = join(exp8(_mm512_castps512_ps256(log)), exp8(_mm512_extractf32x8_ps(log, 1)));
        _mm512_mask_storeu_ps(out + i, lanes(i, n), value);
    }
}

static void ratios(const uint8_t *codes, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 16) {
        __m512 code = _mm512_cvtepi32_ps(widen(codes + i, lanes(i, n)));
        _mm512_mask_storeu_ps(out + i, lanes(i, n), _mm512_div_ps(code, _mm512_set1_ps(255.0f)));
    }
}

static void negate_bits(float *out, size_t n, const uint8_t *bits)
{
    __m512i top = _mm512_set1_epi32(INT32_MIN);
    for (size_t i = 0; i < n; i += 16) {
        uint16_t negative = 0;
        memcpy(&negative, bits + i / 8, n - i > 8 ? 2 : 1);
        __mmask16 valid = lanes(i, n);
        __m512i value = _mm512_castps_si512(_mm512_maskz_loadu_ps(valid, out + i));
        value = _mm512_mask_xor_epi32(value, negative, value, top);
        _mm512_mask_storeu_ps(out + i, valid, _mm512_castsi512_ps(value));
    }
}

static int negate_bytes(float *out, size_t n, const int8_t *bytes)
{
    __m512i top = _mm512_set1_epi32(INT32_MIN);
    unsigned wrong = 0;
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 valid = lanes(i, n);
        __m128i signs = _mm_maskz_loadu_epi8(valid, bytes + i);
        wrong |= _mm_mask_cmpneq_epi8_mask(valid, _mm_abs_epi8(signs), _mm_set1_epi8(1));
        __m512i value = _mm512_castps_si512(_mm512_maskz_loadu_ps(valid, out + i));
        value = _mm512_xor_si512(value, _mm512_and_si512(_mm512_cvtepi8_epi32(signs), top));
        _mm512_mask_storeu_ps(out + i, valid, _mm512_castsi512_ps(value));
    }
    return wrong != 0;
}

void qins8_avx512(struct qins8_kernels *kernels)
{
    kernels->extent = extent;
    kernels->quantise = quantise;
    kernels->sign_bits = sign_bits;
    kernels->sign_bytes = sign_bytes;
    kernels->magnitudes = magnitudes;
    kernels->ratios = ratios;
    kernels->negate_bits = negate_bits;
    kernels->negate_bytes = negate_bytes;
}
