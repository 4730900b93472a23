/* Checks of what a codec may offer beside the mandatory functions: encode in parts, products on encoded bytes,
 * layouts. */
#include "codec/conformance_checks.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "codec/calls.h"
#include "codec/conformance_call.h"
#include "codec/layout.h"

/* ---- encode_part ---- */

/* One part, its values in a buffer of exact size. The status, or -1 with c->message set. */
static int call_part(struct qb_check_case *c, struct qb_shape shape, unsigned pass, size_t row, size_t count,
                     const struct qb_guard *x, const struct qb_guard *out, struct qb_codec_error *error)
{
    size_t line = shape.cols * sizeof(float);
    struct qb_guard part = qb_guard_new("a part's values", count * line, QB_GUARD_AFTER, 0);
    memcpy(part.data, x->data + row * line, part.size);
    qb_codec_error_clear(error);
    int status = c->codec->encode_part(&c->config, shape.rows, shape.cols, pass, row, count, qb_floats(&part),
                                       out->data, out->size, error);
    status = qb_call_answer(c, "encode_part", status, error);
    char why[200];
    if (status < 0 || (qb_guard_intact(out, why, sizeof why) && qb_guard_intact(&part, why, sizeof why) &&
                       memcmp(part.data, x->data + row * line, part.size) == 0))
        return status;
    qb_reject(c, "encode_part of rows [%zu, %zu) of %zu x %zu wrote outside or changed its input", row, row + count,
              shape.rows, shape.cols);
    return -1;
}

/* How the rows are cut: one at a time, by turns 1, 2, 3, ..., all at once. */
enum cut { CUT_ROWS, CUT_UNEVEN, CUT_WHOLE, CUTS };
static const char *const cut_names[CUTS] = {"row by row", "in uneven parts", "as one part"};

/* All passes over all parts; the status of the first that is not OK. */
static int encode_cut(struct qb_check_case *c, struct qb_shape shape, enum cut cut, const struct qb_guard *x,
                      const struct qb_guard *out, struct qb_codec_error *error)
{
    for (unsigned pass = 0; pass < c->codec->encode_passes; pass++) {
        for (size_t row = 0, count = 1; row < shape.rows; row += count) {
            count = cut == CUT_ROWS ? 1 : cut == CUT_WHOLE ? shape.rows : row == 0 ? 1 : count + 1;
            count = count < shape.rows - row ? count : shape.rows - row;
            int status = call_part(c, shape, pass, row, count, x, out, error);
            if (status)
                return status;
        }
    }
    return QB_CODEC_OK;
}

static bool parts_equal_whole(struct qb_check_case *c, struct qb_shape shape, enum cut cut)
{
    struct qb_guard x = qb_gaussian(c, shape.rows * shape.cols, 0, QB_GUARD_AFTER), bytes;
    struct qb_codec_error error;
    if (!qb_encode_case(c, shape, &x, QB_GUARD_AFTER, &bytes))
        return false;
    for (int fill = 0; fill < 2; fill++) { /* what the bytes held before does not matter */
        struct qb_guard out =
            qb_guard_new("the encoded bytes", bytes.size, fill ? QB_GUARD_BEFORE : QB_GUARD_AFTER, fill ? 0xff : 0);
        int status = encode_cut(c, shape, cut, &x, &out, &error);
        if (status > 0)
            qb_reject(c, "encoding %zu x %zu %s was refused (%s: %.*s)", shape.rows, shape.cols, cut_names[cut],
                      qb_codec_status_name(status), QB_UPTO(200, error.message));
        else if (status == 0 && memcmp(out.data, bytes.data, bytes.size) != 0)
            qb_reject(c, "%zu x %zu encoded %s differs from what encode gives", shape.rows, shape.cols, cut_names[cut]);
        else if (status == 0)
            continue;
        return false;
    }
    return true;
}

/* NaN is refused wherever it is; so are rows outside and a buffer that is too small. */
static enum qb_verdict parts_refuse(struct qb_check_case *c)
{
    const struct qb_shape shape = qb_fitted(c, 5, 64);
    struct qb_guard x = qb_gaussian(c, shape.rows * shape.cols, 0, QB_GUARD_AFTER), bytes;
    struct qb_codec_error error;
    if (!qb_encode_case(c, shape, &x, QB_GUARD_AFTER, &bytes))
        return QB_VERDICT_FAIL;
    for (size_t place = 0; place < shape.rows * shape.cols; place += 33) {
        float keep = qb_floats(&x)[place];
        qb_floats(&x)[place] = place % 2 ? NAN : -INFINITY;
        int status = encode_cut(c, shape, CUT_UNEVEN, &x, &bytes, &error);
        qb_floats(&x)[place] = keep;
        if (status < 0)
            return QB_VERDICT_FAIL;
        if (status != QB_CODEC_BAD_INPUT || error.index != place)
            return qb_reject(c, "NaN or Inf as element %zu of %zu x %zu in parts gave %s, index %zu; BAD_INPUT was due",
                             place, shape.rows, shape.cols, qb_codec_status_name(status), error.index);
    }
    struct qb_guard less = qb_guard_new("a buffer one byte too small", bytes.size - 1, QB_GUARD_AFTER, 0);
    const float *values = qb_floats(&x);
    const struct {
        size_t row, count;
        const struct qb_guard *out;
    } wrong[] = {{0, 1, &less}, {shape.rows, 1, &bytes}, {1, shape.rows, &bytes}, {SIZE_MAX, 2, &bytes}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (!c->codec->encode_part(&c->config, shape.rows, shape.cols, 0, wrong[i].row, wrong[i].count, values,
                                   wrong[i].out->data, wrong[i].out->size, &error))
            return qb_reject(c, "encode_part accepted rows outside or a buffer one byte too small");
    return QB_VERDICT_PASS;
}

enum qb_verdict qb_check_parts(struct qb_check_case *c)
{
    if (!c->codec->encode_part)
        return qb_skip(c, "not offered");
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++)
        for (int cut = 0; cut < CUTS; cut++)
            if (!parts_equal_whole(c, *s, (enum cut)cut))
                return QB_VERDICT_FAIL;
    return parts_refuse(c);
}

/* ---- products ---- */

/* A matrix W encoded, its decoded values, inputs x[n, cols], and which product reads them. */
struct product {
    struct qb_check_case *c;
    struct qb_shape shape;
    struct qb_guard bytes, values, x;
    struct qb_guard known; /* y[n, rows], NaN before it was computed once */
    size_t n;
    bool gemv; /* n is 1 */
};

static const char *name_of(const struct product *p)
{
    return p->gemv ? "gemv" : "gemm_tile";
}

static int call_product(const struct product *p, size_t row, size_t count, struct qb_guard *y, size_t ldy,
                        struct qb_codec_error *error)
{
    const struct qb_codec *codec = p->c->codec;
    size_t rows = p->shape.rows, cols = p->shape.cols;
    const float *x = qb_floats(&p->x);
    qb_codec_error_clear(error);
    int status = p->gemv ? codec->gemv(&p->c->config, rows, cols, p->bytes.data, p->bytes.size, row, count, x,
                                       qb_floats(y), error)
                         : codec->gemm_tile(&p->c->config, rows, cols, p->bytes.data, p->bytes.size, row, count, x,
                                            p->n, qb_floats(y), ldy, error);
    return qb_call_answer(p->c, name_of(p), status, error);
}

/* y of row `row` and input k, against the decoded weights in double. */
static bool is_product(const struct product *p, size_t row, size_t k, float y)
{
    const float *w = qb_floats(&p->values) + row * p->shape.cols, *x = qb_floats(&p->x) + k * p->shape.cols;
    double sum = 0, size = 0;
    for (size_t i = 0; i < p->shape.cols; i++) {
        sum += (double)w[i] * (double)x[i];
        size += fabs((double)w[i] * (double)x[i]);
    }
    if (fabs((double)y - sum) <= 1e-5 * size + 1e-30)
        return true;
    qb_reject(p->c, "%s: row %zu of input %zu gives %.9g, the decoded weights give %.9g", name_of(p), row, k, (double)y,
              sum);
    return false;
}

/* y of a row and input is the same bits in every range of rows. */
static bool is_known(const struct product *p, size_t row, size_t k, float y)
{
    float *known = qb_floats(&p->known) + k * p->shape.rows + row;
    if (isnan(*known))
        *known = y;
    if (memcmp(known, &y, sizeof y) == 0)
        return true;
    qb_reject(p->c, "%s: row %zu of input %zu is %.9g in one range of rows, %.9g in another", name_of(p), row, k,
              (double)*known, (double)y);
    return false;
}

/* Rows [row, row + count) of the product; ldy leaves a gap where there are several inputs. */
static bool product_of_rows(const struct product *p, size_t row, size_t count)
{
    size_t ldy = count + (p->n > 1 ? 2 : 0), size = (p->n - 1) * ldy + count;
    struct qb_guard y = qb_guard_new("y", size * sizeof(float), QB_GUARD_AFTER, 0xff);
    struct qb_codec_error error;
    char why[200];
    int status = call_product(p, row, count, &y, ldy, &error);
    if (status > 0)
        qb_reject(p->c, "%s was refused (%s: %.*s)", name_of(p), qb_codec_status_name(status),
                  QB_UPTO(200, error.message));
    if (status)
        return false;
    if (!qb_guard_intact(&y, why, sizeof why)) {
        qb_reject(p->c, "%s %s", name_of(p), why);
        return false;
    }
    for (size_t k = 0; k < p->n; k++) {
        for (size_t r = 0; r < count; r++)
            if (!is_product(p, row + r, k, qb_floats(&y)[k * ldy + r]) ||
                !is_known(p, row + r, k, qb_floats(&y)[k * ldy + r]))
                return false;
        for (size_t i = k * ldy + count; i < size && i < (k + 1) * ldy; i++)
            if (!isnan(qb_floats(&y)[i])) {
                qb_reject(p->c, "%s wrote between the rows of y", name_of(p));
                return false;
            }
    }
    return true;
}

static enum qb_verdict check_product(struct product *p)
{
    for (const struct qb_shape *s = qb_shapes(p->c); s->rows; s++) {
        p->shape = *s;
        p->x = qb_gaussian(p->c, p->n * s->cols, 1, QB_GUARD_AFTER);
        p->known = qb_guard_new("known values", p->n * s->rows * sizeof(float), QB_GUARD_BEFORE, 0xff);
        struct qb_guard w = qb_gaussian(p->c, s->rows * s->cols, 0, QB_GUARD_AFTER);
        if (!qb_encode_case(p->c, *s, &w, QB_GUARD_AFTER, &p->bytes) ||
            !qb_read_case(p->c, QB_READ_DECODE, *s, &p->bytes, QB_GUARD_AFTER, &p->values))
            return QB_VERDICT_FAIL;
        size_t middle = s->rows / 2;
        if (!product_of_rows(p, 0, s->rows) || !product_of_rows(p, 0, 1) || !product_of_rows(p, s->rows - 1, 1) ||
            !product_of_rows(p, middle, s->rows - middle))
            return QB_VERDICT_FAIL;
        struct qb_guard y = qb_guard_new("y", p->n * (s->rows + 1) * sizeof(float), QB_GUARD_AFTER, 0);
        struct qb_codec_error error;
        if (!call_product(p, s->rows, 1, &y, s->rows + 1, &error) ||
            !call_product(p, 0, s->rows + 1, &y, s->rows + 1, &error))
            return qb_reject(p->c, "%s: rows outside %zu x %zu were not refused", name_of(p), s->rows, s->cols);
    }
    return QB_VERDICT_PASS;
}

enum qb_verdict qb_check_gemv(struct qb_check_case *c)
{
    struct product product = {.c = c, .n = 1, .gemv = true};
    return c->codec->gemv ? check_product(&product) : qb_skip(c, "not offered");
}

enum qb_verdict qb_check_gemm_tile(struct qb_check_case *c)
{
    struct product product = {.c = c, .n = 3};
    return c->codec->gemm_tile ? check_product(&product) : qb_skip(c, "not offered");
}

/* ---- layout ---- */

enum qb_verdict qb_check_layout(struct qb_check_case *c)
{
    if (!c->codec->layout)
        return qb_skip(c, "not offered");
    bool any = false;
    for (const struct qb_shape *s = qb_shapes(c); s->rows; s++) {
        struct qb_guard w = qb_gaussian(c, s->rows * s->cols, 0, QB_GUARD_AFTER), bytes, values;
        struct qb_codec_layout layout;
        struct qb_codec_error error;
        if (!qb_encode_case(c, *s, &w, QB_GUARD_AFTER, &bytes) ||
            !qb_read_case(c, QB_READ_DECODE, *s, &bytes, QB_GUARD_AFTER, &values))
            return QB_VERDICT_FAIL;
        qb_codec_error_clear(&error);
        int status = qb_call_answer(
            c, "layout", c->codec->layout(&c->config, s->rows, s->cols, bytes.data, bytes.size, &layout, &error),
            &error);
        if (status < 0)
            return QB_VERDICT_FAIL;
        if (status == QB_CODEC_UNSUPPORTED)
            continue;
        any = true;
        if (status)
            return qb_reject(c, "layout of %zu x %zu was refused (%s: %.*s)", s->rows, s->cols,
                             qb_codec_status_name(status), QB_UPTO(200, error.message));
        if (!qb_layout_fits(&layout, s->rows, s->cols, bytes.size))
            return qb_reject(c, "the layout of %zu x %zu is of no known kind or not within its %zu bytes", s->rows,
                             s->cols, bytes.size);
        struct qb_guard line = qb_guard_new("a row's values", s->cols * sizeof(float), QB_GUARD_AFTER, 0xff);
        for (size_t row = 0; row < s->rows; row++) {
            const float *decoded = qb_floats(&values) + row * s->cols, *read = qb_floats(&line);
            qb_layout_row(&layout, bytes.data, row, s->cols, qb_floats(&line));
            for (size_t col = 0; col < s->cols; col++)
                if (memcmp(&decoded[col], &read[col], sizeof *read) != 0)
                    return qb_reject(c, "row %zu, column %zu of %zu x %zu is %.9g by the layout, decode gives %.9g",
                                     row, col, s->rows, s->cols, (double)read[col], (double)decoded[col]);
        }
    }
    return any ? QB_VERDICT_PASS : qb_skip(c, "not under these options, of any shape tried");
}
