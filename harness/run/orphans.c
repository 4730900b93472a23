#include "run/orphans.h"

#include <dirent.h>
#include <errno.h>
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

/* One look at all processes; were there orphans? */
static bool end_once(bool (*ours)(const void *, pid_t), const void *context)
{
    bool found = false;
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 1 || parent_of(pid) != getpid() || ours(context, pid))
            continue;
        found = true;
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (dir)
        closedir(dir);
    return found;
}

void qb_orphans_end(bool (*ours)(const void *context, pid_t pid), const void *context)
{
    for (int round = 0; round < ROUNDS && end_once(ours, context); round++)
        ;
}
