/* codec_util.h - what codecs of qinsbench share: refusals, checks of sizes, rows and values, halves, and the loop over
 * the values of a range or scale. Apache-2.0. Optional: codec.h alone is the contract. Functions that return an int
 * return a status: QB_CODEC_OK, or that of the refusal that they put into error. */
#ifndef QB_CODEC_UTIL_H
#define QB_CODEC_UTIL_H

#include "codec.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Puts the message for the user into error and returns status. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static inline int
qb_refuse(struct qb_codec_error *error, int status, size_t index, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    error->index = index;
    return status;
}

/* Index of the first NaN or Inf of x[n]; n when there is none. One added to an exponent of all ones carries into the
 * sign bit, which was masked off; a constant inner loop is what compilers vectorise. */
static inline size_t qb_first_nonfinite(const float *x, size_t n)
{
    enum { STEP = 32 };
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        uint32_t seen = 0;
        for (size_t j = 0; j < STEP; j++) {
            uint32_t bits;
            memcpy(&bits, x + i + j, sizeof bits);
            seen |= (bits & 0x7f800000u) + 0x00800000u;
        }
        if (seen >> 31)
            break;
    }
    while (i < n && isfinite(x[i]))
        i++;
    return i;
}

/* A shape is not empty, and so many bytes a value (the most that any layout takes) do not overflow a size_t. */
static inline int qb_check_shape(size_t rows, size_t cols, size_t value_bytes, struct qb_codec_error *error)
{
    if (rows == 0 || cols == 0 || rows > SIZE_MAX / value_bytes / cols)
        return qb_refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "a matrix of %zu x %zu is out of range", rows, cols);
    return QB_CODEC_OK;
}

/* A buffer of `have` bytes holds the `need` bytes of an encoded matrix of `rows`, which has rows [row, row + count). */
static inline int qb_check_part(size_t have, size_t need, size_t rows, size_t row, size_t count,
                                struct qb_codec_error *error)
{
    if (have < need)
        return qb_refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "the buffer has %zu bytes, the shape needs %zu", have,
                         need);
    if (row > rows || count > rows - row)
        return qb_refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "rows [%zu, +%zu) of %zu asked for", row, count, rows);
    return QB_CODEC_OK;
}

/* Both checks for a format of value_bytes for each value and nothing else. */
static inline int qb_check_values(size_t have, size_t value_bytes, size_t rows, size_t cols, size_t row, size_t count,
                                  struct qb_codec_error *error)
{
    int status = qb_check_shape(rows, cols, value_bytes > sizeof(float) ? value_bytes : sizeof(float), error);
    return status ? status : qb_check_part(have, rows * cols * value_bytes, rows, row, count, error);
}

/* x[n], the values from element `first` of a matrix on, are finite. */
static inline int qb_check_finite(const float *x, size_t n, size_t first, struct qb_codec_error *error)
{
    size_t bad = qb_first_nonfinite(x, n);
    if (bad < n)
        return qb_refuse(error, QB_CODEC_BAD_INPUT, first + bad, "%f cannot be stored", (double)x[bad]);
    return QB_CODEC_OK;
}

/* IEEE 754 binary16, the bits of a half. From |x| = 65520 on, and for a NaN, qb_half_of gives an exponent of all ones;
 * below it rounds to nearest even. Of such an exponent qb_half_value gives a magnitude of 65536 and more: no half is
 * an Inf here. */
static inline uint16_t qb_half_of(float x)
{
    uint32_t word, half;
    memcpy(&word, &x, sizeof word);
    uint32_t sign = word >> 16 & 0x8000u, magnitude = word & 0x7fffffffu;
    if (magnitude >= 0x477ff000u) { /* 65520 */
        half = 0x7c00u;
    } else if (magnitude >= 0x38800000u) { /* 2^-14 and up: rebias the exponent by -112, round off 13 bits */
        half = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1)) >> 13;
    } else { /* a denormal half counts 2^-24; so do the bits of a float in [0.5, 1), and adding rounds to even */
        float sum;
        memcpy(&sum, &magnitude, sizeof sum);
        sum += 0.5f;
        memcpy(&half, &sum, sizeof half);
        half -= 0x3f000000u;
    }
    return (uint16_t)(sign | half);
}

static inline float qb_half_value(uint16_t half)
{
    uint32_t word = (uint32_t)(half & 0x7fffu) << 13, sign = (uint32_t)(half & 0x8000u) << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    value *= 0x1p112f; /* rebias; exact, and a denormal float becomes the denormal half's value */
    memcpy(&word, &value, sizeof word);
    word |= sign;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* A half that is stored at `at`, which needs no alignment; false where it is NaN or Inf. */
static inline bool qb_half_read(const unsigned char *at, float *value)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    *value = qb_half_value(half);
    return (half & 0x7c00u) != 0x7c00u;
}

/* Stores x as a half; false where it would be NaN or Inf. */
static inline bool qb_half_write(unsigned char *at, float x)
{
    uint16_t half = qb_half_of(x);
    memcpy(at, &half, sizeof half);
    return (half & 0x7c00u) != 0x7c00u;
}

/* A matrix as spans: neighbouring values of a row that share a range or scale. */
struct qb_spans {
    size_t cols, width, per_row; /* values of a row and of a span, whose last in a row may be shorter; spans in a row */
    size_t count;                /* of ranges or scales: rows * per_row, or 1 where all rows share it */
};

static inline struct qb_spans qb_spans_of(struct qb_scope scope, size_t rows, size_t cols)
{
    size_t width = scope.kind == QB_SCOPE_GROUP && scope.group < cols ? scope.group : cols;
    size_t per_row = (cols - 1) / width + 1;
    struct qb_spans spans = {cols, width, per_row, scope.kind == QB_SCOPE_TENSOR ? 1 : rows * per_row};
    return spans;
}

struct qb_span {
    size_t index;            /* of its range or scale */
    size_t first, col, size; /* its first element (row * cols + col), that element's column, its values */
};

/* Over the spans of rows [row, end):
 * struct qb_span span = qb_spans_from(&spans, row); while (qb_next_span(&spans, end, &span)) ... */
static inline struct qb_span qb_spans_from(const struct qb_spans *spans, size_t row)
{
    struct qb_span span = {spans->count > 1 ? row * spans->per_row : 0, row * spans->cols, 0, 0};
    return span;
}

static inline int qb_next_span(const struct qb_spans *spans, size_t end, struct qb_span *span)
{
    span->index += span->size > 0 && spans->count > 1;
    span->first += span->size;
    span->col += span->size;
    span->col = span->col == spans->cols ? 0 : span->col;
    span->size = spans->cols - span->col < spans->width ? spans->cols - span->col : spans->width;
    return span->first < end * spans->cols;
}

/* How many of `rows` rows to take at a time, so that several passes over them find them in the caches. */
static inline size_t qb_rows_at_hand(size_t cols, size_t rows)
{
    enum { VALUES = 8192 };
    const size_t some = cols < VALUES ? VALUES / cols : 1;
    return some < rows ? some : rows;
}

/* encode of a codec that has encode_part: all rows as one part. */
typedef int qb_encode_part_fn(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,
                              size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error);
static inline int qb_encode_whole(qb_encode_part_fn *part, unsigned passes, const struct qb_codec_config *config,
                                  size_t rows, size_t cols, const float *x, void *out, size_t out_bytes,
                                  struct qb_codec_error *error)
{
    int status = QB_CODEC_OK;
    for (unsigned pass = 0; !status && pass < passes; pass++)
        status = part(config, rows, cols, pass, 0, rows, x, out, out_bytes, error);
    return status;
}

/* Defines a plugin's entry: its codec has these fields, and size and version of the ABI. FIRST: statements before it
 * returns, or nothing. */
#define QB_CODEC_ENTRY(FIRST, ...)                                                                                     \
    QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);                                                       \
    QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)                                                        \
    {                                                                                                                  \
        static const struct qb_codec codec = {                                                                         \
            .struct_size = sizeof codec, .abi_version = QB_CODEC_ABI_VERSION, __VA_ARGS__};                            \
        FIRST return &codec;                                                                                           \
    }

#endif
