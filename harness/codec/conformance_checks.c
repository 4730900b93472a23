/* The list of checks, and those about calls: row ranges, threads, levels, refusals. */
#include "codec/conformance_checks.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "codec/calls.h"
#include "codec/conformance_call.h"
#include "codec/conformance_values.h"

/* Rows [row, row + count) must be those of the whole, bit for bit, on buffers of exact size. */
static bool range_equals(struct qb_check_case *c, enum qb_reader reader, struct qb_shape shape,
                         const struct qb_guard *bytes, const struct qb_guard *whole, size_t row, size_t count)
{
    struct qb_codec_error error;
    size_t line = shape.cols * sizeof(float);
    struct qb_guard part = qb_guard_new("the output values", count * line, QB_GUARD_AFTER, 0xff);
    int status = qb_call_read(c, reader, shape, bytes->data, bytes->size, row, count, qb_floats(&part), &error);
    if (status < 0)
        return false;
    if (!status && memcmp(part.data, whole->data + row * line, part.size) == 0)
        return true;
    if (status)
        qb_reject(c, "rows [%zu, %zu) of %zu x %zu were refused (%.*s)", row, row + count, shape.rows, shape.cols,
                  QB_UPTO(200, error.message));
    else
        qb_reject(c, "rows [%zu, %zu) of %zu x %zu differ from the same rows of the whole", row, row + count,
                  shape.rows, shape.cols);
    return false;
}

static enum qb_verdict row_ranges(struct qb_check_case *c, enum qb_reader reader)
{
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        struct qb_guard x = qb_gaussian(c, s->rows * s->cols, 0, QB_GUARD_AFTER), bytes, whole;
        if (!qb_encode_case(c, *s, &x, QB_GUARD_AFTER, &bytes) ||
            !qb_read_case(c, reader, *s, &bytes, QB_GUARD_AFTER, &whole))
            return QB_VERDICT_FAIL;
        for (size_t row = 0; row < s->rows; row++)
            if (!range_equals(c, reader, *s, &bytes, &whole, row, 1) ||
                !range_equals(c, reader, *s, &bytes, &whole, row, s->rows - row))
                return QB_VERDICT_FAIL;
        struct qb_codec_error error;
        struct qb_guard values = qb_guard_new("the output values", 2 * x.size, QB_GUARD_AFTER, 0);
        if (qb_call_read(c, reader, *s, bytes.data, bytes.size, s->rows, 1, qb_floats(&values), &error) == 0 ||
            qb_call_read(c, reader, *s, bytes.data, bytes.size, 0, s->rows + 1, qb_floats(&values), &error) == 0 ||
            qb_call_read(c, reader, *s, bytes.data, bytes.size, SIZE_MAX, 2, qb_floats(&values), &error) == 0)
            return qb_reject(c, "rows outside %zu x %zu were not refused", s->rows, s->cols);
    }
    return QB_VERDICT_PASS;
}

static enum qb_verdict check_row_ranges(struct qb_check_case *c)
{
    return row_ranges(c, QB_READ_DECODE);
}

static enum qb_verdict check_coordinates(struct qb_check_case *c)
{
    return c->codec->coordinates ? row_ranges(c, QB_READ_COORDINATES) : qb_skip(c, "not offered");
}

/* One thread of check_threads: its own data, encoded and decoded often; what it gets must not change. */
struct worker {
    struct qb_check_case c;
    struct qb_shape shape;
    struct qb_guard x, bytes, values; /* as one thread alone got them */
    pthread_t thread;
    bool same;
};

static void *work(void *context)
{
    struct worker *w = context;
    struct qb_codec_error error;
    unsigned char *bytes = malloc(w->bytes.size);
    float *values = malloc(w->values.size);
    w->same = bytes && values;
    for (int round = 0; w->same && round < 20; round++) {
        memset(bytes, 0x5a, w->bytes.size);
        memset(values, 0xff, w->values.size);
        w->same =
            !qb_call_encode(&w->c, w->shape, qb_floats(&w->x), bytes, w->bytes.size, &error) &&
            !qb_call_read(&w->c, QB_READ_DECODE, w->shape, bytes, w->bytes.size, 0, w->shape.rows, values, &error) &&
            memcmp(bytes, w->bytes.data, w->bytes.size) == 0 && memcmp(values, w->values.data, w->values.size) == 0;
    }
    free(bytes);
    free(values);
    return NULL;
}

static enum qb_verdict check_threads(struct qb_check_case *c)
{
    enum { WORKERS = 4 };
    static struct worker workers[WORKERS];
    const struct qb_shape standard = qb_fitted(c, 64, 256);
    bool same = true;
    for (uint32_t i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        w->c = *c;
        w->shape = standard;
        w->x = qb_gaussian(c, standard.rows * standard.cols, i, QB_GUARD_BEFORE);
        if (!qb_encode_case(c, standard, &w->x, QB_GUARD_BEFORE, &w->bytes) ||
            !qb_read_case(c, QB_READ_DECODE, standard, &w->bytes, QB_GUARD_BEFORE, &w->values))
            return QB_VERDICT_FAIL;
    }
    for (int i = 0; i < WORKERS; i++)
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            return qb_skip(c, "the system gives no threads");
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        same = same && workers[i].same;
    }
    return same ? QB_VERDICT_PASS : qb_reject(c, "4 threads at once do not get what one thread alone gets");
}

/* What is stored and decoded depends on the input alone: not on earlier calls, nor on what the buffers held. */
static enum qb_verdict check_determinism(struct qb_check_case *c)
{
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        size_t n = s->rows * s->cols;
        struct qb_guard x = qb_gaussian(c, n, 0, QB_GUARD_BEFORE), y = qb_gaussian(c, n, 1, QB_GUARD_BEFORE);
        struct qb_guard bytes, values, other;
        if (!qb_encode_case(c, *s, &x, QB_GUARD_BEFORE, &bytes) ||
            !qb_read_case(c, QB_READ_DECODE, *s, &bytes, QB_GUARD_BEFORE, &values) ||
            !qb_encode_case(c, *s, &y, QB_GUARD_BEFORE, &other)) /* something else in between */
            return QB_VERDICT_FAIL;
        struct qb_codec_error error;
        for (int fill = 0; fill < 2; fill++) {
            memset(other.data, fill ? 0xff : 0, other.size);
            memset(y.data, fill ? 0x7f : 0, y.size);
            int status = qb_call_encode(c, *s, qb_floats(&x), other.data, other.size, &error);
            if (status || memcmp(other.data, bytes.data, bytes.size) != 0)
                return status < 0 ? QB_VERDICT_FAIL
                                  : qb_reject(c, "two encodes of the same %zu x %zu values differ", s->rows, s->cols);
            status = qb_call_read(c, QB_READ_DECODE, *s, other.data, other.size, 0, s->rows, qb_floats(&y), &error);
            if (status || memcmp(y.data, values.data, values.size) != 0)
                return status < 0 ? QB_VERDICT_FAIL
                                  : qb_reject(c, "two decodes of the same %zu x %zu bytes differ", s->rows, s->cols);
        }
    }
    return QB_VERDICT_PASS;
}

/* Every instruction set level up to the case's: the same bytes and the same values as the portable one. */
static enum qb_verdict check_isa_levels(struct qb_check_case *c)
{
    int32_t top = c->config.isa;
    if (top == QB_ISA_PORTABLE)
        return qb_skip(c, "only the portable level was asked for");
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        struct qb_guard x = qb_gaussian(c, s->rows * s->cols, 0, QB_GUARD_BEFORE), bytes, again;
        struct qb_guard first = {0}, values[2] = {{0}};
        for (c->config.isa = QB_ISA_PORTABLE; c->config.isa <= top; c->config.isa++) {
            if (!qb_encode_case(c, *s, &x, QB_GUARD_BEFORE, &bytes))
                return QB_VERDICT_FAIL;
            first = c->config.isa == QB_ISA_PORTABLE ? bytes : first;
            if (memcmp(first.data, bytes.data, bytes.size) != 0)
                return qb_reject(c, "encode of %zu x %zu differs between level %d and the portable one", s->rows,
                                 s->cols, (int)c->config.isa);
            for (enum qb_reader r = QB_READ_DECODE; r <= QB_READ_COORDINATES; r++) {
                if (r == QB_READ_COORDINATES && !c->codec->coordinates)
                    continue;
                if (!qb_read_case(c, r, *s, &bytes, QB_GUARD_BEFORE, &again))
                    return QB_VERDICT_FAIL;
                values[r] = c->config.isa == QB_ISA_PORTABLE ? again : values[r];
                if (memcmp(values[r].data, again.data, again.size) != 0)
                    return qb_reject(c, "%s of %zu x %zu differs between level %d and the portable one",
                                     r == QB_READ_DECODE ? "decode" : "coordinates", s->rows, s->cols,
                                     (int)c->config.isa);
            }
        }
    }
    return QB_VERDICT_PASS;
}

/* NaN and Inf are refused, and the first of them is named. */
static enum qb_verdict check_nonfinite(struct qb_check_case *c)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    const struct qb_shape small = qb_fitted(c, 3, 37);
    size_t n = small.rows * small.cols;
    const size_t places[] = {0, 1, n / 2, n - 2, n - 1};
    struct qb_guard x = qb_gaussian(c, n, 0, QB_GUARD_AFTER), bytes;
    if (!qb_encode_case(c, small, &x, QB_GUARD_AFTER, &bytes))
        return QB_VERDICT_FAIL;
    for (size_t k = 0; k < 15; k++) {
        size_t place = places[k % 5];
        float keep = qb_floats(&x)[place], last = qb_floats(&x)[n - 1];
        qb_floats(&x)[n - 1] = NAN;
        qb_floats(&x)[place] = wrong[k / 5];
        struct qb_codec_error error;
        int status = qb_call_encode(c, small, qb_floats(&x), bytes.data, bytes.size, &error);
        qb_floats(&x)[n - 1] = last;
        qb_floats(&x)[place] = place == n - 1 ? last : keep;
        if (status < 0)
            return QB_VERDICT_FAIL;
        if (status != QB_CODEC_BAD_INPUT)
            return qb_reject(c, "%f as element %zu of %zu x %zu gave %s, BAD_INPUT was due", (double)wrong[k / 5],
                             place, small.rows, small.cols, qb_codec_status_name(status));
        if (error.index != place)
            return qb_reject(c, "%f as element %zu of %zu x %zu: the error names index %zu", (double)wrong[k / 5],
                             place, small.rows, small.cols, error.index);
    }
    return QB_VERDICT_PASS;
}

const struct qb_check qb_checks[] = {
    {"sizes", qb_check_sizes},
    {"round trip", qb_check_round_trip},
    {"exact buffers", qb_check_exact_buffers},
    {"small buffers", qb_check_small_buffers},
    {"large buffers", qb_check_large_buffers},
    {"truncated bytes", qb_check_truncated},
    {"random bytes", qb_check_random_bytes},
    {"row ranges", check_row_ranges},
    {"NaN and Inf", check_nonfinite},
    {"encode in parts", qb_check_parts},
    {"edge values", qb_check_edge_values},
    {"determinism", check_determinism},
    {"threads", check_threads},
    {"instruction sets", check_isa_levels},
    {"idempotence", qb_check_idempotence},
    {"tolerance", qb_check_tolerance},
    {"lossless", qb_check_lossless},
    {"zero", qb_check_zero},
    {"coordinates", check_coordinates},
    {"gemv", qb_check_gemv},
    {"gemm tile", qb_check_gemm_tile},
    {"layout", qb_check_layout},
    {NULL, NULL},
};
