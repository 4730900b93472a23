/* int8: symmetric, absolute-maximum scaling. q = round(x / scale) in [-127, 127], scale = max|x| / 127, over the whole
 * tensor, a row or a group. */
#include "codec.h"
#include "int8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* Where things are in the encoded bytes: `scales` floats, then the codes, row-major. */
struct layout {
    size_t span;    /* columns that share a scale; the last span of a row may be shorter */
    size_t per_row; /* spans in a row */
    size_t scales;
    size_t bytes;
};

static int lay_out(const struct qb_codec_config *config, size_t rows, size_t cols, struct layout *layout,
                   struct qb_codec_error *error)
{
    /* 16 bytes a value is more than any layout takes, so nothing below can overflow. */
    if (rows == 0 || cols == 0 || rows > SIZE_MAX / 16 / cols)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "a matrix of %zu x %zu is out of range", rows, cols);
    struct qb_scope scope = config->options[0].scope;
    layout->span = scope.kind == QB_SCOPE_GROUP && scope.group < cols ? scope.group : cols;
    layout->per_row = (cols + layout->span - 1) / layout->span;
    layout->scales = scope.kind == QB_SCOPE_TENSOR ? 1 : rows * layout->per_row;
    layout->bytes = layout->scales * sizeof(float) + rows * cols;
    return QB_CODEC_OK;
}

static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, &layout, error);
    if (status == QB_CODEC_OK)
        *bytes = layout.bytes;
    return status;
}

static float scale_of(const float *x, size_t n)
{
    float top = 0;
    for (size_t i = 0; i < n; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    float scale = top / 127.0f;
    return isfinite(scale * 127.0f) ? scale : nextafterf(scale, 0); /* near FLT_MAX the division may round up */
}

static void quantise(const float *x, size_t n, float scale, int8_t *codes)
{
    for (size_t i = 0; i < n; i++) {
        float q = scale > 0 ? x[i] / scale : 0;
        q = q > 127 ? 127 : q < -127 ? -127 : q; /* a denormal scale may have rounded down */
        q = (q + 0x1.8p23f) - 0x1.8p23f;         /* to the nearest integer, ties to even */
        codes[i] = (int8_t)q;
    }
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
    unsigned char *bytes = out;
    int8_t *codes = (int8_t *)bytes + layout.scales * sizeof(float);
    size_t span = layout.scales == 1 ? rows * cols : layout.span, line = layout.scales == 1 ? rows * cols : cols;
    size_t at = 0;
    for (size_t start = 0; start < rows * cols; start += line) { /* a line: a row, or all of a tensor of one scale */
        for (size_t col = 0; col < line; col += span) {
            size_t n = line - col < span ? line - col : span;
            float scale = scale_of(x + start + col, n);
            memcpy(bytes + at * sizeof(float), &scale, sizeof scale);
            quantise(x + start + col, n, scale, codes + start + col);
            at++;
        }
    }
    return QB_CODEC_OK;
}

typedef void scale_fn(const int8_t *codes, size_t n, float scale, float *out);

static scale_fn *kernel(const struct qb_codec_config *config)
{
    return config->isa >= QB_ISA_AVX512 ? int8_scale_avx512
           : config->isa >= QB_ISA_AVX2 ? int8_scale_avx2
                                        : int8_scale_portable;
}

void int8_scale_portable(const int8_t *codes, size_t n, float scale, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = scale * (float)codes[i];
}

/* Decodes with the stored scales, or with 1 for the integers themselves. */
static int expand(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, int unscaled, float *out, struct qb_codec_error *error)
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
    const unsigned char *bytes = in;
    const int8_t *codes = (const int8_t *)bytes + layout.scales * sizeof(float);
    for (size_t r = row; r < row + count; r++) {
        const int8_t *line = codes + r * cols;
        const int8_t *bad = memchr(line, 0x80, cols);
        if (bad)
            return refuse(error, QB_CODEC_BAD_BYTES, (size_t)(bad - (const int8_t *)bytes),
                          "the code of element %zu is -128, codes are in [-127, 127]", (size_t)(bad - codes));
        for (size_t k = 0; k < layout.per_row; k++) {
            size_t at = layout.scales == 1 ? 0 : r * layout.per_row + k, col = k * layout.span;
            size_t n = cols - col < layout.span ? cols - col : layout.span;
            float scale;
            memcpy(&scale, bytes + at * sizeof(float), sizeof scale);
            if (signbit(scale) || !isfinite(scale * 127.0f))
                return refuse(error, QB_CODEC_BAD_BYTES, at * sizeof(float), "scale %zu is %g, no encode gives that",
                              at, (double)scale);
            kernel(config)(line + col, n, unscaled ? 1.0f : scale, out + (r - row) * cols + col);
        }
    }
    return QB_CODEC_OK;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    return expand(config, rows, cols, in, in_bytes, row, count, 0, out, error);
}

static int coordinates(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                       size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    return expand(config, rows, cols, in, in_bytes, row, count, 1, out, error);
}

static const struct qb_codec_option options[] = {
    {.name = "scope",
     .type = QB_OPTION_SCOPE,
     .default_value = "tensor",
     .help = "what shares a scale: tensor, row (an output channel) or group:N"},
    {.name = NULL},
};

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);
QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {
        .struct_size = sizeof codec,
        .abi_version = QB_CODEC_ABI_VERSION,
        .id = "int8",
        .version = "1",
        .summary = "symmetric 8-bit integers times a scale: 8 bits a weight and the scales",
        .flags = QB_CODEC_KEEPS_ZERO,
        .options = options,
        /* The absolute error is half a step, max|x| / 254; the rest is measured plus a margin. */
        .tolerance =
            {.relative_error = 0.008, .floor_fraction = 0.5, .absolute_error = 0.00394, .bias = 1e-4, .sqnr_db = 40},
        .encoded_size = encoded_size,
        .encode = encode,
        .decode = decode,
        .coordinates = coordinates,
    };
    return &codec;
}
