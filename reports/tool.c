#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_NO_TOOL = 127, EXIT_NO_FOLDER = 126 };

static void child(const char *folder, const char *const *argv, int out)
{
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir(folder) != 0)
        _exit(EXIT_NO_FOLDER);
    execvp(argv[0], (char *const *)argv);
    _exit(EXIT_NO_TOOL);
}

/* Keeps the last bytes: what a program ends with says why it failed. Reads on, so that the writer never blocks. */
static void read_all(int from, char *said, size_t room)
{
    char buffer[4096];
    size_t have = 0;
    ssize_t n;
    while ((n = read(from, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        size_t got = (size_t)n < room - 1 ? (size_t)n : room - 1;
        size_t keep = have + got < room ? have : room - 1 - got;
        memmove(said, said + have - keep, keep);
        memcpy(said + keep, buffer + (size_t)n - got, got);
        have = keep + got;
    }
    while (have && (said[have - 1] == '\n' || said[have - 1] == ' '))
        have--;
    said[have] = '\0';
}

int qb_tool_run(const char *folder, const char *const *argv, char *said, size_t room, struct qb_error *err)
{
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        qb_fail(err, QB_ERR_IO, "%s: pipe: %s", argv[0], strerror(errno));
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0)
        child(folder, argv, ends[1]);
    close(ends[1]);
    if (pid < 0)
        qb_fail(err, QB_ERR_IO, "%s: fork: %s", argv[0], strerror(errno));
    else
        read_all(ends[0], said, room);
    close(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            pid = -1;
    if (pid < 0)
        return err->status ? -1 : (qb_fail(err, QB_ERR_IO, "%s: wait: %s", argv[0], strerror(errno)), -1);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_TOOL) {
        qb_fail(err, QB_ERR_INPUT, "%s is not installed", argv[0]);
        return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
