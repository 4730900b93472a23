#include "codec/conformance_call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "codec/calls.h"

/* The least number of columns that is not UNSUPPORTED: a codec that stores whole blocks refuses all but multiples. */
static size_t block_of(struct qb_check_case *c)
{
    struct qb_codec_error error;
    size_t bytes;
    for (size_t cols = 1; c->block == 0 && cols <= QB_BLOCK_MAX; cols++)
        if (qb_call_size(c, (struct qb_shape){1, cols}, &bytes, &error) != QB_CODEC_UNSUPPORTED)
            c->block = cols;
    return c->block ? c->block : 1;
}

struct qb_shape qb_fitted(struct qb_check_case *c, size_t rows, size_t cols)
{
    size_t block = block_of(c);
    return (struct qb_shape){rows, (cols + block - 1) / block * block};
}

const struct qb_shape *qb_shapes(struct qb_check_case *c)
{
    static struct qb_shape shapes[] = {{1, 1},    {1, 19},  {23, 1},     {3, 37}, {5, 64},
                                       {64, 256}, {3, 700}, {1, 100003}, {0, 0}};
    for (struct qb_shape *s = shapes; s->rows; s++)
        *s = qb_fitted(c, s->rows, s->cols);
    return shapes;
}

enum qb_verdict qb_judge(struct qb_check_case *c, enum qb_verdict verdict, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    qb_utf8_vprint(c->message, sizeof c->message, format, args);
    va_end(args);
    return verdict;
}

float *qb_floats(const struct qb_guard *guard)
{
    return (float *)(void *)guard->data;
}

struct qb_guard qb_gaussian(const struct qb_check_case *c, size_t n, uint32_t salt, enum qb_guard_side side)
{
    struct qb_guard x = qb_guard_new("the input values", n * sizeof(float), side, 0);
    struct qb_rng rng;
    qb_rng_seed(&rng, c->seed + salt);
    qb_rng_normal(&rng, 0.0f, 0.02f, qb_floats(&x), n);
    return x;
}

int qb_call_answer(struct qb_check_case *c, const char *function, int status, struct qb_codec_error *error)
{
    if (!qb_codec_status_name(status)) {
        qb_reject(c, "%s returned the unknown status %d", function, status);
        return -1;
    }
    if (!memchr(error->message, '\0', sizeof error->message)) {
        qb_reject(c, "%s left a message without an end", function);
        return -1;
    }
    if (status && !*error->message) {
        qb_reject(c, "%s returned %s without a message", function, qb_codec_status_name(status));
        return -1;
    }
    qb_codec_error_clean(error);
    return status;
}

int qb_call_size(struct qb_check_case *c, struct qb_shape shape, size_t *bytes, struct qb_codec_error *error)
{
    qb_codec_error_clear(error);
    *bytes = 0;
    int status = c->codec->encoded_size(&c->config, shape.rows, shape.cols, bytes, error);
    return qb_call_answer(c, "encoded_size", status, error);
}

int qb_call_encode(struct qb_check_case *c, struct qb_shape shape, const float *x, void *out, size_t out_bytes,
                   struct qb_codec_error *error)
{
    qb_codec_error_clear(error);
    int status = c->codec->encode(&c->config, shape.rows, shape.cols, x, out, out_bytes, error);
    return qb_call_answer(c, "encode", status, error);
}

static const char *const reader_names[] = {"decode", "coordinates"};

int qb_call_read(struct qb_check_case *c, enum qb_reader reader, struct qb_shape shape, const void *in, size_t in_bytes,
                 size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    qb_codec_error_clear(error);
    int status = (reader == QB_READ_DECODE ? c->codec->decode : c->codec->coordinates)(
        &c->config, shape.rows, shape.cols, in, in_bytes, row, count, out, error);
    return qb_call_answer(c, reader_names[reader], status, error);
}

/* Guards around the buffers of one call, and an input that must be what it was. */
static bool untouched(struct qb_check_case *c, const char *function, struct qb_shape shape, const struct qb_guard *in,
                      const unsigned char *before, const struct qb_guard *out)
{
    char why[200];
    if (qb_guard_intact(out, why, sizeof why) && qb_guard_intact(in, why, sizeof why)) {
        if (memcmp(in->data, before, in->size) == 0)
            return true;
        snprintf(why, sizeof why, "changed its input");
    }
    qb_reject(c, "%s of %zu x %zu %s", function, shape.rows, shape.cols, why);
    return false;
}

bool qb_encode_case(struct qb_check_case *c, struct qb_shape shape, const struct qb_guard *x, enum qb_guard_side side,
                    struct qb_guard *bytes)
{
    struct qb_codec_error error;
    size_t size;
    int status = qb_call_size(c, shape, &size, &error);
    if (!status && size > 0 && size <= 64 * (shape.rows * shape.cols + 64)) {
        *bytes = qb_guard_new("the encoded bytes", size, side, 0xa5);
        struct qb_guard copy = qb_guard_new("a copy", x->size, QB_GUARD_BEFORE, 0);
        memcpy(copy.data, x->data, x->size);
        status = qb_call_encode(c, shape, qb_floats(x), bytes->data, size, &error);
        if (!status)
            return untouched(c, "encode", shape, x, copy.data, bytes);
    } else if (!status) {
        qb_reject(c, "encoded_size of %zu x %zu is %zu bytes", shape.rows, shape.cols, size);
        return false;
    }
    if (status > 0)
        qb_reject(c, "encode of %zu x %zu was refused (%s: %.*s)", shape.rows, shape.cols, qb_codec_status_name(status),
                  QB_UPTO(200, error.message));
    return false;
}

bool qb_read_case(struct qb_check_case *c, enum qb_reader reader, struct qb_shape shape, const struct qb_guard *bytes,
                  enum qb_guard_side side, struct qb_guard *values)
{
    struct qb_codec_error error;
    size_t n = shape.rows * shape.cols;
    *values = qb_guard_new("the output values", n * sizeof(float), side, 0xff); /* 0xffffffff is a NaN */
    struct qb_guard copy = qb_guard_new("a copy", bytes->size, QB_GUARD_BEFORE, 0);
    memcpy(copy.data, bytes->data, bytes->size);
    int status = qb_call_read(c, reader, shape, bytes->data, bytes->size, 0, shape.rows, qb_floats(values), &error);
    if (status > 0)
        qb_reject(c, "%s of %zu x %zu was refused (%s: %.*s)", reader_names[reader], shape.rows, shape.cols,
                  qb_codec_status_name(status), QB_UPTO(200, error.message));
    if (status || !untouched(c, reader_names[reader], shape, bytes, copy.data, values))
        return false;
    size_t bad = qb_first_nonfinite(qb_floats(values), n);
    if (bad == n)
        return true;
    qb_reject(c, "%s of %zu x %zu left element (%zu, %zu) not finite or not written", reader_names[reader], shape.rows,
              shape.cols, bad / shape.cols, bad % shape.cols);
    return false;
}
