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

/* out[n] = the values of codes of 8 bits, affine_value's. */
QB_INLINE void affine_values_plain(const unsigned char *restrict codes, size_t n, float scale, float zero,
                                   float *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = affine_value((struct affine_fit){.scale = scale, .zero = zero}, codes[i]);
}
QB_EACH_LEVEL(affine_values, (codes, n, scale, zero, out), const unsigned char *restrict codes, size_t n, float scale,
              float zero, float *restrict out)

static inline int affine_decode(const struct affine *affine, size_t rows, size_t cols, const void *in, size_t in_bytes,
                                size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    struct qb_scopes scopes = {0};
    size_t bytes = 0, scope;
    int status = affine_size(affine, rows, cols, in_bytes, row, count, &scopes, &bytes, error);
    struct qb_span span = qb_scopes_from(&scopes, row);
    const float one = 1;
    struct qb_planes planes = {.made = false};
    bool fine = false;            /* all codes of the row, of 8 bits, are such as encode writes */
    float numbers[QB_LEVELS_MAX]; /* by code; code 0 is never written where zero is in the middle */
    for (size_t code = 0; code < QB_LEVELS_MAX; code++)
        numbers[code] = code == 0 && affine->zero == AFFINE_MIDDLE ? NAN : (float)code;
    while (!status && qb_next_scope(&scopes, row + count, &span, &scope)) {
        const size_t at = scope * affine_header(affine), in_row = span.first / cols;
        struct affine_fit fit;
        if (!affine_load(affine, (const unsigned char *)in + at, &fit))
            return qb_refuse(error, QB_CODEC_BAD_BYTES, at, "byte %zu starts a scale that no encode gives", at);
        float *to = out + (span.first - row * cols);
        const size_t codes = scopes.count * affine_header(affine) + in_row * qb_codes_row(affine->bits, cols);
        if (span.col == 0)
            fine = affine->bits == 8 &&
                   (affine->zero != AFFINE_MIDDLE || !memchr((const unsigned char *)in + codes, 0, cols));
        if (fine) {
            affine_values(affine->isa, (const unsigned char *)in + codes + span.col, span.size, fit.scale, fit.zero,
                          to);
            continue;
        }
        for (size_t done = 0, some; !status && done < span.size; done += some) {
            some = span.size - done < QB_CODES_STEP ? span.size - done : QB_CODES_STEP;
            status = qb_scaled_values(affine->isa, affine->bits, numbers, &planes, cols, in_row, span.col + done, some,
                                      &one, some, in, codes, to + done, error);
        }
        for (size_t i = 0; !status && i < span.size; i++)
            to[i] = affine_value(fit, to[i]);
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
