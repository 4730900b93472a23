/* codec_scaled.h - for codecs of qinsbench that decode to y = scale * level: a table of levels, a code for each value,
 * a scale for each scope (the tensor, a row, a group or block of values). The codec says which levels, which scale and,
 * where "the nearest level" is not its rule, how it takes a code; the rest is here. Apache-2.0. Optional, as
 * codec_util.h is.
 *
 * Layout, the same for all of them, little-endian: the scales, one after the other, those of row 0 first; then the
 * codes, row after row, each row from a whole byte on. Codes of up to 8 bits follow each other from the lowest bit of
 * the row's first byte up; of codes of 9 bits the low 8 come first, a byte each, then the row's ninth bits, packed
 * likewise. The bits behind a row's last code are 0. */
#ifndef QB_CODEC_SCALED_H
#define QB_CODEC_SCALED_H

#include "codec_table.h"

#include <math.h>
#include <stdbool.h>

/* ---- levels ---- */

enum { QB_LEVELS_MAX = 256, QB_CODES_MAX = 512 };

struct qb_levels {
    unsigned count; /* at most QB_LEVELS_MAX, ascending */
    unsigned sign;  /* the bit of a code that is the sign of x (of -0 too), levels being magnitudes; 0: levels have
                       signs */
    bool even;      /* a value midway goes to the level whose code is even; else to the lower level */
    double edge[QB_LEVELS_MAX];     /* edge i parts level i from level i + 1; infinite from the last level on */
    uint16_t code[QB_LEVELS_MAX];   /* of level i, without the sign bit */
    float value[QB_CODES_MAX];      /* by code; NaN: no encode writes that code */
    float largest;                  /* magnitude of a value */
    struct qb_planes planes;        /* of the first 256 values */
    const struct qb_tables *tables; /* of the codec's rule; NULL: it is asked for each number */
};

static inline void qb_levels_begin(struct qb_levels *levels, unsigned sign, bool even)
{
    *levels = (struct qb_levels){.sign = sign, .even = even};
    for (size_t i = 0; i < QB_LEVELS_MAX; i++)
        levels->edge[i] = (double)INFINITY;
    for (size_t i = 0; i < QB_CODES_MAX; i++)
        levels->value[i] = NAN;
}

/* The next level, above those before it; `edge` parts it from the last of them (of the first level it says nothing). */
static inline void qb_levels_add(struct qb_levels *levels, double edge, unsigned code, float value)
{
    if (levels->count > 0)
        levels->edge[levels->count - 1] = edge;
    levels->code[levels->count++] = (uint16_t)code;
    levels->value[code] = value;
    if (levels->sign)
        levels->value[code | levels->sign] = -value;
    levels->largest = fmaxf(levels->largest, fabsf(value));
}

/* A float of a sign, `exponent` and `mantissa` bits, with subnormals: of exponent code e and mantissa m the value
 * (e ? 2^mantissa + m : m) * 2^(max(e, 1) - bias - mantissa). The magnitudes with codes [0, count) are levels; a value
 * midway goes to the even code. */
static inline void qb_levels_minifloat(struct qb_levels *levels, unsigned exponent, unsigned mantissa, int bias,
                                       unsigned count)
{
    float before = 0;
    qb_levels_begin(levels, 1u << (exponent + mantissa), true);
    for (unsigned code = 0; code < count; code++) {
        const unsigned e = code >> mantissa, m = code & ((1u << mantissa) - 1);
        const float whole = (float)(e ? (1u << mantissa) + m : m);
        const float value = ldexpf(whole, (int)(e ? e : 1) - bias - (int)mantissa);
        qb_levels_add(levels, 0.5 * ((double)before + (double)value), code, value);
        before = value;
    }
}

/* The code of the level that is nearest to t, a number; beyond the ends the first or the last level. */
static inline unsigned qb_levels_code(const struct qb_levels *levels, double t)
{
    const double place = levels->sign ? fabs(t) : t;
    unsigned i = 0, step = QB_LEVELS_MAX / 2;
    while (step > 1 && step >= levels->count)
        step /= 2;
    for (; step > 0; step /= 2)
        i += step * (unsigned)(levels->edge[i + step - 1] < place); /* without a branch, which no one could predict */
    if (levels->even && levels->edge[i] == place && i + 1 < levels->count)
        i += levels->code[i] & 1;
    return levels->code[i] | (signbit(t) ? levels->sign : 0);
}

/* ---- codes in bits of bytes ---- */

enum { QB_CODES_STEP = 1024 }; /* codes that are taken at a time */

static inline size_t qb_codes_row(unsigned bits, size_t cols) /* bytes of a row */
{
    return bits > 8 ? cols + (cols + 7) / 8 : cols / 8 * bits + (cols % 8 * bits + 7) / 8;
}

/* Codes col ... col + n of a row of zeros; or, reading, of any row. */
static inline void qb_codes_put(unsigned bits, size_t cols, size_t col, size_t n, const uint16_t *codes,
                                unsigned char *row)
{
    const unsigned low = bits > 8 ? 8 : bits;
    for (size_t i = 0; low == 8 && i < n; i++)
        row[col + i] = (unsigned char)codes[i];
    for (size_t i = 0; low != 8 && i < n; i++) {
        const size_t at = (col + i) / 8 * low + (col + i) % 8 * low / 8;
        const unsigned shifted = (codes[i] & 0xffu) << (col + i) * low % 8;
        row[at] = (unsigned char)(row[at] | shifted);
        if (shifted > 0xff)
            row[at + 1] = (unsigned char)(row[at + 1] | shifted >> 8);
    }
    for (size_t i = 0; bits > 8 && i < n; i++)
        row[cols + (col + i) / 8] = (unsigned char)(row[cols + (col + i) / 8] | (codes[i] >> 8 & 1) << (col + i) % 8);
}

static inline void qb_codes_get(unsigned bits, size_t cols, size_t col, size_t n, const unsigned char *row,
                                uint16_t *codes)
{
    const unsigned low = bits > 8 ? 8 : bits;
    for (size_t i = 0; bits == 4 && i < n; i++)
        codes[i] = (uint16_t)((unsigned)row[(col + i) / 2] >> (col + i) % 2 * 4 & 15u);
    for (size_t i = 0; bits != 4 && i < n; i++) {
        const size_t at = (col + i) / 8 * low + (col + i) % 8 * low / 8;
        const unsigned shift = (unsigned)((col + i) * low % 8);
        unsigned word = row[at];
        if (shift + low > 8)
            word |= (unsigned)row[at + 1] << 8;
        codes[i] = (uint16_t)(word >> shift & ((1u << low) - 1));
    }
    for (size_t i = 0; bits > 8 && i < n; i++)
        codes[i] = (uint16_t)(codes[i] | (row[cols + (col + i) / 8] >> (col + i) % 8 & 1) << 8);
}

/* The bits behind a row's last code; every encode leaves them 0. */
static inline bool qb_codes_end_clean(unsigned bits, size_t cols, const unsigned char *row)
{
    const size_t used = bits > 8 ? cols % 8 : cols % 8 * bits % 8;
    return used == 0 || row[qb_codes_row(bits, cols) - 1] >> used == 0;
}

/* ---- scopes ---- */

/* Spans of a matrix's rows, of which `tall` rows share what is stored for a span. Those of a scope are contiguous. */
struct qb_scopes {
    struct qb_spans spans;
    size_t tall;  /* 1; all rows where the tensor is the scope; those of a group that runs on */
    size_t count; /* of scopes */
};

static inline struct qb_scopes qb_scopes_of(struct qb_scope scope, bool runs_on, size_t rows, size_t cols)
{
    struct qb_scopes scopes = {.tall = scope.kind == QB_SCOPE_TENSOR ? rows : 1};
    if (runs_on && scope.kind == QB_SCOPE_GROUP && scope.group % cols == 0)
        scopes.tall = scope.group / cols;
    if (scope.kind == QB_SCOPE_TENSOR)
        scope.kind = QB_SCOPE_ROW;
    scopes.spans = qb_spans_of(scope, rows, cols);
    scopes.count = scopes.tall > 1 ? (rows - 1) / scopes.tall + 1 : scopes.spans.count;
    return scopes;
}

/* Over the spans of rows [row, end), each with the index of its scope: as qb_spans_from and qb_next_span. */
static inline struct qb_span qb_scopes_from(const struct qb_scopes *scopes, size_t row)
{
    struct qb_span span = {row * scopes->spans.per_row, row * scopes->spans.cols, 0, 0};
    return span;
}

static inline bool qb_next_scope(const struct qb_scopes *scopes, size_t end, struct qb_span *span, size_t *scope)
{
    struct qb_spans spans = scopes->spans;
    spans.count = SIZE_MAX; /* count every span, also of one row */
    const bool more = qb_next_span(&spans, end, span);
    *scope = scopes->tall > 1 ? span->index / scopes->tall : span->index;
    return more;
}

/* A chunk of a row from column `col` on, QB_CODES_STEP values at most: part of a span, or whole spans, or with `one` no
 * more than one. */
struct qb_chunk {
    size_t size, width, spans; /* values; of a span in it; spans of which it has any */
    size_t scope;              /* of the first */
};

static inline struct qb_chunk qb_chunk_at(const struct qb_scopes *scopes, size_t row, size_t col, bool one)
{
    const size_t cols = scopes->spans.cols, width = scopes->spans.width,
                 span = row * scopes->spans.per_row + col / width;
    const size_t whole = width < QB_CODES_STEP && !one ? QB_CODES_STEP / width * width : width - col % width;
    struct qb_chunk chunk = {.size = whole < QB_CODES_STEP ? whole : QB_CODES_STEP,
                             .scope = scopes->tall > 1 ? span / scopes->tall : span};
    chunk.size = chunk.size < cols - col ? chunk.size : cols - col;
    chunk.width = width < chunk.size ? width : chunk.size;
    chunk.spans = (chunk.size - 1) / chunk.width + 1;
    return chunk;
}

/* ---- scale * level ---- */

struct qb_scaled;

/* How the scales are stored. */
struct qb_scales {
    unsigned passes; /* over the matrix, before the codes' */
    size_t (*bytes)(const struct qb_scaled *scaled);
    /* What a pass learns from x, rows [row, row + count), it keeps in out, which holds at least bytes() + 1 bytes. */
    void (*learn)(const struct qb_scaled *scaled, unsigned pass, size_t row, size_t count, const float *x,
                  unsigned char *out);
    /* A scope's scale; the offset of the bytes that no encode stores, or SIZE_MAX. */
    size_t (*load)(const struct qb_scaled *scaled, const unsigned char *in, size_t scope, float *scale);
    /* A scope's own levels, of bytes that load has taken; NULL: those of struct qb_scaled. */
    const struct qb_levels *(*levels)(const struct qb_scaled *scaled, const unsigned char *in, size_t scope);
    /* How products read the scales, which are as many one behind the other (enum qb_layout_scale); _NONE, or no
     * function: no product can. */
    enum qb_layout_scale (*read)(const struct qb_scaled *scaled);
    bool exact; /* codes are taken under the amax of their span, whatever is stored for it */
};

enum qb_scale_kind {
    QB_SCALE_TOP,  /* float32 fl(amax / top); t = fl(x / scale) */
    QB_SCALE_AMAX, /* float32 amax; t = fl(x * fl(1 / amax)), where that inverse is infinite fl(x / amax) */
    QB_SCALE_POWER /* a byte, floor(log2 amax) - emax + 127 taken exactly, in [0, 254]: 2^(byte - 127); t = x / scale,
                      exact */
};

struct qb_scaled {
    struct qb_scope scope;
    bool runs_on;  /* a group of a whole number of rows runs on over them, else it ends with its row */
    unsigned bits; /* of a code, 1 to 9 */
    enum qb_scale_kind kind;
    float top; /* QB_SCALE_TOP */
    int emax;  /* QB_SCALE_POWER */
    const struct qb_levels *levels;
    const struct qb_scales *scales; /* NULL: one of the kind for each scope */
    /* Codes of x[n] under a scale, by a rule of the codec's own; NULL: of the level nearest to t, a scale of 0 giving
     * what t = 0 (with the sign of x) gives. */
    qb_code_rule *code;
    const void *own;         /* for `code` and `scales` */
    const char *unsupported; /* why these options make no format; NULL: they do */
    size_t rows, cols;
    struct qb_scopes scopes;
    int32_t isa; /* enum qb_isa */
};

static inline size_t qb_scale_bytes(const struct qb_scaled *scaled)
{
    return scaled->kind == QB_SCALE_POWER ? 1 : sizeof(float);
}

/* The greatest level that an encode multiplies a scale by. */
static inline float qb_scale_reach(const struct qb_scaled *scaled)
{
    return scaled->kind == QB_SCALE_TOP ? scaled->top : scaled->levels->largest;
}

/* All that it encodes must decode to finite values, so next to FLT_MAX a scale may be one float smaller. */
static inline void qb_scale_store(const struct qb_scaled *scaled, float amax, unsigned char *place)
{
    float scale = scaled->kind == QB_SCALE_TOP ? amax / scaled->top : amax;
    if (scaled->kind == QB_SCALE_POWER) {
        const uint32_t exponent = qb_bits(amax) >> 23; /* of a denormal number floor(log2 amax) is lower */
        const int whole = exponent ? (int)exponent - 127 : amax > 0 ? ilogbf(amax) : -1000;
        const int byte = whole - scaled->emax + 127;
        *place = (unsigned char)(byte < 0 ? 0 : byte > 254 ? 254 : byte);
        return;
    }
    if (!isfinite(scale * qb_scale_reach(scaled)))
        scale = nextafterf(scale, 0);
    memcpy(place, &scale, sizeof scale);
}

/* 2^(byte - 127), of a byte below 255: its exponent, or the one denormal. */
static inline float qb_power_of_two(unsigned byte)
{
    const uint32_t word = byte ? (uint32_t)byte << 23 : 0x00400000u;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* Until a scope's last row its scale is the largest magnitude so far. */
static inline void qb_scales_learn(const struct qb_scaled *scaled, unsigned pass, size_t row, size_t count,
                                   const float *x, unsigned char *out)
{
    const struct qb_scopes *scopes = &scaled->scopes;
    const size_t cols = scaled->cols, size = qb_scale_bytes(scaled);
    (void)pass;
    for (size_t end = row + count; row < end; row++, x += cols) {
        struct qb_chunk chunk;
        for (size_t col = 0; scopes->tall == 1 && col < cols; col += chunk.size) {
            float amax[QB_CODES_STEP];
            chunk = qb_chunk_at(scopes, row, col, false);
            if (chunk.spans == 1) /* all of it, however wide */
                chunk.size = chunk.width = cols - col < scopes->spans.width ? cols - col : scopes->spans.width;
            qb_amaxes(scaled->isa, x + col, chunk.size, chunk.width, amax);
            for (size_t s = 0; s < chunk.spans; s++)
                qb_scale_store(scaled, amax[s], out + (chunk.scope + s) * size);
        }
        if (scopes->tall > 1) {
            unsigned char *place = out + row / scopes->tall * size;
            float top = qb_amax(scaled->isa, x, cols), before = 0;
            if (row % scopes->tall > 0)
                memcpy(&before, place, sizeof before);
            top = before > top ? before : top;
            if (row % scopes->tall == scopes->tall - 1 || row == scaled->rows - 1)
                qb_scale_store(scaled, top, place);
            else
                memcpy(place, &top, sizeof top);
        }
    }
}

static inline size_t qb_scales_load(const struct qb_scaled *scaled, const unsigned char *in, size_t scope, float *scale)
{
    const size_t at = scope * qb_scale_bytes(scaled);
    if (scaled->kind == QB_SCALE_POWER)
        *scale = in[at] < 255 ? qb_power_of_two(in[at]) : NAN;
    else
        memcpy(scale, in + at, sizeof *scale);
    return !signbit(*scale) && isfinite(*scale * qb_scale_reach(scaled)) ? SIZE_MAX : at;
}

static inline size_t qb_scales_bytes(const struct qb_scaled *scaled)
{
    return scaled->scopes.count * qb_scale_bytes(scaled);
}

static inline const struct qb_scales *qb_scales_of(const struct qb_scaled *scaled)
{
    static const struct qb_scales one_each = {
        .passes = 1, .bytes = qb_scales_bytes, .learn = qb_scales_learn, .load = qb_scales_load};
    return scaled->scales ? scaled->scales : &one_each;
}

static inline void qb_nearest_codes(const struct qb_scaled *scaled, float scale, const float *x, size_t n,
                                    uint16_t *codes)
{
    const float inverse = 1 / scale;
    for (size_t i = 0; i < n; i++) {
        double t;
        if (scale == 0)
            t = copysign(0, (double)x[i]);
        else if (scaled->kind == QB_SCALE_POWER)
            t = (double)x[i] / (double)scale;
        else if (scaled->kind == QB_SCALE_AMAX && isfinite(inverse))
            t = (double)(x[i] * inverse);
        else
            t = (double)(x[i] / scale);
        codes[i] = (uint16_t)qb_levels_code(scaled->levels, t);
    }
}

static inline const struct qb_levels *qb_levels_of(const struct qb_scaled *scaled, const unsigned char *in,
                                                   size_t scope)
{
    const struct qb_scales *scales = qb_scales_of(scaled);
    return scales->levels ? scales->levels(scaled, in, scope) : scaled->levels;
}

static inline size_t qb_scaled_bytes(const struct qb_scaled *scaled)
{
    return qb_scales_of(scaled)->bytes(scaled) + scaled->rows * qb_codes_row(scaled->bits, scaled->cols);
}

/* Makes the levels' planes and tables, these of the rule that takes codes: one that depends on x / scale alone, or all
 * but (`close`, qb_tables_of), and gives under a scale of 0 what it gives 0 (with the sign of x). */
static inline void qb_levels_find(struct qb_levels *levels, qb_code_rule *rule, uint32_t close,
                                  struct qb_tables *tables)
{
    const struct qb_scaled scaled = {.kind = QB_SCALE_AMAX, .levels = levels};
    qb_planes_of(levels->value, &levels->planes);
    qb_tables_of(tables, &scaled, rule, close);
    levels->tables = tables->filled ? tables : NULL;
}

static inline qb_code_rule *qb_rule_of(const struct qb_scaled *scaled)
{
    return scaled->code ? scaled->code : qb_nearest_codes;
}

/* The codes of x[n], n <= QB_CODES_STEP, by tables, as the rule takes them; number i under scales[i / width]. */
static inline void qb_find_codes(const struct qb_scaled *scaled, const float *scales, size_t width, const float *x,
                                 size_t n, unsigned char *codes)
{
    float by[QB_CODES_STEP];
    uint16_t doubts[QB_CODES_STEP];
    for (size_t from = 0, size; from < n; from += size) { /* runs that are all divided by their scale, or none */
        const size_t first = from / width;
        bool divide = false;
        size = 0;
        for (size_t run = first; from + size < n; run++) {
            const float scale = scales[run], inverse = 1 / scale;
            const bool times = scale == 0 || scaled->kind == QB_SCALE_POWER ||
                               (scaled->kind == QB_SCALE_AMAX && !scaled->code && isfinite(inverse));
            if (size > 0 && divide == times)
                break;
            divide = !times;
            by[run] = divide ? scale : scale == 0 ? 0 : inverse;
            size += n - from - size < width ? n - from - size : width;
        }
        size_t doubtful = qb_find(scaled->isa, scaled->levels->tables, x + from, size, by + first, width, divide,
                                  codes + from, doubts);
        while (doubtful > 0) {
            const size_t at = from + doubts[--doubtful];
            uint16_t code;
            qb_rule_of(scaled)(scaled, scales[at / width], x + at, 1, &code);
            codes[at] = (unsigned char)code;
        }
    }
}

static inline void qb_chunk_codes(const struct qb_scaled *scaled, const float *scales, const struct qb_chunk *chunk,
                                  size_t col, const float *x, unsigned char *row)
{
    const struct qb_tables *tables = scaled->levels->tables;
    uint16_t codes[QB_CODES_STEP];
    unsigned char bytes[QB_CODES_STEP];
    if (tables && (scaled->kind != QB_SCALE_POWER || tables->tiny_alike)) {
        qb_find_codes(scaled, scales, chunk->width, x, chunk->size, scaled->bits == 8 ? row + col : bytes);
        for (size_t i = 0; scaled->bits != 8 && i < chunk->size; i++)
            codes[i] = bytes[i];
        if (scaled->bits == 8)
            return;
    } else {
        for (size_t i = 0, size; i < chunk->size; i += size) {
            size = chunk->size - i < chunk->width ? chunk->size - i : chunk->width;
            qb_rule_of(scaled)(scaled, scales[i / chunk->width], x + i, size, codes + i);
        }
    }
    qb_codes_put(scaled->bits, scaled->cols, col, chunk->size, codes, row);
}

static inline void qb_scaled_codes(const struct qb_scaled *scaled, size_t row, size_t count, const float *x,
                                   unsigned char *out)
{
    const struct qb_scales *scales = qb_scales_of(scaled);
    const size_t line = qb_codes_row(scaled->bits, scaled->cols), cols = scaled->cols;
    const size_t width = scaled->scopes.spans.width;
    unsigned char *codes = out + scales->bytes(scaled);
    struct qb_scaled own = *scaled; /* under a scope's own levels */
    float found[QB_CODES_STEP];
    if (scaled->bits != 8)
        memset(codes + row * line, 0, count * line);
    for (size_t end = row + count; row < end; row++, x += cols) {
        struct qb_chunk chunk;
        for (size_t col = 0; col < cols; col += chunk.size) {
            chunk = qb_chunk_at(&scaled->scopes, row, col, scales->levels);
            for (size_t s = 0, at = col; s < chunk.spans; s++, at += width) {
                if (!scales->exact)
                    (void)scales->load(scaled, out, chunk.scope + s, &found[s]);
                else if (at % width == 0)
                    found[s] = qb_amax(scaled->isa, x + at, cols - at < width ? cols - at : width);
            }
            own.levels = qb_levels_of(scaled, out, chunk.scope);
            qb_chunk_codes(&own, found, &chunk, col, x + col, codes + row * line);
        }
    }
}

static inline int qb_scaled_encode(const struct qb_scaled *scaled, unsigned pass, size_t row, size_t count,
                                   const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    const struct qb_scales *scales = qb_scales_of(scaled);
    int status = qb_check_part(out_bytes, qb_scaled_bytes(scaled), scaled->rows, row, count, error);
    for (size_t end = row + count, some; !status && row < end; row += some, x += some * scaled->cols) {
        some = qb_rows_at_hand(scaled->cols, end - row);
        if (pass == 0)
            status = qb_all_finite(scaled->isa, x, some * scaled->cols, row * scaled->cols, error);
        if (!status && pass < scales->passes)
            scales->learn(scaled, pass, row, some, x, out);
        else if (!status && pass == scales->passes)
            qb_scaled_codes(scaled, row, some, x, out);
    }
    return status;
}

/* All rows at once; where no scale depends on other rows, all passes over a few of them at a time. */
static inline int qb_scaled_encode_all(const struct qb_scaled *scaled, const float *x, void *out, size_t out_bytes,
                                       struct qb_codec_error *error)
{
    const size_t rows = scaled->rows, passes = qb_scales_of(scaled)->passes;
    const bool alone = passes == 1 && scaled->scopes.tall == 1;
    int status = QB_CODEC_OK;
    for (size_t row = 0, some; !status && row < rows; row += some) {
        some = alone ? qb_rows_at_hand(scaled->cols, rows - row) : rows;
        for (unsigned pass = 0; !status && pass <= passes; pass++)
            status = qb_scaled_encode(scaled, pass, row, some, x + row * scaled->cols, out, out_bytes, error);
    }
    return status;
}

/* out[n] = by[i / width] * the values of codes col ... col + n of a row that lies at bytes + at and is the matrix's
 * `row`, n <= QB_CODES_STEP. planes: of value, where made. */
static inline int qb_scaled_values(int32_t isa, unsigned bits, const float *value, const struct qb_planes *planes,
                                   size_t cols, size_t row, size_t col, size_t n, const float *by, size_t width,
                                   const unsigned char *bytes, size_t at, float *out, struct qb_codec_error *error)
{
    uint16_t codes[QB_CODES_STEP];
    const unsigned char *bytewise = bytes + at + col; /* codes of 8 bits */
    bool finite;
    if (bits == 8) {
        finite = qb_look_up(isa, value, planes, bytewise, n, by, width, out);
    } else {
        qb_codes_get(bits, cols, col, n, bytes + at, codes);
        for (size_t i = 0, end; i < n; i = end, by++) {
            const float scale = *by;
            for (end = n - i < width ? n : i + width; i < end; i++)
                out[i] = scale * value[codes[i]];
        }
        finite = qb_first_nonfinite(out, n) == n;
    }
    if (!finite) {
        const size_t bad = qb_first_nonfinite(out, n);
        return qb_refuse(error, QB_CODEC_BAD_BYTES, at + (col + bad) * (bits > 8 ? 8 : bits) / 8,
                         "the code of element (%zu, %zu) is %u, no encode gives that", row, col + bad,
                         bits == 8 ? bytewise[bad] : codes[bad]);
    }
    if (col + n == cols && !qb_codes_end_clean(bits, cols, bytes + at))
        return qb_refuse(error, QB_CODEC_BAD_BYTES, at + qb_codes_row(bits, cols) - 1,
                         "there are bits behind the last code of row %zu", row);
    return QB_CODEC_OK;
}

static inline int qb_scaled_decode(const struct qb_scaled *scaled, const void *in, size_t in_bytes, size_t row,
                                   size_t count, float *out, struct qb_codec_error *error)
{
    const struct qb_scales *scales = qb_scales_of(scaled);
    int status = qb_check_part(in_bytes, qb_scaled_bytes(scaled), scaled->rows, row, count, error);
    const unsigned char *bytes = in;
    const size_t cols = scaled->cols, line = qb_codes_row(scaled->bits, cols), codes = scales->bytes(scaled);
    float found[QB_CODES_STEP];
    for (size_t end = row + count; !status && row < end; row++, out += cols) {
        struct qb_chunk chunk;
        for (size_t col = 0; !status && col < cols; col += chunk.size) {
            chunk = qb_chunk_at(&scaled->scopes, row, col, scales->levels);
            for (size_t s = 0; s < chunk.spans; s++) {
                const size_t bad = scales->load(scaled, bytes, chunk.scope + s, &found[s]);
                if (bad != SIZE_MAX && s == 0)
                    return qb_refuse(error, QB_CODEC_BAD_BYTES, bad, "byte %zu starts a scale that no encode gives",
                                     bad);
                if (bad != SIZE_MAX) { /* what lies before it comes first */
                    chunk.spans = s;
                    chunk.size = s * chunk.width;
                }
            }
            const struct qb_levels *levels = qb_levels_of(scaled, bytes, chunk.scope);
            status = qb_scaled_values(scaled->isa, scaled->bits, levels->value, &levels->planes, cols, row, col,
                                      chunk.size, found, chunk.width, bytes, codes + row * line, out + col, error);
        }
    }
    return status;
}

static inline enum qb_layout_scale qb_scaled_read(const struct qb_scaled *scaled)
{
    if (scaled->scales)
        return scaled->scales->read ? scaled->scales->read(scaled) : QB_LAYOUT_SCALE_NONE;
    return scaled->kind == QB_SCALE_POWER ? QB_LAYOUT_SCALE_POWER : QB_LAYOUT_SCALE_FLOAT;
}

/* How the codes lie for products that read them (codec.h): those of 8 or 4 bits, under a scale of a kind. */
static inline int qb_scaled_layout(const struct qb_scaled *scaled, size_t in_bytes, struct qb_codec_layout *layout,
                                   struct qb_codec_error *error)
{
    const struct qb_scopes *scopes = &scaled->scopes;
    const bool groups = scopes->spans.per_row > 1;
    const enum qb_layout_scale scale = qb_scaled_read(scaled);
    const size_t width = scale == QB_LAYOUT_SCALE_FLOAT ? 4 : scale == QB_LAYOUT_SCALE_HALF ? 2 : 1;
    int status = qb_check_part(in_bytes, qb_scaled_bytes(scaled), scaled->rows, 0, scaled->rows, error);
    if (!status && ((scaled->bits != 8 && scaled->bits != 4) || scale == QB_LAYOUT_SCALE_NONE))
        status = qb_refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX, "codes of %u bits%s", scaled->bits,
                           scale == QB_LAYOUT_SCALE_NONE ? " under scales of the codec's own" : "");
    if (!status && groups && scopes->spans.width % 32 != 0)
        status = qb_refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX, "groups of %zu columns are not whole blocks of 32",
                           scopes->spans.width);
    if (!status && scopes->tall > 1 && scopes->count > 1)
        status = qb_refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX, "%zu rows share a scale", scopes->tall);
    if (status)
        return status;
    *layout = (struct qb_codec_layout){.kind = scaled->bits == 8 ? QB_LAYOUT_TABLE8 : QB_LAYOUT_TABLE4,
                                       .first = scopes->count * width,
                                       .row_bytes = qb_codes_row(scaled->bits, scaled->cols),
                                       .scale = (int32_t)scale,
                                       .scale_row = scopes->count > 1 ? scopes->spans.per_row * width : 0,
                                       .group = groups ? scopes->spans.width : 0,
                                       .scale_group = width};
    for (size_t code = 0; code < (size_t)1 << scaled->bits; code++)
        layout->values[code] = isfinite(scaled->levels->value[code]) ? scaled->levels->value[code] : 0;
    return status;
}

/* A shape that no layout of this file overflows. */
static inline int qb_scaled_shape(size_t rows, size_t cols, struct qb_codec_error *error)
{
    return qb_check_shape(rows, cols, 16, error);
}

/* Defines all of a plugin's functions and its entry. DESCRIBE(config) gives the struct qb_scaled but for rows, cols and
 * scopes; PREPARE() is called first, when the plugin is loaded, and fills its levels. PASSES: over the matrix, the
 * scales' and the one for the codes, of any options. What follows are the codec's own fields: .id, .version, .summary,
 * .flags, .options, .tolerance. */
#define QB_SCALED_CODEC(PREPARE, DESCRIBE, PASSES, ...)                                                                \
    static int shaped(const struct qb_codec_config *config, size_t rows, size_t cols, struct qb_scaled *scaled,        \
                      struct qb_codec_error *error)                                                                    \
    {                                                                                                                  \
        int status = qb_check_shape(rows, cols, 16, error); /* more bytes a value than any layout takes */             \
        if (!status) {                                                                                                 \
            *scaled = DESCRIBE(config);                                                                                \
            scaled->rows = rows;                                                                                       \
            scaled->cols = cols;                                                                                       \
            scaled->scopes = qb_scopes_of(scaled->scope, scaled->runs_on, rows, cols);                                 \
            scaled->isa = config->isa;                                                                                 \
            if (scaled->unsupported)                                                                                   \
                status = qb_refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX, "%s", scaled->unsupported);                  \
        }                                                                                                              \
        return status;                                                                                                 \
    }                                                                                                                  \
    static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,             \
                            struct qb_codec_error *error)                                                              \
    {                                                                                                                  \
        struct qb_scaled scaled = {0};                                                                                 \
        int status = shaped(config, rows, cols, &scaled, error);                                                       \
        *bytes = status ? 0 : qb_scaled_bytes(&scaled);                                                                \
        return status;                                                                                                 \
    }                                                                                                                  \
    static int encode_part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,  \
                           size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)    \
    {                                                                                                                  \
        struct qb_scaled scaled = {0};                                                                                 \
        int status = shaped(config, rows, cols, &scaled, error);                                                       \
        return status ? status : qb_scaled_encode(&scaled, pass, row, count, x, out, out_bytes, error);                \
    }                                                                                                                  \
    static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,       \
                      size_t out_bytes, struct qb_codec_error *error)                                                  \
    {                                                                                                                  \
        struct qb_scaled scaled = {0};                                                                                 \
        int status = shaped(config, rows, cols, &scaled, error);                                                       \
        return status ? status : qb_scaled_encode_all(&scaled, x, out, out_bytes, error);                              \
    }                                                                                                                  \
    static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes, \
                      size_t row, size_t count, float *out, struct qb_codec_error *error)                              \
    {                                                                                                                  \
        struct qb_scaled scaled = {0};                                                                                 \
        int status = shaped(config, rows, cols, &scaled, error);                                                       \
        return status ? status : qb_scaled_decode(&scaled, in, in_bytes, row, count, out, error);                      \
    }                                                                                                                  \
    static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes, \
                      struct qb_codec_layout *layout, struct qb_codec_error *error)                                    \
    {                                                                                                                  \
        struct qb_scaled scaled = {0};                                                                                 \
        int status = shaped(config, rows, cols, &scaled, error);                                                       \
        (void)in;                                                                                                      \
        return status ? status : qb_scaled_layout(&scaled, in_bytes, layout, error);                                   \
    }                                                                                                                  \
    static void prepare_once(void)                                                                                     \
    {                                                                                                                  \
        static bool prepared;                                                                                          \
        if (!prepared)                                                                                                 \
            PREPARE();                                                                                                 \
        prepared = true;                                                                                               \
    }                                                                                                                  \
    QB_CODEC_ENTRY(prepare_once();, .encoded_size = encoded_size, .encode = encode, .decode = decode,                  \
                                  .encode_passes = PASSES, .encode_part = encode_part, .layout = layout, __VA_ARGS__)

/* The option that most of them have, here with its default. */
#define QB_SCOPE_OPTION(DEFAULT)                                                                                       \
    {                                                                                                                  \
        .name = "scope", .type = QB_OPTION_SCOPE, .default_value = DEFAULT,                                            \
        .help = "what shares a scale: tensor, row (an output channel) or group:N"                                      \
    }

#endif
