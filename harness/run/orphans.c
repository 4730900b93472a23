#include "run/orphans.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 100 }; /* a plugin that forks faster than this kills is left alone */

/* The parent of a process, from "PID (NAME) STATE PARENT ..."; 0: there is none. */
static pid_t parent_of(pid_t pid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    line[fread(line, 1, sizeof line - 1, file)] = '\0';
    fclose(file);
    const char *name_end = strrchr(line, ')'); /* a name may have brackets, too */
    return name_end && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10) : 0;
}

/* Kills every process that is `due`, in one look at all of them; was there one? */
static bool end_due(bool (*due)(const void *context, pid_t pid), const void *context)
{
    bool found = false;
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 1 || pid == getpid() || !due(context, pid))
            continue;
        found = kill(pid, SIGKILL) == 0 || found;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) /* where it is a child of ours */
            ;
    }
    if (dir)
        closedir(dir);
    return found;
}

/* ---- where the run lives ---- */

struct family {
    bool (*ours)(const void *context, pid_t pid);
    const void *context;
};

static bool is_orphan(const void *context, pid_t pid)
{
    const struct family *family = context;
    return parent_of(pid) == getpid() && !family->ours(family->context, pid);
}

void qb_orphans_end(bool (*ours)(const void *context, pid_t pid), const void *context)
{
    const struct family family = {ours, context};
    for (int round = 0; round < ROUNDS && end_due(is_orphan, &family); round++)
        ;
}

/* ---- where it was killed ---- */

struct marked {
    pid_t run; /* lives where it could not say that it ends */
    char mark[64];
};

/* Was the process, which is not the run, started with the run's mark in its environment, or forked from one that was?
 */
static bool has_mark(const void *context, pid_t pid)
{
    const struct marked *marked = context;
    char path[64], *entry = NULL;
    size_t room = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
    FILE *file = pid == marked->run ? NULL : fopen(path, "re");
    while (file && !found && getdelim(&entry, &room, '\0', file) > 0)
        found = strcmp(entry, marked->mark) == 0;
    if (file)
        fclose(file);
    free(entry);
    return found;
}

/* Outside the run's session, so that what ends all of that leaves it. A byte says that the run ends by itself. */
static _Noreturn void watch_over(pid_t run, int end)
{
    struct marked marked = {.run = run};
    char byte;
    snprintf(marked.mark, sizeof marked.mark, "QINSBENCH_STARTED=%ld", (long)run);
    setsid();
    if (dup2(end, 0) < 0)
        _exit(1);
    close_range(1, ~0u, 0); /* its copy of the other end, too */
    for (int s = 1; s <= SIGTERM; s++)
        signal(s, SIG_IGN);
    ssize_t n;
    while ((n = read(0, &byte, 1)) < 0 && errno == EINTR)
        ;
    for (int round = 0; n == 0 && round < ROUNDS && end_due(has_mark, &marked); round++)
        usleep(1000); /* a process that was killed is gone from /proc, or has no environment there, soon */
    _exit(0);
}

enum qb_status qb_orphans_watch(int *watch, struct qb_error *err)
{
    const pid_t run = getpid();
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return qb_fail(err, QB_ERR_IO, "cannot make a pipe: %s", strerror(errno));
    const pid_t between = fork(); /* the one that watches is no child of the run */
    if (between == 0) {
        if (fork() == 0)
            watch_over(run, ends[0]);
        _exit(0);
    }
    while (between > 0 && waitpid(between, NULL, 0) < 0 && errno == EINTR)
        ;
    close(ends[0]);
    *watch = ends[1];
    return between < 0 ? qb_fail(err, QB_ERR_IO, "cannot start a process: %s", strerror(errno)) : QB_OK;
}

void qb_orphans_unwatch(int watch)
{
    if (watch < 0)
        return;
    const ssize_t told = write(watch, "e", 1);
    (void)told; /* if not, it ends what is left, which is nothing */
    close(watch);
}
