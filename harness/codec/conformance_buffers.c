/* Checks about sizes, buffers and bytes: nothing outside is touched, and any bytes are survived. */
#include "codec/conformance_checks.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "codec/calls.h"
#include "codec/conformance_call.h"

/* A codec of blocks takes each multiple of them, and refuses any other number of columns by name. */
static bool whole_blocks(struct qb_check_case *c)
{
    struct qb_codec_error error;
    const size_t block = qb_fitted(c, 1, 1).cols;
    size_t bytes;
    for (size_t cols = 1; block > 1 && cols <= 4 * block; cols++) {
        int status = qb_call_size(c, (struct qb_shape){2, cols}, &bytes, &error);
        char number[24];
        snprintf(number, sizeof number, "%zu", block);
        if (status < 0)
            return false;
        if (status == (cols % block ? QB_CODEC_UNSUPPORTED : QB_CODEC_OK) && (!status || strstr(error.message, number)))
            continue;
        qb_reject(c, "encoded_size of 2 x %zu, in blocks of %zu, gave %s (%.*s)", cols, block,
                  qb_codec_status_name(status), QB_UPTO(200, error.message));
        return false;
    }
    return true;
}

enum qb_verdict qb_check_sizes(struct qb_check_case *c)
{
    struct qb_codec_error error;
    size_t bytes, again;
    static const struct qb_shape wrong[] = {{0, 5}, {5, 0}, {SIZE_MAX / 2, 16}, {SIZE_MAX, SIZE_MAX}};
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        int status = qb_call_size(c, *s, &bytes, &error);
        if (status)
            return status < 0 ? QB_VERDICT_FAIL
                              : qb_reject(c, "encoded_size of %zu x %zu was refused (%s: %.*s)", s->rows, s->cols,
                                          qb_codec_status_name(status), QB_UPTO(200, error.message));
        if (bytes == 0 || qb_call_size(c, *s, &again, &error) || again != bytes)
            return qb_reject(c, "encoded_size of %zu x %zu is 0 or changes", s->rows, s->cols);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int status = qb_call_size(c, wrong[i], &bytes, &error);
        if (status <= 0)
            return status < 0 ? QB_VERDICT_FAIL
                              : qb_reject(c, "encoded_size of %zu x %zu was not refused", wrong[i].rows, wrong[i].cols);
    }
    return whole_blocks(c) ? QB_VERDICT_PASS : QB_VERDICT_FAIL;
}

/* Encode and decode of every shape on buffers of exact size. */
static enum qb_verdict every_shape(struct qb_check_case *c, enum qb_guard_side side)
{
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        struct qb_guard x = qb_gaussian(c, s->rows * s->cols, 0, side), bytes, values;
        if (!qb_encode_case(c, *s, &x, side, &bytes) || !qb_read_case(c, QB_READ_DECODE, *s, &bytes, side, &values))
            return QB_VERDICT_FAIL;
    }
    return QB_VERDICT_PASS;
}

enum qb_verdict qb_check_round_trip(struct qb_check_case *c)
{
    return every_shape(c, QB_GUARD_BEFORE);
}

enum qb_verdict qb_check_exact_buffers(struct qb_check_case *c)
{
    return every_shape(c, QB_GUARD_AFTER);
}

enum qb_verdict qb_check_small_buffers(struct qb_check_case *c)
{
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        struct qb_guard x = qb_gaussian(c, s->rows * s->cols, 0, QB_GUARD_AFTER), bytes;
        if (!qb_encode_case(c, *s, &x, QB_GUARD_AFTER, &bytes))
            return QB_VERDICT_FAIL;
        struct qb_guard less = qb_guard_new("a buffer one byte too small", bytes.size - 1, QB_GUARD_AFTER, 0);
        memcpy(less.data, bytes.data, less.size);
        struct qb_guard values = qb_guard_new("the output values", x.size, QB_GUARD_AFTER, 0xff);
        struct qb_codec_error error;
        int decoded = qb_call_read(c, QB_READ_DECODE, *s, less.data, less.size, 0, s->rows, qb_floats(&values), &error);
        int encoded = decoded < 0 ? -1 : qb_call_encode(c, *s, qb_floats(&x), less.data, less.size, &error);
        if (decoded < 0 || encoded < 0)
            return QB_VERDICT_FAIL;
        if (!decoded || !encoded)
            return qb_reject(c, "%s of %zu x %zu accepted %zu bytes, %zu are needed", !encoded ? "encode" : "decode",
                             s->rows, s->cols, less.size, bytes.size);
        char why[200];
        if (!qb_guard_intact(&less, why, sizeof why) || !qb_guard_intact(&values, why, sizeof why))
            return qb_reject(c, "a refused call %s", why);
    }
    return QB_VERDICT_PASS;
}

enum qb_verdict qb_check_large_buffers(struct qb_check_case *c)
{
    enum { MORE = 100 };
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        struct qb_guard x = qb_gaussian(c, s->rows * s->cols, 0, QB_GUARD_BEFORE), bytes, values, others;
        if (!qb_encode_case(c, *s, &x, QB_GUARD_BEFORE, &bytes) ||
            !qb_read_case(c, QB_READ_DECODE, *s, &bytes, QB_GUARD_BEFORE, &values))
            return QB_VERDICT_FAIL;
        struct qb_guard more = qb_guard_new("a larger buffer", bytes.size + MORE, QB_GUARD_BEFORE, 0x5a);
        struct qb_codec_error error;
        int status = qb_call_encode(c, *s, qb_floats(&x), more.data, more.size, &error);
        if (status)
            return status < 0 ? QB_VERDICT_FAIL
                              : qb_reject(c, "encode refused a larger buffer (%.*s)", QB_UPTO(200, error.message));
        for (size_t i = bytes.size; i < more.size; i++)
            if (more.data[i] != 0x5a)
                return qb_reject(c, "encode of %zu x %zu wrote behind the encoded bytes (byte %zu of %zu)", s->rows,
                                 s->cols, i, bytes.size);
        if (!qb_read_case(c, QB_READ_DECODE, *s, &more, QB_GUARD_BEFORE, &others))
            return QB_VERDICT_FAIL;
        if (memcmp(more.data, bytes.data, bytes.size) != 0 || memcmp(values.data, others.data, values.size) != 0)
            return qb_reject(c, "%zu x %zu comes out otherwise from a larger buffer", s->rows, s->cols);
    }
    return QB_VERDICT_PASS;
}

/* Bytes that may be anything: a refusal or finite values, and nothing touched outside. */
static bool survives(struct qb_check_case *c, enum qb_reader reader, struct qb_shape shape, const struct qb_guard *in,
                     struct qb_guard *values, const char *what)
{
    struct qb_codec_error error;
    size_t n = shape.rows * shape.cols;
    memset(values->data, 0xff, values->size);
    int status = qb_call_read(c, reader, shape, in->data, in->size, 0, shape.rows, qb_floats(values), &error);
    char why[200];
    if (status < 0)
        return false;
    if (!qb_guard_intact(values, why, sizeof why)) {
        qb_reject(c, "given %s, decode %s (seed %u)", what, why, c->seed);
        return false;
    }
    size_t bad = !status ? qb_first_nonfinite(qb_floats(values), n) : n;
    if (bad < n)
        qb_reject(c, "given %s, decode of %zu x %zu left element %zu not finite or not written (seed %u)", what,
                  shape.rows, shape.cols, bad, c->seed);
    return bad == n;
}

enum qb_verdict qb_check_truncated(struct qb_check_case *c)
{
    const struct qb_shape shapes[] = {qb_fitted(c, 1, 1), qb_fitted(c, 3, 37), qb_fitted(c, 64, 256)};
    for (size_t k = 0; k < 3; k++) {
        struct qb_shape s = shapes[k];
        struct qb_guard x = qb_gaussian(c, s.rows * s.cols, 0, QB_GUARD_AFTER), bytes;
        struct qb_guard values = qb_guard_new("the output values", x.size, QB_GUARD_AFTER, 0xff);
        if (!qb_encode_case(c, s, &x, QB_GUARD_AFTER, &bytes))
            return QB_VERDICT_FAIL;
        size_t step = bytes.size / 40 + 1;
        for (size_t size = 0; size < bytes.size; size += step) {
            struct qb_guard part = qb_guard_new("the truncated bytes", size, QB_GUARD_AFTER, 0);
            memcpy(part.data, bytes.data, size);
            if (!survives(c, QB_READ_DECODE, s, &part, &values, "truncated bytes"))
                return QB_VERDICT_FAIL;
        }
    }
    return QB_VERDICT_PASS;
}

/* Bytes drawn at random, and encoded bytes of which some were changed. */
enum qb_verdict qb_check_random_bytes(struct qb_check_case *c)
{
    const struct qb_shape shapes[] = {qb_fitted(c, 1, 1), qb_fitted(c, 3, 37), qb_fitted(c, 5, 64),
                                      qb_fitted(c, 1, 1000)};
    struct qb_rng rng;
    qb_rng_seed(&rng, c->seed);
    for (size_t k = 0; k < 4; k++) {
        struct qb_shape s = shapes[k];
        struct qb_guard x = qb_gaussian(c, s.rows * s.cols, 0, QB_GUARD_AFTER), bytes;
        struct qb_guard values = qb_guard_new("the output values", x.size, QB_GUARD_BEFORE, 0xff);
        if (!qb_encode_case(c, s, &x, QB_GUARD_AFTER, &bytes))
            return QB_VERDICT_FAIL;
        struct qb_guard wild = qb_guard_new("the random bytes", bytes.size, QB_GUARD_AFTER, 0);
        for (int round = 0; round < 300; round++) {
            bool all = round % 3 == 0;
            for (size_t i = 0; i < wild.size; i++)
                wild.data[i] = all ? (unsigned char)qb_rng_u32(&rng) : bytes.data[i];
            for (int change = 0; !all && change < 1 + round % 5; change++) { /* the header as often as the rest */
                uint32_t place = qb_rng_randint(&rng, (uint32_t)(round % 2 && wild.size > 8 ? 8 : wild.size));
                uint32_t value = round % 4 ? qb_rng_u32(&rng) : round % 8 ? 0xff : 0;
                wild.data[place] = (unsigned char)value;
            }
            if (!survives(c, QB_READ_DECODE, s, &wild, &values, all ? "random bytes" : "changed bytes") ||
                (c->codec->coordinates &&
                 !survives(c, QB_READ_COORDINATES, s, &wild, &values, all ? "random bytes" : "changed bytes")))
                return QB_VERDICT_FAIL;
        }
    }
    return QB_VERDICT_PASS;
}
