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
    size_t begin = 0;
    while (begin < have && ((unsigned char)said[begin] & 0xC0) == 0x80) /* the rest of a character that was dropped */
        begin++;
    memmove(said, said + begin, have - begin);
    said[have - begin] = '\0';
}

enum qb_status qb_tool_start(struct qb_tool *tool, const char *folder, const char *const *argv, struct qb_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return qb_fail(err, QB_ERR_IO, "%s: pipe: %s", argv[0], strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        child(folder, argv, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        qb_fail(err, QB_ERR_IO, "%s: fork: %s", argv[0], strerror(errno));
        close(ends[0]);
        return err->status;
    }
    *tool = (struct qb_tool){.name = argv[0], .pid = (int)pid, .said = ends[0]};
    return QB_OK;
}

enum qb_status qb_tool_finish(struct qb_tool *tool, char *said, size_t room, int *status, struct qb_error *err)
{
    read_all(tool->said, said, room);
    close(tool->said);
    while (waitpid((pid_t)tool->pid, status, 0) < 0)
        if (errno != EINTR)
            return qb_fail(err, QB_ERR_IO, "%s: wait: %s", tool->name, strerror(errno));
    if (WIFEXITED(*status) && WEXITSTATUS(*status) == EXIT_NO_TOOL)
        return qb_fail(err, QB_ERR_INPUT, "%s is not installed", tool->name);
    return QB_OK;
}

int qb_tool_run(const char *folder, const char *const *argv, char *said, size_t room, struct qb_error *err)
{
    struct qb_tool tool;
    int status;
    if (qb_tool_start(&tool, folder, argv, err) || qb_tool_finish(&tool, said, room, &status, err))
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
