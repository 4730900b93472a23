/* The table of all metrics. A new metric is an entry in its experiment's metric_*.c; a new metric_*.c has its two lines
 * here. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "metric/parts.h"

/* Metrics of one experiment, or a part of them, ended by a NULL name. */
extern const struct qb_metric qb_metrics_roundtrip[], qb_metrics_linearity[], qb_metrics_depth[], qb_metrics_greedy[],
    qb_metrics_divergence[], qb_metrics_greedy_arms[], qb_metrics_agreement[], qb_metrics_kl[],
    qb_metrics_teacher_forced[], qb_metrics_attribute[], qb_metrics_tensors[], qb_metrics_memory[],
    qb_metrics_memory_growth[], qb_metrics_speed[], qb_metrics_pairs[], qb_metrics_llama[], qb_metrics_kv[],
    qb_metrics_recall[], qb_metrics_choice[], qb_metrics_predict[];

/* `kl` and `kv` record what teacher-forced does, and have its metrics, too: these are copies under their names. */
enum { SHARED_MAX = 40 };
static struct qb_metric of_kl[3][SHARED_MAX + 1], of_kv[3][SHARED_MAX + 1];
static const struct {
    const char *experiment;
    const struct qb_metric *from;
    struct qb_metric *to;
} shared[] = {{"kl", qb_metrics_agreement, of_kl[0]},
              {"kl", qb_metrics_kl, of_kl[1]},
              {"kl", qb_metrics_teacher_forced, of_kl[2]},
              {"kv", qb_metrics_agreement, of_kv[0]},
              {"kv", qb_metrics_kl, of_kv[1]},
              {"kv", qb_metrics_teacher_forced, of_kv[2]}};

static const struct qb_metric *const groups[] = {
    qb_metrics_roundtrip,
    qb_metrics_linearity,
    qb_metrics_depth,
    qb_metrics_greedy,
    qb_metrics_divergence,
    qb_metrics_greedy_arms,
    qb_metrics_agreement,
    qb_metrics_kl,
    qb_metrics_teacher_forced,
    of_kl[0],
    of_kl[1],
    of_kl[2],
    qb_metrics_pairs,
    qb_metrics_llama,
    of_kv[0],
    of_kv[1],
    of_kv[2],
    qb_metrics_kv,
    qb_metrics_recall,
    qb_metrics_choice,
    qb_metrics_attribute,
    qb_metrics_tensors,
    qb_metrics_memory,
    qb_metrics_memory_growth,
    qb_metrics_speed,
    qb_metrics_predict,
};

enum { METRICS_MAX = 511 };
static const struct qb_metric *all[METRICS_MAX + 1]; /* written once, then constant, as the copies are */
static pthread_once_t listed = PTHREAD_ONCE_INIT;

static void list_metrics(void)
{
    size_t count = 0;
    for (size_t s = 0; s < sizeof shared / sizeof *shared; s++)
        for (size_t i = 0; shared[s].from[i].name && i < SHARED_MAX; i++) {
            shared[s].to[i] = shared[s].from[i];
            shared[s].to[i].experiment = shared[s].experiment;
        }
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++)
        for (const struct qb_metric *m = groups[g]; m->name && count < METRICS_MAX; m++)
            all[count++] = m;
}

const struct qb_metric *const *qb_metrics(void)
{
    pthread_once(&listed, list_metrics);
    return all;
}

const struct qb_metric *qb_metric_find(const char *experiment, const char *name)
{
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++)
        if (strcmp((*m)->experiment, experiment) == 0 && strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}

/* What may not be is said before anything compares it; an interval that is not finite is none. */
static void check_finite(const struct qb_metric *metric, struct qb_value *value)
{
    if (!isfinite(value->value)) {
        if (qb_value_there(value->flags) && !(metric->infinite && isinf(value->value)))
            value->flags |= QB_FLAG_NONFINITE;
        value->lo = value->hi = NAN;
    }
    if (isfinite(value->lo) && isfinite(value->hi))
        return;
    value->lo = value->hi = NAN;
    if (!(value->flags & QB_FLAG_NO_INTERVAL))
        qb_no_interval(value, isinf(value->value) ? "an infinite value has no interval" : "the interval is not finite");
}

static bool compute(const struct qb_metric *metric, const struct qb_record *record, struct qb_value *value)
{
    if (metric->compute)
        return metric->compute(record, value);
    struct qb_sample sample = {0};
    bool there = metric->sample(record, &sample);
    if (there)
        qb_sample_value(&sample, metric->has_identity ? metric->identity : NAN, value);
    qb_sample_free(&sample);
    return there;
}

/* Numbers of a variant that was fitted to the text it is measured on are no measurement. */
static void remark_contamination(const struct qb_record *record, struct qb_value *value)
{
    double contexts;
    if (!qb_scalar(record, "calibration_overlap", &contexts) || contexts <= 0)
        return;
    value->flags |= QB_FLAG_CONTAMINATED;
    qb_note(value, "calibrated on evaluated text: %.0f contexts found in it", contexts);
}

/* Nor are they against FP32 where the reference is a file's 16-bit log-probabilities (metric/logits_base.h). */
static void remark_base(const struct qb_record *record, struct qb_value *value)
{
    double file;
    if (qb_scalar(record, "base_file", &file) && file > 0)
        qb_note(value, "the reference is a logits base file's, 16 bits a log-probability");
}

enum qb_status qb_metrics_compute(const char *experiment, const struct qb_record *record, struct qb_value **values,
                                  size_t *count, struct qb_error *err)
{
    size_t room = 0;
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++)
        room += strcmp((*m)->experiment, experiment) == 0;
    *count = 0;
    *values = qb_alloc(room, sizeof **values, "metric values", err);
    if (!*values)
        return err->status;
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++) {
        struct qb_value value = {.value = NAN, .lo = NAN, .hi = NAN};
        if (strcmp((*m)->experiment, experiment) != 0 || !compute(*m, record, &value))
            continue;
        if ((*m)->remark)
            (*m)->remark(record, &value);
        remark_contamination(record, &value);
        remark_base(record, &value);
        snprintf(value.metric, sizeof value.metric, "%s", (*m)->name);
        snprintf(value.unit, sizeof value.unit, "%s", (*m)->unit);
        check_finite(*m, &value);
        (*values)[(*count)++] = value;
    }
    return QB_OK;
}

void qb_flags_print(uint32_t flags, struct qb_text *out)
{
    static const char *const names[] = {"degenerate", "nonfinite",    "failed", "skipped", "no-interval",
                                        "unresolved", "contaminated", "biased", "absent"};
    bool first = true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!(flags >> i & 1u))
            continue;
        qb_text_add(out, "%s%s", first ? "" : ",", names[i]);
        first = false;
    }
}
