/* Checks about numbers: how near decoded values are, and what a codec's flags promise. */
#include "codec/conformance_values.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "codec/calls.h"
#include "codec/conformance_call.h"
#include "base/utf8.h"

/* Encodes and decodes x; false with c->message set when the codec does not. */
static bool round_trip(struct qb_check_case *c, struct qb_shape shape, const struct qb_guard *x, struct qb_guard *bytes,
                       struct qb_guard *values)
{
    return qb_encode_case(c, shape, x, QB_GUARD_BEFORE, bytes) &&
           qb_read_case(c, QB_READ_DECODE, shape, bytes, QB_GUARD_BEFORE, values);
}

/* Matrices at the ends of the number range: a codec may refuse a value it cannot hold, or decodes finite values. */
enum qb_verdict qb_check_edge_values(struct qb_check_case *c)
{
    static const float pairs[][2] = {
        {0, 0},          {-0.0f, 0},          {1, 0},      {0.25f, 0.25f},    {1e-8f, 1e-8f},
        {1e-8f, 1},      {FLT_MIN, -FLT_MIN}, {1e-45f, 0}, {1e-45f, FLT_MAX}, {FLT_MAX, -FLT_MAX},
        {FLT_MAX, 1},    {65504, -65504},     {65520, -1}, {1e-30f, 1e30f},   {1, 0x1.000002p0f},
        {3e-39f, 2e-39f}};
    const struct qb_shape shape = qb_fitted(c, 3, 37);
    size_t n = shape.rows * shape.cols;
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        struct qb_guard x = qb_guard_new("the input values", n * sizeof(float), QB_GUARD_BEFORE, 0);
        struct qb_codec_error error;
        size_t size;
        for (size_t i = 0; i < n; i++)
            qb_floats(&x)[i] = pairs[k][i % 3 == 1];
        if (qb_call_size(c, shape, &size, &error))
            return qb_reject(c, "encoded_size of %zu x %zu was refused", shape.rows, shape.cols);
        struct qb_guard bytes = qb_guard_new("the encoded bytes", size, QB_GUARD_BEFORE, 0), values;
        int status = qb_call_encode(c, shape, qb_floats(&x), bytes.data, size, &error);
        if (status == QB_CODEC_BAD_INPUT && error.index < n)
            continue;
        if (status)
            return status < 0 ? QB_VERDICT_FAIL
                              : qb_reject(c, "a matrix of %g and %g was refused with %s, index %zu (%.*s)",
                                          (double)pairs[k][0], (double)pairs[k][1], qb_codec_status_name(status),
                                          error.index, QB_UPTO(150, error.message));
        if (!qb_read_case(c, QB_READ_DECODE, shape, &bytes, QB_GUARD_BEFORE, &values)) {
            char why[QB_CHECK_MESSAGE];
            memcpy(why, c->message, sizeof why);
            return qb_reject(c, "a matrix of %g and %g: %.*s", (double)pairs[k][0], (double)pairs[k][1],
                             QB_UPTO(300, why));
        }
    }
    return QB_VERDICT_PASS;
}

/* How far decoded values are from x, in the terms of struct qb_codec_tolerance (floor_fraction is read from `promise`
 * and copied). All values must be finite. */
static struct qb_codec_tolerance measure_tolerance(const float *x, const float *decoded, size_t n,
                                                   const struct qb_codec_tolerance *promise)
{
    double top = 0, magnitude = 0, drift = 0, signal = 0, noise = 0, absolute = 0, relative = 0;
    for (size_t i = 0; i < n; i++)
        top = fmax(top, fabs((double)x[i]));
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i], error = (double)decoded[i] - v;
        absolute = fmax(absolute, fabs(error));
        if (v != 0 && fabs(v) >= promise->floor_fraction * top)
            relative = fmax(relative, fabs(error) / fabs(v));
        magnitude += fabs(v);
        drift += fabs((double)decoded[i]) - fabs(v);
        signal += v * v;
        noise += error * error;
    }
    return (struct qb_codec_tolerance){.relative_error = relative,
                                       .floor_fraction = promise->floor_fraction,
                                       .absolute_error = top > 0 ? absolute / top : absolute,
                                       .bias = magnitude > 0 ? fabs(drift) / magnitude : fabs(drift),
                                       .sqnr_db = noise > 0 ? 10 * log10(signal / noise) : 1e9};
}

/* What was decoded is held exactly: encoded once more, it decodes to the same values. A decode that is a step off
 * drifts here. Where scales may change, no worse than it promises. */
enum qb_verdict qb_check_idempotence(struct qb_check_case *c)
{
    const bool rescales = c->codec->flags & QB_CODEC_RESCALES;
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        size_t n = s->rows * s->cols;
        struct qb_guard x = qb_gaussian(c, n, 0, QB_GUARD_BEFORE), bytes, once, twice;
        if (!round_trip(c, *s, &x, &bytes, &once) || !round_trip(c, *s, &once, &bytes, &twice))
            return QB_VERDICT_FAIL;
        const float *a = qb_floats(&once), *b = qb_floats(&twice);
        double sqnr = measure_tolerance(a, b, n, &c->codec->tolerance).sqnr_db;
        if (rescales && !(sqnr >= c->codec->tolerance.sqnr_db))
            return qb_reject(
                c, "%zu x %zu: decoded again after encoding what was decoded, the SQNR is %g dB, %g was promised",
                s->rows, s->cols, sqnr, c->codec->tolerance.sqnr_db);
        for (size_t i = 0; !rescales && i < n; i++)
            if (!(fabs((double)a[i] - (double)b[i]) <= 1e-5 * fabs((double)a[i])))
                return qb_reject(c, "%zu x %zu: element %zu is %.9g, decoded again after encoding that it is %.9g",
                                 s->rows, s->cols, i, (double)a[i], (double)b[i]);
    }
    return QB_VERDICT_PASS;
}

/* A promise that decoding every value to 0 would keep; NULL: there is none. */
static const char *keeps_nothing(const struct qb_codec_tolerance *promise)
{
    return promise->floor_fraction >= 1   ? "floor_fraction"
           : promise->relative_error > 1  ? "relative error"
           : promise->absolute_error >= 1 ? "absolute error"
           : promise->bias >= 1           ? "bias"
           : promise->sqnr_db <= 0        ? "SQNR (dB)"
                                          : NULL;
}

enum qb_verdict qb_check_tolerance(struct qb_check_case *c)
{
    const char *empty = keeps_nothing(&c->codec->tolerance);
    if (!c->defaults)
        return qb_skip(c, "promised for the default options");
    if (empty)
        return qb_reject(c, "the promised %s means nothing: decoding every value to 0 would keep it", empty);
    const struct qb_shape standard = qb_fitted(c, 64, 256);
    size_t n = standard.rows * standard.cols;
    c->seed = 42; /* the standard input is one matrix, whatever the suite's seed */
    struct qb_guard x = qb_gaussian(c, n, 0, QB_GUARD_BEFORE), bytes, values;
    if (!round_trip(c, standard, &x, &bytes, &values))
        return QB_VERDICT_FAIL;
    const struct qb_codec_tolerance *promise = &c->codec->tolerance;
    struct qb_codec_tolerance found = measure_tolerance(qb_floats(&x), qb_floats(&values), n, promise);
    const struct {
        const char *name;
        double found, limit;
        bool good;
    } lines[] = {
        {"relative error", found.relative_error, promise->relative_error,
         found.relative_error <= promise->relative_error},
        {"absolute error", found.absolute_error, promise->absolute_error,
         found.absolute_error <= promise->absolute_error},
        {"bias", found.bias, promise->bias, found.bias <= promise->bias},
        {"SQNR (dB)", found.sqnr_db, promise->sqnr_db, found.sqnr_db >= promise->sqnr_db},
    };
    for (size_t i = 0; i < 4; i++)
        if (!lines[i].good)
            return qb_reject(c, "%s is %g, %g was promised", lines[i].name, lines[i].found, lines[i].limit);
    return qb_pass(c, "relative %.3g, absolute %.3g of max, bias %.3g, SQNR %.4g dB", found.relative_error,
                   found.absolute_error, found.bias, found.sqnr_db);
}

enum qb_verdict qb_check_lossless(struct qb_check_case *c)
{
    if (!(c->codec->flags & QB_CODEC_LOSSLESS))
        return qb_skip(c, "not promised");
    static const float special[] = {0, -0.0f, 1e-45f, -FLT_MIN, FLT_MAX, -FLT_MAX, 1, 0x1.fffffep-1f};
    const struct qb_shape standard = qb_fitted(c, 64, 256);
    size_t n = standard.rows * standard.cols;
    struct qb_guard x = qb_gaussian(c, n, 0, QB_GUARD_BEFORE), bytes, values;
    memcpy(x.data, special, sizeof special);
    if (!round_trip(c, standard, &x, &bytes, &values))
        return QB_VERDICT_FAIL;
    for (size_t i = 0; i < n; i++)
        if (memcmp(qb_floats(&x) + i, qb_floats(&values) + i, sizeof(float)) != 0)
            return qb_reject(c, "element %zu, %.9g, came back as %.9g", i, (double)qb_floats(&x)[i],
                             (double)qb_floats(&values)[i]);
    return QB_VERDICT_PASS;
}

enum qb_verdict qb_check_zero(struct qb_check_case *c)
{
    if (!(c->codec->flags & QB_CODEC_KEEPS_ZERO))
        return qb_skip(c, "not promised");
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        for (size_t every = 1; every <= 3; every++) { /* all zero, then each second and third value */
            size_t n = s->rows * s->cols;
            struct qb_guard x = qb_gaussian(c, n, 0, QB_GUARD_BEFORE), bytes, values;
            for (size_t i = 0; i < n; i += every)
                qb_floats(&x)[i] = i % 2 ? -0.0f : 0;
            if (!round_trip(c, *s, &x, &bytes, &values))
                return QB_VERDICT_FAIL;
            for (size_t i = 0; i < n; i += every)
                if (!(qb_floats(&values)[i] == 0))
                    return qb_reject(c, "a zero of %zu x %zu (element %zu) decodes to %g", s->rows, s->cols, i,
                                     (double)qb_floats(&values)[i]);
        }
    }
    return QB_VERDICT_PASS;
}
