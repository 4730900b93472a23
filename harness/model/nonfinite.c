/* What is said of a tensor whose values are not all finite numbers. */
#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "codec/registry.h"
#include "model/model_parts.h"

struct count {
    size_t nan, infinite, row, col; /* the place of the first */
    size_t refused;                 /* rows that the codec refused without showing such a value, and why the first */
    struct qb_error why;
};

static void count_row(struct count *count, size_t row, const float *x, size_t cols)
{
    for (size_t i = 0; i < cols; i++) {
        if (isfinite(x[i]))
            continue;
        if (count->nan + count->infinite == 0) {
            count->row = row;
            count->col = i;
        }
        *(isnan(x[i]) ? &count->nan : &count->infinite) += 1;
    }
}

enum qb_status model_refuse_values(const struct qb_tensor *tensor, struct qb_error *err)
{
    struct count count = {0};
    float *buffer = qb_alloc(tensor->cols, sizeof *buffer, "a row of weights", err);
    for (size_t row = 0; buffer && row < tensor->rows; row++) {
        const float *x = tensor->format ? buffer : (const float *)tensor->bytes + row * tensor->cols;
        const size_t before = count.nan + count.infinite;
        struct qb_error why = {0};
        memset(buffer, 0, tensor->cols * sizeof *buffer);
        if (tensor->format)
            qb_decode(tensor->format, tensor->rows, tensor->cols, tensor->bytes, tensor->size, row, 1, buffer, &why);
        count_row(&count, row, x, tensor->cols);
        if (why.status && count.nan + count.infinite == before && count.refused++ == 0)
            count.why = why;
    }
    qb_free(buffer);
    if (err->status)
        return err->status;
    if (count.nan + count.infinite == 0)
        return qb_fail(err, count.why.status, "tensor %s: %s (%zu of %zu rows)", tensor->source, count.why.message,
                       count.refused, tensor->rows);
    return qb_fail(err, QB_ERR_INPUT, "tensor %s: %zu NaN, %zu infinite of %zu values, the first at [%zu, %zu]",
                   tensor->source, count.nan, count.infinite, tensor->rows * tensor->cols, count.row, count.col);
}

size_t model_beyond_f16(const float *x, size_t n)
{
    size_t beyond = 0;
    for (size_t i = 0; i < n; i++)
        beyond += fabsf(x[i]) >= 65520.0f; /* rounds to infinity: half way from the largest, 65504, to 2^16 */
    return beyond;
}
