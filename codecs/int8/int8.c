/* int8: symmetric, absolute-maximum scaling. q = round(x / scale) in [-127, 127], scale = max|x| / 127, over the whole
 * tensor, a row or a group. */
#include "codec_table.h"
#include "int8.h"

#include <stdbool.h>

/* Where things are in the encoded bytes: the scales (floats), then the codes, row-major. */
struct layout {
    struct qb_spans spans;
    size_t codes; /* offset of the codes */
    size_t bytes;
};

/* For rows [row, row + count) in a buffer of `have` bytes. */
static int lay_out(const struct qb_codec_config *config, size_t rows, size_t cols, size_t have, size_t row,
                   size_t count, struct layout *layout, struct qb_codec_error *error)
{
    int status = qb_check_shape(rows, cols, 16, error); /* 16 bytes a value are more than any layout takes */
    if (status)
        return status;
    layout->spans = qb_spans_of(config->options[0].scope, rows, cols);
    layout->codes = layout->spans.count * sizeof(float);
    layout->bytes = layout->codes + rows * cols;
    return qb_check_part(have, layout->bytes, rows, row, count, error);
}

static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, SIZE_MAX, 0, rows, &layout, error);
    *bytes = layout.bytes;
    return status;
}

static float scale_of(float top)
{
    float scale = top / 127.0f;
    return isfinite(scale * 127.0f) ? scale : nextafterf(scale, 0); /* near FLT_MAX the division may round up */
}

QB_INLINE void quantise_plain(const float *restrict x, size_t n, float scale, int8_t *restrict codes)
{
    for (size_t i = 0; i < n; i++) {
        float q = x[i] / scale;
        q = q < 127 ? q : 127; /* a denormal scale may have rounded down */
        q = q > -127 ? q : -127;
        q = (q + 0x1.8p23f) - 0x1.8p23f; /* to the nearest integer, ties to even */
        codes[i] = (int8_t)(int32_t)q;
    }
}
QB_EACH_LEVEL(quantise, (x, n, scale, codes), const float *restrict x, size_t n, float scale, int8_t *restrict codes)

/* Until the last part, a scale that all rows share is the largest magnitude so far. */
static void find_scales(int32_t isa, const struct qb_spans *spans, size_t rows, size_t row, size_t count,
                        const float *x, unsigned char *bytes)
{
    struct qb_span span = qb_spans_from(spans, row);
    while (qb_next_span(spans, row + count, &span)) {
        float top = qb_amax(isa, x + (span.first - row * spans->cols), span.size), before = 0;
        unsigned char *place = bytes + span.index * sizeof(float);
        if (spans->count == 1 && span.first > 0)
            memcpy(&before, place, sizeof before);
        top = before > top ? before : top;
        if (spans->count > 1 || span.first + span.size == rows * spans->cols)
            top = scale_of(top);
        memcpy(place, &top, sizeof top);
    }
}

static void write_codes(int32_t isa, const struct layout *layout, size_t row, size_t count, const float *x,
                        unsigned char *bytes)
{
    const struct qb_spans *spans = &layout->spans;
    struct qb_span span = qb_spans_from(spans, row);
    while (qb_next_span(spans, row + count, &span)) {
        float scale;
        memcpy(&scale, bytes + span.index * sizeof scale, sizeof scale);
        unsigned char *codes = bytes + layout->codes + span.first;
        if (scale > 0)
            quantise(isa, x + (span.first - row * spans->cols), span.size, scale, (int8_t *)codes);
        else
            memset(codes, 0, span.size);
    }
}

enum { PASS_SCALES, PASS_CODES, PASSES };

static int encode_part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,
                       size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, out_bytes, row, count, &layout, error);
    for (size_t end = row + count, some; !status && row < end; row += some, x += some * cols) {
        some = qb_rows_at_hand(cols, end - row);
        if (pass == PASS_SCALES)
            status = qb_all_finite(config->isa, x, some * cols, row * cols, error);
        if (!status && pass == PASS_SCALES)
            find_scales(config->isa, &layout.spans, rows, row, some, x, out);
        else if (!status)
            write_codes(config->isa, &layout, row, some, x, out);
    }
    return status;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    return qb_encode_whole(encode_part, PASSES, config, rows, cols, x, out, out_bytes, error);
}

static void scale_codes(const int8_t *codes, size_t n, float scale, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = scale * (float)codes[i];
}

const struct int8_kernels int8_portable = {.scale = scale_codes};

static struct int8_kernels kernels_for(const struct qb_codec_config *config)
{
    struct int8_kernels kernels = int8_portable;
    if (config->isa >= QB_ISA_AVX2)
        int8_avx2(&kernels);
    if (config->isa >= QB_ISA_AVX512)
        int8_avx512(&kernels);
    return kernels;
}

/* Decodes with the stored scales, or with 1 for the integers themselves. */
static int expand(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, bool unscaled, float *out, struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, in_bytes, row, count, &layout, error);
    if (status)
        return status;
    struct int8_kernels kernels = kernels_for(config);
    const unsigned char *bytes = in;
    struct qb_span span = qb_spans_from(&layout.spans, row);
    while (qb_next_span(&layout.spans, row + count, &span)) {
        const unsigned char *codes = bytes + layout.codes + span.first;
        const unsigned char *bad = span.col == 0 ? memchr(codes, 0x80, cols) : NULL; /* a row at a time */
        if (bad)
            return qb_refuse(error, QB_CODEC_BAD_BYTES, (size_t)(bad - bytes),
                             "the code of element %zu is -128, codes are in [-127, 127]",
                             span.first + (size_t)(bad - codes));
        float scale;
        memcpy(&scale, bytes + span.index * sizeof scale, sizeof scale);
        if (signbit(scale) || !isfinite(scale * 127.0f))
            return qb_refuse(error, QB_CODEC_BAD_BYTES, span.index * sizeof scale,
                             "scale %zu is %g, no encode gives that", span.index, (double)scale);
        kernels.scale((const int8_t *)codes, span.size, unscaled ? 1.0f : scale, out + (span.first - row * cols));
    }
    return QB_CODEC_OK;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    return expand(config, rows, cols, in, in_bytes, row, count, false, out, error);
}

static int coordinates(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                       size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    return expand(config, rows, cols, in, in_bytes, row, count, true, out, error);
}

static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *out, struct qb_codec_error *error)
{
    struct layout own = {0};
    int status = lay_out(config, rows, cols, in_bytes, 0, rows, &own, error);
    (void)in;
    const bool groups = own.spans.per_row > 1;
    if (!status && groups && own.spans.width % 32 != 0)
        return qb_refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX, "groups of %zu columns are not whole blocks of 32",
                         own.spans.width);
    *out = (struct qb_codec_layout){.kind = QB_LAYOUT_INT8,
                                    .first = own.codes,
                                    .row_bytes = cols,
                                    .scale = QB_LAYOUT_SCALE_FLOAT,
                                    .scale_row = own.spans.count > 1 ? own.spans.per_row * sizeof(float) : 0,
                                    .group = groups ? own.spans.width : 0,
                                    .scale_group = sizeof(float)};
    return status;
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
        .encode_passes = PASSES,
        .encode_part = encode_part,
        .layout = layout,
    };
    return &codec;
}
