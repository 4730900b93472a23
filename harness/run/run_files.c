/* The lock, the folder of shards, and which cells are finished already. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "run/run_state.h"

static void lock_path(const struct qb_run *run, char out[4200])
{
    snprintf(out, 4200, "%s.lock", run->options->output);
}

enum qb_status qb_run_lock(struct qb_run *run, struct qb_error *err)
{
    char path[4200], folder[4200];
    lock_path(run, path);
    snprintf(folder, sizeof folder, "%s", run->options->output);
    char *slash = strrchr(folder, '/');
    if (slash && slash != folder) {
        *slash = '\0';
        if (qb_file_mkdirs(folder, err))
            return err->status;
    }
    for (;;) {
        struct stat held, there;
        run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (run->lock < 0)
            return qb_fail(err, QB_ERR_IO, "%s: cannot make the lock file: %s", path, strerror(errno));
        if (flock(run->lock, LOCK_EX | LOCK_NB)) {
            int cause = errno;
            close(run->lock);
            run->lock = -1;
            return cause == EWOULDBLOCK ? qb_fail(err, QB_ERR_INPUT,
                                                  "%s is being written by another run (lock %s); wait for it or "
                                                  "choose another -o",
                                                  run->options->output, path)
                                        : qb_fail(err, QB_ERR_IO, "%s: cannot lock: %s", path, strerror(cause));
        }
        /* The run before may have removed the file between our open and our lock: then the lock guards nothing. */
        if (fstat(run->lock, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino)
            return QB_OK;
        close(run->lock);
    }
}

void qb_run_unlock(struct qb_run *run)
{
    char path[4200];
    if (run->lock < 0)
        return;
    lock_path(run, path);
    unlink(path);
    close(run->lock);
    run->lock = -1;
}

void qb_run_shard_path(const struct qb_run *run, const char *key, char out[4200])
{
    snprintf(out, 4200, "%s/%s.h5", run->folder, key);
}

bool qb_run_shard_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == QB_HASH_HEX - 1 && strcmp(name + QB_HASH_HEX - 1, ".h5") == 0;
}

/* Removes the folder's files: temporary ones that killed workers left, and with `all` the shards but those that are
 * kept aside (run_keep.c). The folder is this program's own; sub-folders in it are not touched. */
static void sweep(const struct qb_run *run, bool all)
{
    DIR *dir = opendir(run->folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!qb_run_shard_name(entry->d_name) || (all && !qb_run_aside(run, entry->d_name)))
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}

/* A file that is no result file is not ours to replace: `-o` may have been mistyped. A result file that is cut off or
 * damaged still starts like one. */
static enum qb_status check_output(const char *path, struct qb_error *err)
{
    static const char start[] = "qinsbench file;"; /* store/image.c */
    char head[sizeof start - 1];
    struct stat info;
    if (stat(path, &info))
        return QB_OK;
    if (!S_ISREG(info.st_mode))
        return qb_fail(err, QB_ERR_INPUT, "-o %s: expected a file, it is something else", path);
    FILE *file = fopen(path, "rbe");
    size_t n = file ? fread(head, 1, sizeof head, file) : 0;
    if (file)
        fclose(file);
    if (info.st_size > 0 && (n != sizeof head || memcmp(head, start, sizeof head) != 0))
        return qb_fail(err, QB_ERR_INPUT, "-o %s: the file is there and is no result file; it is left alone", path);
    return QB_OK;
}

enum qb_status qb_run_prepare(struct qb_run *run, struct qb_error *err)
{
    struct qb_text folder = {0};
    qb_text_add(&folder, "%s.shards", run->options->output);
    run->folder = folder.failed ? NULL : qb_strdup(folder.data, err);
    qb_text_free(&folder);
    if (!run->folder)
        return err->status ? err->status : qb_fail(err, QB_ERR_MEMORY, "no memory for a path");
    if (check_output(run->options->output, err) || qb_run_read_old(run, err) || qb_run_guard(run, err) ||
        qb_file_mkdirs(run->folder, err))
        return err->status;
    sweep(run, !run->options->resume);
    return QB_OK;
}

static bool take_shard(const struct qb_run *run, size_t i)
{
    char path[4200];
    struct qb_cell cell = {0};
    struct qb_error cause = {0};
    qb_run_shard_path(run, run->cells[i].key, path);
    if (!qb_file_exists(path) || qb_shard_read(path, false, &cell, &cause))
        return false;
    bool fits = cell.state == QB_CELL_DONE && strcmp(cell.key, run->cells[i].key) == 0 &&
                qb_run_same_place(run, i, cell.model, cell.variant, cell.experiment);
    qb_cell_free(&cell);
    return fits;
}

void qb_run_take(struct qb_run *run, size_t i)
{
    struct qb_run_cell *cell = &run->cells[i];
    cell->old_index = QB_PLAN_NONE;
    bool found = take_shard(run, i);
    for (size_t j = 0; j < run->old_count && !found; j++)
        if (run->old[j].index != QB_PLAN_NONE && qb_run_holds(run, i, &run->old[j])) {
            cell->old_index = run->old[j].index;
            found = true;
        }
    if (!found)
        return;
    cell->stage = QB_STAGE_ENDED;
    cell->outcome.state = QB_CELL_DONE;
    cell->taken = true;
}

void qb_run_clean(struct qb_run *run)
{
    sweep(run, true);
    rmdir(run->folder);
}
