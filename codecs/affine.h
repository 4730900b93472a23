/* What codecs share that decode to y = scale * (code - zero), with codes of some bits in [0, 2^bits): a scale (float32)
 * and perhaps a zero point for each scope. Layout: those of each scope, one scope after the other, then the codes as
 * codec_scaled.h lays them out. */
#ifndef AFFINE_H
#define AFFINE_H

#include "codec_scaled.h"

#include <float.h>

struct affine_fit {
    float scale, zero;
    float inverse; /* for `code`, where it is not 1 / scale that counts; not stored */
};

struct affine {
    struct qb_scope scope;
    unsigned bits;
    enum { AFFINE_MIDDLE, AFFINE_BYTE, AFFINE_FLOAT } zero; /* 2^(bits - 1), not stored; stored as uint8; as float32 */
    bool clip;                                              /* for `fit` */
    /* Finds both for x[n], all finite; false where the values are too large for the format. */
    bool (*fit)(const struct affine *affine, const float *x, size_t n, struct affine_fit *fit);
    /* The codes of x[n]. */
    void (*codes)(const struct affine *affine, struct affine_fit fit, const float *x, size_t n, unsigned char *codes);
    int32_t isa; /* enum qb_isa */
};

static inline size_t affine_header(const struct affine *affine)
{
    static const size_t bytes[] = {[AFFINE_MIDDLE] = 0, [AFFINE_BYTE] = 1, [AFFINE_FLOAT] = sizeof(float)};
    return sizeof(float) + bytes[affine->zero];
}

/* Both numbers are finite, so this is; beyond FLT_MAX it is FLT_MAX. */
static inline float affine_value(struct affine_fit fit, float code)
{
    const float value = fit.scale * (code - fit.zero);
    return value > FLT_MAX ? FLT_MAX : value < -FLT_MAX ? -FLT_MAX : value;
}

/* To the nearest integer, ties to even; |x| < 2^22. */
static inline float affine_round(float x)
{
    return (x + 0x1.8p23f) - 0x1.8p23f;
}

static inline int affine_size(const struct affine *affine, size_t rows, size_t cols, size_t have, size_t row,
                              size_t count, struct qb_scopes *scopes, size_t *bytes, struct qb_codec_error *error)
{
    int status = qb_check_shape(rows, cols, 16, error); /* more bytes a value than any layout takes */
    if (status)
        return status;
    *scopes = qb_scopes_of(affine->scope, false, rows, cols);
    *bytes = scopes->count * affine_header(affine) + rows * qb_codes_row(affine->bits, cols);
    return qb_check_part(have, *bytes, rows, row, count, error);
}

static inline void affine_store(const struct affine *affine, struct affine_fit fit, unsigned char *place)
{
    memcpy(place, &fit.scale, sizeof fit.scale);
    if (affine->zero == AFFINE_BYTE)
        place[sizeof fit.scale] = (unsigned char)fit.zero;
    else if (affine->zero == AFFINE_FLOAT)
        memcpy(place + sizeof fit.scale, &fit.zero, sizeof fit.zero);
}

/* False where no encode stores that. */
static inline bool affine_load(const struct affine *affine, const unsigned char *place, struct affine_fit *fit)
{
    memcpy(&fit->scale, place, sizeof fit->scale);
    fit->zero = affine->zero == AFFINE_MIDDLE ? (float)(1 << (affine->bits - 1)) : place[sizeof fit->scale];
    if (affine->zero == AFFINE_FLOAT)
        memcpy(&fit->zero, place + sizeof fit->scale, sizeof fit->zero);
    return !signbit(fit->scale) && isfinite(fit->scale) && isfinite(fit->zero) &&
           (affine->zero != AFFINE_BYTE || fit->zero < (float)(1 << affine->bits));
}

static inline void affine_codes(const struct affine *affine, struct affine_fit fit, size_t cols, size_t col, size_t n,
                                const float *x, unsigned char *row)
{
    if (affine->bits == 8) {
        affine->codes(affine, fit, x, n, row + col);
        return;
    }
    for (size_t done = 0, some; done < n; done += some) {
        unsigned char bytes[QB_CODES_STEP];
        uint16_t codes[QB_CODES_STEP];
        some = n - done < QB_CODES_STEP ? n - done : QB_CODES_STEP;
        affine->codes(affine, fit, x + done, some, bytes);
        for (size_t i = 0; i < some; i++)
            codes[i] = bytes[i];
        qb_codes_put(affine->bits, cols, col + done, some, codes, row);
    }
}

/* All at once: a fit may need all values of its scope, which lie one after the other. */
static inline int affine_encode(const struct affine *affine, size_t rows, size_t cols, const float *x, void *out,
                                size_t out_bytes, struct qb_codec_error *error)
{
    struct qb_scopes scopes = {0};
    size_t bytes = 0, scope, line = qb_codes_row(affine->bits, cols);
    int status = affine_size(affine, rows, cols, out_bytes, 0, rows, &scopes, &bytes, error);
    if (status)
        return status;
    unsigned char *bytes_of = out, *codes = bytes_of + scopes.count * affine_header(affine);
    if (affine->bits < 8)
        memset(codes, 0, rows * line);
    struct qb_span span = qb_scopes_from(&scopes, 0);
    struct affine_fit fit = {0};
    for (size_t row = 0, some; row < rows; row += some) {
        some = scopes.tall > 1 ? rows : qb_rows_at_hand(cols, rows - row);
        status = qb_all_finite(affine->isa, x + row * cols, some * cols, row * cols, error);
        if (status)
            return status;
        while (span.first + span.size < (row + some) * cols && qb_next_scope(&scopes, row + some, &span, &scope)) {
            const size_t all = scopes.tall > 1 ? rows * cols : span.size, at = span.first / cols;
            if ((scopes.tall == 1 || at == 0) && !affine->fit(affine, x + span.first, all, &fit)) {
                status = qb_all_finite(affine->isa, x + row * cols, (rows - row) * cols, row * cols, error);
                return status
                           ? status
                           : qb_refuse(error, QB_CODEC_BAD_INPUT, span.first,
                                       "%g and the values that share its scale are too large", (double)x[span.first]);
            }
            affine_store(affine, fit, bytes_of + scope * affine_header(affine));
            affine_codes(affine, fit, cols, span.col, span.size, x + span.first, codes + at * line);
        }
    }
    return QB_CODEC_OK;
}

/* out[n] = the values of codes of 8 bits, of code i those of scale[i / width] and zero[i / width]. */
#if defined(__x86_64__)
QB_AVX512 void affine_values_avx512(const unsigned char *codes, size_t n, const float *scale, const float *zero,
                                    size_t width, float *out)
{
    const __m512 most = _mm512_set1_ps(FLT_MAX), least = _mm512_set1_ps(-FLT_MAX);
    for (size_t i = 0, end; i < n; scale++, zero++)
        for (end = n - i < width ? n : i + width; i < end; i += end - i < 16 ? end - i : 16) {
            const __mmask16 valid = (__mmask16)(end - i >= 16 ? 0xffffu : (1u << (end - i)) - 1);
            __m512 y = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(valid, codes + i)));
            y = _mm512_mul_ps(_mm512_sub_ps(y, _mm512_set1_ps(*zero)), _mm512_set1_ps(*scale));
            _mm512_mask_storeu_ps(out + i, valid, _mm512_max_ps(_mm512_min_ps(y, most), least));
        }
}
#endif

static inline void affine_values(int32_t isa, const unsigned char *codes, size_t n, const float *scale,
                                 const float *zero, size_t width, float *out)
{
#if defined(__x86_64__)
    if (isa >= QB_ISA_AVX512) {
        affine_values_avx512(codes, n, scale, zero, width, out);
        return;
    }
#else
    (void)isa;
#endif
    for (size_t i = 0, end; i < n; scale++, zero++) {
        const struct affine_fit fit = {.scale = *scale, .zero = *zero};
        for (end = n - i < width ? n : i + width; i < end; i++)
            out[i] = affine_value(fit, codes[i]);
    }
}

static inline int affine_decode(const struct affine *affine, size_t rows, size_t cols, const void *in, size_t in_bytes,
                                size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    struct qb_scopes scopes = {0};
    size_t bytes = 0;
    int status = affine_size(affine, rows, cols, in_bytes, row, count, &scopes, &bytes, error);
    const unsigned char *encoded = in;
    const size_t header = affine_header(affine);
    const struct qb_planes planes = {.made = false};
    const float one = 1;
    float scale[QB_CODES_STEP], zero[QB_CODES_STEP];
    float numbers[QB_LEVELS_MAX]; /* by code; code 0 is never written where zero is in the middle */
    for (size_t code = 0; code < QB_LEVELS_MAX; code++)
        numbers[code] = code == 0 && affine->zero == AFFINE_MIDDLE ? NAN : (float)code;
    for (size_t end = row + count; !status && row < end; row++, out += cols) {
        const size_t codes = scopes.count * header + row * qb_codes_row(affine->bits, cols);
        const bool fine = affine->bits == 8 && /* all codes of the row are such as encode writes */
                          (affine->zero != AFFINE_MIDDLE || !memchr(encoded + codes, 0, cols));
        struct qb_chunk chunk;
        for (size_t col = 0; !status && col < cols; col += chunk.size) {
            struct affine_fit fit = {0};
            chunk = qb_chunk_at(&scopes, row, col, !fine);
            for (size_t s = 0; s < chunk.spans; s++) {
                const size_t at = (chunk.scope + s) * header;
                if (!affine_load(affine, encoded + at, &fit))
                    return qb_refuse(error, QB_CODEC_BAD_BYTES, at, "byte %zu starts a scale that no encode gives", at);
                scale[s] = fit.scale;
                zero[s] = fit.zero;
            }
            if (fine) {
                affine_values(affine->isa, encoded + codes + col, chunk.size, scale, zero, chunk.width, out + col);
                continue;
            }
            status = qb_scaled_values(affine->isa, affine->bits, numbers, &planes, cols, row, col, chunk.size, &one,
                                      chunk.size, encoded, codes, out + col, error);
            for (size_t i = col; !status && i < col + chunk.size; i++)
                out[i] = affine_value(fit, out[i]);
        }
    }
    return status;
}

/* Defines all of a plugin: DESCRIBE(config) gives the struct affine; then the codec's own fields. */
#define AFFINE_CODEC(DESCRIBE, ...)                                                                                    \
    static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,             \
                            struct qb_codec_error *error)                                                              \
    {                                                                                                                  \
        const struct affine affine = DESCRIBE(config);                                                                 \
        struct qb_scopes scopes;                                                                                       \
        return affine_size(&affine, rows, cols, SIZE_MAX, 0, rows, &scopes, bytes, error);                             \
    }                                                                                                                  \
    static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,       \
                      size_t out_bytes, struct qb_codec_error *error)                                                  \
    {                                                                                                                  \
        struct affine affine = DESCRIBE(config);                                                                       \
        affine.isa = config->isa;                                                                                      \
        return affine_encode(&affine, rows, cols, x, out, out_bytes, error);                                           \
    }                                                                                                                  \
    static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes, \
                      size_t row, size_t count, float *out, struct qb_codec_error *error)                              \
    {                                                                                                                  \
        struct affine affine = DESCRIBE(config);                                                                       \
        affine.isa = config->isa;                                                                                      \
        return affine_decode(&affine, rows, cols, in, in_bytes, row, count, out, error);                               \
    }                                                                                                                  \
    QB_CODEC_ENTRY(, .encoded_size = encoded_size, .encode = encode, .decode = decode, __VA_ARGS__)

#endif
