#include "run/shards.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "store/store.h"

static void lock_path(const struct qb_shards *shards, char out[QB_SHARD_PATH])
{
    snprintf(out, QB_SHARD_PATH, "%s.lock", shards->output);
}

static enum qb_status lock(struct qb_shards *shards, struct qb_error *err)
{
    char path[QB_SHARD_PATH];
    lock_path(shards, path);
    for (;;) {
        struct stat held, there;
        shards->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (shards->lock < 0)
            return qb_fail(err, QB_ERR_IO, "%s: cannot make the lock file: %s", path, strerror(errno));
        if (fstat(shards->lock, &held) == 0 && held.st_size > 0) {
            close(shards->lock);
            shards->lock = -1;
            return qb_fail(err, QB_ERR_INPUT, "%s: is there and no lock, which is an empty file; it is left alone",
                           path);
        }
        if (flock(shards->lock, LOCK_EX | LOCK_NB)) {
            int cause = errno;
            close(shards->lock);
            shards->lock = -1;
            return cause == EWOULDBLOCK ? qb_fail(err, QB_ERR_INPUT,
                                                  "%s is being written by another run (lock %s); wait for it or "
                                                  "choose another -o",
                                                  shards->output, path)
                                        : qb_fail(err, QB_ERR_IO, "%s: cannot lock: %s", path, strerror(cause));
        }
        /* The run before may have removed the file between our open and our lock: then the lock guards nothing. */
        if (fstat(shards->lock, &held) == 0 && stat(path, &there) == 0 && qb_path_same(&held, &there))
            return QB_OK;
        close(shards->lock);
    }
}

static enum qb_status make_output_folder(const char *output, struct qb_error *err)
{
    char folder[PATH_MAX];
    qb_path_folder(output, folder);
    return qb_file_mkdirs(folder, err);
}

/* Shards are removed from the folder: it is not to be one that a link leads to. */
static enum qb_status check_folder(const char *folder, struct qb_error *err)
{
    struct stat info;
    if (lstat(folder, &info) == 0 && !S_ISDIR(info.st_mode))
        return qb_fail(err, QB_ERR_INPUT, "%s: expected the folder of the run's finished cells, or nothing: it is %s",
                       folder, S_ISLNK(info.st_mode) ? "a symbolic link" : "something else");
    return QB_OK;
}

enum qb_status qb_shards_open(struct qb_shards *shards, const char *output, struct qb_error *err)
{
    struct qb_text folder = {0};
    struct stat info;
    *shards = (struct qb_shards){.lock = -1};
    if (qb_path_target(output, shards->output, err))
        return err->status;
    output = shards->output;
    qb_text_add(&folder, "%s.shards", output);
    if (folder.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a path");
    else
        shards->folder = qb_strdup(folder.data, err);
    qb_text_free(&folder);
    if (!shards->folder || check_folder(shards->folder, err) || make_output_folder(output, err) || lock(shards, err))
        return err->status;
    if (stat(output, &info) == 0 && !S_ISREG(info.st_mode))
        return qb_fail(err, QB_ERR_INPUT, "-o %s: expected a file, it is something else", output);
    return qb_file_same_kind("-o", output, 0, QB_FILE_START, "result file", err);
}

void qb_shards_close(struct qb_shards *shards)
{
    char path[QB_SHARD_PATH];
    if (shards->lock >= 0) {
        rmdir(shards->folder);
        lock_path(shards, path);
        unlink(path);
        close(shards->lock);
    }
    qb_free(shards->folder);
}

void qb_shard_path(const char *folder, const char *key, char out[QB_SHARD_PATH])
{
    snprintf(out, QB_SHARD_PATH, "%s/%s.h5", folder, key);
}

bool qb_shard_ours(const char *name)
{
    return strspn(name, "0123456789abcdef") == QB_HASH_HEX - 1 && strncmp(name + QB_HASH_HEX - 1, ".h5", 3) == 0;
}

bool qb_shard_name(const char *name)
{
    return qb_shard_ours(name) && !name[QB_HASH_HEX - 1 + 3];
}

bool qb_shard_inside(int folder, const char *name)
{
    return qb_file_has(folder, name, 0, QB_FILE_START);
}

void qb_part_path(const char *folder, const char *key, size_t first, char out[QB_SHARD_PATH])
{
    snprintf(out, QB_SHARD_PATH, "%s/%s.%zu.part", folder, key, first);
}

/* Behind what begins as the name of a part does, or NULL. Rows are written as printf does: one name a part. */
static const char *part_end(const char *name, size_t *first)
{
    const char *digits = name + QB_HASH_HEX;
    size_t value = 0;
    if (strspn(name, "0123456789abcdef") != QB_HASH_HEX - 1 || name[QB_HASH_HEX - 1] != '.' ||
        (digits[0] == '0' && digits[1] != '.'))
        return NULL;
    const size_t length = strspn(digits, "0123456789");
    for (size_t i = 0; i < length; i++)
        if (__builtin_mul_overflow(value, (size_t)10, &value) ||
            __builtin_add_overflow(value, (size_t)(digits[i] - '0'), &value))
            return NULL;
    if (first)
        *first = value;
    return length && strncmp(digits + length, ".part", 5) == 0 ? digits + length + 5 : NULL;
}

bool qb_part_name(const char *name, size_t *first)
{
    const char *end = part_end(name, first);
    return end && !end[0];
}

size_t qb_shards_parts(const struct qb_shards *shards, bool (*due)(const void *context, const char *name),
                       const void *context)
{
    size_t count = 0;
    DIR *dir = opendir(shards->folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        count += qb_part_name(entry->d_name, NULL) && qb_shard_inside(dirfd(dir), entry->d_name) &&
                 due(context, entry->d_name);
    if (dir)
        closedir(dir);
    return count;
}

void qb_shards_sweep(const struct qb_shards *shards, bool all, bool (*keep)(const void *context, const char *name),
                     const void *context)
{
    DIR *dir = opendir(shards->folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat info;
        if ((!qb_shard_ours(entry->d_name) && !part_end(entry->d_name, NULL)) ||
            fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW))
            continue;
        const bool whole = qb_shard_name(entry->d_name) || qb_part_name(entry->d_name, NULL);
        if (!whole || !S_ISREG(info.st_mode) ||
            (all && !keep(context, entry->d_name) && (info.st_size == 0 || qb_shard_inside(dirfd(dir), entry->d_name))))
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
}
