/* Integers of some bits, with or without a zero point, under a range that may be clipped for the least squared error:
 * what int4, int6 and int8_affine share. */
#ifndef AFFINE_INT_H
#define AFFINE_INT_H

#include "affine.h"

enum { INT_SCOPE, INT_ZERO_POINT, INT_CLIP };
static const struct qb_codec_option int_options[] = {
    [INT_SCOPE] = QB_SCOPE_OPTION("group:32"),
    [INT_ZERO_POINT] = {.name = "zero_point",
                        .type = QB_OPTION_BOOL,
                        .default_value = "false",
                        .help = "whether the range is from the least to the greatest value, else it is symmetric"},
    [INT_CLIP] = {.name = "clip",
                  .type = QB_OPTION_CHOICE,
                  .default_value = "none",
                  .choices = "none|mse",
                  .help = "whether the range is clipped to the share that gives the least squared error"},
    {.name = NULL},
};

/* A code as a number. */
static inline float int_nearest(const struct affine *affine, struct affine_fit fit, float x)
{
    const float least = affine->zero == AFFINE_MIDDLE ? 1 : 0, most = (float)((1 << affine->bits) - 1);
    const float t = fit.scale > 0 ? x / fit.scale : 0;
    const float code = affine_round(t > 1024 ? 1024 : t < -1024 ? -1024 : t) + fit.zero;
    return code < least ? least : code > most ? most : code;
}

#if defined(__x86_64__)
QB_AVX512 void int_codes_avx512(const struct affine *affine, struct affine_fit fit, const float *x, size_t n,
                                unsigned char *codes)
{
    const __m512 reach = _mm512_set1_ps(1024), minus = _mm512_set1_ps(-1024), round = _mm512_set1_ps(0x1.8p23f);
    const __m512 least = _mm512_set1_ps(affine->zero == AFFINE_MIDDLE ? 1 : 0);
    const __m512 most = _mm512_set1_ps((float)((1 << affine->bits) - 1));
    const __m512 scale = _mm512_set1_ps(fit.scale), zero = _mm512_set1_ps(fit.zero);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 valid = (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
        __m512 t = _mm512_div_ps(_mm512_maskz_loadu_ps(valid, x + i), scale);
        t = _mm512_max_ps(_mm512_min_ps(t, reach), minus);
        t = _mm512_add_ps(_mm512_sub_ps(_mm512_add_ps(t, round), round), zero);
        t = _mm512_max_ps(_mm512_min_ps(t, most), least);
        _mm_mask_storeu_epi8(codes + i, valid, _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(t)));
    }
}
#endif

static inline void int_codes(const struct affine *affine, struct affine_fit fit, const float *x, size_t n,
                             unsigned char *codes)
{
#if defined(__x86_64__)
    if (affine->isa >= QB_ISA_AVX512 && fit.scale > 0) {
        int_codes_avx512(affine, fit, x, n, codes);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++)
        codes[i] = (unsigned char)int_nearest(affine, fit, x[i]);
}

/* For the share (100 - i) / 100 of the range: scales in double, rounded once. */
static inline struct affine_fit int_fit_share(const struct affine *affine, float low, float high, int i)
{
    const double share = (100 - i) / 100.0, whole = (1 << affine->bits) - 1, middle = 1 << (affine->bits - 1);
    struct affine_fit fit = {.zero = (float)middle};
    if (affine->zero == AFFINE_MIDDLE) {
        fit.scale = (float)(share * (double)(-low > high ? -low : high) / (middle - 1));
        return fit;
    }
    fit.scale = (float)(share * ((double)high - (double)low) / whole);
    const float below = fit.scale > 0 ? (float)(share * -(double)low / (double)fit.scale) : 0;
    fit.zero = affine_round(below < (float)whole ? below : (float)whole);
    return fit;
}

static inline bool int_fit(const struct affine *affine, const float *x, size_t n, struct affine_fit *best)
{
    float low, high;
    qb_range(affine->isa, x, n, &low, &high); /* 0 is in the range, so it is a level */
    double least = (double)INFINITY;
    *best = int_fit_share(affine, low, high, 0);
    for (int i = 0; affine->clip && i < 80; i++) {
        const struct affine_fit fit = int_fit_share(affine, low, high, i);
        double error = 0;
        for (size_t k = 0; k < n && error < least; k++) {
            const double e = (double)affine_value(fit, int_nearest(affine, fit, x[k])) - (double)x[k];
            error += e * e;
        }
        if (error < least) {
            least = error;
            *best = fit;
        }
    }
    return true;
}

static inline struct affine int_describe(const struct qb_codec_config *config, unsigned bits)
{
    return (struct affine){.scope = config->options[INT_SCOPE].scope,
                           .bits = bits,
                           .zero = config->options[INT_ZERO_POINT].i ? AFFINE_BYTE : AFFINE_MIDDLE,
                           .clip = config->options[INT_CLIP].i == 1,
                           .fit = int_fit,
                           .codes = int_codes};
}

#endif
