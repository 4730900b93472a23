/* Finished cells of earlier runs onto the same file: which this run keeps, which it runs again, and which it would
 * drop. None is dropped unasked, and the old file stays whole until the new one takes its place. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "run/run_state.h"

/* ---- what there is ---- */

static enum qb_status add_old(struct qb_run *run, const struct qb_cell *cell, size_t index, struct qb_error *err)
{
    for (size_t j = 0; j < run->old_count; j++) /* a shard that an assembled file holds already */
        if (strcmp(run->old[j].key, cell->key) == 0 && strcmp(run->old[j].model, cell->model) == 0 &&
            strcmp(run->old[j].variant, cell->variant) == 0 && strcmp(run->old[j].experiment, cell->experiment) == 0)
            return QB_OK;
    if (run->old_count == run->old_room) {
        size_t room = run->old_room ? 2 * run->old_room : 64;
        struct qb_old_cell *grown = qb_alloc(room, sizeof *grown, "old cells", err);
        if (!grown)
            return err->status;
        if (run->old_count)
            memcpy(grown, run->old, run->old_count * sizeof *grown);
        qb_free(run->old);
        run->old = grown;
        run->old_room = room;
    }
    struct qb_old_cell *old = &run->old[run->old_count++];
    *old = (struct qb_old_cell){.index = index};
    memcpy(old->key, cell->key, sizeof old->key);
    return (old->model = qb_strdup(cell->model, err)) && (old->variant = qb_strdup(cell->variant, err)) &&
                   (old->experiment = qb_strdup(cell->experiment, err))
               ? QB_OK
               : err->status;
}

/* The result file's. It is closed again: a worker must not inherit it open. */
static enum qb_status read_result(struct qb_run *run, struct qb_error *err)
{
    struct qb_result *result = NULL;
    struct qb_error cause = {0};
    struct stat info;
    if (stat(run->options->output, &info) || info.st_size == 0)
        return QB_OK;
    if (qb_result_open(run->options->output, &result, &cause)) {
        if (!run->options->force)
            return qb_fail(err, cause.status,
                           "-o %s: what it holds cannot be read and would be dropped; --force replaces it: %s",
                           run->options->output, cause.message);
        qb_run_note(run, QB_RUN_NOTE, "the result file cannot be read and is replaced: %s", cause.message);
        return QB_OK;
    }
    for (size_t i = 0; i < qb_result_count(result) && !err->status; i++)
        if (qb_result_cell(result, i)->state == QB_CELL_DONE)
            add_old(run, qb_result_cell(result, i), i, err);
    qb_result_close(result);
    return err->status;
}

/* Those that an earlier run finished and had no time to put into the file. A damaged shard is no finished cell. */
static enum qb_status read_shards(struct qb_run *run, struct qb_error *err)
{
    DIR *dir = opendir(run->folder);
    for (struct dirent *entry; dir && !err->status && (entry = readdir(dir));) {
        char path[4500];
        struct qb_cell cell = {0};
        struct qb_error cause = {0};
        if (!qb_run_shard_name(entry->d_name))
            continue;
        snprintf(path, sizeof path, "%s/%s", run->folder, entry->d_name);
        if (!qb_shard_read(path, false, &cell, &cause) && cell.state == QB_CELL_DONE)
            add_old(run, &cell, QB_PLAN_NONE, err);
        qb_cell_free(&cell);
    }
    if (dir)
        closedir(dir);
    return err->status;
}

enum qb_status qb_run_read_old(struct qb_run *run, struct qb_error *err)
{
    return read_result(run, err) ? err->status : read_shards(run, err);
}

/* ---- what becomes of it ---- */

bool qb_run_same_place(const struct qb_run *run, size_t i, const char *model, const char *variant,
                       const char *experiment)
{
    const struct qb_plan_cell *cell = &run->plan.cells[i];
    return strcmp(run->suite->models[cell->model].name, model) == 0 &&
           strcmp(qb_plan_variant_name(run->suite, cell), variant) == 0 &&
           strcmp(run->suite->experiments[cell->experiment].experiment->name, experiment) == 0;
}

bool qb_run_holds(const struct qb_run *run, size_t i, const struct qb_old_cell *old)
{
    return strcmp(old->key, run->cells[i].key) == 0 &&
           qb_run_same_place(run, i, old->model, old->variant, old->experiment);
}

/* The plan's cell at the place of an old one, or QB_PLAN_NONE. */
static size_t place_of(const struct qb_run *run, const struct qb_old_cell *old)
{
    for (size_t i = 0; i < run->plan.count; i++)
        if (qb_run_same_place(run, i, old->model, old->variant, old->experiment))
            return i;
    return QB_PLAN_NONE;
}

/* Is this old cell a shard whose place the run filled with an older cell that holds, so that it neither took the shard
 * nor ran anew what the shard measured? (Finished under other options in a run that was interrupted.) */
static bool is_aside(const struct qb_run *run, const struct qb_old_cell *old)
{
    size_t i = old->index == QB_PLAN_NONE && !run->options->force ? place_of(run, old) : QB_PLAN_NONE;
    return i != QB_PLAN_NONE && run->cells[i].taken && !qb_run_holds(run, i, old);
}

bool qb_run_aside(const struct qb_run *run, const char *name)
{
    for (size_t j = 0; j < run->old_count; j++)
        if (strncmp(run->old[j].key, name, QB_HASH_HEX - 1) == 0 && is_aside(run, &run->old[j]))
            return true;
    return false;
}

static void note_aside(struct qb_run *run)
{
    size_t count = 0;
    for (size_t j = 0; j < run->old_count; j++)
        count += is_aside(run, &run->old[j]);
    if (count)
        qb_run_note(
            run, QB_RUN_NOTE,
            "%zu cell%s finished under other options (or by another program) stay%s in %s: --resume under those "
            "takes them",
            count, count == 1 ? "" : "s", count == 1 ? "s" : "", run->folder);
}

static enum qb_status refuse(const struct qb_run *run, size_t count, const struct qb_old_cell *first, const char *why,
                             const char *ways, struct qb_error *err)
{
    return qb_fail(err, QB_ERR_INPUT, "-o %s: %zu finished cell%s (first %s/%s/%s) would be dropped: %s; %s",
                   run->options->output, count, count == 1 ? "" : "s", first->model, first->variant, first->experiment,
                   why, ways);
}

enum qb_status qb_run_guard(struct qb_run *run, struct qb_error *err)
{
    const struct qb_old_cell *first = NULL;
    size_t count = 0;
    for (size_t j = 0; j < run->old_count; j++)
        if (!run->options->resume || place_of(run, &run->old[j]) == QB_PLAN_NONE) {
            first = first ? first : &run->old[j];
            count++;
        }
    if (count == 0)
        return QB_OK;
    if (run->options->force) {
        qb_run_note(run, QB_RUN_NOTE, "%zu finished cell%s of an earlier run %s dropped (--force)", count,
                    count == 1 ? "" : "s", count == 1 ? "is" : "are");
        return QB_OK;
    }
    return run->options->resume
               ? refuse(run, count, first, "this suite has no such cell", "--force drops them, another -o keeps them",
                        err)
               : refuse(run, count, first, "a new run starts from nothing",
                        "--resume keeps those that still hold, --force drops them, another -o leaves them alone", err);
}

enum qb_status qb_run_guard_unselected(struct qb_run *run, struct qb_error *err)
{
    const struct qb_old_cell *first = NULL;
    size_t count = 0;
    if (!run->options->resume || run->options->force || !run->options->only)
        return QB_OK;
    for (size_t j = 0; j < run->old_count; j++) {
        const struct qb_old_cell *old = &run->old[j];
        size_t i = place_of(run, old);
        if (i == QB_PLAN_NONE || run->plan.cells[i].selected)
            continue;
        if (!run->cells[i].key[0]) { /* whether it still holds is known once its model is loaded */
            if (qb_run_load(run, run->plan.cells[i].model, err))
                return err->status;
            qb_run_unload(run);
        }
        if (!qb_run_holds(run, i, old)) {
            first = first ? first : old;
            count += !run->cells[i].taken;
        }
    }
    return count ? refuse(run, count, first,
                          "--only leaves them out, and their model, inputs, options, variant or the program changed",
                          "run them too, --force drops them, another -o leaves them alone", err)
                 : QB_OK;
}

/* Old cells by what became of them; *first of those without an outcome. */
static size_t count_lost(const struct qb_run *run, size_t *again, const struct qb_old_cell **first)
{
    size_t lost = 0;
    *again = 0;
    for (size_t j = 0; j < run->old_count; j++) {
        size_t i = place_of(run, &run->old[j]);
        const struct qb_run_cell *cell = i == QB_PLAN_NONE ? NULL : &run->cells[i];
        if (!cell)
            continue;                                                  /* qb_run_guard asked about these */
        bool measured = cell->stage == QB_STAGE_ENDED && cell->key[0]; /* without a key nothing could be tried */
        *again += measured && !cell->taken && cell->outcome.state == QB_CELL_DONE;
        if (measured)
            continue;
        *first = *first ? *first : &run->old[j];
        lost++;
    }
    return lost;
}

enum qb_status qb_run_settle_old(struct qb_run *run, bool *keep_old_file, struct qb_error *err)
{
    const struct qb_old_cell *first = NULL;
    size_t again = 0, lost = run->options->resume ? count_lost(run, &again, &first) : 0;
    note_aside(run);
    *keep_old_file = lost && run->interrupted;
    if (*keep_old_file)
        qb_run_note(run, QB_RUN_NOTE,
                    "%s is as it was: %zu of its finished cells were not reached yet; what finished now is kept in %s",
                    run->options->output, lost, run->folder);
    else if (lost && !run->options->force)
        return refuse(run, lost, first, "neither its model nor its inputs could be had",
                      "the file is as it was; mend that and --resume, or --force", err);
    else if (lost)
        qb_run_note(run, QB_RUN_NOTE, "%zu finished cells are dropped (--force)", lost);
    if (again)
        qb_run_note(run, QB_RUN_NOTE,
                    "%zu finished cell%s ran again: the model, inputs, options, variant or the program changed", again,
                    again == 1 ? "" : "s");
    return QB_OK;
}
