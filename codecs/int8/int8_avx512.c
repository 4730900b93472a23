/* int8 with AVX-512: sixteen codes at a time. */
#include "int8.h"

#include <immintrin.h>

static void scale_codes(const int8_t *codes, size_t n, float scale, float *out)
{
    __m512 s = _mm512_set1_ps(scale);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m512i wide = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(codes + i)));
        _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_cvtepi32_ps(wide), s));
    }
    int8_portable.scale(codes + i, n - i, scale, out + i);
}

void int8_avx512(struct int8_kernels *kernels)
{
    kernels->scale = scale_codes;
}
