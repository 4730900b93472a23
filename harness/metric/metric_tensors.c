/* Metrics of `attribute`, its tensors one at a time: do their costs add up, and which costs most. */
#include <math.h>
#include "base/mem.h"
#include "metric/parts.h"

struct tensors {
    size_t count, positions;
    const double *kl; /* [tensor, position] */
    const int32_t *chunk;
    char *const *name;
};

static bool read_tensors(const struct qb_record *record, struct tensors *t)
{
    const struct qb_array *kl = qb_record_get(record, "swap_kl", QB_F64, 2);
    if (!kl || kl->count == 0)
        return false;
    *t = (struct tensors){.count = kl->dims[0], .positions = kl->dims[1], .kl = kl->data};
    t->chunk = qb_shaped(record, "chunk", QB_I32, t->positions, 0);
    t->name = qb_shaped(record, "swap_tensor", QB_TEXT, t->count, 0);
    return t->chunk && t->name;
}

static double total(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

/* The tensor that costs most by itself; the first of equals. */
static size_t largest(const struct tensors *t)
{
    size_t best = 0;
    double most = -INFINITY;
    for (size_t k = 0; k < t->count; k++) {
        double sum = total(t->kl + k * t->positions, t->positions);
        if (sum > most) {
            most = sum;
            best = k;
        }
    }
    return best;
}

/* A ratio of two sums over positions as a mean: below's totals are the weights. Chunks where below is 0 drop out; false
 * when it is 0 everywhere, for then there is no ratio. */
static bool ratio(const struct tensors *t, const double *above, const double *below, struct qb_sample *sample)
{
    struct qb_sample weight = {.unit = "chunks"};
    size_t kept = 0;
    if (!qb_sample_fill(sample, above, t->chunk, NULL, t->positions))
        return false;
    if (!sample->sum || !qb_sample_fill(&weight, below, t->chunk, NULL, t->positions) || !weight.sum) {
        qb_sample_free(sample);
        return true; /* without totals: memory ran out */
    }
    for (size_t i = 0; i < sample->clusters; i++) {
        if (weight.sum[i] == 0)
            continue;
        sample->sum[kept] = sample->sum[i];
        sample->weight[kept++] = weight.sum[i];
    }
    qb_sample_free(&weight);
    sample->clusters = kept;
    if (kept == 0)
        qb_sample_free(sample);
    return kept > 0;
}

/* Sums over tensors, [positions]; NULL when memory runs out. */
static double *sum_of_tensors(const struct tensors *t)
{
    struct qb_error err = {0};
    double *sum = qb_alloc(t->positions, sizeof *sum, "sums over tensors", &err);
    for (size_t k = 0; sum && k < t->count; k++)
        for (size_t i = 0; i < t->positions; i++)
            sum[i] += t->kl[k * t->positions + i];
    return sum;
}

static bool additivity_ratio(const struct qb_record *record, struct qb_sample *sample)
{
    struct tensors t;
    const double *all = read_tensors(record, &t) ? qb_shaped(record, "all_kl", QB_F64, t.positions, 0) : NULL;
    *sample = (struct qb_sample){.kind = QB_KIND_REAL, .unit = "chunks", .nonnegative = true};
    if (!all)
        return false;
    double *sum = sum_of_tensors(&t);
    bool there = !sum || ratio(&t, sum, all, sample);
    qb_free(sum);
    return there;
}

static bool largest_tensor_share(const struct qb_record *record, struct qb_sample *sample)
{
    struct tensors t;
    *sample = (struct qb_sample){
        .kind = QB_KIND_REAL, .unit = "chunks", .transform = QB_PERCENT, .nonnegative = true, .most = 1};
    if (!read_tensors(record, &t))
        return false;
    double *sum = sum_of_tensors(&t);
    bool there = !sum || ratio(&t, t.kl + largest(&t) * t.positions, sum, sample);
    qb_free(sum);
    return there;
}

/* The tensor was picked by the same numbers. */
static void name_tensor(const struct qb_record *record, struct qb_value *value)
{
    struct tensors t;
    if (read_tensors(record, &t))
        qb_note(value, "%s of %zu tensors", t.name[largest(&t)], t.count);
}

#define ATTRIBUTE "attribute"

const struct qb_metric qb_metrics_tensors[] = {
    {.name = "tensor_additivity_ratio",
     .experiment = ATTRIBUTE,
     .unit = "1",
     .direction = QB_NEUTRAL,
     .description = "KL of tensors rounded one at a time, summed, over KL of all at once",
     .sample = additivity_ratio},
    {.name = "largest_tensor_share",
     .experiment = ATTRIBUTE,
     .unit = "%",
     .direction = QB_NEUTRAL,
     .description = "share of the costliest tensor in the KL of tensors one at a time",
     .sample = largest_tensor_share,
     .remark = name_tensor},
    {0},
};
