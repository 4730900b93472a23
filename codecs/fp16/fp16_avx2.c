/* fp16 with F16C: the CPU's own conversions, which round to nearest even and keep denormals as the reference does. */
#include "fp16.h"

#include <immintrin.h>

static void narrow(const float *x, size_t n, unsigned char *bytes)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(bytes + 2 * i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    fp16_portable.narrow(x + i, n - i, bytes + 2 * i);
}

static void widen(const unsigned char *bytes, size_t n, float *out)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(bytes + 2 * i))));
    fp16_portable.widen(bytes + 2 * i, n - i, out + i);
}

void fp16_avx2(struct fp16_kernels *kernels)
{
    kernels->narrow = narrow;
    kernels->widen = widen;
}
