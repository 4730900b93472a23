/* qins8: the inverse logarithmic format of the QINS documents ("Pattern A"). A code in [1, 255] falls as the logarithm
 * of the magnitude grows from log_min to log_max; a sign goes beside it. README.md has the formulas and the layout. */
#include "codec_scaled.h"
#include "qins8_kernels.h"

#include <stdbool.h>

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

#define RANGE_BYTES sizeof(struct qins8_range)
#define LOG_LEAST -18.420681f /* ln 1e-8: no range starts lower */
#define LOG_MOST 88.72284f    /* ln FLT_MAX, rounded up as float rounds it */
#define TABLE_WORTH 512       /* from so many values of one range on, a table of all codes costs less */
#define PLANES_WORTH 2048     /* and its bytes as planes */
#define EDGES_WORTH 32768     /* from so many numbers of one range on, a table of where codes change costs less */
#define CHUNK 2048            /* values (8 KiB) decoded, then signed, while they are in the first-level cache */

/* Where things are in the encoded bytes: ranges, then codes (row-major), then signs. */
struct layout {
    struct qb_spans spans;
    size_t codes;    /* offset of the codes */
    size_t signs;    /* offset of the signs */
    size_t sign_row; /* bytes of signs for a row */
    size_t bytes;
    bool packed;
};

/* For rows [row, row + count) in a buffer of `have` bytes. */
static int lay_out(const struct qb_codec_config *config, size_t rows, size_t cols, size_t have, size_t row,
                   size_t count, struct layout *layout, struct qb_codec_error *error)
{
    int status = qb_check_shape(rows, cols, 16, error); /* 16 bytes a value are more than any layout takes */
    if (status)
        return status;
    layout->packed = config->options[OPTION_LAYOUT].i == LAYOUT_PACKED;
    layout->spans = qb_spans_of(config->options[OPTION_SCOPE].scope, rows, cols);
    layout->codes = layout->spans.count * RANGE_BYTES;
    layout->signs = layout->codes + rows * cols;
    layout->sign_row = layout->packed ? (cols + 7) / 8 : cols;
    layout->bytes = layout->signs + rows * layout->sign_row;
    return qb_check_part(have, layout->bytes, rows, row, count, error);
}

static struct qins8_kernels kernels_for(const struct qb_codec_config *config)
{
    struct qins8_kernels kernels = qins8_portable;
    if (config->isa >= QB_ISA_AVX2)
        qins8_avx2(&kernels);
    if (config->isa >= QB_ISA_AVX512)
        qins8_avx512(&kernels);
    return kernels;
}

static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, SIZE_MAX, 0, rows, &layout, error);
    *bytes = layout.bytes;
    return status;
}

/* The rule that takes the codes of a range. */
struct rule {
    struct qins8_kernels kernels;
    float log_min, width;
};

/* What the parts of one call of encode_part share. */
struct writer {
    const struct qb_codec_config *config;
    struct rule rule; /* of the last range */
    struct layout layout;
    unsigned char *bytes;
    size_t rows, row, end;
    size_t all;               /* numbers of this call */
    struct qb_tables *tables; /* of the rule; not filled where they do not pay */
};

static void code_rule(const struct qb_scaled *scaled, float scale, const float *x, size_t n, uint16_t *codes)
{
    const struct rule *rule = scaled->own;
    uint8_t bytes[QB_TABLE_EDGES];
    (void)scale;
    for (size_t i = 0, size; i < n; i += size) {
        size = n - i < sizeof bytes ? n - i : sizeof bytes;
        rule->kernels.quantise(x + i, size, rule->log_min, rule->width, bytes);
        for (size_t j = 0; j < size; j++)
            codes[i + j] = bytes[j];
    }
}

/* The rule of a range, and the tables. No step of the rule falls where a magnitude rises: the logarithm's error in
 * double is far below its distance between two floats, and rounding keeps order. So a code has all magnitudes between
 * two of its own, edges found by asking are exact, and no number is close to one. */
static void set_rule(struct writer *w, float log_min, float width, size_t numbers)
{
    const struct qb_scaled scaled = {.own = &w->rule};
    if (log_min == w->rule.log_min && width == w->rule.width)
        return;
    w->rule.log_min = log_min;
    w->rule.width = width;
    w->tables->filled = false;
    if (numbers >= EDGES_WORTH)
        qb_tables_of(w->tables, &scaled, code_rule, 0);
}

/* Tables that would have to ask leave it all to the rule: so do narrow ranges, whose codes lie closer than buckets. */
static void quantise(const struct writer *w, const float *x, size_t n, unsigned char *codes)
{
    enum { MOST = 65536 }; /* that qb_find takes */
    const float one = 1;
    uint16_t doubts[1];
    if (!w->tables->filled || !w->tables->simple)
        w->rule.kernels.quantise(x, n, w->rule.log_min, w->rule.width, codes);
    else
        for (size_t i = 0; i < n; i += MOST)
            (void)qb_find(w->config->isa, w->tables, x + i, n - i < MOST ? n - i : MOST, &one, MOST, false, codes + i,
                          doubts);
}

/* Where a range will stand, the extent of its values so far. */
static int find_extents(const struct writer *w, const float *x, struct qb_codec_error *error)
{
    const struct qb_spans *spans = &w->layout.spans;
    struct qb_span span = qb_spans_from(spans, w->row);
    while (qb_next_span(spans, w->end, &span)) {
        const float *values = x + (span.first - w->row * spans->cols);
        struct qins8_extent extent = w->rule.kernels.extent(values, span.size), before;
        if (extent.most >= 0x7f800000u)
            return qb_check_finite(values, span.size, span.first, error);
        if (spans->count == 1 && span.first > 0) {
            memcpy(&before, w->bytes, sizeof before);
            extent.least = before.least < extent.least ? before.least : extent.least;
            extent.most = before.most > extent.most ? before.most : extent.most;
        }
        memcpy(w->bytes + span.index * RANGE_BYTES, &extent, sizeof extent);
    }
    return QB_CODEC_OK;
}

/* The codes of each span, by the range of its extent; after an extent's last span the range takes its place. */
static void write_codes(struct writer *w, const float *x)
{
    const struct qb_spans *spans = &w->layout.spans;
    struct qb_span span = qb_spans_from(spans, w->row);
    while (qb_next_span(spans, w->end, &span)) {
        unsigned char *place = w->bytes + span.index * RANGE_BYTES, *codes = w->bytes + w->layout.codes + span.first;
        struct qins8_extent extent;
        struct qins8_range range = {.log_min = -10.0f, .log_max = 0.0f}; /* all under the floor: the source's choice */
        double width = 0;
        memcpy(&extent, place, sizeof extent);
        if (extent.least != UINT32_MAX) {
            range = (struct qins8_range){.log_min = qins8_log(extent.least), .log_max = qins8_log(extent.most)};
            width = (double)range.log_max - (double)range.log_min;
            width += w->config->options[OPTION_EPSILON].i == EPSILON_SOURCE ? 1e-8 : 0;
        }
        if (width > 0) {
            set_rule(w, range.log_min, (float)width, spans->count > 1 ? span.size : w->all);
            quantise(w, x + (span.first - w->row * spans->cols), span.size, codes);
        } else {
            memset(codes, 128, span.size);
        }
        if (w->config->options[OPTION_RANGE].i == RANGE_LOST)
            range = (struct qins8_range){0};
        if (spans->count > 1 || span.first + span.size == w->rows * spans->cols)
            memcpy(place, &range, sizeof range);
    }
}

static void write_signs(const struct writer *w, const float *x)
{
    size_t cols = w->layout.spans.cols;
    for (size_t row = w->row; row < w->end; row++, x += cols) {
        unsigned char *signs = w->bytes + w->layout.signs + row * w->layout.sign_row;
        if (w->layout.packed)
            w->rule.kernels.sign_bits(x, cols, signs);
        else
            w->rule.kernels.sign_bytes(x, cols, (int8_t *)signs);
    }
}

enum { PASS_EXTENTS, PASS_CODES, PASSES };

static int encode_part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,
                       size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    struct qb_tables tables; /* large: a call that needs none leaves it as it is */
    struct writer writer = {.tables = &tables,
                            .config = config,
                            .rule.kernels = kernels_for(config),
                            .bytes = out,
                            .rows = rows,
                            .row = row,
                            .end = row + count,
                            .all = count * cols};
    int status = lay_out(config, rows, cols, out_bytes, row, count, &writer.layout, error);
    if (status)
        return status;
    if (pass == PASS_EXTENTS)
        return find_extents(&writer, x, error);
    for (size_t end = row + count; row < end; row = writer.end) {
        writer.row = row;
        writer.end = row + qb_rows_at_hand(cols, end - row);
        write_codes(&writer, x);
        write_signs(&writer, x);
        x += (writer.end - row) * cols;
    }
    return QB_CODEC_OK;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    return qb_encode_whole(encode_part, PASSES, config, rows, cols, x, out, out_bytes, error);
}

/* Reads range number `at`; a range that no encode can have written is refused, so that every decoded value is finite.
 */
static int read_range(const unsigned char *bytes, size_t at, struct qins8_range *range, struct qb_codec_error *error)
{
    memcpy(&range->log_min, bytes + at * RANGE_BYTES, sizeof(float));
    memcpy(&range->log_max, bytes + at * RANGE_BYTES + sizeof(float), sizeof(float));
    if (range->log_min >= LOG_LEAST && range->log_min <= range->log_max && range->log_max <= LOG_MOST)
        return QB_CODEC_OK;
    return qb_refuse(error, QB_CODEC_BAD_BYTES, at * RANGE_BYTES, "range %zu is [%g, %g], no encode gives that", at,
                     (double)range->log_min, (double)range->log_max);
}

enum mode { VALUES, COORDINATES };

/* What decode and coordinates share while they go over the rows. */
struct reader {
    int32_t isa;
    struct qins8_kernels kernels;
    const unsigned char *bytes;
    struct layout layout;
    enum mode mode;
    float table[256];        /* exp of every code of the range that it was built for, and NaN: 0 is no code */
    struct qb_planes planes; /* of the table, where made */
};

static float width_of(struct qins8_range range)
{
    return (float)((double)range.log_max - (double)range.log_min);
}

static void build_table(struct reader *reader, struct qins8_range range, size_t values)
{
    uint8_t codes[256];
    for (int i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    reader->kernels.magnitudes(codes, 256, range.log_min, width_of(range), reader->table);
    reader->table[0] = NAN;
    if (values >= PLANES_WORTH)
        qb_planes_of(reader->table, &reader->planes);
}

/* The unsigned values of n codes of one range, or of no range in particular for coordinates. */
static void read_codes(const struct reader *reader, const uint8_t *codes, size_t n, struct qins8_range range,
                       bool use_table, float *out)
{
    const float one = 1;
    if (reader->mode == COORDINATES)
        reader->kernels.ratios(codes, n, out);
    else if (use_table)
        (void)qb_look_up(reader->isa, reader->table, &reader->planes, codes, n, &one, n, out);
    else
        reader->kernels.magnitudes(codes, n, range.log_min, width_of(range), out);
}

/* Whether the signs at offset `at` of the bytes, of n values from element `first` on, are such as encode stores; right:
 * the bytes of the source's layout are. */
static int check_signs(const struct reader *reader, size_t first, size_t n, size_t at, bool right,
                       struct qb_codec_error *error)
{
    const unsigned char *signs = reader->bytes + at;
    if (reader->layout.packed && n % 8 != 0 && signs[n / 8] >> n % 8 != 0)
        return qb_refuse(error, QB_CODEC_BAD_BYTES, at + n / 8, "the bits behind the last sign of a row are not zero");
    if (reader->layout.packed || right)
        return QB_CODEC_OK;
    size_t i = 0;
    while (signs[i] == 1 || signs[i] == 0xff)
        i++;
    return qb_refuse(error, QB_CODEC_BAD_BYTES, at + i, "the sign of element %zu is %d, not +1 or -1", first + i,
                     (int)(int8_t)signs[i]);
}

/* Gives n values, whose first is element `first`, the signs at offset `at` of the bytes. */
static int apply_signs(const struct reader *reader, size_t first, size_t n, size_t at, float *out,
                       struct qb_codec_error *error)
{
    const unsigned char *signs = reader->bytes + at;
    bool right = true;
    if (reader->layout.packed)
        reader->kernels.negate_bits(out, n, signs);
    else
        right = !reader->kernels.negate_bytes(out, n, (const int8_t *)signs);
    return check_signs(reader, first, n, at, right, error);
}

static int check_codes(const struct reader *reader, size_t first, size_t n, struct qb_codec_error *error)
{
    const unsigned char *codes = reader->bytes + reader->layout.codes + first, *zero = memchr(codes, 0, n);
    if (!zero)
        return QB_CODEC_OK;
    size_t element = first + (size_t)(zero - codes);
    return qb_refuse(error, QB_CODEC_BAD_BYTES, reader->layout.codes + element,
                     "the code of element %zu is 0, codes are in [1, 255]", element);
}

/* n values of one range from element `first` on, signs at offset `signs`: in chunks that stay in the cache. */
static int read_run(const struct reader *reader, size_t first, size_t n, size_t signs, struct qins8_range range,
                    bool use_table, float *out, struct qb_codec_error *error)
{
    const bool at_once = use_table && qb_permutes(reader->isa, &reader->planes);
    for (size_t i = 0; i < n; i += CHUNK) {
        const size_t size = n - i < CHUNK ? n - i : CHUNK, at = signs + (reader->layout.packed ? i / 8 : i);
        const uint8_t *codes = reader->bytes + reader->layout.codes + first + i;
        const bool right =
            at_once && qb_look_up_signed(&reader->planes, reader->layout.packed ? QB_SIGNS_BITS : QB_SIGNS_BYTES,
                                         reader->bytes + at, codes, size, out + i);
        int status = right ? QB_CODEC_OK : check_codes(reader, first + i, size, error);
        if (status)
            return status;
        if (!at_once)
            read_codes(reader, codes, size, range, use_table, out + i);
        status = at_once ? check_signs(reader, first + i, size, at, right, error)
                         : apply_signs(reader, first + i, size, at, out + i, error);
        if (status)
            return status;
    }
    return QB_CODEC_OK;
}

/* One row of several ranges: the values of all, then the signs. */
static int read_groups(const struct reader *reader, size_t row, float *out, struct qb_codec_error *error)
{
    const struct layout *layout = &reader->layout;
    size_t cols = layout->spans.cols;
    int status = check_codes(reader, row * cols, cols, error);
    struct qb_span span = qb_spans_from(&layout->spans, row);
    while (!status && qb_next_span(&layout->spans, row + 1, &span)) {
        struct qins8_range range = {0};
        status = read_range(reader->bytes, span.index, &range, error);
        if (!status)
            read_codes(reader, reader->bytes + layout->codes + span.first, span.size, range, false, out + span.col);
    }
    if (status)
        return status;
    return apply_signs(reader, row * cols, cols, layout->signs + row * layout->sign_row, out, error);
}

/* Every row of one range, or all rows of the range that the tensor shares. */
static int read_rows(struct reader *reader, size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    const struct layout *layout = &reader->layout;
    size_t cols = layout->spans.cols;
    bool shared = layout->spans.count == 1, flat = shared && (!layout->packed || cols % 8 == 0), use_table = false;
    size_t lines = flat ? 1 : count, line = flat ? count * cols : cols;
    struct qins8_range range = {0};
    for (size_t i = 0; i < lines; i++) {
        size_t r = row + i;
        if (i == 0 || !shared) {
            int status = read_range(reader->bytes, shared ? 0 : r, &range, error);
            if (status)
                return status;
            const size_t values = shared ? count * cols : cols;
            use_table = reader->mode == VALUES && values >= TABLE_WORTH;
            if (use_table)
                build_table(reader, range, values);
        }
        int status = read_run(reader, r * cols, line, layout->signs + r * layout->sign_row, range, use_table,
                              out + i * cols, error);
        if (status)
            return status;
    }
    return QB_CODEC_OK;
}

static int read_matrix(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                       size_t row, size_t count, enum mode mode, float *out, struct qb_codec_error *error)
{
    struct reader reader = {.isa = config->isa, .kernels = kernels_for(config), .bytes = in, .mode = mode};
    int status = lay_out(config, rows, cols, in_bytes, row, count, &reader.layout, error);
    if (!status && reader.layout.spans.per_row == 1)
        return read_rows(&reader, row, count, out, error);
    for (size_t i = 0; !status && i < count; i++)
        status = read_groups(&reader, row + i, out + i * cols, error);
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

static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *out, struct qb_codec_error *error)
{
    struct reader reader = {.kernels = kernels_for(config), .bytes = in};
    struct qins8_range range = {0};
    int status = lay_out(config, rows, cols, in_bytes, 0, rows, &reader.layout, error);
    if (!status && reader.layout.spans.count > 1)
        return qb_refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX, "the matrix has %zu ranges", reader.layout.spans.count);
    if (!status)
        status = read_range(in, 0, &range, error);
    if (status)
        return status;
    build_table(&reader, range, 0);
    *out = (struct qb_codec_layout){.kind = QB_LAYOUT_CODES,
                                    .sign_bits = reader.layout.packed,
                                    .first = reader.layout.codes,
                                    .row_bytes = cols,
                                    .signs = reader.layout.signs,
                                    .sign_row = reader.layout.sign_row};
    memcpy(out->values + 1, reader.table + 1, sizeof reader.table - sizeof *reader.table); /* 0 is no code */
    return QB_CODEC_OK;
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
        .encode_passes = PASSES,
        .encode_part = encode_part,
        .layout = layout,
    };
    return &codec;
}
