/* q8_0: blocks of 32 values as 8-bit integers times a scale. */
#include "gguf.h"

enum { VALUES = 32, BYTES = 34, CODES = 2 }; /* the scale lies at 0 */

static bool encode_block(const float *restrict x, unsigned char *restrict block)
{
    const float d = gguf_amax(x, VALUES) / 127.0f, inverse = gguf_inverse(d);
    for (size_t i = 0; i < VALUES; i++)
        block[CODES + i] = (unsigned char)gguf_round(x[i] * inverse);
    return qb_half_write(block, d);
}

#if defined(__x86_64__)
QB_AVX512 bool encode_block_avx512(const float *restrict x, unsigned char *restrict block)
{
    const float d = qb_float(qb_amax_avx512(x, VALUES)) / 127.0f;
    const __m512 inverse = _mm512_set1_ps(gguf_inverse(d)), half = _mm512_set1_ps(0.5f), minus = _mm512_set1_ps(-0.5f);
    const __m512i one = _mm512_set1_epi32(1);
    for (size_t i = 0; i < VALUES; i += 16) { /* gguf_round */
        const __m512 t = _mm512_mul_ps(_mm512_loadu_ps(x + i), inverse);
        __m512i whole = _mm512_cvttps_epi32(t);
        const __m512 rest = _mm512_sub_ps(t, _mm512_cvtepi32_ps(whole));
        whole = _mm512_mask_add_epi32(whole, _mm512_cmp_ps_mask(rest, half, _CMP_GE_OQ), whole, one);
        whole = _mm512_mask_sub_epi32(whole, _mm512_cmp_ps_mask(rest, minus, _CMP_LE_OQ), whole, one);
        _mm_storeu_si128((__m128i *)(void *)(block + CODES + i), _mm512_cvtepi32_epi8(whole));
    }
    return qb_half_write(block, d);
}
#else
#define encode_block_avx512 NULL
#endif

static size_t decode_block(const unsigned char *restrict block, float *restrict out)
{
    float d;
    if (!qb_half_read(block, &d))
        return 0;
    for (size_t i = 0; i < VALUES; i++)
        out[i] = d * (float)(signed char)block[CODES + i];
    return QB_BLOCK_FINE;
}

static const struct qb_block block = {.values = VALUES,
                                      .bytes = BYTES,
                                      .encode = encode_block,
                                      .encode_avx512 = encode_block_avx512,
                                      .decode = decode_block};

static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *layout, struct qb_codec_error *error)
{
    (void)config, (void)in;
    return qb_block_layout(&block, QB_LAYOUT_INT8, QB_LAYOUT_SCALE_HALF, NULL, rows, cols, in_bytes, layout, error);
}

QB_BLOCK_CODEC(
    block, .id = "q8_0", .version = "1",
    .summary = "GGUF Q8_0, 8-bit integers times a half for each 32 values: 8.5 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO, .layout = layout,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.008, .floor_fraction = 0.5, .absolute_error = 0.0041, .bias = 0.0002, .sqnr_db = 45.2})
