/* Inside the worker: from the forked copy of the parent to a shard. */
#include "run/worker_cell.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "metric/metric.h"
#include "run/reach.h"
#include "store/store.h"

#define REPORT_FD 3

/* Dies with the parent, prints into the chatter pipe, and holds no descriptor of the parent's: a copy of a sibling's
 * pipe would hide the sibling's end, a copy of the lock would outlive the parent. */
static void settle(pid_t parent, int report, int chatter)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);            /* it died before prctl */
    signal(SIGINT, SIG_IGN); /* the terminal sends Ctrl-C to all; the parent decides */
    signal(SIGTERM, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    int null = open("/dev/null", O_RDONLY);
    /* Above the standard ones first, so that no dup2 overwrites what the next needs. */
    report = fcntl(report, F_DUPFD, 10);
    chatter = fcntl(chatter, F_DUPFD, 10);
    if (null < 0 || report < 0 || chatter < 0 || dup2(null, 0) < 0 || dup2(chatter, 1) < 0 || dup2(chatter, 2) < 0 ||
        dup2(report, REPORT_FD) < 0)
        _exit(1);
    close_range(REPORT_FD + 1, ~0u, 0);
}

/* Bytes of address space in use, from /proc/self/statm. */
static uint64_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%llu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

#define BLAS_BUFFER ((uint64_t)256 << 20) /* address space that OpenBLAS and a stack take for each further thread */

static void set_limits(const struct qb_suite_limits *limits, unsigned threads)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (!limits->memory)
        return;
    qb_blas_init(); /* maps its buffer now: OpenBLAS spins for ever where it cannot get one */
    uint64_t all = address_space() + limits->memory + (uint64_t)(threads - 1) * BLAS_BUFFER;
    struct rlimit as = {all, all};
    setrlimit(RLIMIT_AS, &as);
    qb_mem_limit((size_t)limits->memory);
}

/* Index of the first entry that is not finite; count when there is none. targets: entries whose NaN is meant. */
static size_t first_nonfinite(const struct qb_array *array, const int32_t *targets)
{
    for (size_t i = 0; i < array->count; i++) {
        double x = array->dtype == QB_F32 ? (double)((const float *)array->data)[i] : ((const double *)array->data)[i];
        if (!isfinite(x) && !(isnan(x) && targets && targets[i] == -1))
            return i;
    }
    return array->count;
}

enum qb_status qb_worker_finite(const struct qb_record *record, struct qb_error *err)
{
    const struct qb_array *target = qb_record_get(record, "target", QB_I32, 1);
    for (size_t a = 0; a < record->count; a++) {
        const struct qb_array *array = &record->arrays[a];
        if (array->dtype != QB_F32 && array->dtype != QB_F64)
            continue;
        bool optional = strcmp(array->name, "nll") == 0 || strcmp(array->name, "reference_nll") == 0;
        bool fits = target && target->count == array->count;
        size_t i = first_nonfinite(array, optional && fits ? target->data : NULL);
        if (i < array->count) {
            double x =
                array->dtype == QB_F32 ? (double)((const float *)array->data)[i] : ((const double *)array->data)[i];
            return qb_fail(err, QB_ERR_NUMERIC, "array '%s' has %s at index %zu of %zu", array->name,
                           isnan(x) ? "NaN" : "Inf", i, array->count);
        }
    }
    return QB_OK;
}

static enum qb_status read_reference(const struct qb_record_source *source, struct qb_cell *cell, struct qb_error *err)
{
    struct qb_result *result = NULL;
    enum qb_status s;
    if (source->shard)
        return qb_shard_read(source->shard, true, cell, err);
    s = qb_result_open(source->result, &result, err);
    if (!s)
        s = qb_result_record(result, source->index, &cell->record, err);
    qb_result_close(result);
    return s;
}

/* Runs the experiment into cell->record and derives the summary. */
static enum qb_status measure(const struct qb_worker_job *job, struct qb_cell *cell, struct qb_error *err)
{
    const struct qb_suite_experiment *entry =
        qb_suite_experiment_of(job->suite, job->cell->model, job->cell->experiment);
    bool reference = job->cell->variant == QB_PLAN_NONE;
    struct qb_cell read = {0};
    struct qb_pool *pool = NULL;
    enum qb_status s = qb_pool_create(job->threads, &pool, err);
    if (!s && job->reference && (s = read_reference(job->reference, &read, err)))
        qb_wrap(err, "the reference's record");
    struct qb_cell_env env = {
        .model = job->model,
        .variant = reference ? NULL : job->suite->variants[job->cell->variant],
        .inputs = job->inputs,
        .options = entry->values,
        .reference = job->reference ? &read.record : NULL,
        .pool = pool,
        .isa = job->isa,
        .seed = job->suite->seed,
    };
    if (!s)
        s = reference ? entry->experiment->reference(&env, &cell->record, err)
                      : entry->experiment->run(&env, &cell->record, err);
    if (!s)
        s = qb_worker_finite(&cell->record, err);
    if (!s && !reference)
        s = qb_metrics_compute(entry->experiment->name, &cell->record, &cell->values, &cell->value_count, err);
    qb_pool_free(pool);
    qb_cell_free(&read);
    return s;
}

/* What the variant encodes of the model, sizes included. The reference is no variant. */
static enum qb_status find_reach(const struct qb_worker_job *job, const struct qb_variant *variant,
                                 struct qb_cell *cell, struct qb_error *err)
{
    struct qb_effect effect = {0};
    if (!variant)
        return QB_OK;
    cell->floor = qb_variant_floor(variant);
    enum qb_status s = qb_effect_of(job->model, variant, true, &effect, err);
    if (!s)
        s = qb_run_reach(&effect, &cell->reach, err);
    qb_effect_free(&effect);
    return s;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static enum qb_status run_cell(const struct qb_worker_job *job, struct qb_error *err)
{
    const struct qb_suite *suite = job->suite;
    const struct qb_variant *variant = job->cell->variant == QB_PLAN_NONE ? NULL : suite->variants[job->cell->variant];
    struct qb_cell cell = {.state = QB_CELL_DONE};
    double start = qb_clock();
    cell.model = suite->models[job->cell->model].name; /* borrowed: this process ends before anyone frees them */
    cell.variant = (char *)(uintptr_t)qb_plan_variant_name(suite, job->cell);
    cell.experiment = (char *)(uintptr_t)suite->experiments[job->cell->experiment].experiment->name;
    cell.options = qb_suite_experiment_of(suite, job->cell->model, job->cell->experiment)->canonical;
    snprintf(cell.key, sizeof cell.key, "%s", job->key);
    snprintf(cell.inputs, sizeof cell.inputs, "%s", job->inputs->sha256);
    cell.message = qb_strdup("", err);
    cell.warnings = qb_strdup(variant && variant->warning ? variant->warning : "", err);
    if (!cell.message || !cell.warnings || qb_cell_facts_take(&cell.facts, job->provenance, err))
        return err->status;
    qb_blas_init();
    enum qb_status s = find_reach(job, variant, &cell, err);
    if (!s)
        s = measure(job, &cell, err);
    cell.seconds = qb_clock() - start;
    cell.cpu_seconds = cpu_seconds();
    cell.peak_rss = qb_peak_rss_bytes();
    return s ? s : qb_shard_write(job->shard, &cell, err);
}

_Noreturn void qb_worker_cell(const struct qb_worker_job *job, pid_t parent, int report, int chatter)
{
    struct qb_error err = {0};
    struct qb_worker_report answer = {0};
    settle(parent, report, chatter);
    set_limits(&job->suite->limits, job->threads);
    answer.status = run_cell(job, &err);
    qb_utf8_print(answer.message, sizeof answer.message, "%s", err.message);
    ssize_t n = write(REPORT_FD, &answer, sizeof answer);
    _exit(n == (ssize_t)sizeof answer ? 0 : 1);
}
