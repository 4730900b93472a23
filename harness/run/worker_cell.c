#include "run/worker_cell.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metric/metric.h"
#include "model/effect.h"
#include "run/finite.h"
#include "run/reach.h"
#include "store/store.h"

static enum qb_status read_reference(const struct qb_record_source *source, struct qb_cell *cell, struct qb_error *err)
{
    struct qb_result *result = NULL;
    if (source->shard)
        return qb_shard_read(source->shard, true, cell, err);
    if (!qb_result_open(source->result, &result, err))
        qb_result_record(result, source->index, &cell->record, err);
    qb_result_close(result);
    return err->status;
}

/* Runs the experiment into cell->record and derives the summary. */
static enum qb_status measure(const struct qb_worker_job *job, struct qb_parts *parts, struct qb_cell *cell,
                              struct qb_error *err)
{
    const struct qb_experiment *experiment = job->suite->experiments[job->cell->experiment].experiment;
    const bool reference = !job->env.variant;
    struct qb_cell_env env = job->env;
    env.parts = parts;
    struct qb_cell read = {0};
    if (qb_pool_create(job->threads, &env.pool, err))
        return err->status;
    if (job->reference) {
        if (read_reference(job->reference, &read, err)) {
            qb_wrap(err, "the reference's record");
            goto out;
        }
        env.reference = &read.record;
    }
    if (env.prepared)
        qb_net_use_pool(env.prepared->net, env.pool);
    if (!(reference ? experiment->reference : experiment->run)(&env, &cell->record, err) &&
        !qb_record_finite(&cell->record, err) && !reference)
        qb_metrics_compute(experiment->name, &cell->record, &cell->values, &cell->value_count, err);
out:
    qb_pool_free(env.pool);
    qb_cell_free(&read);
    return err->status;
}

/* Keys and values went through the net and no block of them was ever full, where that is all that the variant encodes:
 * what was measured is FP32 under another name. */
static enum qb_status check_kept(const struct qb_worker_job *job, const struct qb_cell *cell, struct qb_kv_tally before,
                                 struct qb_error *err)
{
    const struct qb_variant *variant = job->env.variant;
    const struct qb_kv_tally after = qb_net_kv_tally(job->env.prepared->net);
    if (cell->reach.tensors == 0 && !variant->act.plugin && after.kept > before.kept && after.encoded == before.encoded)
        qb_fail(err, QB_ERR_INPUT,
                "kv.block: no sequence reached %zu positions, the variant's block: nothing was encoded",
                variant->kv_block);
    return err->status;
}

/* What the variant encodes of the model, sizes included. The reference is no variant. */
static enum qb_status find_reach(const struct qb_cell_env *env, struct qb_cell *cell, struct qb_error *err)
{
    struct qb_effect effect = {0};
    if (!env->variant)
        return QB_OK;
    cell->floor = qb_variant_floor(env->variant);
    if (!qb_effect_of(env->model, env->variant, true, &effect, err))
        qb_run_reach(&effect, &cell->reach, err);
    qb_effect_free(&effect);
    return err->status;
}

enum qb_status qb_worker_cell(const struct qb_worker_job *job, struct qb_error *err)
{
    const struct qb_suite *suite = job->suite;
    const struct qb_variant *variant = job->env.variant;
    struct qb_cell cell = {.state = QB_CELL_DONE};
    struct qb_parts parts = {0};
    double start = qb_clock();
    cell.model = suite->models[job->cell->model].name; /* borrowed: this process ends before anyone frees them */
    cell.variant = (char *)(uintptr_t)qb_plan_variant_name(suite, job->cell);
    cell.experiment = (char *)(uintptr_t)suite->experiments[job->cell->experiment].experiment->name;
    cell.options = qb_suite_experiment_of(suite, job->cell->model, job->cell->experiment)->canonical;
    snprintf(cell.key, sizeof cell.key, "%s", job->key);
    snprintf(cell.inputs, sizeof cell.inputs, "%s", job->env.inputs->sha256);
    cell.message = qb_strdup("", err);
    cell.warnings = qb_strdup(variant && variant->warning ? variant->warning : "", err);
    if (!cell.message || !cell.warnings || qb_cell_facts_take(&cell.facts, job->provenance, err))
        return err->status;
    qb_blas_init();
    const struct qb_prepared *prepared = job->env.prepared;
    const struct qb_kv_tally before = prepared ? qb_net_kv_tally(prepared->net) : (struct qb_kv_tally){0};
    if (find_reach(&job->env, &cell, err) ||
        qb_parts_open(&parts, job->folder, &cell, job->suite->limits.unsaved, job->seen, err) ||
        measure(job, &parts, &cell, err))
        goto out;
    if (prepared && variant && check_kept(job, &cell, before, err)) {
        qb_parts_remove(&parts); /* nothing of them is worth keeping */
        goto out;
    }
    if (qb_weights_unchanged(job->env.model->weights, err))
        goto out;
    cell.seconds = qb_clock() - start + parts.seconds;
    cell.cpu_seconds = qb_clock_cpu() + parts.cpu_seconds;
    cell.prepare_seconds = job->env.prepared ? job->env.prepared->seconds : 0;
    cell.peak_rss = qb_peak_rss_bytes();
    if (job->env.prepared && job->env.prepared->peak_rss > cell.peak_rss)
        cell.peak_rss = job->env.prepared->peak_rss;
    if (!qb_shard_write(job->shard, &cell, err))
        qb_parts_remove(&parts);
out:
    qb_parts_close(&parts);
    return err->status;
}
