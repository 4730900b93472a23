#include "base/temp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/path.h"

enum { SLOTS = 16, QUIET_S = 3600 };

static struct slot {
    atomic_long owner; /* process id; 0: free, -1: being filled */
    char name[PATH_MAX];
} slots[SLOTS];

/* Without a free slot a name is not noted: then a signal leaves that file, nothing else. */
static void note(const char *temp)
{
    for (size_t i = 0; i < SLOTS; i++) {
        long none = 0;
        if (!atomic_compare_exchange_strong(&slots[i].owner, &none, -1))
            continue;
        snprintf(slots[i].name, sizeof slots[i].name, "%s", temp);
        atomic_store(&slots[i].owner, (long)getpid());
        return;
    }
}

enum qb_status qb_temp_begin(const char *path, char temp[PATH_MAX], struct qb_error *err)
{
    static atomic_uint serial;
    char target[PATH_MAX];
    if (qb_path_target(path, target, err))
        return err->status;
    int length = snprintf(temp, PATH_MAX, "%s.%ld-%u.tmp", target, (long)getpid(), atomic_fetch_add(&serial, 1));
    if (length < 0 || length >= PATH_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%s: path too long", path);
    note(temp);
    return QB_OK;
}

void qb_temp_done(const char *temp)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (atomic_load(&slots[i].owner) == (long)getpid() && strcmp(slots[i].name, temp) == 0)
            atomic_store(&slots[i].owner, 0);
}

void qb_temp_remove_all(void)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (atomic_load(&slots[i].owner) == (long)getpid())
            unlink(slots[i].name);
}

/* Is `name` "BASE.PID-N.tmp" of a process that is no more? */
static bool is_orphan(const char *name, const char *base)
{
    size_t n = strlen(base);
    char *end = NULL;
    if (strncmp(name, base, n) != 0 || name[n] != '.' || name[n + 1] < '1' || name[n + 1] > '9')
        return false;
    errno = 0;
    long pid = strtol(name + n + 1, &end, 10);
    const size_t digits = *end == '-' ? strspn(end + 1, "0123456789") : 0;
    end += digits ? 1 + digits : 0;
    return digits && errno == 0 && pid <= INT_MAX && strcmp(end, ".tmp") == 0 && kill((pid_t)pid, 0) != 0 &&
           errno == ESRCH;
}

void qb_temp_sweep(const char *path)
{
    char folder[PATH_MAX], target[PATH_MAX];
    struct qb_error ignored = {0};
    path = qb_path_target(path, target, &ignored) ? path : target;
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    struct stat info;
    qb_path_folder(path, folder);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (is_orphan(entry->d_name, base) && fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode) && info.st_mtime < time(NULL) - QUIET_S)
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}
