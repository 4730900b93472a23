/* The run: groups of cells by model, workers side by side, and what their ends mean for the rest. */
#include "run/engine.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "compute/linear.h"
#include "run/idle.h"
#include "run/run_state.h"

#define TICK_MS 100

/* ---- talk ---- */

static void count_cells(const struct qb_run *run, struct qb_run_event *event, struct qb_text *labels)
{
    event->elapsed = qb_clock() - run->start;
    event->total = run->plan.selected;
    for (size_t i = 0; i < run->plan.count; i++) {
        const struct qb_run_cell *cell = &run->cells[i];
        if (!run->plan.cells[i].selected)
            continue;
        event->done += cell->stage == QB_STAGE_ENDED;
        event->taken += cell->taken;
        if (cell->stage != QB_STAGE_RUNNING)
            continue;
        event->running++;
        if (labels->size)
            qb_text_add(labels, ", ");
        qb_plan_label(run->suite, &run->plan.cells[i], labels);
    }
}

static void send(struct qb_run *run, struct qb_run_event *event)
{
    struct qb_text labels = {0};
    if (!run->options->event)
        return;
    count_cells(run, event, &labels);
    event->running_labels = labels.data ? labels.data : "";
    run->options->event(run->options->context, event);
    qb_text_free(&labels);
}

void qb_run_note(struct qb_run *run, enum qb_run_event_kind kind, const char *format, ...)
{
    char text[1400];
    va_list args;
    va_start(args, format);
    qb_utf8_vprint(text, sizeof text, format, args);
    va_end(args);
    send(run, &(struct qb_run_event){.kind = kind, .text = text});
}

void qb_run_finished(struct qb_run *run, size_t i, double seconds)
{
    struct qb_text label = {0};
    const struct qb_cell *outcome = &run->cells[i].outcome;
    qb_plan_label(run->suite, &run->plan.cells[i], &label);
    send(run, &(struct qb_run_event){.kind = QB_RUN_FINISHED,
                                     .label = label.data,
                                     .state = outcome->state,
                                     .seconds = seconds,
                                     .text = outcome->message ? outcome->message : ""});
    qb_text_free(&label);
}

static void send_warnings(struct qb_run *run)
{
    for (size_t v = 0; v < run->suite->variant_count; v++) {
        const char *warning = run->suite->variants[v]->warning;
        bool said = warning == NULL, used = false;
        for (size_t u = 0; u < v && !said; u++)
            said = run->suite->variants[u]->warning && strcmp(run->suite->variants[u]->warning, warning) == 0;
        for (size_t i = 0; i < run->plan.count && !used; i++)
            used = run->plan.cells[i].selected && run->plan.cells[i].variant == v;
        if (!said && used)
            qb_run_note(run, QB_RUN_WARNING, "%s", warning);
    }
}

static void note_idle(void *run, const char *text)
{
    qb_run_note(run, QB_RUN_NOTE, "%s", text);
}

/* ---- workers ---- */

static bool stopping(struct qb_run *run)
{
    if (run->options->stop && *run->options->stop)
        run->interrupted = true;
    return run->interrupted;
}

static size_t count_running(const struct qb_run *run)
{
    size_t n = 0;
    for (unsigned w = 0; w < run->options->jobs; w++)
        n += run->workers[w].pid > 0;
    return n;
}

/* Waits for something to happen, at most a tick; takes the ends of workers. */
static enum qb_status attend(struct qb_run *run, struct qb_error *err)
{
    struct pollfd fds[512];
    nfds_t n = 0;
    for (unsigned w = 0; w < run->options->jobs; w++) {
        if (run->workers[w].pid <= 0)
            continue;
        if (run->workers[w].report >= 0)
            fds[n++] = (struct pollfd){.fd = run->workers[w].report, .events = POLLIN};
        if (run->workers[w].chatter >= 0)
            fds[n++] = (struct pollfd){.fd = run->workers[w].chatter, .events = POLLIN};
    }
    poll(fds, n, n ? TICK_MS : 10);
    for (size_t i = 0; i < run->plan.count; i++) {
        struct qb_run_cell *cell = &run->cells[i];
        struct qb_worker_end end;
        if (cell->stage != QB_STAGE_RUNNING)
            continue;
        struct qb_worker *worker = &run->workers[cell->slot];
        double seconds = qb_clock() - worker->started;
        if (!qb_worker_ended(worker, run->suite->limits.seconds, &end))
            continue;
        cell->stage = QB_STAGE_ENDED;
        cell->outcome.state = QB_CELL_DONE;
        if (!end.done && qb_run_outcome(run, i, QB_CELL_FAILED, end.nonfinite, seconds, end.message, err))
            return err->status;
        qb_run_finished(run, i, seconds);
    }
    send(run, &(struct qb_run_event){.kind = QB_RUN_TICK});
    return QB_OK;
}

static enum qb_status skip(struct qb_run *run, size_t i, const char *reason, struct qb_error *err)
{
    if (qb_run_outcome(run, i, QB_CELL_SKIPPED, false, 0, reason, err))
        return err->status;
    qb_run_finished(run, i, 0);
    return QB_OK;
}

/* A cell that waits can be skipped for a reason known by now: its variant encodes nothing of the model, the experiment
 * has one, or a reference failed. */
static enum qb_status try_skip(struct qb_run *run, size_t i, struct qb_error *err)
{
    const struct qb_plan_cell *plan = &run->plan.cells[i];
    const struct qb_suite_experiment *entry = qb_suite_experiment_of(run->suite, plan->model, plan->experiment);
    struct qb_cell_env env = {.model = run->model,
                              .variant = plan->variant == QB_PLAN_NONE ? NULL : run->suite->variants[plan->variant],
                              .inputs = &run->inputs[plan->experiment],
                              .options = entry->values,
                              .isa = run->options->isa,
                              .seed = run->suite->seed};
    const char *why = env.variant ? run->effects[plan->variant].refusal : NULL;
    if (!why && env.variant && entry->experiment->skip)
        why = entry->experiment->skip(&env);
    if (why)
        return skip(run, i, why, err);
    if (plan->reference == QB_PLAN_NONE || run->cells[plan->reference].stage != QB_STAGE_ENDED ||
        run->cells[plan->reference].outcome.state == QB_CELL_DONE)
        return QB_OK;
    char reason[1200];
    snprintf(reason, sizeof reason, "the reference %s/reference/%s failed: %s", run->suite->models[plan->model].name,
             entry->experiment->name, run->cells[plan->reference].outcome.message);
    return skip(run, i, reason, err);
}

/* Its reference, if it reads one, is finished. */
static bool startable(const struct qb_run *run, size_t i)
{
    size_t reference = run->plan.cells[i].reference;
    return reference == QB_PLAN_NONE || run->cells[reference].stage == QB_STAGE_ENDED;
}

static enum qb_status start_cell(struct qb_run *run, size_t i, size_t slot, struct qb_error *err)
{
    const struct qb_plan_cell *plan = &run->plan.cells[i];
    char shard[4200], reference_shard[4200];
    struct qb_record_source source = {0};
    struct qb_error cause = {0};
    qb_run_shard_path(run, run->cells[i].key, shard);
    if (plan->reference != QB_PLAN_NONE) {
        const struct qb_run_cell *reference = &run->cells[plan->reference];
        if (reference->taken && reference->old_index != QB_PLAN_NONE) {
            source.result = run->options->output;
            source.index = reference->old_index;
        } else {
            qb_run_shard_path(run, reference->key, reference_shard);
            source.shard = reference_shard;
        }
    }
    struct qb_worker_job job = {.suite = run->suite,
                                .cell = plan,
                                .model = run->model,
                                .inputs = &run->inputs[plan->experiment],
                                .reference = plan->reference == QB_PLAN_NONE ? NULL : &source,
                                .key = run->cells[i].key,
                                .shard = shard,
                                .threads = run->options->threads,
                                .isa = run->options->isa,
                                .provenance = &run->provenance};
    if (qb_worker_start(&job, &run->workers[slot], &cause)) {
        if (qb_run_outcome(run, i, QB_CELL_FAILED, false, 0, cause.message, err))
            return err->status;
        qb_run_finished(run, i, 0);
        return QB_OK;
    }
    run->cells[i].stage = QB_STAGE_RUNNING;
    run->cells[i].slot = slot;
    return QB_OK;
}

/* Skips and starts what can be; *waiting: cells of [from, to) that neither run nor ended. */
static enum qb_status start_some(struct qb_run *run, size_t from, size_t to, size_t *waiting, struct qb_error *err)
{
    size_t jobs = run->plan.cells[from].exclusive ? 1 : run->options->jobs, running = count_running(run);
    *waiting = 0;
    for (size_t i = from; i < to && !stopping(run); i++) {
        struct qb_run_cell *cell = &run->cells[i];
        if (cell->stage == QB_STAGE_WAITING && run->plan.cells[i].selected && try_skip(run, i, err))
            return err->status;
        if (cell->stage != QB_STAGE_WAITING || !run->plan.cells[i].selected)
            continue;
        if (running >= jobs || !startable(run, i)) {
            ++*waiting;
            continue;
        }
        size_t slot = 0;
        while (run->workers[slot].pid > 0)
            slot++;
        if (start_cell(run, i, slot, err))
            return err->status;
        running += cell->stage == QB_STAGE_RUNNING;
    }
    return QB_OK;
}

static enum qb_status drain(struct qb_run *run, struct qb_error *err)
{
    while (count_running(run) > 0 && !stopping(run))
        if (attend(run, err))
            return err->status;
    return QB_OK;
}

/* Cells [from, to) are of one model and one round. Returns when none of them waits any more; the last may still run
 * beside the next group's first. */
static enum qb_status run_group(struct qb_run *run, size_t from, size_t to, struct qb_error *err)
{
    size_t wanted = 0, waiting = 1;
    for (size_t i = from; i < to; i++) /* without a key: whether it is finished is not known yet */
        wanted += run->cells[i].stage == QB_STAGE_WAITING &&
                  (run->plan.cells[i].selected || (run->options->resume && !run->cells[i].key[0]));
    if (wanted == 0)
        return QB_OK;
    if (run->plan.cells[from].exclusive && drain(run, err))
        return err->status;
    enum qb_status s = qb_run_load(run, run->plan.cells[from].model, err);
    while (!s && run->model && !stopping(run)) {
        s = start_some(run, from, to, &waiting, err);
        if (s || waiting == 0)
            break;
        s = attend(run, err);
    }
    if (!s && run->plan.cells[from].exclusive)
        s = drain(run, err);
    qb_run_unload(run);
    return s;
}

static enum qb_status run_groups(struct qb_run *run, struct qb_error *err)
{
    enum qb_status s = QB_OK;
    for (size_t from = 0, to; from < run->plan.count && !s && !stopping(run); from = to) {
        const struct qb_plan_cell *first = &run->plan.cells[from];
        for (to = from; to < run->plan.count && run->plan.cells[to].model == first->model &&
                        run->plan.cells[to].exclusive == first->exclusive;)
            to++;
        s = run_group(run, from, to, err);
    }
    if (!s)
        s = drain(run, err);
    for (unsigned w = 0; w < run->options->jobs; w++)
        qb_worker_kill(&run->workers[w]);
    return s;
}

/* ---- the whole ---- */

static void summarise(const struct qb_run *run, struct qb_run_summary *summary)
{
    *summary = (struct qb_run_summary){
        .total = run->plan.selected, .interrupted = run->interrupted, .seconds = qb_clock() - run->start};
    for (size_t i = 0; i < run->plan.count; i++) {
        const struct qb_run_cell *cell = &run->cells[i];
        if (cell->stage != QB_STAGE_ENDED || !run->plan.cells[i].selected)
            continue;
        summary->done += cell->outcome.state == QB_CELL_DONE;
        summary->failed += cell->outcome.state == QB_CELL_FAILED;
        summary->skipped += cell->outcome.state == QB_CELL_SKIPPED;
        summary->taken += cell->taken;
    }
}

static void free_run(struct qb_run *run)
{
    for (size_t i = 0; run->cells && i < run->plan.count; i++)
        qb_cell_free(&run->cells[i].outcome);
    for (size_t j = 0; j < run->old_count; j++) {
        qb_free(run->old[j].model);
        qb_free(run->old[j].variant);
        qb_free(run->old[j].experiment);
    }
    if (run->folder)
        rmdir(run->folder); /* an empty one: nothing to keep */
    qb_run_unlock(run);
    qb_run_unload(run);
    qb_free(run->old);
    qb_free(run->cells);
    qb_free(run->workers);
    qb_free(run->model_hashes);
    qb_free(run->noted);
    qb_free(run->tokenizer_hashes);
    qb_free(run->folder);
    qb_provenance_free(&run->provenance);
    qb_plan_free(&run->plan);
}

static enum qb_status begin(struct qb_run *run, struct qb_error *err)
{
    const struct qb_run_options *options = run->options;
    if (options->jobs < 1 || options->jobs > 256 || options->threads < 1 || options->threads > 256)
        return qb_fail(err, QB_ERR_INPUT, "expected 1 to 256 jobs and threads, found %u and %u", options->jobs,
                       options->threads);
    if (qb_plan_make(run->suite, options->only, &run->plan, err) || qb_run_lock(run, err))
        return err->status;
    run->cells = qb_alloc(run->plan.count, sizeof *run->cells, "cells", err);
    run->workers = qb_alloc(options->jobs, sizeof *run->workers, "workers", err);
    run->model_hashes = qb_alloc(run->suite->model_count, sizeof *run->model_hashes, "model hashes", err);
    run->noted = qb_alloc(run->suite->model_count, sizeof *run->noted, "notes on models", err);
    run->tokenizer_hashes = qb_alloc(run->suite->model_count, sizeof *run->tokenizer_hashes, "model hashes", err);
    if (!run->cells || !run->workers || !run->model_hashes || !run->noted || !run->tokenizer_hashes)
        return err->status;
    for (size_t i = 0; i < run->plan.count; i++)
        run->cells[i].old_index = QB_PLAN_NONE;
    for (unsigned w = 0; w < options->jobs; w++)
        run->workers[w] = (struct qb_worker){.report = -1, .chatter = -1};
    const struct qb_run_facts facts = {qb_isa_name(options->isa), qb_blas_config(), qb_blas_core(), options->threads};
    return qb_provenance_collect(&run->provenance, &facts, err) ? err->status : qb_run_prepare(run, err);
}

/* Nothing ran because no model or input could be had: that is the user's input, not a cell's failure. */
static enum qb_status check_loads(const struct qb_run *run, const struct qb_run_summary *summary, struct qb_error *err)
{
    if (run->load_failures == 0 || run->load_failures < summary->total)
        return QB_OK;
    for (size_t i = 0; i < run->plan.count; i++)
        if (run->plan.cells[i].selected)
            return qb_fail(err, QB_ERR_INPUT, "no cell could run: %s", run->cells[i].outcome.message);
    return QB_OK;
}

/* The result file from what is finished, unless that would lose what the old file holds. */
static enum qb_status conclude(struct qb_run *run, struct qb_error *err)
{
    bool keep_old_file = false;
    if (qb_run_settle_old(run, &keep_old_file, err) || keep_old_file)
        return err->status;
    if (qb_run_assemble(run, err))
        return qb_wrap(err, "the finished cells are kept in %s; run again with --resume", run->folder);
    qb_run_warn_overlap(run);
    qb_run_clean(run);
    return QB_OK;
}

enum qb_status qb_run(const struct qb_suite *suite, const struct qb_run_options *options,
                      struct qb_run_summary *summary, struct qb_error *err)
{
    struct qb_run run = {.suite = suite, .options = options, .lock = -1, .start = qb_clock()};
    *summary = (struct qb_run_summary){0};
    enum qb_status s = begin(&run, err);
    if (!s && !(s = qb_run_guard_unselected(&run, err))) {
        send_warnings(&run);
        qb_idle_requests(suite, &run.plan, note_idle, &run);
        s = run_groups(&run, err);
        summarise(&run, summary);
    }
    if (!s)
        s = check_loads(&run, summary, err);
    if (!s)
        s = conclude(&run, err);
    free_run(&run);
    return s;
}
