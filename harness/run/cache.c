#include "run/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "run/shards.h"

/* By access time, which is told here and not left to the file system: the time of change stays that of measuring. */
static void touch(const char *path)
{
    const struct timespec times[] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    utimensat(AT_FDCWD, path, times, 0);
}

bool qb_cache_get(const struct qb_cache *cache, const char *key, const char *path)
{
    char entry[QB_SHARD_PATH];
    struct qb_error ignored = {0};
    struct stat info;
    if (!cache->folder)
        return false;
    qb_shard_path(cache->folder, key, entry);
    if (stat(entry, &info) || !S_ISREG(info.st_mode)) {
        unlink(entry); /* a link to nothing would keep its place for ever, a pipe its reader */
        return false;
    }
    unlink(path);
    if (link(entry, path) && qb_file_copy(entry, path, &ignored))
        return false;
    touch(entry);
    return true;
}

enum qb_status qb_cache_put(const struct qb_cache *cache, const char *key, const char *path, struct qb_error *err)
{
    char entry[QB_SHARD_PATH];
    if (!cache->folder || qb_file_mkdirs(cache->folder, err))
        return err->status;
    qb_shard_path(cache->folder, key, entry);
    if (link(path, entry) && errno != EEXIST && qb_file_copy(path, entry, err))
        return err->status;
    touch(entry);
    qb_cache_trim(cache);
    return QB_OK;
}

void qb_cache_drop(const struct qb_cache *cache, const char *key)
{
    char entry[QB_SHARD_PATH];
    qb_shard_path(cache->folder, key, entry);
    unlink(entry);
}

struct entry {
    char name[QB_HASH_HEX + 3];
    uint64_t size;
    struct timespec used;
    bool at_work; /* a run holds a link of it */
};

static int oldest_first(const void *a, const void *b)
{
    const struct timespec *x = &((const struct entry *)a)->used, *y = &((const struct entry *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* The entries, for qb_free; what a killed copy left long ago goes. */
static struct entry *list(int folder, DIR *dir, size_t *count)
{
    struct entry *entries = NULL;
    struct qb_error ignored = {0};
    struct stat info;
    for (struct dirent *d; (d = readdir(dir));) {
        if (fstatat(folder, d->d_name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode))
            continue;
        if (qb_shard_ours(d->d_name) && !qb_shard_name(d->d_name) && info.st_mtime < time(NULL) - 3600)
            unlinkat(folder, d->d_name, 0);
        if (!qb_shard_name(d->d_name) || !qb_shard_inside(folder, d->d_name))
            continue;
        struct entry *grown = qb_grow(entries, *count + 1, sizeof *entries, "cache entries", &ignored);
        if (!grown)
            break;
        entries = grown;
        struct entry *e = &entries[(*count)++];
        *e = (struct entry){.size = (uint64_t)info.st_size, .used = info.st_atim, .at_work = info.st_nlink > 1};
        memcpy(e->name, d->d_name, sizeof e->name);
    }
    return entries;
}

void qb_cache_trim(const struct qb_cache *cache)
{
    DIR *dir = cache->folder ? opendir(cache->folder) : NULL;
    if (!dir)
        return;
    size_t count = 0;
    struct entry *entries = list(dirfd(dir), dir, &count);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += entries[i].size;
    if (count)
        qsort(entries, count, sizeof *entries, oldest_first);
    for (size_t i = 0; i < count && bytes > cache->most; i++)
        if (!entries[i].at_work && unlinkat(dirfd(dir), entries[i].name, 0) == 0)
            bytes -= entries[i].size;
    qb_free(entries);
    closedir(dir);
}
