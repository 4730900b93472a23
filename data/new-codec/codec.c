/* @NAME@: 4-bit integers times a scale, one scale for each group of neighbouring values in a row. README.md draws the
 * bytes. To make a format of your own, change the four parts marked FORMAT; what stands around them (sizes, bounds,
 * NaN, errors) is what every codec owes its host. codec.h is the contract. */
#include "codec.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* FORMAT 1: the numbers that four bits stand for. A value is code * scale, code in [LOWEST, HIGHEST]; stored is
 * code + ZERO, in [0, 15]. LOWEST is the code of a group's largest magnitude, so |LOWEST| >= HIGHEST. */
enum { LOWEST = -7, HIGHEST = 7, ZERO = 8 };

/* ---- what the host is told: options, and the promise that the conformance suite tests ---- */

enum { OPTION_GROUP };
static const struct qb_codec_option options[] = {
    [OPTION_GROUP] = {.name = "group",
                      .type = QB_OPTION_INT,
                      .default_value = "64",
                      .min = 1,
                      .max = 65536,
                      .help = "values of a row that share a scale; the last group of a row may be shorter"},
    {.name = NULL},
};

/* Puts the message for the user into error and returns status. */
__attribute__((format(printf, 4, 5))) static int refuse(struct qb_codec_error *error, int status, size_t index,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    error->index = index;
    return status;
}

/* ---- FORMAT 2: where things are. A row is its scales (float32), then its codes, two a byte ---- */

struct layout {
    size_t group;     /* values that share a scale */
    size_t scales;    /* in a row */
    size_t row_bytes; /* scales and codes of a row */
    size_t bytes;     /* of the matrix */
};

static int lay_out(const struct qb_codec_config *config, size_t rows, size_t cols, struct layout *layout,
                   struct qb_codec_error *error)
{
    /* A row takes at most 5 bytes a value, so nothing below can overflow. */
    if (rows == 0 || cols == 0 || rows > SIZE_MAX / 8 / cols)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "a matrix of %zu x %zu is out of range", rows, cols);
    layout->group = (size_t)config->options[OPTION_GROUP].i;
    layout->scales = (cols - 1) / layout->group + 1;
    layout->row_bytes = layout->scales * sizeof(float) + (cols - 1) / 2 + 1;
    layout->bytes = rows * layout->row_bytes;
    return QB_CODEC_OK;
}

/* ---- FORMAT 3: from values to codes ---- */

/* The scale under which the value of largest magnitude gets the code LOWEST. It is negative where that value is
 * positive; 0 for a group of zeros. */
static float scale_of(const float *x, size_t n)
{
    float extreme = 0;
    for (size_t i = 0; i < n; i++)
        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    float scale = extreme == 0 ? 0 : extreme / (float)LOWEST;
    return isfinite(scale * (float)LOWEST) ? scale : nextafterf(scale, 0); /* near FLT_MAX the quotient may round up */
}

/* The stored code, in [0, 15], of a value. */
static unsigned quantise(float x, float scale)
{
    float code = scale == 0 ? 0 : rintf(x / scale); /* to the nearest, ties to even */
    code = code < (float)LOWEST ? (float)LOWEST : code > (float)HIGHEST ? (float)HIGHEST : code;
    return (unsigned)((int)code + ZERO);
}

static void encode_row(const struct layout *layout, size_t cols, const float *x, unsigned char *out)
{
    unsigned char *codes = out + layout->scales * sizeof(float);
    memset(codes, 0, layout->row_bytes - layout->scales * sizeof(float));
    for (size_t k = 0; k < layout->scales; k++) {
        size_t start = k * layout->group, left = cols - start, n = left < layout->group ? left : layout->group;
        float scale = scale_of(x + start, n);
        memcpy(out + k * sizeof scale, &scale, sizeof scale); /* no address in the encoded bytes is aligned */
        for (size_t i = start; i < start + n; i++)
            codes[i / 2] |= (unsigned char)(quantise(x[i], scale) << (i % 2 ? 4 : 0));
    }
}

/* ---- FORMAT 4: from codes to values. Any bytes may come in: what no encode can have written is refused ---- */

static int decode_row(const struct layout *layout, size_t cols, const unsigned char *in, size_t at, float *out,
                      struct qb_codec_error *error)
{
    const unsigned char *codes = in + at + layout->scales * sizeof(float);
    for (size_t k = 0; k < layout->scales; k++) {
        size_t start = k * layout->group, left = cols - start, n = left < layout->group ? left : layout->group;
        float scale;
        memcpy(&scale, in + at + k * sizeof scale, sizeof scale);
        if (!isfinite(scale * (float)LOWEST))
            return refuse(error, QB_CODEC_BAD_BYTES, at + k * sizeof scale, "a scale of %g, no encode gives that",
                          (double)scale);
        for (size_t i = start; i < start + n; i++) {
            int code = (codes[i / 2] >> (i % 2 ? 4 : 0) & 15) - ZERO;
            if (code < LOWEST || code > HIGHEST)
                return refuse(error, QB_CODEC_BAD_BYTES, (size_t)(codes - in) + i / 2,
                              "a code of %d, codes are in [%d, %d]", code, LOWEST, HIGHEST);
            out[i] = (float)code * scale;
        }
    }
    return QB_CODEC_OK;
}

/* ---- the three functions that every codec has; a new format leaves them as they are ---- */

static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, &layout, error);
    if (status == QB_CODEC_OK)
        *bytes = layout.bytes;
    return status;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, &layout, error);
    if (status != QB_CODEC_OK)
        return status;
    if (out_bytes < layout.bytes)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "the buffer has %zu bytes, %zu are needed", out_bytes,
                      layout.bytes);
    for (size_t i = 0; i < rows * cols; i++)
        if (!isfinite(x[i]))
            return refuse(error, QB_CODEC_BAD_INPUT, i, "%f cannot be stored", (double)x[i]);
    for (size_t row = 0; row < rows; row++)
        encode_row(&layout, cols, x + row * cols, (unsigned char *)out + row * layout.row_bytes);
    return QB_CODEC_OK;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, &layout, error);
    if (status != QB_CODEC_OK)
        return status;
    if (in_bytes < layout.bytes)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "%zu bytes given, the shape needs %zu", in_bytes,
                      layout.bytes);
    if (row > rows || count > rows - row)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "rows [%zu, +%zu) of %zu asked for", row, count, rows);
    for (size_t r = 0; r < count && status == QB_CODEC_OK; r++)
        status = decode_row(&layout, cols, in, (row + r) * layout.row_bytes, out + r * cols, error);
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);
QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {
        .struct_size = sizeof codec,
        .abi_version = QB_CODEC_ABI_VERSION,
        .id = "@NAME@",
        .version = "1", /* a change of stored bytes or decoded values changes it: a gate holds you to that */
        .summary = "4-bit integers times a scale, one scale for each group of a row",
        .flags = QB_CODEC_KEEPS_ZERO,
        .options = options,
        /* On the standard input (codec.h). The error is at most half a step, max|x| / 14, so 1/7 of a value that is at
         * least half of max|x|; bias and SQNR are measured, with a margin. */
        .tolerance =
            {.relative_error = 0.143, .floor_fraction = 0.5, .absolute_error = 0.072, .bias = 0.008, .sqnr_db = 19},
        .encoded_size = encoded_size,
        .encode = encode,
        .decode = decode,
        /* Optional, see codec.h: coordinates, gemv, gemm_tile. */
    };
    return &codec;
}
