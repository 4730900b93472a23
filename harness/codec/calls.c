/* Checked calls: what a plugin is asked and what it answers is verified here, so that a wrong plugin becomes an error
 * that names it and never a wrong number. */
#include "codec/calls.h"
#include "codec/layout.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "codec/registry.h"

const char *qb_codec_status_name(int status)
{
    static const char *const names[] = {"OK", "BAD_INPUT", "BAD_BYTES", "BAD_SIZE", "UNSUPPORTED"};
    return status >= QB_CODEC_OK && status <= QB_CODEC_UNSUPPORTED ? names[status] : NULL;
}

void qb_codec_error_clear(struct qb_codec_error *error)
{
    memset(error, 0, sizeof *error);
    error->index = SIZE_MAX;
}

void qb_codec_error_clean(struct qb_codec_error *error)
{
    char message[sizeof error->message];
    memcpy(message, error->message, sizeof message);
    qb_clean_into(error->message, sizeof error->message, message, sizeof message);
}

/* The plugin refused, or answered with no status at all. */
static enum qb_status refused(const struct qb_format *format, const char *what, size_t rows, size_t cols, int status,
                              struct qb_codec_error *error, struct qb_error *err)
{
    static const enum qb_status as[] = {QB_OK, QB_ERR_INPUT, QB_ERR_INPUT, QB_ERR_CODEC, QB_ERR_INPUT};
    const char *id = format->plugin->codec->id, *name = qb_codec_status_name(status);
    qb_codec_error_clean(error);
    if (!name)
        return qb_fail(err, QB_ERR_CODEC, "codec '%s': %s of %zu x %zu returned the unknown status %d (%s)", id, what,
                       rows, cols, status, format->plugin->path);
    const char *message = *error->message ? error->message : "no reason given";
    if (status == QB_CODEC_BAD_INPUT && error->index < rows * cols)
        return qb_fail(err, as[status], "codec '%s': %s of %zu x %zu: element (%zu, %zu): %s", id, what, rows, cols,
                       error->index / cols, error->index % cols, message);
    return qb_fail(err, as[status], "codec '%s': %s of %zu x %zu: %s: %s", id, what, rows, cols, name, message);
}

enum qb_status qb_encoded_size(const struct qb_format *format, size_t rows, size_t cols, size_t *bytes,
                               struct qb_error *err)
{
    const struct qb_codec *codec = format->plugin->codec;
    if (rows == 0 || cols == 0 || rows > SIZE_MAX / sizeof(float) / cols)
        return qb_fail(err, QB_ERR_INPUT, "codec '%s': a matrix of %zu x %zu is out of range", codec->id, rows, cols);
    struct qb_codec_error error;
    qb_codec_error_clear(&error);
    *bytes = 0;
    int status = codec->encoded_size(&format->config, rows, cols, bytes, &error);
    if (status != QB_CODEC_OK)
        return refused(format, "encoded size", rows, cols, status, &error, err);
    if (*bytes == 0 || *bytes > SIZE_MAX / 2)
        return qb_fail(err, QB_ERR_CODEC, "codec '%s': says that %zu x %zu takes %zu bytes (%s)", codec->id, rows, cols,
                       *bytes, format->plugin->path);
    return QB_OK;
}

bool qb_format_takes(const struct qb_format *format, size_t rows, size_t cols)
{
    struct qb_codec_error error;
    size_t bytes = 0;
    qb_codec_error_clear(&error);
    return format->plugin->codec->encoded_size(&format->config, rows, cols, &bytes, &error) != QB_CODEC_UNSUPPORTED;
}

/* ---- encoding ---- */

static enum qb_status check_room(const struct qb_format *format, size_t rows, size_t cols, size_t out_bytes,
                                 struct qb_error *err)
{
    size_t need;
    if (qb_encoded_size(format, rows, cols, &need, err))
        return err->status;
    return out_bytes >= need
               ? QB_OK
               : qb_fail(err, QB_ERR_INTERNAL, "codec '%s': encode of %zu x %zu needs %zu bytes, the buffer has %zu",
                         format->plugin->codec->id, rows, cols, need, out_bytes);
}

/* Rows [row, row + count) of the matrix, x their values: pass `pass` of the codec's encode_part, or, for all rows, its
 * encode. */
static enum qb_status encode_range(const struct qb_format *format, size_t rows, size_t cols, unsigned pass, size_t row,
                                   size_t count, const float *x, void *out, size_t out_bytes, struct qb_error *err)
{
    const struct qb_codec *codec = format->plugin->codec;
    size_t bad = qb_first_nonfinite(x, count * cols);
    if (bad < count * cols)
        return qb_fail(err, QB_ERR_NUMERIC, "codec '%s': encode of %zu x %zu: element (%zu, %zu) is %f", codec->id,
                       rows, cols, row + bad / cols, bad % cols, (double)x[bad]);
    struct qb_codec_error error;
    qb_codec_error_clear(&error);
    int status = count == rows
                     ? codec->encode(&format->config, rows, cols, x, out, out_bytes, &error)
                     : codec->encode_part(&format->config, rows, cols, pass, row, count, x, out, out_bytes, &error);
    return status == QB_CODEC_OK ? QB_OK : refused(format, "encode", rows, cols, status, &error, err);
}

enum qb_status qb_encode(const struct qb_format *format, size_t rows, size_t cols, const float *x, void *out,
                         size_t out_bytes, struct qb_error *err)
{
    if (check_room(format, rows, cols, out_bytes, err))
        return err->status;
    return encode_range(format, rows, cols, 0, 0, rows, x, out, out_bytes, err);
}

enum qb_status qb_encode_rows(const struct qb_format *format, size_t rows, size_t cols, qb_row_reader *read,
                              const void *source, void *out, size_t out_bytes, struct qb_error *err)
{
    const struct qb_codec *codec = format->plugin->codec;
    if (check_room(format, rows, cols, out_bytes, err))
        return err->status;
    size_t part = codec->encode_passes ? qb_panel_rows(rows, cols) : rows;
    unsigned passes = part < rows ? codec->encode_passes : 1;
    float *x = qb_alloc(part * cols, sizeof *x, "rows to encode", err);
    if (!x)
        return err->status;
    for (unsigned pass = 0; pass < passes; pass++)
        for (size_t row = 0; row < rows && !err->status; row += part) {
            size_t count = rows - row < part ? rows - row : part;
            if (!read(source, row, count, x, err))
                encode_range(format, rows, cols, pass, row, count, x, out, out_bytes, err);
        }
    qb_free(x);
    return err->status;
}

size_t qb_panel_rows(size_t rows, size_t cols)
{
    size_t fit = cols < 65536 ? 65536 / cols : 1;
    return fit < rows ? fit : rows;
}

/* ---- reading ---- */

typedef int decode_fn(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                      size_t row, size_t count, float *out, struct qb_codec_error *error);

static enum qb_status read_again(const struct qb_format *format, const char *what, decode_fn *function, size_t rows,
                                 size_t cols, const void *in, size_t in_bytes, size_t row, size_t count, float *out,
                                 struct qb_error *err)
{
    struct qb_codec_error error;
    qb_codec_error_clear(&error);
    int status = function(&format->config, rows, cols, in, in_bytes, row, count, out, &error);
    return status == QB_CODEC_OK ? QB_OK : refused(format, what, rows, cols, status, &error, err);
}

static enum qb_status read_rows(const struct qb_format *format, const char *what, decode_fn *function, size_t rows,
                                size_t cols, const void *in, size_t in_bytes, size_t row, size_t count, float *out,
                                struct qb_error *err)
{
    const char *id = format->plugin->codec->id;
    size_t need;
    if (qb_encoded_size(format, rows, cols, &need, err))
        return err->status;
    if (in_bytes < need)
        return qb_fail(err, QB_ERR_INPUT, "codec '%s': %s of %zu x %zu needs %zu bytes, %zu are given", id, what, rows,
                       cols, need, in_bytes);
    if (row > rows || count > rows - row)
        return qb_fail(err, QB_ERR_INTERNAL, "codec '%s': %s of rows [%zu, +%zu) of %zu", id, what, row, count, rows);
    if (read_again(format, what, function, rows, cols, in, in_bytes, row, count, out, err))
        return err->status;
    size_t bad = qb_first_nonfinite(out, count * cols);
    if (bad < count * cols)
        return qb_fail(err, QB_ERR_NUMERIC, "codec '%s': %s of %zu x %zu: element (%zu, %zu) came out as %f", id, what,
                       rows, cols, row + bad / cols, bad % cols, (double)out[bad]);
    return QB_OK;
}

enum qb_status qb_decode(const struct qb_format *format, size_t rows, size_t cols, const void *in, size_t in_bytes,
                         size_t row, size_t count, float *out, struct qb_error *err)
{
    return read_rows(format, "decode", format->plugin->codec->decode, rows, cols, in, in_bytes, row, count, out, err);
}

enum qb_status qb_coordinates(const struct qb_format *format, size_t rows, size_t cols, const void *in, size_t in_bytes,
                              size_t row, size_t count, float *out, struct qb_error *err)
{
    if (!format->plugin->codec->coordinates)
        return qb_fail(err, QB_ERR_INPUT, "codec '%s' has no coordinates: paths that compute on codes cannot use it",
                       format->plugin->codec->id);
    return read_rows(format, "coordinates", format->plugin->codec->coordinates, rows, cols, in, in_bytes, row, count,
                     out, err);
}

enum qb_status qb_decode_again(const struct qb_format *format, size_t rows, size_t cols, const void *in,
                               size_t in_bytes, size_t row, size_t count, float *out, struct qb_error *err)
{
    return read_again(format, "decode", format->plugin->codec->decode, rows, cols, in, in_bytes, row, count, out, err);
}

enum qb_status qb_coordinates_again(const struct qb_format *format, size_t rows, size_t cols, const void *in,
                                    size_t in_bytes, size_t row, size_t count, float *out, struct qb_error *err)
{
    return read_again(format, "coordinates", format->plugin->codec->coordinates, rows, cols, in, in_bytes, row, count,
                      out, err);
}

enum qb_status qb_layout_of(const struct qb_format *format, size_t rows, size_t cols, const void *in, size_t in_bytes,
                            struct qb_codec_layout *layout, bool *known, struct qb_error *err)
{
    const struct qb_codec *codec = format->plugin->codec;
    struct qb_codec_error error;
    *known = false;
    if (!codec->layout)
        return QB_OK;
    qb_codec_error_clear(&error);
    int status = codec->layout(&format->config, rows, cols, in, in_bytes, layout, &error);
    if (status == QB_CODEC_UNSUPPORTED)
        return QB_OK;
    if (status != QB_CODEC_OK)
        return refused(format, "layout", rows, cols, status, &error, err);
    if (!qb_layout_fits(layout, rows, cols, in_bytes))
        return qb_fail(err, QB_ERR_CODEC, "codec '%s': its layout of %zu x %zu is not within %zu bytes", codec->id,
                       rows, cols, in_bytes);
    *known = true;
    return QB_OK;
}

bool qb_codec_multiplies(const struct qb_format *format, size_t n)
{
    const struct qb_codec *codec = format->plugin->codec;
    return codec->gemm_tile || (n == 1 && codec->gemv);
}

enum qb_status qb_codec_multiply(const struct qb_format *format, size_t rows, size_t cols, const void *in,
                                 size_t in_bytes, size_t row, size_t count, const float *x, size_t n, float *y,
                                 size_t ld, struct qb_error *err)
{
    const struct qb_codec *codec = format->plugin->codec;
    const struct qb_codec_config *config = &format->config;
    struct qb_codec_error error;
    qb_codec_error_clear(&error);
    int status = n == 1 && codec->gemv
                     ? codec->gemv(config, rows, cols, in, in_bytes, row, count, x, y, &error)
                     : codec->gemm_tile(config, rows, cols, in, in_bytes, row, count, x, n, y, ld, &error);
    return status == QB_CODEC_OK ? QB_OK : refused(format, "product", rows, cols, status, &error, err);
}
