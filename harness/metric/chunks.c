#include "metric/chunks.h"

#include <math.h>
#include "base/mem.h"
#include "base/probability.h"

const struct qb_sample qb_chunk_share = {.transform = QB_PERCENT, .kind = QB_KIND_SHARE, .icc = 0.05, .unit = "chunks"};

const struct qb_sample qb_chunk_divergence = {.kind = QB_KIND_REAL, .unit = "chunks", .nonnegative = true};

bool qb_sample_by_chunk(const struct qb_record *record, double *x, const uint8_t *keep, size_t n,
                        struct qb_sample *sample)
{
    const int32_t *chunk = x ? qb_shaped(record, "chunk", QB_I32, n, 0) : NULL;
    bool there = chunk && qb_sample_fill(sample, x, chunk, keep, n);
    qb_free(x);
    return there;
}

bool qb_divergence_where(const struct qb_record *record, double *x, uint8_t *keep, size_t n, struct qb_sample *sample)
{
    *sample = qb_chunk_divergence;
    if (!keep) {
        qb_free(x);
        return true;
    }
    bool there = qb_sample_by_chunk(record, x, keep, n, sample);
    qb_free(keep);
    return there;
}

size_t qb_keep_possible(const struct qb_record *record, const int32_t *target, uint8_t *keep, size_t n)
{
    const double *reference = qb_shaped(record, "reference_nll", QB_F64, n, 0);
    size_t masked = 0;
    for (size_t i = 0; i < n; i++) {
        bool impossible = target[i] >= 0 && reference && qb_impossible(reference[i]);
        keep[i] = target[i] >= 0 && !impossible;
        masked += impossible;
    }
    return masked;
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

/* Is an arm's spread that of a nearly uniform distribution at more than half of the positions? */
static bool mostly_uniform(const struct qb_array *spread)
{
    size_t under = 0;
    for (size_t i = 0; spread && i < spread->count; i++)
        under += (double)((const float *)spread->data)[i] < QB_UNIFORM_SPREAD;
    return spread && 2 * under > spread->count;
}

void qb_uniform_remark(const struct qb_record *record, struct qb_value *value)
{
    const struct qb_array *ours = qb_record_get(record, "spread", QB_F32, 1);
    const struct qb_array *theirs = qb_record_get(record, "reference_spread", QB_F32, 1);
    if (!theirs) /* files of older programs: the std over all of the vocabulary */
        theirs = qb_record_get(record, "logit_std", QB_F32, 1);
    const char *arm = mostly_uniform(theirs) ? "reference" : mostly_uniform(ours) ? "variant" : NULL;
    if (!arm)
        return;
    value->flags |= QB_FLAG_DEGENERATE;
    qb_note(value, "%s nearly uniform (logits spread by less than 1e-3)", arm);
}
