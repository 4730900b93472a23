#include "run/finished.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* ---- what there is ---- */

static enum qb_status add_old(struct qb_finished *f, const struct qb_cell *cell, size_t index, struct qb_error *err)
{
    for (size_t j = 0; j < f->count; j++) /* a shard that an assembled file holds already */
        if (strcmp(f->old[j].key, cell->key) == 0 && strcmp(f->old[j].model, cell->model) == 0 &&
            strcmp(f->old[j].variant, cell->variant) == 0 && strcmp(f->old[j].experiment, cell->experiment) == 0)
            return QB_OK;
    struct qb_old_cell *grown = qb_grow(f->old, f->count + 1, sizeof *grown, "old cells", err);
    if (!grown)
        return err->status;
    f->old = grown;
    struct qb_old_cell *old = &f->old[f->count++];
    *old = (struct qb_old_cell){.index = index};
    memcpy(old->key, cell->key, sizeof old->key);
    return (old->model = qb_strdup(cell->model, err)) && (old->variant = qb_strdup(cell->variant, err)) &&
                   (old->experiment = qb_strdup(cell->experiment, err))
               ? QB_OK
               : err->status;
}

/* The result file's. It is closed again: a worker must not inherit it open. */
static enum qb_status read_result(struct qb_finished *f, struct qb_error *err)
{
    const char *output = f->shards->output;
    struct qb_result *result = NULL;
    struct qb_error cause = {0};
    struct stat info;
    if (stat(output, &info) || info.st_size == 0)
        return QB_OK;
    if (qb_result_open(output, &result, &cause)) {
        if (!f->force)
            return qb_fail(err, cause.status,
                           "-o %s: what it holds cannot be read and would be dropped; --force replaces it: %s", output,
                           cause.message);
        qb_talk_note(f->talk, QB_RUN_NOTE, "the result file cannot be read and is replaced: %s", cause.message);
        return QB_OK;
    }
    for (size_t i = 0; i < qb_result_count(result) && !err->status; i++)
        if (qb_result_cell(result, i)->state == QB_CELL_DONE)
            add_old(f, qb_result_cell(result, i), i, err);
    qb_result_close(result);
    return err->status;
}

/* Those that an earlier run finished and had no time to put into the file. A damaged shard is no finished cell. */
static enum qb_status read_shards(struct qb_finished *f, struct qb_error *err)
{
    DIR *dir = opendir(f->shards->folder);
    for (struct dirent *entry; dir && !err->status && (entry = readdir(dir));) {
        char path[4500];
        struct qb_cell cell = {0};
        struct qb_error cause = {0};
        if (!qb_shard_name(entry->d_name))
            continue;
        snprintf(path, sizeof path, "%s/%s", f->shards->folder, entry->d_name);
        if (!qb_shard_try(path, &cause) && !qb_shard_read(path, false, &cell, &cause) && cell.state == QB_CELL_DONE)
            add_old(f, &cell, QB_PLAN_NONE, err);
        qb_cell_free(&cell);
    }
    if (dir)
        closedir(dir);
    return err->status;
}

/* ---- what becomes of it ---- */

/* Is the old cell what cell i of the plan would measure? The cell has its key. */
static bool holds(const struct qb_finished *f, size_t i, const struct qb_old_cell *old)
{
    return strcmp(old->key, f->schedule->cells[i].key) == 0 &&
           qb_schedule_same_place(f->schedule, i, old->model, old->variant, old->experiment);
}

/* The plan's cell at the place of an old one, or QB_PLAN_NONE. */
static size_t place_of(const struct qb_finished *f, const struct qb_old_cell *old)
{
    for (size_t i = 0; i < f->schedule->plan.count; i++)
        if (qb_schedule_same_place(f->schedule, i, old->model, old->variant, old->experiment))
            return i;
    return QB_PLAN_NONE;
}

/* Is this old cell a shard whose place the run filled with an older cell that holds, so that it neither took the shard
 * nor ran anew what the shard measured? (Finished under other options in a run that was interrupted.) */
static bool is_aside(const struct qb_finished *f, const struct qb_old_cell *old)
{
    size_t i = old->index == QB_PLAN_NONE && !f->force ? place_of(f, old) : QB_PLAN_NONE;
    return i != QB_PLAN_NONE && f->schedule->cells[i].taken && !holds(f, i, old);
}

static bool keeps_aside(const void *context, const char *name)
{
    const struct qb_finished *f = context;
    for (size_t j = 0; j < f->count; j++)
        if (strncmp(f->old[j].key, name, QB_HASH_HEX - 1) == 0 && is_aside(f, &f->old[j]))
            return true;
    return false;
}

/* May the part of this name still be wanted? Its cell is not done; or it is of none of the plan's as far as their keys
 * are known. */
static bool keeps_part(const void *context, const char *name)
{
    const struct qb_schedule *schedule = ((const struct qb_finished *)context)->schedule;
    bool unknown = false;
    for (size_t i = 0; i < schedule->plan.count; i++) {
        const struct qb_scheduled *cell = &schedule->cells[i];
        if (strncmp(cell->key, name, QB_HASH_HEX - 1) == 0)
            return cell->stage != QB_STAGE_ENDED || cell->outcome.state != QB_CELL_DONE;
        unknown = unknown || !cell->key[0];
    }
    return unknown;
}

static bool keeps(const void *context, const char *name)
{
    return qb_part_name(name, NULL) ? keeps_part(context, name) : keeps_aside(context, name);
}

/* Is the part of none of the plan's cells, whose keys are all known? */
static bool is_stale(const void *context, const char *name)
{
    const struct qb_schedule *schedule = ((const struct qb_finished *)context)->schedule;
    for (size_t i = 0; i < schedule->plan.count; i++)
        if (strncmp(schedule->cells[i].key, name, QB_HASH_HEX - 1) == 0)
            return false;
    return !keeps_part(context, name);
}

static bool is_any(const void *context, const char *name)
{
    (void)context, (void)name;
    return true;
}

static bool keeps_none(const void *context, const char *name)
{
    return !is_any(context, name);
}

static void note_aside(const struct qb_finished *f)
{
    size_t count = 0;
    for (size_t j = 0; j < f->count; j++)
        count += is_aside(f, &f->old[j]);
    if (count)
        qb_talk_note(f->talk, QB_RUN_NOTE,
                     "%zu cell%s finished under other options (or by another program) stay%s in %s: --resume under "
                     "those takes them",
                     count, count == 1 ? "" : "s", count == 1 ? "s" : "", f->shards->folder);
}

static enum qb_status refuse(const struct qb_finished *f, size_t count, const struct qb_old_cell *first,
                             const char *why, const char *ways, struct qb_error *err)
{
    return qb_fail(err, QB_ERR_INPUT, "-o %s: %zu finished cell%s (first %s/%s/%s) would be dropped: %s; %s",
                   f->shards->output, count, count == 1 ? "" : "s", first->model, first->variant, first->experiment,
                   why, ways);
}

/* The same of parts of cells that no run has finished, where nothing else would be dropped. */
static enum qb_status guard_parts(const struct qb_finished *f, struct qb_error *err)
{
    const size_t count = f->resume ? 0 : qb_shards_parts(f->shards, is_any, f);
    if (count && f->force)
        qb_talk_note(f->talk, QB_RUN_NOTE, "%zu part%s of unfinished cells of an earlier run %s dropped (--force)",
                     count, count == 1 ? "" : "s", count == 1 ? "is" : "are");
    else if (count)
        return qb_fail(
            err, QB_ERR_INPUT,
            "-o %s: %zu part%s of unfinished cells would be dropped: a new run starts from nothing; --resume "
            "keeps those that still hold, --force drops them, another -o leaves them alone",
            f->shards->output, count, count == 1 ? "" : "s");
    return QB_OK;
}

static enum qb_status guard(const struct qb_finished *f, struct qb_error *err)
{
    const struct qb_old_cell *first = NULL;
    size_t count = 0;
    for (size_t j = 0; j < f->count; j++)
        if (!f->resume || place_of(f, &f->old[j]) == QB_PLAN_NONE) {
            first = first ? first : &f->old[j];
            count++;
        }
    if (count == 0)
        return guard_parts(f, err);
    if (f->force) {
        qb_talk_note(f->talk, QB_RUN_NOTE, "%zu finished cell%s of an earlier run %s dropped (--force)", count,
                     count == 1 ? "" : "s", count == 1 ? "is" : "are");
        return QB_OK;
    }
    return f->resume
               ? refuse(f, count, first, "this suite has no such cell", "--force drops them, another -o keeps them",
                        err)
               : refuse(f, count, first, "a new run starts from nothing",
                        "--resume keeps those that still hold, --force drops them, another -o leaves them alone", err);
}

enum qb_status qb_finished_open(struct qb_finished *f, struct qb_error *err)
{
    if (read_result(f, err) || read_shards(f, err) || guard(f, err) || qb_file_mkdirs(f->shards->folder, err))
        return err->status;
    qb_shards_sweep(f->shards, !f->resume, keeps_none, f);
    return QB_OK;
}

void qb_finished_close(struct qb_finished *f)
{
    for (size_t j = 0; j < f->count; j++) {
        qb_free(f->old[j].model);
        qb_free(f->old[j].variant);
        qb_free(f->old[j].experiment);
    }
    qb_free(f->old);
}

/* ---- taking ---- */

static void mark_taken(struct qb_finished *f, size_t i, enum qb_taken taken, size_t old_index)
{
    struct qb_scheduled *cell = &f->schedule->cells[i];
    cell->stage = QB_STAGE_ENDED;
    cell->outcome.state = QB_CELL_DONE;
    cell->taken = taken;
    cell->old_index = old_index;
}

/* Is the shard at `path` whole and what cell i would measure? */
static bool shard_fits(const struct qb_finished *f, size_t i, const char *path, struct qb_error *cause)
{
    struct qb_cell cell = {0};
    if (qb_shard_try(path, cause) || qb_shard_read(path, false, &cell, cause))
        return false;
    bool fits = cell.state == QB_CELL_DONE && strcmp(cell.key, f->schedule->cells[i].key) == 0 &&
                qb_schedule_same_place(f->schedule, i, cell.model, cell.variant, cell.experiment);
    qb_cell_free(&cell);
    if (!fits)
        qb_fail(cause, QB_ERR_INPUT, "%s: holds another cell", path);
    return fits;
}

void qb_finished_take(struct qb_finished *f, size_t i)
{
    char path[QB_SHARD_PATH];
    struct qb_error cause = {0};
    qb_shard_path(f->shards->folder, f->schedule->cells[i].key, path);
    if (qb_file_exists(path) && shard_fits(f, i, path, &cause)) {
        mark_taken(f, i, QB_TAKEN_SHARD, QB_PLAN_NONE);
        return;
    }
    for (size_t j = 0; j < f->count; j++)
        if (f->old[j].index != QB_PLAN_NONE && holds(f, i, &f->old[j])) {
            mark_taken(f, i, QB_TAKEN_RESULT, f->old[j].index);
            return;
        }
}

void qb_finished_lend(struct qb_finished *f, size_t i)
{
    struct qb_scheduled *cell = &f->schedule->cells[i];
    char path[QB_SHARD_PATH];
    struct qb_error cause = {0};
    bool bare = cell->taken == QB_TAKEN_RESULT && !qb_schedule_experiment(f->schedule, i)->keeps_reference;
    if (cell->stage == QB_STAGE_ENDED && !bare)
        return; /* its record is at hand */
    cell->stage = QB_STAGE_WAITING;
    cell->taken = QB_TAKEN_NOT;
    qb_shard_path(f->shards->folder, cell->key, path);
    if (!qb_cache_get(f->cache, cell->key, path))
        return;
    if (shard_fits(f, i, path, &cause)) {
        /* A bare one counts as the earlier run's all the same. */
        mark_taken(f, i, bare ? QB_TAKEN_SHARD : QB_TAKEN_CACHE, QB_PLAN_NONE);
        return;
    }
    unlink(path);
    qb_cache_drop(f->cache, cell->key);
    if (!f->damaged)
        qb_talk_note(f->talk, QB_RUN_NOTE, "a reference in the cache is damaged and is made anew: %s", cause.message);
    f->damaged = true;
}

/* ---- at the start and at the end of a run ---- */

bool qb_finished_asks(const struct qb_finished *f, size_t m)
{
    for (size_t j = 0; j < f->count && f->resume && !f->force; j++) {
        size_t i = place_of(f, &f->old[j]);
        if (i != QB_PLAN_NONE && f->schedule->plan.cells[i].model == m && !f->schedule->plan.cells[i].selected &&
            !f->schedule->cells[i].key[0])
            return true;
    }
    return false;
}

enum qb_status qb_finished_guard_unselected(const struct qb_finished *f, struct qb_error *err)
{
    const struct qb_old_cell *first = NULL;
    size_t count = 0;
    for (size_t j = 0; j < f->count && f->resume && !f->force; j++) {
        size_t i = place_of(f, &f->old[j]);
        if (i == QB_PLAN_NONE || f->schedule->plan.cells[i].selected || holds(f, i, &f->old[j]))
            continue;
        first = first ? first : &f->old[j];
        count += !f->schedule->cells[i].taken;
    }
    return count ? refuse(f, count, first,
                          "--only leaves them out, and their model, inputs, options, variant or the program changed",
                          "run them too, --force drops them, another -o leaves them alone", err)
                 : QB_OK;
}

/* Old cells by what became of them; *first of those without an outcome. */
static size_t count_lost(const struct qb_finished *f, size_t *again, const struct qb_old_cell **first)
{
    size_t lost = 0;
    *again = 0;
    for (size_t j = 0; j < f->count; j++) {
        size_t i = place_of(f, &f->old[j]);
        const struct qb_scheduled *cell = i == QB_PLAN_NONE ? NULL : &f->schedule->cells[i];
        if (!cell)
            continue;                                                  /* guard asked about these */
        bool measured = cell->stage == QB_STAGE_ENDED && cell->key[0]; /* without a key nothing could be tried */
        *again += measured && !cell->taken && cell->outcome.state == QB_CELL_DONE && !holds(f, i, &f->old[j]);
        if (measured)
            continue;
        *first = *first ? *first : &f->old[j];
        lost++;
    }
    return lost;
}

enum qb_status qb_finished_settle(const struct qb_finished *f, bool interrupted, bool *keep_old_file,
                                  struct qb_error *err)
{
    const struct qb_old_cell *first = NULL;
    size_t again = 0, lost = f->resume ? count_lost(f, &again, &first) : 0;
    note_aside(f);
    *keep_old_file = lost && interrupted;
    if (*keep_old_file)
        qb_talk_note(f->talk, QB_RUN_NOTE,
                     "%s is as it was: %zu of its finished cells were not reached yet; what finished now is kept in %s",
                     f->shards->output, lost, f->shards->folder);
    else if (lost && !f->force)
        return refuse(f, lost, first, "neither its model nor its inputs could be had",
                      "the file is as it was; mend that and --resume, or --force", err);
    else if (lost)
        qb_talk_note(f->talk, QB_RUN_NOTE, "%zu finished cells are dropped (--force)", lost);
    if (again)
        qb_talk_note(f->talk, QB_RUN_NOTE,
                     "%zu finished cell%s ran again: the model, inputs, options, variant or the program changed", again,
                     again == 1 ? "" : "s");
    return QB_OK;
}

void qb_finished_clean(const struct qb_finished *f)
{
    const size_t stale = qb_shards_parts(f->shards, is_stale, f), kept = qb_shards_parts(f->shards, keeps_part, f);
    if (stale)
        qb_talk_note(
            f->talk, QB_RUN_NOTE,
            "%zu part%s of cells that were not finished %s dropped: the model, inputs, options, variant or the "
            "program changed",
            stale, stale == 1 ? "" : "s", stale == 1 ? "is" : "are");
    if (kept)
        qb_talk_note(f->talk, QB_RUN_NOTE,
                     "%zu part%s of cells that did not finish stay%s in %s: --resume goes on from there", kept,
                     kept == 1 ? "" : "s", kept == 1 ? "s" : "", f->shards->folder);
    qb_shards_sweep(f->shards, true, keeps, f);
}
