/* qins8 with AVX2: eight values a step, the rest by the reference. Products and sums stay apart: a fused one would
 * round differently. */
#include "qins8_kernels.h"

#include <immintrin.h>
#include <string.h>

/* ln of four floats given as bits */
static inline __m256d ln4(__m128i bits)
{
    __m128i exponent = _mm_srai_epi32(_mm_sub_epi32(bits, _mm_set1_epi32(QINS8_SQRT_HALF)), 23);
    __m256d m = _mm256_cvtps_pd(_mm_castsi128_ps(_mm_sub_epi32(bits, _mm_slli_epi32(exponent, 23))));
    __m256d one = _mm256_set1_pd(1.0);
    __m256d s = _mm256_div_pd(_mm256_sub_pd(m, one), _mm256_add_pd(m, one)), z = _mm256_mul_pd(s, s);
    __m256d sum = _mm256_set1_pd(qins8_ln_terms[0]);
    for (int i = 1; i < QINS8_LN_TERMS; i++)
        sum = _mm256_add_pd(_mm256_mul_pd(sum, z), _mm256_set1_pd(qins8_ln_terms[i]));
    __m256d whole = _mm256_mul_pd(_mm256_cvtepi32_pd(exponent), _mm256_set1_pd(QINS8_LN2));
    __m256d part = _mm256_add_pd(_mm256_mul_pd(_mm256_set1_pd(2.0), s), _mm256_mul_pd(_mm256_mul_pd(s, z), sum));
    return _mm256_add_pd(whole, part);
}

/* exp of four floats, at most FLT_MAX */
static inline __m128 exp4(__m128 log)
{
    __m256d y = _mm256_cvtps_pd(log), round = _mm256_set1_pd(QINS8_ROUND);
    __m256d shifted = _mm256_add_pd(_mm256_mul_pd(y, _mm256_set1_pd(QINS8_LOG2E)), round);
    __m256d r = _mm256_sub_pd(y, _mm256_mul_pd(_mm256_sub_pd(shifted, round), _mm256_set1_pd(QINS8_LN2)));
    __m256d sum = _mm256_set1_pd(qins8_exp_terms[0]);
    for (int i = 1; i < QINS8_EXP_TERMS; i++)
        sum = _mm256_add_pd(_mm256_mul_pd(sum, r), _mm256_set1_pd(qins8_exp_terms[i]));
    __m256i scale = _mm256_slli_epi64(_mm256_castpd_si256(shifted), 52);
    scale = _mm256_add_epi64(scale, _mm256_set1_epi64x(0x3ff0000000000000));
    __m256d value = _mm256_mul_pd(sum, _mm256_castsi256_pd(scale));
    return _mm256_cvtpd_ps(_mm256_min_pd(value, _mm256_set1_pd((double)FLT_MAX)));
}

static inline __m256i magnitude_bits(const float *x)
{
    return _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x)), _mm256_set1_epi32(0x7fffffff));
}

static inline __m256i floor_bits(void)
{
    return _mm256_castps_si256(_mm256_set1_ps(QINS8_FLOOR));
}

static struct qins8_extent extent(const float *x, size_t n)
{
    __m256i least = _mm256_set1_epi32(-1), most = _mm256_setzero_si256(), floor = floor_bits();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i bits = magnitude_bits(x + i);
        most = _mm256_max_epu32(most, bits);
        __m256i above = _mm256_cmpgt_epi32(bits, floor);
        least = _mm256_min_epu32(least, _mm256_or_si256(bits, _mm256_xor_si256(above, _mm256_set1_epi32(-1))));
    }
    uint32_t lows[8], highs[8];
    _mm256_storeu_si256((__m256i *)(void *)lows, least);
    _mm256_storeu_si256((__m256i *)(void *)highs, most);
    struct qins8_extent extent = qins8_portable.extent(x + i, n - i);
    for (int j = 0; j < 8; j++) {
        extent.least = lows[j] < extent.least ? lows[j] : extent.least;
        extent.most = highs[j] > extent.most ? highs[j] : extent.most;
    }
    return extent;
}

static void quantise(const float *x, size_t n, float log_min, float width, uint8_t *codes)
{
    __m256 low = _mm256_set1_ps(log_min), divisor = _mm256_set1_ps(width);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i bits = _mm256_max_epi32(magnitude_bits(x + i), floor_bits());
        __m128 log0 = _mm256_cvtpd_ps(ln4(_mm256_castsi256_si128(bits)));
        __m128 log1 = _mm256_cvtpd_ps(ln4(_mm256_extracti128_si256(bits, 1)));
        __m256 share = _mm256_div_ps(_mm256_sub_ps(_mm256_set_m128(log1, log0), low), divisor);
        __m256 code = _mm256_sub_ps(_mm256_set1_ps(255.0f), _mm256_mul_ps(share, _mm256_set1_ps(254.0f)));
        code = _mm256_min_ps(_mm256_max_ps(code, _mm256_set1_ps(1.0f)), _mm256_set1_ps(255.0f));
        __m256i words = _mm256_cvtps_epi32(code); /* rounds to nearest even */
        __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storel_epi64((__m128i *)(void *)(codes + i), _mm_packus_epi16(halves, halves));
    }
    qins8_portable.quantise(x + i, n - i, log_min, width, codes + i);
}

static void sign_bits(const float *x, size_t n, uint8_t *bits)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 negative = _mm256_cmp_ps(_mm256_loadu_ps(x + i), _mm256_setzero_ps(), _CMP_LT_OQ);
        bits[i / 8] = (uint8_t)_mm256_movemask_ps(negative);
    }
    qins8_portable.sign_bits(x + i, n - i, bits + i / 8);
}

static void sign_bytes(const float *x, size_t n, int8_t *bytes)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 negative = _mm256_cmp_ps(_mm256_loadu_ps(x + i), _mm256_setzero_ps(), _CMP_LT_OQ);
        __m256i words = _mm256_castps_si256(negative);
        __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        __m128i signs = _mm_or_si128(_mm_packs_epi16(halves, halves), _mm_set1_epi8(1)); /* 0 -> 1, -1 -> -1 */
        _mm_storel_epi64((__m128i *)(void *)(bytes + i), signs);
    }
    qins8_portable.sign_bytes(x + i, n - i, bytes + i);
}

/* Eight bytes as eight integers */
static inline __m256i widen(const uint8_t *codes)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)codes));
}

static void magnitudes(const uint8_t *codes, size_t n, float log_min, float width, float *out)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 code = _mm256_cvtepi32_ps(widen(codes + i));
        __m256 share = _mm256_div_ps(_mm256_sub_ps(_mm256_set1_ps(255.0f), code), _mm256_set1_ps(254.0f));
        __m256 log = _mm256_add_ps(_mm256_set1_ps(log_min), _mm256_mul_ps(share, _mm256_set1_ps(width)));
        _mm_storeu_ps(out + i, exp4(_mm256_castps256_ps128(log)));
        _mm_storeu_ps(out + i + 4, exp4(_mm256_extractf128_ps(log, 1)));
    }
    qins8_portable.magnitudes(codes + i, n - i, log_min, width, out + i);
}

static void ratios(const uint8_t *codes, size_t n, float *out)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_div_ps(_mm256_cvtepi32_ps(widen(codes + i)), _mm256_set1_ps(255.0f)));
    qins8_portable.ratios(codes + i, n - i, out + i);
}

static void negate_bits(float *out, size_t n, const uint8_t *bits)
{
    /* Shifting left by 31 - j brings bit j to the sign. */
    __m256i places = _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24), top = _mm256_set1_epi32(INT32_MIN);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i sign = _mm256_and_si256(_mm256_sllv_epi32(_mm256_set1_epi32(bits[i / 8]), places), top);
        _mm256_storeu_ps(out + i, _mm256_xor_ps(_mm256_loadu_ps(out + i), _mm256_castsi256_ps(sign)));
    }
    qins8_portable.negate_bits(out + i, n - i, bits + i / 8);
}

static int negate_bytes(float *out, size_t n, const int8_t *bytes)
{
    __m128i wrong = _mm_setzero_si128(), one = _mm_set1_epi8(1);
    __m256i top = _mm256_set1_epi32(INT32_MIN);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m128i signs = _mm_loadl_epi64((const __m128i *)(const void *)(bytes + i));
        wrong = _mm_or_si128(wrong, _mm_xor_si128(_mm_abs_epi8(signs), one));
        __m256i sign = _mm256_and_si256(_mm256_cvtepi8_epi32(signs), top);
        _mm256_storeu_ps(out + i, _mm256_xor_ps(_mm256_loadu_ps(out + i), _mm256_castsi256_ps(sign)));
    }
    return (_mm_cvtsi128_si64(wrong) != 0) | qins8_portable.negate_bytes(out + i, n - i, bytes + i);
}

void qins8_avx2(struct qins8_kernels *kernels)
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
