/* bench: the metrics of a teacher-forced cell with all their intervals, beside reading its arrays once. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "bench_probe.h"
#include "metric/metric.h"

#define POSITIONS ((size_t)1 << 17)
#define CHUNK 128

struct qb_bench_metrics {
    struct qb_record record;
    double sum;
};

/* Every byte of every array, as 64-bit words. */
static enum qb_status call_read(void *context, struct qb_error *err)
{
    struct qb_bench_metrics *b = context;
    uint64_t sum = 0;
    (void)err;
    for (size_t a = 0; a < b->record.count; a++) {
        const struct qb_array *array = &b->record.arrays[a];
        const uint64_t *words = array->data;
        for (size_t i = 0; i < array->count * qb_dtype_size(array->dtype) / sizeof *words; i++)
            sum += words[i];
    }
    b->sum += (double)sum;
    return QB_OK;
}

static enum qb_status call_metrics(void *context, struct qb_error *err)
{
    struct qb_bench_metrics *b = context;
    struct qb_value *values = NULL;
    size_t count;
    qb_metrics_compute("teacher-forced", &b->record, &values, &count, err);
    qb_free(values);
    return err->status;
}

/* Divergences as wide as real ones, a reference whose top token is right half of the time, 2% of misses. */
static enum qb_status fill(struct qb_record *record, struct qb_error *err)
{
    const size_t n = POSITIONS;
    struct qb_rng rng;
    float *normal = qb_alloc(n, sizeof *normal, "normal deviates", err);
    double *kl = !normal ? NULL : qb_record_add(record, "kl", QB_F64, 1, &n, "nat", "made up", err);
    double *nll = kl ? qb_record_add(record, "nll", QB_F64, 1, &n, "nat", "made up", err) : NULL;
    double *reference = nll ? qb_record_add(record, "reference_nll", QB_F64, 1, &n, "nat", "made up", err) : NULL;
    static const char *const ints[] = {"chunk", "position", "target", "top_token", "reference_top_token"};
    static const char *const floats[] = {"max_logit_diff", "logit_std", "margin", "reference_top_p"};
    static const char *const bytes[] = {"top1", "overlap10"};
    int32_t *whole[5] = {NULL};
    float *real[4] = {NULL};
    uint8_t *small[2] = {NULL};
    for (size_t i = 0; i < 5 && !err->status; i++)
        whole[i] = qb_record_add(record, ints[i], QB_I32, 1, &n, "1", "made up", err);
    for (size_t i = 0; i < 4 && !err->status; i++)
        real[i] = qb_record_add(record, floats[i], QB_F32, 1, &n, "1", "made up", err);
    for (size_t i = 0; i < 2 && !err->status; i++)
        small[i] = qb_record_add(record, bytes[i], QB_U8, 1, &n, "1", "made up", err);
    if (!err->status && normal && reference) {
        qb_rng_seed(&rng, 1);
        qb_rng_normal(&rng, 0, 1, normal, n);
        for (size_t i = 0; i < n; i++) {
            bool right = qb_rng_randint(&rng, 2), miss = qb_rng_randint(&rng, 50) == 0;
            kl[i] = exp(-8 + 1.3 * (double)normal[i]);
            reference[i] = 3 + (double)normal[i];
            nll[i] = reference[i] + kl[i];
            const int32_t row[5] = {(int32_t)(i / CHUNK), (int32_t)(i % CHUNK), 7, right ^ miss ? 7 : 8, right ? 7 : 8};
            const float facts[4] = {fabsf(normal[i]), 2, 1 + fabsf(normal[i]), (float)(i % 100) / 100};
            for (size_t k = 0; k < 5; k++)
                whole[k][i] = row[k];
            for (size_t k = 0; k < 4; k++)
                real[k][i] = facts[k];
            small[0][i] = !miss;
            small[1][i] = miss ? 8 : 10;
        }
    }
    qb_free(normal);
    return err->status;
}

enum qb_status qb_bench_metrics(struct qb_probes *probes, struct qb_bench_metrics **out, struct qb_error *err)
{
    static const struct {
        const char *name;
        enum qb_status (*call)(void *, struct qb_error *);
    } calls[] = {{"reading the arrays once", call_read}, {"teacher-forced, all intervals", call_metrics}};
    struct qb_bench_metrics *b = *out = qb_alloc(1, sizeof *b, "metrics probe", err);
    if (!b || fill(&b->record, err))
        return err->status;
    for (size_t i = 0; i < 2; i++) {
        struct qb_probe *probe = qb_probes_add(probes, err);
        if (!probe)
            return err->status;
        snprintf(probe->group, sizeof probe->group, "metrics");
        snprintf(probe->name, sizeof probe->name, "%s", calls[i].name);
        snprintf(probe->detail, sizeof probe->detail, "%zu positions", POSITIONS);
        probe->unit = "Mpos/s";
        probe->work = 1e3 * (double)POSITIONS; /* rates are told in 1e9 */
        probe->call = calls[i].call;
        probe->context = b;
        probe->ceiling = probes->count - 1 - i;
    }
    return QB_OK;
}

void qb_bench_metrics_free(struct qb_bench_metrics *b)
{
    if (!b)
        return;
    qb_record_free(&b->record);
    qb_free(b);
}
