/* gnuplot processes, started without a shell; what one says on stderr becomes the error. */
#include "figure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_NO_GNUPLOT = 127, EXIT_NO_FOLDER = 126 };

static void child(const char *folder, const char *file, int out)
{
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(EXIT_NO_FOLDER);
    if (chdir(folder) != 0)
        _exit(EXIT_NO_FOLDER);
    execlp("gnuplot", "gnuplot", file, (char *)NULL);
    _exit(EXIT_NO_GNUPLOT);
}

/* The first bytes of what comes, the rest read and dropped, so that the writer never blocks. */
static void read_all(int from, char *said, size_t room)
{
    char buffer[4096];
    size_t have = 0;
    ssize_t n;
    while ((n = read(from, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        size_t keep = (size_t)n < room - 1 - have ? (size_t)n : room - 1 - have;
        memcpy(said + have, buffer, keep);
        have += keep;
    }
    while (have && (said[have - 1] == '\n' || said[have - 1] == ' '))
        have--;
    said[have] = '\0';
}

enum qb_status qb_gnuplot_start(struct qb_gnuplot *run, const char *folder, const char *file, struct qb_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return qb_fail(err, QB_ERR_IO, "gnuplot: pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        child(folder, file, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return qb_fail(err, QB_ERR_IO, "gnuplot: fork: %s", strerror(errno));
    }
    *run = (struct qb_gnuplot){.pid = (int)pid, .said = ends[0]};
    return QB_OK;
}

enum qb_status qb_gnuplot_finish(struct qb_gnuplot *run, const char *folder, const char *file, struct qb_error *err)
{
    char said[600];
    int status;
    read_all(run->said, said, sizeof said);
    close(run->said);
    while (waitpid((pid_t)run->pid, &status, 0) < 0)
        if (errno != EINTR)
            return qb_fail(err, QB_ERR_IO, "gnuplot: wait: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_GNUPLOT)
        return qb_fail(err, QB_ERR_IO,
                       "gnuplot is not installed (Debian: apt-get install gnuplot-nox); the data and "
                       "scripts are in %s",
                       folder);
    if (WIFSIGNALED(status))
        return qb_fail(err, QB_ERR_IO, "gnuplot %s/%s ended by signal %d: %s", folder, file, WTERMSIG(status), said);
    if (WEXITSTATUS(status) != 0)
        return qb_fail(err, QB_ERR_IO, "gnuplot %s/%s failed with exit code %d: %s", folder, file, WEXITSTATUS(status),
                       said);
    return QB_OK;
}
