/* The run: groups of cells by model and round, and what is around them. */
#include "run/engine.h"

#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "compute/linear.h"
#include "run/assembly.h"
#include "run/crew.h"
#include "run/idle.h"
#include "run/outlook.h"

struct run {
    const struct qb_run_options *options;
    struct qb_schedule schedule;
    struct qb_talk talk;
    struct qb_shards shards;
    struct qb_cache cache;
    struct qb_finished finished;
    struct qb_at_hand hand;
    struct qb_crew crew;
    struct qb_provenance provenance;
    bool interrupted;
};

static void send_warnings(const struct qb_talk *talk)
{
    const struct qb_suite *suite = talk->schedule->suite;
    const struct qb_plan *plan = &talk->schedule->plan;
    for (size_t v = 0; v < suite->variant_count; v++) {
        const char *warning = suite->variants[v]->warning;
        bool said = warning == NULL, used = false;
        for (size_t u = 0; u < v && !said; u++)
            said = suite->variants[u]->warning && strcmp(suite->variants[u]->warning, warning) == 0;
        for (size_t i = 0; i < plan->count && !used; i++)
            used = plan->cells[i].selected && plan->cells[i].variant == v;
        if (!said && used)
            qb_talk_note(talk, QB_RUN_WARNING, "%s", warning);
    }
}

static void note_idle(void *talk, const char *text)
{
    qb_talk_note(talk, QB_RUN_NOTE, "%s", text);
}

/* ---- cells ---- */

static bool stopping(struct run *run)
{
    if (run->options->stop && *run->options->stop)
        run->interrupted = true;
    return run->interrupted;
}

static enum qb_status drain(struct run *run, struct qb_error *err)
{
    while (!qb_crew_idle(&run->crew) && !stopping(run))
        if (qb_crew_attend(&run->crew, err))
            return err->status;
    return QB_OK;
}

/* Has [from, to) something to run, or to take? Without a key: whether it is finished is not known yet. */
static bool wanted(const struct run *run, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const struct qb_scheduled *cell = &run->schedule.cells[i];
        if (qb_schedule_waits(&run->schedule, i) ||
            (cell->stage == QB_STAGE_WAITING && run->options->resume && !cell->key[0]))
            return true;
    }
    return false;
}

/* Cells [from, to) are of one model and one round. Returns when none of them waits any more; the last may still run
 * beside the next group's first. The timed round loads and prepares anew: nets kept for it would fill the memory that
 * the first round's cells need. */
static enum qb_status run_group(struct run *run, size_t from, size_t to, struct qb_error *err)
{
    const struct qb_plan_cell *first = &run->schedule.plan.cells[from];
    size_t waiting = 1;
    if (!wanted(run, from, to) || (first->exclusive && drain(run, err)) ||
        qb_at_hand_load(&run->hand, first->model, err))
        return err->status;
    while (run->hand.model && !stopping(run) && !qb_crew_start(&run->crew, from, to, &waiting, err) && waiting > 0)
        if (qb_crew_attend(&run->crew, err))
            break;
    if (!err->status && first->exclusive)
        drain(run, err);
    qb_at_hand_unload(&run->hand);
    return err->status;
}

static enum qb_status run_groups(struct run *run, struct qb_error *err)
{
    const struct qb_plan *plan = &run->schedule.plan;
    for (size_t from = 0, to; from < plan->count && !stopping(run); from = to) {
        for (to = from; to < plan->count && plan->cells[to].model == plan->cells[from].model &&
                        plan->cells[to].exclusive == plan->cells[from].exclusive;)
            to++;
        if (run_group(run, from, to, err))
            return err->status;
    }
    return drain(run, err);
}

/* ---- the whole ---- */

static void summarise(const struct run *run, struct qb_run_summary *summary)
{
    *summary = (struct qb_run_summary){
        .total = run->schedule.plan.selected, .interrupted = run->interrupted, .seconds = qb_clock() - run->talk.start};
    for (size_t i = 0; i < run->schedule.plan.count; i++) {
        const struct qb_scheduled *cell = &run->schedule.cells[i];
        if (cell->stage != QB_STAGE_ENDED || !run->schedule.plan.cells[i].selected)
            continue;
        summary->done += cell->outcome.state == QB_CELL_DONE;
        summary->failed += cell->outcome.state == QB_CELL_FAILED;
        summary->skipped += cell->outcome.state == QB_CELL_SKIPPED;
        summary->taken += cell->taken == QB_TAKEN_SHARD || cell->taken == QB_TAKEN_RESULT;
        summary->cached += cell->taken == QB_TAKEN_CACHE;
    }
}

/* Each part knows those before it. */
static void connect(struct run *run, const struct qb_run_options *options)
{
    run->options = options;
    run->talk = (struct qb_talk){
        .schedule = &run->schedule, .start = qb_clock(), .event = options->event, .context = options->context};
    run->shards.lock = -1;
    run->cache = (struct qb_cache){options->cache_most ? options->cache : NULL, options->cache_most};
    run->finished = (struct qb_finished){.schedule = &run->schedule,
                                         .talk = &run->talk,
                                         .shards = &run->shards,
                                         .cache = &run->cache,
                                         .resume = options->resume,
                                         .force = options->force};
    run->hand = (struct qb_at_hand){.schedule = &run->schedule,
                                    .talk = &run->talk,
                                    .finished = &run->finished,
                                    .isa = options->isa,
                                    .threads = options->threads};
    run->crew = (struct qb_crew){.schedule = &run->schedule,
                                 .talk = &run->talk,
                                 .shards = &run->shards,
                                 .cache = &run->cache,
                                 .hand = &run->hand,
                                 .provenance = &run->provenance,
                                 .watch = -1,
                                 .jobs = options->jobs};
}

static enum qb_status begin(struct run *run, const struct qb_suite *suite, struct qb_error *err)
{
    const struct qb_run_options *options = run->options;
    const struct qb_run_facts facts = {qb_isa_name(options->isa), qb_blas_config(), qb_blas_core(), options->threads};
    if (options->jobs < 1 || options->jobs > 256 || options->threads < 1 || options->threads > 256)
        return qb_fail(err, QB_ERR_INPUT, "expected 1 to 256 jobs and threads, found %u and %u", options->jobs,
                       options->threads);
    if (qb_schedule_open(&run->schedule, suite, options->only, err) ||
        !(run->talk.parameters = qb_outlook_parameters(suite, err)) ||
        qb_shards_open(&run->shards, options->output, err) || qb_provenance_collect(&run->provenance, &facts, err) ||
        qb_finished_open(&run->finished, err) || qb_at_hand_open(&run->hand, err) || qb_crew_open(&run->crew, err))
        return err->status;
    for (size_t m = 0; m < suite->model_count; m++)
        if (qb_finished_asks(&run->finished, m)) {
            if (qb_at_hand_load(&run->hand, m, err))
                return err->status;
            qb_at_hand_unload(&run->hand);
        }
    return qb_finished_guard_unselected(&run->finished, err);
}

/* Nothing ran because no model or input could be had: that is the user's input, not a cell's failure. */
static enum qb_status check_loads(const struct run *run, struct qb_error *err)
{
    const struct qb_schedule *schedule = &run->schedule;
    if (run->hand.failures == 0 || run->hand.failures < schedule->plan.selected)
        return QB_OK;
    for (size_t i = 0; i < schedule->plan.count; i++)
        if (schedule->plan.cells[i].selected)
            return qb_fail(err, QB_ERR_INPUT, "no cell could run: %s", schedule->cells[i].outcome.message);
    return QB_OK;
}

/* The result file from what is finished, unless that would lose what the old file holds. */
static enum qb_status conclude(struct run *run, struct qb_error *err)
{
    const struct qb_assembly assembly = {.schedule = &run->schedule,
                                         .talk = &run->talk,
                                         .shards = &run->shards,
                                         .facts = run->hand.facts,
                                         .command = run->options->command,
                                         .only = run->options->only,
                                         .jobs = run->options->jobs,
                                         .interrupted = run->interrupted};
    bool keep_old_file = false;
    if (qb_finished_settle(&run->finished, run->interrupted, &keep_old_file, err) || keep_old_file)
        return err->status;
    if (qb_assembly_write(&assembly, &run->provenance, err))
        return qb_wrap(err, "the finished cells are kept in %s; run again with --resume", run->shards.folder);
    qb_assembly_warn_overlap(&assembly);
    qb_finished_clean(&run->finished);
    qb_cache_trim(&run->cache);
    return QB_OK;
}

enum qb_status qb_run(const struct qb_suite *suite, const struct qb_run_options *options,
                      struct qb_run_summary *summary, struct qb_error *err)
{
    struct run run = {0};
    *summary = (struct qb_run_summary){0};
    connect(&run, options);
    if (begin(&run, suite, err))
        goto out;
    send_warnings(&run.talk);
    qb_idle_requests(suite, &run.schedule.plan, note_idle, &run.talk);
    run_groups(&run, err);
    qb_crew_kill(&run.crew); /* who is still at work was interrupted */
    if (err->status)
        goto out;
    summarise(&run, summary);
    if (!check_loads(&run, err))
        conclude(&run, err);
out:
    qb_crew_close(&run.crew);
    qb_at_hand_close(&run.hand);
    qb_finished_close(&run.finished);
    qb_shards_close(&run.shards);
    qb_provenance_free(&run.provenance);
    qb_schedule_close(&run.schedule);
    qb_free(run.talk.parameters);
    return err->status;
}
