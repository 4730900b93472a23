#include "metric/chunks.h"

#include <math.h>
#include "base/mem.h"

const struct qb_sample qb_chunk_share = {.transform = QB_PERCENT, .kind = QB_KIND_SHARE, .icc = 0.05, .unit = "chunks"};

bool qb_sample_by_chunk(const struct qb_record *record, double *x, const uint8_t *keep, size_t n,
                        struct qb_sample *sample)
{
    const int32_t *chunk = x ? qb_shaped(record, "chunk", QB_I32, n, 0) : NULL;
    bool there = chunk && qb_sample_fill(sample, x, chunk, keep, n);
    qb_free(x);
    return there;
}

bool qb_quantile_by_chunk(const struct qb_record *record, const char *name, double p, struct qb_value *value)
{
    size_t n = 0;
    double *x = qb_doubles(record, name, &n);
    if (!x)
        return false;
    qb_quantile_value(value, x, qb_shaped(record, "chunk", QB_I32, n, 0), n, p, "chunks");
    qb_free(x);
    return true;
}

bool qb_largest_of(const struct qb_record *record, const char *name, struct qb_value *value)
{
    size_t n = 0;
    double *x = qb_doubles(record, name, &n);
    if (!x)
        return false;
    qb_largest_value(value, x, n);
    qb_free(x);
    return true;
}

void qb_uniform_remark(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *std = qb_record_get(record, "logit_std", QB_F32, 1);
    size_t n = std ? std->count : 0, under = 0;
    const float *x = n > 0 ? std->data : NULL;
    for (size_t i = 0; i < n; i++)
        under += x[i] < 1e-3f;
    if (2 * under <= n)
        return;
    value->flags |= QB_FLAG_DEGENERATE;
    qb_note(value, "reference nearly uniform (logit std < 1e-3)");
}
