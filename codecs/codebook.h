/* Tables of float32 for each scope, placed by the Lloyd-Max iteration, and the index of the nearest entry for each
 * value: what codebook4 and codebook8 share. A table has 2^bits entries, or where a scope has fewer values one for
 * each. Layout: the tables, one after the other, each ascending; then the codes as codec_scaled.h lays them out. */
#ifndef CODEBOOK_H
#define CODEBOOK_H

#include "codec_scaled.h"

#include <stdlib.h>

enum { CODEBOOK_BINS = 65536, CODEBOOK_ROUNDS = 1000 };
enum { CODEBOOK_WORTH = 8192 }; /* values of a scope from which on tables of its edges are made */

struct codebook {
    struct qb_scope scope;
    unsigned bits;
    int32_t isa;             /* enum qb_isa */
    struct qb_scopes scopes; /* of the shape, and what follows */
    unsigned entries;
    size_t tables, line, bytes;
};

static inline int codebook_lay_out(struct codebook *book, size_t rows, size_t cols, size_t have, size_t row,
                                   size_t count, struct qb_codec_error *error)
{
    int status = qb_check_shape(rows, cols, 16, error); /* more bytes a value than any layout takes */
    if (status)
        return status;
    book->scopes = qb_scopes_of(book->scope, false, rows, cols);
    const size_t most = book->scopes.tall > 1 ? rows * cols : book->scopes.spans.width; /* values of a scope */
    book->entries = most < 1u << book->bits ? (unsigned)most : 1u << book->bits;
    book->tables = book->scopes.count * book->entries * sizeof(float);
    book->line = qb_codes_row(book->bits, cols);
    book->bytes = book->tables + rows * book->line;
    return qb_check_part(have, book->bytes, rows, row, count, error);
}

/* x[n] in bins of equal width from the least to the greatest: how many values lie below each bin, and their sum. */
struct codebook_bins {
    size_t bins;
    double low, width, squares;
    double count[CODEBOOK_BINS + 1], sum[CODEBOOK_BINS + 1];
};

static inline void codebook_bin(struct codebook_bins *all, const float *x, size_t n)
{
    double high = (double)x[0];
    all->bins = n < CODEBOOK_BINS / 16 ? 16 * n : CODEBOOK_BINS;
    all->low = high;
    all->squares = 0;
    memset(all->count, 0, (all->bins + 1) * sizeof *all->count);
    memset(all->sum, 0, (all->bins + 1) * sizeof *all->sum);
    for (size_t i = 0; i < n; i++) {
        all->low = fmin(all->low, (double)x[i]);
        high = fmax(high, (double)x[i]);
        all->squares += (double)x[i] * (double)x[i];
    }
    all->width = (high - all->low) / (double)all->bins;
    for (size_t i = 0; i < n; i++) {
        const double place = all->width > 0 ? ((double)x[i] - all->low) / all->width : 0;
        const size_t bin = place < (double)all->bins ? (size_t)place : all->bins - 1;
        all->count[bin + 1] += 1;
        all->sum[bin + 1] += (double)x[i];
    }
    for (size_t b = 0; b < all->bins; b++) {
        all->count[b + 1] += all->count[b];
        all->sum[b + 1] += all->sum[b];
    }
}

/* The next bin with values from `bin` on, and the cube root of their density times how far it reaches: from `bin` to
 * its own end. */
static inline size_t codebook_next(const struct codebook_bins *all, size_t bin, double *weight)
{
    size_t end = bin + 1;
    while (end < all->bins && all->count[end] == all->count[bin])
        end++;
    *weight = cbrt((all->count[end] - all->count[bin]) * (double)(end - bin) * (double)(end - bin));
    return end;
}

/* The first guess: entry i where the cube root of the density has (i + 1/2) / N of its integral below (the density of
 * levels with the least squared error, where they are many). Empty bins share the values of the next that has some. */
static inline void codebook_guess(const struct codebook_bins *all, unsigned entries, double *table)
{
    double below = 0, total = 0, weight;
    for (size_t bin = 0; bin < all->bins;) {
        bin = codebook_next(all, bin, &weight);
        total += weight;
    }
    size_t bin = 0, end = codebook_next(all, 0, &weight);
    for (unsigned i = 0; i < entries; i++) {
        const double due = total * (i + 0.5) / entries;
        while (end < all->bins && below + weight <= due) {
            below += weight;
            bin = end;
            end = codebook_next(all, bin, &weight);
        }
        table[i] = all->low + ((double)bin + (double)(end - bin) * (due - below) / weight) * all->width;
    }
}

/* Bins whose centre is at most `edge`. */
static inline size_t codebook_below(const struct codebook_bins *all, double edge)
{
    const double place = all->width > 0 ? floor((edge - all->low) / all->width + 0.5) : 0;
    return place < 0 ? 0 : place < (double)all->bins ? (size_t)place : all->bins;
}

/* Each entry becomes the mean of the bins that are nearest to it (one without values stays), until a round lowers the
 * squared error by less than a millionth. */
static inline void codebook_iterate(const struct codebook_bins *all, unsigned entries, double *table)
{
    double least = (double)INFINITY;
    for (int round = 0; round < CODEBOOK_ROUNDS; round++) {
        double error = all->squares;
        size_t from = 0;
        for (unsigned i = 0; i < entries; i++) {
            const size_t to = i + 1 < entries ? codebook_below(all, 0.5 * (table[i] + table[i + 1])) : all->bins;
            const double count = all->count[to] - all->count[from], sum = all->sum[to] - all->sum[from];
            if (count > 0) {
                table[i] = sum / count;
                error -= sum * table[i];
            }
            from = to;
        }
        if (!(error < least * (1 - 1e-6)))
            break;
        least = error;
    }
}

static inline void codebook_levels(struct qb_levels *levels, unsigned entries, const double *table)
{
    qb_levels_begin(levels, 0, false);
    for (unsigned i = 0; i < entries; i++)
        qb_levels_add(levels, i > 0 ? 0.5 * (table[i - 1] + table[i]) : 0, i, (float)table[i]);
}

static inline int codebook_order(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* An entry for each value, the last one's as often as entries are left. */
static inline void codebook_sort(const float *x, size_t n, unsigned entries, double *table)
{
    for (size_t i = 0; i < entries; i++)
        table[i] = x[i < n ? i : n - 1] != 0 ? (double)x[i < n ? i : n - 1] : 0; /* no -0 */
    qsort(table, entries, sizeof *table, codebook_order);
}

static inline void codebook_fit(const float *x, size_t n, unsigned entries, struct qb_levels *levels)
{
    static _Thread_local struct codebook_bins bins; /* 1 MiB: too large for a stack */
    double table[QB_LEVELS_MAX];
    if (n <= entries) {
        codebook_sort(x, n, entries, table);
    } else {
        codebook_bin(&bins, x, n);
        codebook_guess(&bins, entries, table);
        codebook_iterate(&bins, entries, table);
    }
    for (unsigned i = 0; i < entries; i++) {
        const double entry = (double)(float)table[i];
        table[i] = i > 0 && entry < table[i - 1] ? table[i - 1] : entry;
    }
    codebook_levels(levels, entries, table);
}

static inline void codebook_codes(const struct codebook *book, const struct qb_levels *levels, size_t col, size_t n,
                                  const float *x, unsigned char *row)
{
    const struct qb_scaled scaled = {.bits = book->bits,
                                     .kind = QB_SCALE_AMAX,
                                     .levels = levels,
                                     .cols = book->scopes.spans.cols,
                                     .scopes = book->scopes,
                                     .isa = book->isa};
    const float one = 1;
    struct qb_chunk chunk;
    for (size_t done = 0; done < n; done += chunk.size) {
        chunk = qb_chunk_at(&book->scopes, 0, col + done, true);
        qb_chunk_codes(&scaled, &one, &chunk, col + done, x + done, row);
    }
}

/* All at once: a table may depend on every value. */
static inline int codebook_encode(struct codebook *book, size_t rows, size_t cols, const float *x, void *out,
                                  size_t out_bytes, struct qb_codec_error *error)
{
    int status = codebook_lay_out(book, rows, cols, out_bytes, 0, rows, error);
    status = status ? status : qb_check_finite(x, rows * cols, 0, error);
    if (status)
        return status;
    unsigned char *bytes = out;
    memset(bytes, 0, book->bytes);
    struct qb_span span = qb_scopes_from(&book->scopes, 0);
    const bool worth = rows * cols / book->scopes.count >= CODEBOOK_WORTH;
    struct qb_levels levels;
    struct qb_tables tables;
    size_t scope;
    while (qb_next_scope(&book->scopes, rows, &span, &scope)) {
        const size_t row = span.first / cols, size = book->entries * sizeof(float);
        if (book->scopes.tall == 1 || row == 0)
            codebook_fit(x + span.first, book->scopes.tall > 1 ? rows * cols : span.size, book->entries, &levels);
        memcpy(bytes + scope * size, levels.value, size);
        if (worth && (book->scopes.tall == 1 || row == 0))
            qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
        codebook_codes(book, &levels, span.col, span.size, x + span.first, bytes + book->tables + row * book->line);
    }
    return QB_CODEC_OK;
}

static inline int codebook_decode(struct codebook *book, size_t rows, size_t cols, const void *in, size_t in_bytes,
                                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    int status = codebook_lay_out(book, rows, cols, in_bytes, row, count, error);
    const unsigned char *bytes = in;
    struct qb_span span = qb_scopes_from(&book->scopes, row);
    const float one = 1;
    float table[QB_LEVELS_MAX];
    struct qb_planes planes = {.made = false};
    size_t scope, known = SIZE_MAX; /* whose table that is */
    for (size_t i = 0; i < QB_LEVELS_MAX; i++)
        table[i] = NAN;
    while (!status && qb_next_scope(&book->scopes, row + count, &span, &scope)) {
        const size_t size = book->entries * sizeof(float), in_row = span.first / cols;
        if (scope != known) {
            memcpy(table, bytes + scope * size, size);
            for (size_t i = 0; i < book->entries; i++)
                if (!isfinite(table[i]) || (i > 0 && table[i] < table[i - 1]))
                    return qb_refuse(error, QB_CODEC_BAD_BYTES, scope * size + i * sizeof *table,
                                     "entry %zu of table %zu is not finite or below the one before", i, scope);
            planes.made = false;                     /* of another table */
            if (book->bits == 8 && span.size >= 256) /* values from which on that pays */
                qb_planes_of(table, &planes);
            known = scope;
        }
        for (size_t done = 0, some; !status && done < span.size; done += some) {
            some = span.size - done < QB_CODES_STEP ? span.size - done : QB_CODES_STEP;
            status = qb_scaled_values(book->isa, book->bits, table, &planes, cols, in_row, span.col + done, some, &one,
                                      some, bytes, book->tables + in_row * book->line,
                                      out + (span.first - row * cols) + done, error);
        }
    }
    return status;
}

/* How the codes lie where one table serves them all. */
static inline int codebook_layout(struct codebook *book, size_t rows, size_t cols, const void *in, size_t in_bytes,
                                  struct qb_codec_layout *layout, struct qb_codec_error *error)
{
    int status = codebook_lay_out(book, rows, cols, in_bytes, 0, rows, error);
    if (!status && book->scopes.count > 1)
        return qb_refuse(error, QB_CODEC_UNSUPPORTED, SIZE_MAX, "the matrix has %zu tables", book->scopes.count);
    if (status)
        return status;
    *layout = (struct qb_codec_layout){
        .kind = book->bits == 8 ? QB_LAYOUT_TABLE8 : QB_LAYOUT_TABLE4, .first = book->tables, .row_bytes = book->line};
    memcpy(layout->values, in, book->tables);
    return status;
}

/* Defines all of a plugin with codes of BITS bits; then the codec's own fields. */
#define CODEBOOK_CODEC(BITS, ...)                                                                                      \
    static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,             \
                            struct qb_codec_error *error)                                                              \
    {                                                                                                                  \
        struct codebook book = {.scope = config->options[0].scope, .bits = (BITS)};                                    \
        int status = codebook_lay_out(&book, rows, cols, SIZE_MAX, 0, rows, error);                                    \
        *bytes = book.bytes;                                                                                           \
        return status;                                                                                                 \
    }                                                                                                                  \
    static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,       \
                      size_t out_bytes, struct qb_codec_error *error)                                                  \
    {                                                                                                                  \
        struct codebook book = {.scope = config->options[0].scope, .bits = (BITS), .isa = config->isa};                \
        return codebook_encode(&book, rows, cols, x, out, out_bytes, error);                                           \
    }                                                                                                                  \
    static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes, \
                      size_t row, size_t count, float *out, struct qb_codec_error *error)                              \
    {                                                                                                                  \
        struct codebook book = {.scope = config->options[0].scope, .bits = (BITS), .isa = config->isa};                \
        return codebook_decode(&book, rows, cols, in, in_bytes, row, count, out, error);                               \
    }                                                                                                                  \
    static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes, \
                      struct qb_codec_layout *layout, struct qb_codec_error *error)                                    \
    {                                                                                                                  \
        struct codebook book = {.scope = config->options[0].scope, .bits = (BITS)};                                    \
        return codebook_layout(&book, rows, cols, in, in_bytes, layout, error);                                        \
    }                                                                                                                  \
    static const struct qb_codec_option options[] = {                                                                  \
        {.name = "scope",                                                                                              \
         .type = QB_OPTION_SCOPE,                                                                                      \
         .default_value = "tensor",                                                                                    \
         .help = "what shares a table: tensor, row (an output channel) or group:N"},                                   \
        {.name = NULL},                                                                                                \
    };                                                                                                                 \
    QB_CODEC_ENTRY(, .options = options, .encoded_size = encoded_size, .encode = encode, .decode = decode,             \
                   .layout = layout, __VA_ARGS__)

#endif
