/* qins8: the inverse logarithmic format of the QINS documents ("Pattern A"). A code in [1, 255] falls as the logarithm
 * of the magnitude grows from log_min to log_max; a sign goes beside it. README.md has the formulas and the layout. */
#include "codec.h"
#include "qins8_kernels.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { OPTION_EPSILON, OPTION_LAYOUT, OPTION_RANGE, OPTION_SCOPE };
enum { EPSILON_ZERO, EPSILON_SOURCE };
enum { LAYOUT_PACKED, LAYOUT_SOURCE };
enum { RANGE_KEPT, RANGE_LOST };

static const struct qb_codec_option options[] = {
    [OPTION_EPSILON] = {.name = "epsilon",
                        .type = QB_OPTION_CHOICE,
                        .default_value = "0",
                        .choices = "0|1e-8",
                        .help = "what encode adds to log_max - log_min before it divides by it"},
    [OPTION_LAYOUT] = {.name = "layout",
                       .type = QB_OPTION_CHOICE,
                       .default_value = "packed",
                       .choices = "packed|source",
                       .help =
                           "signs as a plane of bits (9 bits a weight) or, as the source has them, bytes (16 bits)"},
    [OPTION_RANGE] = {.name = "range",
                      .type = QB_OPTION_CHOICE,
                      .default_value = "kept",
                      .choices = "kept|lost",
                      .help = "lost: store log_min = log_max = 0 as the source's calibrated run did; decodes to +-1"},
    [OPTION_SCOPE] = {.name = "scope",
                      .type = QB_OPTION_SCOPE,
                      .default_value = "tensor",
                      .help = "what shares a range: tensor, row or group:N"},
    {.name = NULL},
};

#define RANGE_BYTES (2 * sizeof(float))
#define LOG_LEAST -18.420681f /* ln 1e-8: no range starts lower */
#define LOG_MOST 88.72284f    /* ln FLT_MAX, rounded up as float rounds it */
#define TABLE_WORTH 512       /* from so many values of one range on, a table of all codes costs less */
#define CHUNK 2048            /* values (8 KiB) decoded, then signed, while they are in the first-level cache */

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

/* Where things are in the encoded bytes: ranges, then codes (row-major), then signs. */
struct layout {
    size_t span;     /* columns that share a range; the last span of a row may be shorter */
    size_t per_row;  /* spans in a row */
    size_t ranges;   /* 1 (tensor) or rows * per_row */
    size_t codes;    /* offset of the codes */
    size_t signs;    /* offset of the signs */
    size_t sign_row; /* bytes of signs for a row */
    size_t bytes;
    int packed;
};

static int lay_out(const struct qb_codec_config *config, size_t rows, size_t cols, struct layout *layout,
                   struct qb_codec_error *error)
{
    /* 16 bytes a value is more than any layout takes, so nothing below can overflow. */
    if (rows == 0 || cols == 0 || rows > SIZE_MAX / 16 / cols)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "a matrix of %zu x %zu is out of range", rows, cols);
    struct qb_scope scope = config->options[OPTION_SCOPE].scope;
    layout->packed = config->options[OPTION_LAYOUT].i == LAYOUT_PACKED;
    layout->span = scope.kind == QB_SCOPE_GROUP && scope.group < cols ? scope.group : cols;
    layout->per_row = (cols + layout->span - 1) / layout->span;
    layout->ranges = scope.kind == QB_SCOPE_TENSOR ? 1 : rows * layout->per_row;
    layout->codes = layout->ranges * RANGE_BYTES;
    layout->signs = layout->codes + rows * cols;
    layout->sign_row = layout->packed ? (cols + 7) / 8 : cols;
    layout->bytes = layout->signs + rows * layout->sign_row;
    return QB_CODEC_OK;
}

static const struct qins8_kernels *kernels_for(const struct qb_codec_config *config)
{
    return config->isa >= QB_ISA_AVX512 ? &qins8_avx512 : config->isa >= QB_ISA_AVX2 ? &qins8_avx2 : &qins8_portable;
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

/* Encodes n values of one range: its two numbers, then the codes. The value at fault when there is one, else n. */
static size_t encode_span(const struct qb_codec_config *config, const float *x, size_t n, unsigned char *range_bytes,
                          uint8_t *codes)
{
    const struct qins8_kernels *kernels = kernels_for(config);
    struct qins8_extent extent = kernels->extent(x, n);
    if (extent.most >= 0x7f800000u) {
        size_t i = 0;
        while (isfinite(x[i]))
            i++;
        return i;
    }
    struct qins8_range range = {.log_min = -10.0f, .log_max = 0.0f}; /* nothing above the floor: the source's choice */
    double width = 0;
    if (extent.least != UINT32_MAX) {
        range = (struct qins8_range){.log_min = qins8_log(extent.least), .log_max = qins8_log(extent.most)};
        width = (double)range.log_max - (double)range.log_min;
        width += config->options[OPTION_EPSILON].i == EPSILON_SOURCE ? 1e-8 : 0;
    }
    if (width > 0)
        kernels->quantise(x, n, range.log_min, (float)width, codes);
    else
        memset(codes, 128, n);
    if (config->options[OPTION_RANGE].i == RANGE_LOST)
        range = (struct qins8_range){0};
    memcpy(range_bytes, &range.log_min, sizeof(float));
    memcpy(range_bytes + sizeof(float), &range.log_max, sizeof(float));
    return n;
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
    const struct qins8_kernels *kernels = kernels_for(config);
    unsigned char *bytes = out;
    /* A line is a row, or everything when one range holds everything. */
    size_t line = layout.ranges == 1 ? rows * cols : cols, span = layout.ranges == 1 ? line : layout.span, at = 0;
    for (size_t start = 0; start < rows * cols; start += line) {
        for (size_t col = 0; col < line; col += span, at++) {
            size_t n = line - col < span ? line - col : span, first = start + col;
            size_t bad = encode_span(config, x + first, n, bytes + at * RANGE_BYTES, bytes + layout.codes + first);
            if (bad < n)
                return refuse(error, QB_CODEC_BAD_INPUT, first + bad, "%f cannot be stored", (double)x[first + bad]);
        }
    }
    for (size_t row = 0; row < rows; row++) {
        unsigned char *signs = bytes + layout.signs + row * layout.sign_row;
        if (layout.packed)
            kernels->sign_bits(x + row * cols, cols, signs);
        else
            kernels->sign_bytes(x + row * cols, cols, (int8_t *)signs);
    }
    return QB_CODEC_OK;
}

/* Reads range number `at`; a range that no encode can have written is refused, so that every decoded value is finite.
 */
static int read_range(const unsigned char *bytes, size_t at, struct qins8_range *range, struct qb_codec_error *error)
{
    memcpy(&range->log_min, bytes + at * RANGE_BYTES, sizeof(float));
    memcpy(&range->log_max, bytes + at * RANGE_BYTES + sizeof(float), sizeof(float));
    if (range->log_min >= LOG_LEAST && range->log_min <= range->log_max && range->log_max <= LOG_MOST)
        return QB_CODEC_OK;
    return refuse(error, QB_CODEC_BAD_BYTES, at * RANGE_BYTES, "range %zu is [%g, %g], no encode gives that", at,
                  (double)range->log_min, (double)range->log_max);
}

enum mode { VALUES, COORDINATES };

/* What decode and coordinates share while they go over the rows. */
struct reader {
    const struct qins8_kernels *kernels;
    const unsigned char *bytes;
    struct layout layout;
    enum mode mode;
    float table[256]; /* exp of every code, for the range that it was built for */
};

static float width_of(struct qins8_range range)
{
    return (float)((double)range.log_max - (double)range.log_min);
}

static void build_table(struct reader *reader, struct qins8_range range)
{
    uint8_t codes[256];
    for (int i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    reader->kernels->magnitudes(codes, 256, range.log_min, width_of(range), reader->table);
}

/* The unsigned values of n codes of one range, or of no range in particular for coordinates. */
static void read_codes(const struct reader *reader, const uint8_t *codes, size_t n, struct qins8_range range,
                       int use_table, float *out)
{
    if (reader->mode == COORDINATES)
        reader->kernels->ratios(codes, n, out);
    else if (use_table)
        reader->kernels->lookup(codes, n, reader->table, out);
    else
        reader->kernels->magnitudes(codes, n, range.log_min, width_of(range), out);
}

/* Gives n values, whose first is element `first`, the signs at offset `at` of the bytes. */
static int apply_signs(const struct reader *reader, size_t first, size_t n, size_t at, float *out,
                       struct qb_codec_error *error)
{
    const unsigned char *signs = reader->bytes + at;
    if (reader->layout.packed) {
        reader->kernels->negate_bits(out, n, signs);
        if (n % 8 != 0 && signs[n / 8] >> n % 8 != 0)
            return refuse(error, QB_CODEC_BAD_BYTES, at + n / 8, "the bits behind the last sign of a row are not zero");
        return QB_CODEC_OK;
    }
    if (!reader->kernels->negate_bytes(out, n, (const int8_t *)signs))
        return QB_CODEC_OK;
    size_t i = 0;
    while (signs[i] == 1 || signs[i] == 0xff)
        i++;
    return refuse(error, QB_CODEC_BAD_BYTES, at + i, "the sign of element %zu is %d, not +1 or -1", first + i,
                  (int)(int8_t)signs[i]);
}

static int check_codes(const struct reader *reader, size_t first, size_t n, struct qb_codec_error *error)
{
    const unsigned char *codes = reader->bytes + reader->layout.codes + first, *zero = memchr(codes, 0, n);
    if (!zero)
        return QB_CODEC_OK;
    size_t element = first + (size_t)(zero - codes);
    return refuse(error, QB_CODEC_BAD_BYTES, reader->layout.codes + element,
                  "the code of element %zu is 0, codes are in [1, 255]", element);
}

/* n values of one range from element `first` on, signs at offset `signs`: in chunks that stay in the cache. */
static int read_run(const struct reader *reader, size_t first, size_t n, size_t signs, struct qins8_range range,
                    int use_table, float *out, struct qb_codec_error *error)
{
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t size = n - i < CHUNK ? n - i : CHUNK;
        int status = check_codes(reader, first + i, size, error);
        if (status != QB_CODEC_OK)
            return status;
        read_codes(reader, reader->bytes + reader->layout.codes + first + i, size, range, use_table, out + i);
        status = apply_signs(reader, first + i, size, signs + (reader->layout.packed ? i / 8 : i), out + i, error);
        if (status != QB_CODEC_OK)
            return status;
    }
    return QB_CODEC_OK;
}

/* One row of several ranges: the values of all, then the signs. */
static int read_groups(const struct reader *reader, size_t row, size_t cols, float *out, struct qb_codec_error *error)
{
    const struct layout *layout = &reader->layout;
    int status = check_codes(reader, row * cols, cols, error);
    for (size_t k = 0; status == QB_CODEC_OK && k < layout->per_row; k++) {
        struct qins8_range range = {0};
        size_t col = k * layout->span, n = cols - col < layout->span ? cols - col : layout->span;
        status = read_range(reader->bytes, row * layout->per_row + k, &range, error);
        if (status == QB_CODEC_OK)
            read_codes(reader, reader->bytes + layout->codes + row * cols + col, n, range, 0, out + col);
    }
    if (status != QB_CODEC_OK)
        return status;
    return apply_signs(reader, row * cols, cols, layout->signs + row * layout->sign_row, out, error);
}

/* Every row of one range, or all rows of the range that the tensor shares. */
static int read_rows(struct reader *reader, size_t cols, size_t row, size_t count, float *out,
                     struct qb_codec_error *error)
{
    const struct layout *layout = &reader->layout;
    int shared = layout->ranges == 1, flat = shared && (!layout->packed || cols % 8 == 0), use_table = 0;
    size_t lines = flat ? 1 : count, line = flat ? count * cols : cols;
    struct qins8_range range = {0};
    for (size_t i = 0; i < lines; i++) {
        size_t r = row + i;
        if (i == 0 || !shared) {
            int status = read_range(reader->bytes, shared ? 0 : r, &range, error);
            if (status != QB_CODEC_OK)
                return status;
            use_table = reader->mode == VALUES && (shared ? count * cols : cols) >= TABLE_WORTH;
            if (use_table)
                build_table(reader, range);
        }
        int status = read_run(reader, r * cols, line, layout->signs + r * layout->sign_row, range, use_table,
                              out + i * cols, error);
        if (status != QB_CODEC_OK)
            return status;
    }
    return QB_CODEC_OK;
}

static int read_matrix(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                       size_t row, size_t count, enum mode mode, float *out, struct qb_codec_error *error)
{
    struct reader reader = {.kernels = kernels_for(config), .bytes = in, .mode = mode};
    int status = lay_out(config, rows, cols, &reader.layout, error);
    if (status != QB_CODEC_OK)
        return status;
    if (in_bytes < reader.layout.bytes)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "%zu bytes given, the shape needs %zu", in_bytes,
                      reader.layout.bytes);
    if (row > rows || count > rows - row)
        return refuse(error, QB_CODEC_BAD_SIZE, SIZE_MAX, "rows [%zu, +%zu) of %zu asked for", row, count, rows);
    if (reader.layout.per_row == 1)
        return read_rows(&reader, cols, row, count, out, error);
    for (size_t i = 0; status == QB_CODEC_OK && i < count; i++)
        status = read_groups(&reader, row + i, cols, out + i * cols, error);
    return status;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    return read_matrix(config, rows, cols, in, in_bytes, row, count, VALUES, out, error);
}

static int coordinates(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                       size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    return read_matrix(config, rows, cols, in, in_bytes, row, count, COORDINATES, out, error);
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);
QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {
        .struct_size = sizeof codec,
        .abi_version = QB_CODEC_ABI_VERSION,
        .id = "qins8",
        .version = "1",
        .summary = "QINS: inverse logarithmic 8-bit code and a sign, 9 bits a weight (16 as the source stores them)",
        .options = options,
        /* Measured, with a margin; half a step of the logarithm is (log_max - log_min) / 508. */
        .tolerance = {.relative_error = 0.0225, .absolute_error = 0.0185, .bias = 2e-4, .sqnr_db = 37.5},
        .encoded_size = encoded_size,
        .encode = encode,
        .decode = decode,
        .coordinates = coordinates,
    };
    return &codec;
}
