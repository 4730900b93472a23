#include "run/crew.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "run/orphans.h"
#include "run/process.h"
#include "run/worker_cell.h"

#define TICK_MS 100

enum qb_status qb_crew_open(struct qb_crew *crew, struct qb_error *err)
{
    crew->watch = -1;
    crew->seats = qb_alloc(crew->jobs, sizeof *crew->seats, "workers", err);
    crew->preparers = qb_alloc(crew->jobs, sizeof *crew->preparers, "preparers", err);
    crew->shelves = qb_alloc(crew->schedule->plan.count, sizeof *crew->shelves, "shelves", err);
    if (!err->status)
        qb_memory_map(crew->schedule->plan.count * sizeof(struct qb_parts_seen), "cells' progress", &crew->seen, err);
    for (unsigned w = 0; !err->status && w < crew->jobs; w++) {
        crew->seats[w].worker = crew->preparers[w].worker = (struct qb_worker){.report = -1, .chatter = -1};
        crew->preparers[w].asks = -1;
    }
    return err->status || qb_orphans_watch(&crew->watch, err) ? err->status : qb_preparer_adopt(true, err);
}

static bool is_ours(const void *context, pid_t pid)
{
    const struct qb_crew *crew = context;
    for (unsigned w = 0; w < crew->jobs; w++)
        if (crew->seats[w].worker.pid == pid || crew->preparers[w].worker.pid == pid)
            return true;
    return false;
}

void qb_crew_kill(struct qb_crew *crew)
{
    if (!crew->seats || !crew->preparers)
        return;
    for (unsigned w = 0; w < crew->jobs; w++) {
        qb_worker_kill(&crew->seats[w].worker);
        qb_preparer_kill(&crew->preparers[w]);
    }
    qb_orphans_end(is_ours, crew);
}

void qb_crew_close(struct qb_crew *crew)
{
    struct qb_error ignored = {0};
    qb_crew_kill(crew);
    qb_orphans_unwatch(crew->watch);
    qb_preparer_adopt(false, &ignored);
    qb_file_unmap(&crew->seen);
    for (size_t i = 0; crew->shelves && i < crew->schedule->plan.count; i++)
        qb_shelf_free(crew->shelves[i].shelf);
    qb_free(crew->shelves);
    qb_free(crew->seats);
    qb_free(crew->preparers);
}

/* What the process of cell i says of itself lies in memory that it can write. */
static struct qb_parts_seen *seen_of(const struct qb_crew *crew, size_t i)
{
    return (struct qb_parts_seen *)(uintptr_t)crew->seen.data + i;
}

/* ---- in the processes of cells ---- */

/* Cell i of the model at hand, prepared or not, up to its shard. */
static enum qb_status run_cell(void *context, size_t i, const struct qb_prepared *prepared, struct qb_error *err)
{
    const struct qb_crew *crew = context;
    const struct qb_schedule *schedule = crew->schedule;
    const size_t reference = schedule->plan.cells[i].reference;
    char shard[QB_SHARD_PATH], reference_shard[QB_SHARD_PATH];
    struct qb_record_source source = {0};
    struct qb_worker_job job = {.suite = schedule->suite,
                                .cell = &schedule->plan.cells[i],
                                .env = qb_at_hand_env(crew->hand, i),
                                .key = schedule->cells[i].key,
                                .shard = shard,
                                .folder = crew->shards->folder,
                                .seen = seen_of(crew, i),
                                .threads = crew->hand->threads,
                                .provenance = crew->provenance};
    job.env.prepared = prepared;
    qb_shard_path(crew->shards->folder, job.key, shard);
    if (reference != QB_PLAN_NONE) {
        job.reference = &source;
        job.env.shelf = crew->shelves[reference].shelf;
        if (schedule->cells[reference].taken == QB_TAKEN_RESULT) {
            source.result = crew->shards->output;
            source.index = schedule->cells[reference].old_index;
        } else {
            qb_shard_path(crew->shards->folder, schedule->cells[reference].key, reference_shard);
            source.shard = reference_shard;
        }
    }
    return qb_worker_cell(&job, err);
}

struct single {
    struct qb_crew *crew;
    size_t cell;
};

/* A cell without a preparer. */
static void be_single(void *context, pid_t run, int report, int chatter)
{
    const struct single *single = context;
    struct qb_error err = {0};
    qb_process_settle(run, report, chatter, -1);
    qb_process_limit(&single->crew->schedule->suite->limits, single->crew->hand->threads);
    run_cell(single->crew, single->cell, NULL, &err);
    _exit(qb_process_report(&err) ? 0 : 1);
}

/* ---- starting ---- */

/* Processes that compute: cells, and preparers that have no net yet. */
static size_t count_busy(const struct qb_crew *crew)
{
    size_t n = 0;
    for (unsigned w = 0; w < crew->jobs; w++) {
        const struct qb_preparer *p = &crew->preparers[w];
        n += crew->seats[w].worker.pid > 0;
        n += p->worker.pid > 0 && p->asks >= 0 && !qb_preparer_ready(p);
    }
    return n;
}

bool qb_crew_idle(const struct qb_crew *crew)
{
    for (unsigned w = 0; w < crew->jobs; w++)
        if (crew->seats[w].worker.pid > 0 || crew->preparers[w].worker.pid > 0)
            return false;
    return true;
}

static enum qb_status skip(struct qb_crew *crew, size_t i, const char *reason, struct qb_error *err)
{
    const size_t variant = crew->schedule->plan.cells[i].variant;
    return qb_talk_end(crew->talk, i,
                       &(struct qb_cell_end){.state = QB_CELL_SKIPPED,
                                             .message = reason,
                                             .effect = variant == QB_PLAN_NONE ? NULL : &crew->hand->effects[variant]},
                       err);
}

static enum qb_status fail(struct qb_crew *crew, size_t i, const struct qb_worker_end *end, double seconds,
                           struct qb_error *err)
{
    return qb_talk_end(
        crew->talk, i,
        &(struct qb_cell_end){
            .state = QB_CELL_FAILED, .nonfinite = end->nonfinite, .seconds = seconds, .message = end->message},
        err);
}

/* A cell that waits can be skipped for a reason known by now: its variant encodes nothing of the model, the experiment
 * has one, or a reference failed. */
static enum qb_status try_skip(struct qb_crew *crew, size_t i, struct qb_error *err)
{
    const struct qb_schedule *schedule = crew->schedule;
    const struct qb_plan_cell *cell = &schedule->plan.cells[i];
    const struct qb_experiment *experiment = qb_schedule_experiment(schedule, i);
    const struct qb_cell_env env = qb_at_hand_env(crew->hand, i);
    const char *why = env.variant ? crew->hand->effects[cell->variant].refusal : NULL;
    if (!why && env.variant && experiment->skip)
        why = experiment->skip(&env);
    if (why)
        return skip(crew, i, why, err);
    if (cell->reference == QB_PLAN_NONE || schedule->cells[cell->reference].stage != QB_STAGE_ENDED ||
        schedule->cells[cell->reference].outcome.state == QB_CELL_DONE)
        return QB_OK;
    char reason[1200];
    snprintf(reason, sizeof reason, "the reference %s/reference/%s failed: %s",
             schedule->suite->models[cell->model].name, experiment->name,
             schedule->cells[cell->reference].outcome.message);
    return skip(crew, i, reason, err);
}

/* Does cell i wait for the net that p prepares: same variant, same round? (Preparers are of the model at hand alone.)
 */
static bool waits_for(const struct qb_crew *crew, size_t i, const struct qb_preparer *p)
{
    const struct qb_plan_cell *cells = crew->schedule->plan.cells, *first = &cells[p->cell];
    return qb_schedule_waits(crew->schedule, i) && qb_schedule_experiment(crew->schedule, i)->net &&
           cells[i].model == first->model && cells[i].variant == first->variant &&
           cells[i].exclusive == first->exclusive;
}

/* The preparer that cell i waits for, or a place for one; NULL: neither. */
static struct qb_preparer *find_preparer(struct qb_crew *crew, size_t i)
{
    struct qb_preparer *place = NULL;
    for (unsigned w = 0; w < crew->jobs; w++) {
        struct qb_preparer *p = &crew->preparers[w];
        if (p->worker.pid > 0 && p->asks >= 0 && waits_for(crew, i, p))
            return p;
        if (p->worker.pid <= 0)
            place = p;
    }
    return place;
}

static enum qb_status start_preparer(struct qb_crew *crew, struct qb_preparer *preparer, size_t i, struct qb_error *err)
{
    struct qb_preparer_job job = {.limits = &crew->schedule->suite->limits,
                                  .threads = crew->hand->threads,
                                  .env = qb_at_hand_env(crew->hand, i),
                                  .run = run_cell,
                                  .context = crew};
    return qb_preparer_start(preparer, i, &job, err);
}

/* Its reference, if it reads one, is finished. */
static bool startable(const struct qb_crew *crew, size_t i)
{
    size_t reference = crew->schedule->plan.cells[i].reference;
    return reference == QB_PLAN_NONE || crew->schedule->cells[reference].stage == QB_STAGE_ENDED;
}

/* Starts cell i, or the preparer that it needs, or neither: then it waits on. */
static enum qb_status start_cell(struct qb_crew *crew, size_t i, struct qb_error *err)
{
    struct single single = {crew, i};
    struct qb_seat *seat = crew->seats;
    struct qb_preparer *preparer = NULL;
    if (qb_schedule_variant(crew->schedule, i) && qb_schedule_experiment(crew->schedule, i)->net) {
        preparer = find_preparer(crew, i);
        if (!preparer)
            return QB_OK;
        if (preparer->worker.pid <= 0)
            return start_preparer(crew, preparer, i, err);
    }
    if (!startable(crew, i) || (preparer && !qb_preparer_ready(preparer)))
        return QB_OK;
    while (seat->worker.pid > 0)
        seat++;
    if (preparer ? qb_preparer_cell(preparer, i, &seat->worker, err)
                 : qb_worker_start(&seat->worker, be_single, &single, err))
        return err->status;
    seat->cell = i;
    crew->schedule->cells[i].stage = QB_STAGE_RUNNING;
    crew->schedule->cells[i].started = qb_clock();
    return QB_OK;
}

/* Ends the preparers that no cell waits for. */
static void dismiss(struct qb_crew *crew)
{
    for (unsigned w = 0; w < crew->jobs; w++) {
        struct qb_preparer *p = &crew->preparers[w];
        bool wanted = p->worker.pid <= 0 || p->asks < 0;
        for (size_t i = 0; i < crew->schedule->plan.count && !wanted; i++)
            wanted = waits_for(crew, i, p);
        if (!wanted && qb_preparer_ready(p))
            qb_preparer_dismiss(p);
        else if (!wanted)
            qb_preparer_kill(p);
    }
}

/* Counts who still reads each reference, and frees the shelves that nobody does. */
static void tend_shelves(struct qb_crew *crew)
{
    const struct qb_schedule *schedule = crew->schedule;
    for (size_t i = 0; i < schedule->plan.count; i++)
        crew->shelves[i].readers = 0;
    for (size_t i = 0; i < schedule->plan.count; i++)
        if (schedule->plan.cells[i].reference != QB_PLAN_NONE &&
            (qb_schedule_waits(schedule, i) || schedule->cells[i].stage == QB_STAGE_RUNNING))
            crew->shelves[schedule->plan.cells[i].reference].readers++;
    for (size_t i = 0; i < schedule->plan.count; i++) {
        struct qb_crew_shelf *of = &crew->shelves[i];
        if (of->shelf)
            qb_shelf_expect(of->shelf, of->readers);
        if (of->shelf && !of->readers) {
            qb_shelf_free(of->shelf);
            of->shelf = NULL;
        }
    }
}

/* Shelves for what several of cells [from, to), of the model at hand, read: before any of their processes is there. One
 * that there is no address space for is done without. */
static void make_shelves(struct qb_crew *crew, size_t from, size_t to)
{
    tend_shelves(crew);
    for (size_t i = from; i < to; i++) {
        const struct qb_experiment *experiment = qb_schedule_experiment(crew->schedule, i);
        const size_t reference = crew->schedule->plan.cells[i].reference;
        struct qb_crew_shelf *of = reference == QB_PLAN_NONE ? NULL : &crew->shelves[reference];
        struct qb_error ignored = {0};
        if (!of || of->shelf || of->readers < 2 || !experiment->shelf || !qb_schedule_waits(crew->schedule, i))
            continue;
        const struct qb_cell_env env = qb_at_hand_env(crew->hand, i);
        const struct qb_shelf_shape shape = experiment->shelf(&env);
        if (shape.pieces && shape.bytes && !qb_shelf_make(shape, &of->shelf, &ignored))
            qb_shelf_expect(of->shelf, of->readers);
    }
}

enum qb_status qb_crew_start(struct qb_crew *crew, size_t from, size_t to, size_t *waiting, struct qb_error *err)
{
    const size_t jobs = crew->schedule->plan.cells[from].exclusive ? 1 : crew->jobs;
    *waiting = 0;
    make_shelves(crew, from, to);
    for (size_t i = from; i < to; i++) {
        struct qb_error cause = {0};
        if (qb_schedule_waits(crew->schedule, i) && try_skip(crew, i, err))
            return err->status;
        if (!qb_schedule_waits(crew->schedule, i))
            continue;
        if (count_busy(crew) < jobs && start_cell(crew, i, &cause)) {
            struct qb_worker_end end = {0};
            snprintf(end.message, sizeof end.message, "%s", cause.message);
            if (fail(crew, i, &end, 0, err))
                return err->status;
        }
        *waiting += qb_schedule_waits(crew->schedule, i);
    }
    dismiss(crew);
    return QB_OK;
}

/* ---- ends ---- */

/* How far cell i is; a process that writes where it must not is not believed. */
static void look_at(const struct qb_crew *crew, size_t i)
{
    const struct qb_parts_seen *seen = seen_of(crew, i);
    struct qb_pieces pieces = {.taken = seen->taken, .done = seen->done, .at = seen->at, .from = seen->from};
    pieces.total = seen->total;
    if (pieces.taken <= pieces.done && pieces.done <= pieces.total && pieces.from <= pieces.at &&
        pieces.at <= qb_clock())
        crew->schedule->cells[i].pieces = pieces;
}

/* What became of the parts of cell i, which ended. */
static void tell_parts(const struct qb_crew *crew, size_t i)
{
    const struct qb_pieces *pieces = &crew->schedule->cells[i].pieces;
    struct qb_parts_seen *seen = seen_of(crew, i);
    struct qb_text label = {0};
    qb_plan_label(crew->schedule->suite, &crew->schedule->plan.cells[i], &label);
    seen->why[sizeof seen->why - 1] = '\0';
    if (pieces->taken && !label.failed)
        qb_talk_note(crew->talk, QB_RUN_NOTE, "%s: %zu of its %zu pieces are taken from an earlier run", label.data,
                     pieces->taken, pieces->total);
    if (seen->refused && !label.failed)
        qb_talk_note(crew->talk, QB_RUN_NOTE, "%s: %zu of its parts could not be taken and %s measured anew: %s",
                     label.data, (size_t)seen->refused, seen->refused == 1 ? "is" : "are", seen->why);
    if (seen->failed && !label.failed)
        qb_talk_note(crew->talk, QB_RUN_WARNING, "%s: its parts are not kept while it goes on: %s", label.data,
                     seen->why);
    qb_text_free(&label);
}

static enum qb_status take_end(struct qb_crew *crew, struct qb_seat *seat, struct qb_error *err)
{
    const double seconds = qb_clock() - seat->worker.started;
    const size_t i = seat->cell;
    struct qb_worker_end end;
    struct qb_error cause = {0};
    char shard[QB_SHARD_PATH];
    if (seat->worker.pid <= 0 || !qb_worker_ended(&seat->worker, crew->schedule->suite->limits.seconds, &end))
        return QB_OK;
    qb_orphans_end(is_ours, crew);
    look_at(crew, i);
    tell_parts(crew, i);
    if (!end.done)
        return fail(crew, i, &end, seconds, err);
    qb_talk_done(crew->talk, i, seconds);
    if (qb_schedule_variant(crew->schedule, i))
        return QB_OK;
    qb_shard_path(crew->shards->folder, crew->schedule->cells[i].key, shard);
    if (qb_cache_put(crew->cache, crew->schedule->cells[i].key, shard, &cause) && !crew->cache_failed) {
        qb_talk_note(crew->talk, QB_RUN_WARNING, "references are not kept: %s", cause.message);
        crew->cache_failed = true;
    }
    return QB_OK;
}

/* The end of a preparer that was not dismissed takes the cells along that wait for it. */
static enum qb_status take_preparer(struct qb_crew *crew, struct qb_preparer *p, struct qb_error *err)
{
    const double seconds = qb_clock() - p->worker.started;
    const double limit = qb_preparer_ready(p) ? INFINITY : crew->schedule->suite->limits.seconds;
    struct qb_worker_end end;
    if (p->worker.pid <= 0 || !qb_worker_ended(&p->worker, limit, &end))
        return QB_OK;
    qb_orphans_end(is_ours, crew);
    bool dismissed = p->asks < 0;
    qb_preparer_dismiss(p);
    if (end.done)
        snprintf(end.message, sizeof end.message, "the process that prepared its net ended too early");
    for (size_t i = 0; i < crew->schedule->plan.count && !dismissed; i++)
        if (waits_for(crew, i, p) && fail(crew, i, &end, seconds, err))
            return err->status;
    return QB_OK;
}

static nfds_t add_pipes(struct pollfd *fds, const struct qb_worker *worker)
{
    nfds_t n = 0;
    if (worker->pid > 0 && worker->report >= 0)
        fds[n++] = (struct pollfd){.fd = worker->report, .events = POLLIN};
    if (worker->pid > 0 && worker->chatter >= 0)
        fds[n++] = (struct pollfd){.fd = worker->chatter, .events = POLLIN};
    return n;
}

/* Which cells' nets are being made. */
static void note_preparing(struct qb_crew *crew)
{
    for (size_t i = 0; i < crew->schedule->plan.count; i++)
        crew->schedule->cells[i].preparing = false;
    for (unsigned w = 0; w < crew->jobs; w++) {
        const struct qb_preparer *p = &crew->preparers[w];
        if (p->worker.pid > 0 && p->asks >= 0 && !qb_preparer_ready(p))
            crew->schedule->cells[p->cell].preparing = true;
    }
}

enum qb_status qb_crew_attend(struct qb_crew *crew, struct qb_error *err)
{
    struct pollfd fds[1024];
    nfds_t n = 0;
    for (unsigned w = 0; w < crew->jobs; w++) {
        n += add_pipes(fds + n, &crew->seats[w].worker);
        n += add_pipes(fds + n, &crew->preparers[w].worker);
    }
    poll(fds, n, n ? TICK_MS : 10);
    for (unsigned w = 0; w < crew->jobs; w++)
        if (take_end(crew, &crew->seats[w], err) || take_preparer(crew, &crew->preparers[w], err))
            return err->status;
    for (unsigned w = 0; w < crew->jobs; w++)
        if (crew->seats[w].worker.pid > 0)
            look_at(crew, crew->seats[w].cell);
    tend_shelves(crew);
    note_preparing(crew);
    qb_talk_tick(crew->talk);
    return QB_OK;
}
