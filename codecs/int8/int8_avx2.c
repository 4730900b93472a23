/* int8 with AVX2: eight codes at a time. */
#include "int8.h"

#include <immintrin.h>

static void scale_codes(const int8_t *codes, size_t n, float scale, float *out)
{
    __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(codes + i)));
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_cvtepi32_ps(wide), s));
    }
    int8_portable.scale(codes + i, n - i, scale, out + i);
}

void int8_avx2(struct int8_kernels *kernels)
{
    kernels->scale = scale_codes;
}
